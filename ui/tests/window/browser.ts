import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, inject } from 'vitest';
import type { FakeBackend } from '../../src/ipc/fake';

declare global {
  interface Window {
    lanyardFake: FakeBackend;
  }
}

export interface Look {
  world?: 'quiet' | 'fresh' | 'lonely';
  messages?: number;
  people?: number;
  language?: 'en' | 'zh-CN';
  theme?: 'light' | 'dark';
  size?: { width: number; height: number };
}

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * A browser for the tests of one file. Whatever a page complains of (an error, a refusal by the content security
 * policy) fails the test that opened it.
 */
export function useBrowser(): { open: (look?: Look) => Promise<Page> } {
  let browser: Browser;
  let pages: Page[] = [];
  let complaints: string[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
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
      const { world = 'quiet', messages = 40, people = 12, language = 'en', theme = 'light' } = look;
      const options: BrowserContextOptions = {
        locale: language,
        colorScheme: theme,
        viewport: look.size ?? { width: 1200, height: 760 },
        reducedMotion: 'reduce',
      };
      const page = await (await browser.newContext(options)).newPage();
      pages.push(page);
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('console', (line) => {
        if (line.type() === 'error') complaints.push(line.text());
      });
      await page.goto(`${inject('address')}/?world=${world}&messages=${messages}&people=${people}`);
      await page.getByTestId('room').first().waitFor({ state: 'attached' });
      return page;
    },
  };
}
