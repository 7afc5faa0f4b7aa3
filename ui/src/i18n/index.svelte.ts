import { isolate } from './bidi';
import { en, type Catalogue } from './en';
import { zhCN } from './zh-CN';

export const catalogues = { en: isolating(en), 'zh-CN': isolating(zhCN) } satisfies Record<string, Catalogue>;

export type Locale = keyof typeof catalogues;

/** Each language in its own name, so that whoever needs it can read it. */
export const languageNames: Record<Locale, string> = { en: 'English', 'zh-CN': '简体中文' };

let current = $state<Locale>('en');

/** The texts in the language of now: a component that reads them follows when the language changes. */
export function t(): Catalogue {
  return catalogues[current];
}

export function locale(): Locale {
  return current;
}

export function setLocale(next: Locale): void {
  current = next;
}

export function systemLocale(preferred: readonly string[]): Locale {
  return preferred[0]?.toLowerCase().startsWith('zh') ? 'zh-CN' : 'en';
}

/** What is put into a sentence must not turn the sentence around: the texts themselves need not think of it. */
function isolating(catalogue: Catalogue): Catalogue {
  const whole: Record<string, unknown> = {};
  for (const [key, text] of Object.entries(catalogue)) {
    whole[key] = typeof text === 'function' ? (...values: unknown[]) => Reflect.apply(text, undefined, values.map(isolated)) : text;
  }
  return whole as Catalogue;
}

const isolated = (value: unknown) => (typeof value === 'string' ? isolate(value) : value);
