/** Letters that are written from right to left: Hebrew, Arabic and their neighbours. */
const FROM_THE_RIGHT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1eeff}]/u;

/** Keeps a name of the other direction from moving what stands beside it; all other text stays as it is. */
export function isolate(text: string): string {
  if (text.startsWith('\u2068') && text.endsWith('\u2069')) return text;
  return FROM_THE_RIGHT.test(text) ? `\u2068${text}\u2069` : text;
}
