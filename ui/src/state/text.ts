/** A piece of a message: what it says and how. Peers' text is never more than these. */
export type Span =
  | { kind: 'text' | 'code' | 'block'; text: string }
  | { kind: 'link'; text: string; url: string }
  | { kind: 'bold' | 'italic' | 'strike'; spans: Span[] };

/** The subset of Markdown that messages know. What is not understood stays as it was written. */
export function spansOf(text: string): Span[] {
  const spans: Span[] = [];
  let rest = 0;
  for (const match of text.matchAll(FENCE)) {
    spans.push(...inline(text.slice(rest, match.index)));
    spans.push({ kind: 'block', text: match[1] ?? '' });
    rest = match.index + match[0].length;
  }
  spans.push(...inline(text.slice(rest)));
  return spans;
}

function inline(text: string): Span[] {
  const spans: Span[] = [];
  let rest = 0;
  for (const match of text.matchAll(INLINE)) {
    const span = spanOf(match);
    if (!span) continue;
    if (match.index > rest) spans.push({ kind: 'text', text: text.slice(rest, match.index) });
    spans.push(span.made);
    rest = match.index + span.length;
  }
  if (rest < text.length) spans.push({ kind: 'text', text: text.slice(rest) });
  return spans;
}

function spanOf(match: RegExpExecArray): { made: Span; length: number } | null {
  const { code, bold, strike, italic, link } = match.groups ?? {};
  const length = match[0].length;
  if (code !== undefined) return { made: { kind: 'code', text: code }, length };
  if (bold !== undefined) return { made: { kind: 'bold', spans: inline(bold) }, length };
  if (strike !== undefined) return { made: { kind: 'strike', spans: inline(strike) }, length };
  if (italic !== undefined) return { made: { kind: 'italic', spans: inline(italic) }, length };
  const url = link?.replace(TRAILING, '');
  if (!url || !isUrl(url)) return null;
  return { made: { kind: 'link', text: url, url }, length: url.length };
}

function isUrl(text: string): boolean {
  try {
    return new URL(text).host !== '';
  } catch {
    return false;
  }
}

const FENCE = /```(?:[\w+-]*\n)?([^]+?)\n?```\n?/g;
/** Emphasis is bounded, so that a text of a million openings without an end is still read quickly. */
const INLINE = new RegExp(
  [
    '`(?<code>[^`\\n]+)`',
    '\\*\\*(?=\\S)(?<bold>[^\\n]{1,1000}?)(?<=\\S)\\*\\*',
    '~~(?=\\S)(?<strike>[^~\\n]{1,1000}?)(?<=\\S)~~',
    '(?<![\\w*])\\*(?=[^\\s*])(?<italic>[^*\\n]{1,1000}?)(?<=\\S)\\*(?![\\w*])',
    '(?<link>https?://[^\\s<>"\'`，。；：！？）】」』、]+)',
  ].join('|'),
  'g',
);
const TRAILING = /[.,;:!?)\]}*~]+$/;
