/** A piece of a message: what it says and how. Peers' text is never more than these. */
export type Span =
  | { kind: 'text' | 'code' | 'block'; text: string }
  | Link
  | { kind: 'mention'; text: string; me: boolean }
  | { kind: 'bold' | 'italic' | 'strike' | 'quote'; spans: Span[] }
  /** One line of a list, with what stands before it. */
  | { kind: 'item'; mark: string; spans: Span[] };

/** `host` is where it leads, where the text does not say just that; it deceives if the text says something else. */
export interface Link {
  kind: 'link';
  text: string;
  url: string;
  host?: string;
  deceives?: true;
}

/** Whom a text mentions: names as they are now, and which of them is oneself. */
export interface Mentioned {
  names: string[];
  me: string | null;
}

/** The subset of Markdown that messages know. What is not understood stays as it was written. */
export function spansOf(text: string, mentioned?: Mentioned): Span[] {
  const spans = markdown(text);
  return mentioned && mentioned.names.length > 0 ? mention(spans, mentioned) : spans;
}

/** What a text says without how it looks, for places where there is one line for it. */
export function plainOf(text: string): string {
  const plain = (spans: Span[]): string => spans.map((span) => ('spans' in span ? `${SEPARATED[span.kind]}${plain(span.spans)}` : span.text)).join('');
  return plain(markdown(text)).replace(/\s+/g, ' ').trim();
}

/** Puts a mark before and behind a part of a text, or takes it away where it stands; and what is selected then. */
export function emphasised(text: string, from: number, to: number, mark: string): { text: string; from: number; to: number } {
  const part = text.slice(from, to);
  const before = text.slice(0, from);
  const behind = text.slice(to);
  if (before.endsWith(mark) && behind.startsWith(mark) && !(mark === '*' && before.endsWith('**') && !before.endsWith('***'))) {
    const start = from - mark.length;
    return { text: `${before.slice(0, start)}${part}${behind.slice(mark.length)}`, from: start, to: start + part.length };
  }
  const start = from + mark.length;
  return { text: `${before}${mark}${part}${mark}${behind}`, from: start, to: start + part.length };
}

/** What the words of a search stand for in a text, in turn: not a hit, a hit, not a hit… */
export function marksOf(text: string, query: string): string[] {
  const words = query.split(/\s+/).filter((word) => word !== '');
  return words.length === 0 ? [text] : text.split(new RegExp(`(${anyOf(words)})`, 'giu'));
}

/** The part of a long text in which the first hit stands. */
export function excerpt(text: string, query: string, length: number): string {
  const first = marksOf(text, query)[0]?.length ?? 0;
  const start = first === text.length || first < length / 2 ? 0 : first - Math.floor(length / 4);
  const end = Math.min(text.length, start + length);
  return `${start > 0 ? '…' : ''}${text.slice(start, end)}${end < text.length ? '…' : ''}`;
}

function markdown(text: string): Span[] {
  const spans: Span[] = [];
  let rest = 0;
  for (const match of text.matchAll(FENCE)) {
    spans.push(...lines(text.slice(rest, match.index)));
    spans.push({ kind: 'block', text: match[1] ?? '' });
    rest = match.index + match[0].length;
  }
  spans.push(...lines(text.slice(rest)));
  return spans;
}

