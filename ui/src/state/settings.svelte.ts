import { locale, setLocale, systemLocale, type Locale } from '../i18n/index.svelte';

export type ThemeChoice = 'system' | 'light' | 'dark';
export type LocaleChoice = 'system' | Locale;

/** How this window looks: kept in the window's own storage, since no other shell cares. */
export class Settings {
  theme = $state<ThemeChoice>(stored('theme', ['system', 'light', 'dark']));
  language = $state<LocaleChoice>(stored('language', ['system', 'en', 'zh-CN']));

  private readonly darkSystem = matchMedia('(prefers-color-scheme: dark)');
  private readonly moreContrast = matchMedia('(prefers-contrast: more)');

  constructor() {
    this.darkSystem.addEventListener('change', () => this.show());
    this.moreContrast.addEventListener('change', () => this.show());
    addEventListener('languagechange', () => this.show());
    this.show();
  }

  chooseTheme(theme: ThemeChoice): void {
    this.theme = theme;
    localStorage.setItem('theme', theme);
    this.show();
  }

  chooseLanguage(language: LocaleChoice): void {
    this.language = language;
    localStorage.setItem('language', language);
    this.show();
  }

  private show(): void {
    const dark = this.theme === 'system' ? this.darkSystem.matches : this.theme === 'dark';
    document.documentElement.dataset.theme = dark ? 'dark' : 'light';
    document.documentElement.dataset.contrast = this.moreContrast.matches ? 'more' : 'normal';
    setLocale(this.language === 'system' ? systemLocale(navigator.languages) : this.language);
    document.documentElement.lang = locale();
  }
}

function stored<T extends string>(key: string, allowed: [T, ...T[]]): T {
  const value = localStorage.getItem(key);
  return allowed.find((choice) => choice === value) ?? allowed[0];
}
