import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { launch } from './browser';
import { READY, SCREENS, sizeOf, WIDTHS, type Screen } from './screens';
import { serve } from './serve';

type Look = { theme: 'light' | 'dark'; language: 'en' | 'zh-CN'; contrast?: 'more' | 'forced' };

/** What the README shows. */
const SHOWN: { file: string; screen: string; width: number; look: Look }[] = [
  { file: 'window.png', screen: 'tour', width: 1100, look: { theme: 'light', language: 'en' } },
  { file: 'window-dark.png', screen: 'tour', width: 1100, look: { theme: 'dark', language: 'zh-CN' } },
  { file: 'transfers.png', screen: 'tour-transfers', width: 960, look: { theme: 'dark', language: 'en' } },
  { file: 'narrow.png', screen: 'private-room', width: 360, look: { theme: 'light', language: 'zh-CN' } },
];

/** Tidier than the screens that are to find faults. */
const TOUR: Screen[] = [
  { name: 'tour', world: 'quiet', show: tour },
  { name: 'tour-transfers', world: 'quiet', show: tourTransfers },
];

/**
 * Draws the pictures in `docs/`; with a folder as an argument, and words that choose among the names, every screen at
 * every size in all looks into that folder, to be looked at.
 */
export default async function pictures([folder, ...words]: string[]) {
  const served = await serve('.');
  const browser = await launch();
  try {
    if (folder === undefined) await draw(browser, served.address);
    else await drawAll(browser, served.address, folder, words);
  } finally {
    await browser.close();
    await served.close();
  }
}

async function draw(browser: Browser, address: string) {
  for (const { file, screen, width, look } of SHOWN) {
    const found = [...TOUR, ...SCREENS].find(({ name }) => name === screen);
    if (!found) throw new Error(`there is no screen ${screen}`);
    await one(browser, address, found, width, look, join('../docs', file));
  }
}

async function drawAll(browser: Browser, address: string, folder: string, words: string[]) {
  await mkdir(folder, { recursive: true });
  const looks: Look[] = [
    { theme: 'light', language: 'en' },
    { theme: 'dark', language: 'en' },
    { theme: 'light', language: 'zh-CN' },
    { theme: 'dark', language: 'zh-CN' },
    { theme: 'light', language: 'en', contrast: 'more' },
    { theme: 'dark', language: 'en', contrast: 'more' },
    { theme: 'dark', language: 'en', contrast: 'forced' },
  ];
  for (const screen of SCREENS) {
    for (const width of WIDTHS) {
      for (const look of looks) {
        const name = [screen.name, width, look.theme, look.language, ...(look.contrast ? [look.contrast] : [])].join('-');
        if (words.length > 0 && !words.some((word) => name.includes(word))) continue;
        await one(browser, address, screen, width, look, join(folder, `${name}.png`)).catch((error: unknown) => console.error(name, String(error)));
      }
    }
  }
}

async function one(browser: Browser, address: string, screen: Screen, width: number, look: Look, path: string) {
  const context = await browser.newContext({
    locale: look.language,
    colorScheme: look.theme,
    viewport: sizeOf(width),
    reducedMotion: 'reduce',
    contrast: look.contrast === 'more' ? 'more' : 'no-preference',
    forcedColors: look.contrast === 'forced' ? 'active' : 'none',
  });
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(6_000);
    await page.goto(`${address}/?world=${screen.world}&messages=40&people=${screen.world === 'crowded' ? 1000 : 12}`);
    await page.locator(READY[screen.world]).first().waitFor({ state: 'attached' });
    await screen.show(page);
    // Lists set their rows in two frames.
    await page.evaluate(async () => {
      for (let frame = 0; frame < 4; frame += 1) await new Promise(requestAnimationFrame);
    });
    await page.screenshot({ path });
  } finally {
    await context.close();
  }
}

async function tour(page: Page) {
  await page.locator('[data-testid=room][data-name=design]').click();
  await page.getByTestId('offer').last().waitFor();
  await page.evaluate(() => window.lanyardFake.type('design', 'Bo'));
}

async function tourTransfers(page: Page) {
  await tour(page);
  await page.evaluate(async () => {
    const fake = window.lanyardFake;
    const sizes = [812_000_000, 4_700_000_000, 96_000_000, 23_000_000, 1_300_000_000];
    const names = ['recordings', 'backup.img', 'floor plan.dwg', '会议纪要.pdf', 'photos'];
    for (const [index, name] of names.entries()) {
      const { id } = fake.offered('ops', ['Bo', 'Ana', 'Fatima', '小美', 'Grace'][index]!, name, sizes[index]!, index === 0 ? 48 : 1);
      await fake.call({ method: 'accept', params: { transfer: id } });
      if (index < 2) fake.advance(id, 0.3 + index * 0.4);
    }
  });
  await page.getByTestId('transfers').click();
  await page.getByTestId('transfer').nth(4).waitFor();
}
