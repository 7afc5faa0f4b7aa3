import type { EmojiData } from '../../emoji';

/** An emoji with its names in one language. */
export interface Emoji {
  emoji: string;
  name: string;
  group: number;
}

/** What is offered before anything was used. */
const USUAL = ['👍', '❤️', '😄', '🎉', '🙏', '👀'];
const RECENT = 'recent-emoji';
const KEPT = 16;

let loading: Promise<EmojiData> | undefined;

/** All emoji with their names; the list is large, so it is fetched when it is first wanted. */
export async function allEmoji(language: 'en' | 'zh-CN'): Promise<Emoji[]> {
  const list = await data();
  return list.map(([emoji, group, en, zh]) => ({ emoji, group, name: language === 'en' ? en[0]! : zh[0]! }));
}

/** Emoji with a name or a keyword, in any language, that has each of these words in it. */
export async function findEmoji(text: string, language: 'en' | 'zh-CN'): Promise<Emoji[]> {
  const words = text.toLocaleLowerCase().split(/\s+/).filter((word) => word !== '');
  const list = await data();
  return list
    .map((entry) => ({ entry, rank: rank(entry, words) }))
    .filter(({ rank }) => rank < Infinity)
    .sort((a, b) => a.rank - b.rank)
    .map(({ entry: [emoji, group, en, zh] }) => ({ emoji, group, name: language === 'en' ? en[0]! : zh[0]! }));
}

/** What was used last, and then what most people use. */
export function recentEmoji(): string[] {
  return [...new Set([...stored(), ...USUAL])];
}

export function usedEmoji(emoji: string): void {
  localStorage.setItem(RECENT, JSON.stringify([...new Set([emoji, ...stored()])].slice(0, KEPT)));
}

function data(): Promise<EmojiData> {
  loading ??= import('virtual:emoji').then(({ default: list }) => list);
  return loading;
}

/** Whole names before whole keywords before beginnings before the rest. */
function rank([, , en, zh]: EmojiData[number], words: string[]): number {
  const names = [...en, ...zh];
  if (!words.every((word) => names.some((name) => name.includes(word)))) return Infinity;
  const whole = words.join(' ');
  if (en[0] === whole || zh[0] === whole) return 0;
  if (names.includes(whole)) return 1;
  return en[0]!.startsWith(whole) || zh[0]!.startsWith(whole) ? 2 : 3;
}

function stored(): string[] {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(RECENT) ?? '[]');
    return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];
  } catch {
    return [];
  }
}
