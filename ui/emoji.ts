import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Plugin } from 'vite';

/** An emoji, its group, and its names and keywords in English and Chinese, the name first. */
export type EmojiData = [emoji: string, group: number, en: string[], zh: string[]][];

interface Listed {
  hexcode: string;
  emoji: string;
  label: string;
  tags?: string[];
  group?: number;
  order?: number;
  version: number;
}

/** Newer ones are empty boxes on many systems. */
const NEWEST = 15;
/** Skin tones and hair, which are parts of others. */
const COMPONENT = 2;

/** Makes the module `virtual:emoji` of what the window needs of Emojibase's lists, which is a tenth of them. */
export function emojiList(): Plugin {
  const id = 'virtual:emoji';
  return {
    name: 'lanyard-emoji',
    resolveId: (wanted) => (wanted === id ? `\0${id}` : undefined),
    load: (wanted) => (wanted === `\0${id}` ? `export default JSON.parse(${JSON.stringify(JSON.stringify(list()))})` : undefined),
  };
}

function list(): EmojiData {
  const require = createRequire(import.meta.url);
  const read = (language: string) =>
    JSON.parse(readFileSync(require.resolve(`emojibase-data/${language}/data.json`), 'utf8')) as Listed[];
  const chinese = new Map(read('zh').map((entry) => [entry.hexcode, entry]));
  return read('en')
    .filter(({ group, version }) => group !== undefined && group !== COMPONENT && version <= NEWEST)
    .sort((a, b) => (a.order ?? 0) - (b.order ?? 0))
    .map((entry) => [qualified(entry.emoji), entry.group ?? 0, names(entry), names(chinese.get(entry.hexcode) ?? entry)]);
}

/** As keyboards write it: the selector for a picture only where a text would be shown without it. */
function qualified(emoji: string): string {
  return emoji.replace(/(\p{Emoji_Presentation})\uFE0F/gu, '$1');
}

function names({ label, tags = [] }: Listed): string[] {
  return [...new Set([label, ...tags].map((name) => name.toLowerCase()))];
}
