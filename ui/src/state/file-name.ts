/** The longest ending that is taken for one: `.tar.gz` and `.sketch` are, a sentence behind a dot is not. */
const ENDING = /(?:\.tar)?\.[^.\s]{1,8}$/u;
/** So much before the ending tells names apart that begin alike: `…march (2).pdf`. */
const BEFORE_ENDING = 4;
/** Of names without an ending the end says as much. */
const END = 8;

/** Written from right to left and joined up: a part of it set apart would stand on the wrong side, in other letters. */
const WHOLE = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/**
 * Where a name may be cut so that its ending is seen, whatever the width: the first part gives way, the second stays. A
 * name that is nothing but its end has no first part.
 */
export function cutName(name: string): [string, string] {
  const ending = ENDING.exec(name)?.[0] ?? '';
  if (WHOLE.test(name)) return [name.slice(0, name.length - ending.length), ending];
  const stem = [...graphemes.segment(name.slice(0, name.length - ending.length))].map(({ segment }) => segment);
  const kept = ending === '' ? END : BEFORE_ENDING;
  return stem.length <= kept + 2 ? [name, ''] : [stem.slice(0, -kept).join(''), stem.slice(-kept).join('') + ending];
}