/** Quotes and lists are whole lines, and take the end of their last line with them. */
function lines(text: string): Span[] {
  const spans: Span[] = [];
  let rest = 0;
  for (const match of text.matchAll(LINES)) {
    spans.push(...inline(text.slice(rest, match.index)));
    const { quote, mark, item } = match.groups ?? {};
    if (quote !== undefined) spans.push({ kind: 'quote', spans: inline(quote.replace(/^> ?/gm, '').replace(/\n$/, '')) });
    else spans.push({ kind: 'item', mark: /^\d/.test(mark ?? '') ? (mark ?? '') : '•', spans: inline(item ?? '') });
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
  const { code, bold, strike, starred, lined, label, target, link } = match.groups ?? {};
  const italic = starred ?? lined;
  const length = match[0].length;
  if (code !== undefined) return { made: { kind: 'code', text: code }, length };
  if (bold !== undefined) return { made: { kind: 'bold', spans: inline(bold) }, length };
  if (strike !== undefined) return { made: { kind: 'strike', spans: inline(strike) }, length };
  if (italic !== undefined) return { made: { kind: 'italic', spans: inline(italic) }, length };
  if (label !== undefined && target !== undefined) {
    const made = linkOf(label, target);
    return made && { made, length };
  }
  const url = link?.replace(TRAILING, '');
  const made = url ? linkOf(url, url) : null;
  return made && { made, length: made.text.length };
}

/** A link with what has to be said about where it leads. What is shown and where it leads are both a stranger's words. */
function linkOf(text: string, target: string): Link | null {
  const url = parsed(target);
  if (!url || url.host === '') return null;
  const { host, protocol, username } = url;
  const bare = text === target;
  const named = bare ? [authorityOf(text)] : [...text.matchAll(HOST)].map(([name]) => name).filter((name) => !FILE.test(name));
  const elsewhere = !bare && named.some((name) => !isOf(url, name));
  // What stands before an @ looks like a host and is none, and letters of two scripts make names that look alike.
  const deceives = elsewhere || username !== '' || named.some((name) => LATIN.test(name) && LOOKALIKE.test(name));
  const shown = deceives || !bare || !text.toLowerCase().startsWith(`${protocol}//${host}`);
  return { kind: 'link', text, url: target, ...(shown ? { host } : {}), ...(deceives ? { deceives: true as const } : {}) };
}

const authorityOf = (url: string) => url.replace(/^https?:\/\//i, '').replace(/[/?#][^]*$/, '');

/** Whether a name that was written stands for the host of a link: itself, or what it is a part of. */
function isOf({ hostname }: URL, name: string): boolean {
  const said = parsed(`https://${name}`)?.hostname;
  return said !== undefined && (hostname === said || hostname.endsWith(`.${said}`));
}

function parsed(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

function mention(spans: Span[], { names, me }: Mentioned): Span[] {
  const pattern = new RegExp(`(@(?:${anyOf(names)})(?![A-Za-z0-9_]))`, 'gu');
  return spans.flatMap((span): Span[] => {
    if ('spans' in span) {
      return [{ ...span, spans: mention(span.spans, { names, me }) }];
    }
    if (span.kind !== 'text') return [span];
    return span.text
      .split(pattern)
      .map((text, index): Span => (index % 2 === 1 ? { kind: 'mention', text, me: text === `@${me}` } : { kind: 'text', text }))
      .filter(({ kind, ...rest }) => kind !== 'text' || ('text' in rest && rest.text !== ''));
  });
}

/** The longest first, so that a name is not taken for the beginning of another. */
function anyOf(words: string[]): string {
  return [...words]
    .sort((a, b) => b.length - a.length)
    .map((word) => word.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'))
    .join('|');
}

const FENCE = /```(?:[\w+-]*\n)?([^]+?)\n?```\n?/g;
const LINES = /^(?<quote>(?:>(?: .*)?(?:\n|$))+)|^(?<mark>-|\d{1,3}\.) (?<item>.*)(?:\n|$)/gm;
/** What stands on lines of its own stays a word of its own on one. */
const SEPARATED = { bold: '', italic: '', strike: '', quote: ' ', item: ' ' };
/** Emphasis is bounded, so that a text of a million openings without an end is still read quickly. */
const INLINE = new RegExp(
  [
    '`(?<code>[^`\\n]+)`',
    '\\*\\*(?=\\S)(?<bold>[^\\n]{1,1000}?)(?<=\\S)\\*\\*',
    '~~(?=\\S)(?<strike>[^~\\n]{1,1000}?)(?<=\\S)~~',
    '(?<![\\w*])\\*(?=[^\\s*])(?<starred>[^*\\n]{1,1000}?)(?<=\\S)\\*(?![\\w*])',
    // Within a word it is a part of its name: snake_case_words.
    '(?<![\\p{L}\\p{N}_])_(?=[^\\s_])(?<lined>[^_\\n]{1,1000}?)(?<=\\S)_(?![\\p{L}\\p{N}_])',
    '\\[(?<label>[^\\]\\n]{1,300})\\]\\((?<target>https?://[^\\s()<>"\'`]+)\\)',
    '(?<link>https?://[^\\s<>"\'`，。；：！？）】」』、]+)',
  ].join('|'),
  'gu',
);
/** What a person takes for a host, and what for a file. */
const HOST = /(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.)+\p{L}{2,}/gu;
const FILE = /\.(?:csv|docx?|exe|gif|gz|html?|jpe?g|json|log|mp[34]|msi|odt|pdf|png|pptx?|tar|tsv?|txt|webp|xlsx?|ya?ml)$/i;
const LATIN = /\p{Script=Latin}/u;
const LOOKALIKE = /[\p{Script=Cyrillic}\p{Script=Greek}]/u;
const TRAILING = /[.,;:!?)\]}*~]+$/;
