import { en, type Catalogue } from './en';
import { zhCN } from './zh-CN';

export const catalogues = { en, 'zh-CN': zhCN } satisfies Record<string, Catalogue>;

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
