import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, inject } from 'vitest';
import { launch } from '../../tools/browser';
import { READY, type World } from '../../tools/screens';

export interface Look {
  world?: World;
  /** Another page than the window. */
  path?: string;
  contrast?: 'more' | 'forced';
  messages?: number;
  people?: number;
  language?: 'en' | 'zh-CN';
  theme?: 'light' | 'dark';
  size?: { width: number; height: number };
}

/**
 * A browser for the tests of one file. Whatever a page complains of (an error, a refusal by the content security
 * policy) fails the test that opened it.
 */
export function useBrowser(): { open: (look?: Look) => Promise<Page> } {
  let browser: Browser;
  let pages: Page[] = [];
  let complaints: string[] = [];

  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());
  afterEach(async () => {
    await Promise.all(pages.map((page) => page.context().close()));
    pages = [];
    const seen = complaints;
    complaints = [];
    expect(seen).toEqual([]);
  });

  return {
    async open(look = {}) {
      const { path = '/', world = 'quiet', messages = 40, people = 12, language = 'en', theme = 'light' } = look;
      const options: BrowserContextOptions = {
        locale: language,
        colorScheme: theme,
        viewport: look.size ?? { width: 1200, height: 760 },
        reducedMotion: 'reduce',
        contrast: look.contrast === 'more' ? 'more' : 'no-preference',
        forcedColors: look.contrast === 'forced' ? 'active' : 'none',
      };
      const page = await (await browser.newContext(options)).newPage();
      pages.push(page);
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('console', (line) => {
        if (line.type() === 'error') complaints.push(line.text());
      });
      await page.goto(`${inject('address')}${path}?world=${world}&messages=${messages}&people=${people}`);
      await page.locator(path === '/' ? READY[world] : '[data-testid=gallery]').first().waitFor({ state: 'attached' });
      return page;
    },
  };
}
