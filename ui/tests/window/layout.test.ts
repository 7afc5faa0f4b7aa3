import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { SCREENS, sizeOf } from '../../tools/screens';
import { useBrowser, type Look } from './browser';

const { open } = useBrowser();

/** Each width in another look: what does not fit does so in any theme, and words differ by language alone. */
const LOOKS: [number, Look][] = [
  [360, { theme: 'light', language: 'en' }],
  [640, { theme: 'dark', language: 'zh-CN' }],
  [900, { theme: 'light', language: 'en' }],
  [1600, { theme: 'dark', language: 'zh-CN' }],
];

describe.each(LOOKS)('%i px wide, %o', (width, look) => {
  test.each(SCREENS)('$name fits', async ({ world, show }) => {
    const page = await open({ ...look, world, people: world === 'crowded' ? 1000 : 12, size: sizeOf(width) });
    await show(page);
    expect(await misfits(page)).toEqual([]);
  });
});

test('a narrow window shows the conversation wherever it was opened from, and the list again on the way back', async () => {
  const page = await open({ size: sizeOf(360) });
  await page.getByTestId('search').click();
  await page.getByTestId('switcher-input').fill('design');
  await page.keyboard.press('Enter');
  await page.getByTestId('composer').waitFor();
  await page.getByTestId('back').click();
  await page.getByTestId('composer').waitFor({ state: 'hidden' });
  await page.getByTestId('search').click();
  await page.getByTestId('switcher-input').fill('design');
  await page.keyboard.press('Enter');
  await page.getByTestId('composer').waitFor();
});

test('who can read along is never cut short', async () => {
  const page = await open({ size: sizeOf(360), world: 'crowded', people: 40 });
  await page.locator('[data-testid=room][data-name=design]').click();
  const status = page.getByText('Anyone on this network can read this').first();
  expect(await status.evaluate((text) => text.scrollWidth <= text.clientWidth)).toBe(true);
});

test('beside the details the name of a room gives way last', async () => {
  const page = await open({ size: sizeOf(900) });
  await page.locator('[data-testid=room][data-name=board]').click();
  await page.getByTestId('details').click();
  const name = page.getByTestId('title').getByText('board');
  expect(await name.evaluate((text) => text.scrollWidth <= text.clientWidth)).toBe(true);
});

test('a name from right to left leaves what stands beside it where it was', async () => {
  const page = await open({ world: 'crowded', people: 40 });
  await page.locator('[data-testid=room][data-name=design]').click();
  const names = await page.locator('[data-testid=message] .name, [data-testid=room] .name').evaluateAll((all) =>
    all.filter((name) => !name.querySelector('bdi')).map((name) => name.textContent),
  );
  expect(names).toEqual([]);
  await page.evaluate(() => window.lanyardFake.type('design', 'דנה (אריזה)'));
  await page.getByText('\u2068דנה (אריזה)\u2069 is writing…').waitFor();
});

test('sections fold to what is open or unread, and stay so', async () => {
  const page = await open({ world: 'crowded', people: 1000 });
  await page.getByTestId('fold-rooms').click();
  await page.locator('[data-testid=room][data-name=lobby]').waitFor({ state: 'detached' });
  await page.locator('[data-testid=room][data-name=design]').waitFor();
  await page.reload();
  await page.locator('[data-testid=room][data-name=design]').waitFor();
  expect(await page.locator('[data-testid=room][data-name=lobby]').count()).toBe(0);
  await page.getByTestId('fold-rooms').click();
  await page.locator('[data-testid=room][data-name=lobby]').waitFor();
});

test('an engine that cannot start is said in full, and nobody is said to be missing', async () => {
  const page = await open({ world: 'broken', size: sizeOf(360) });
  await page.getByText('the disk is read-only', { exact: false }).waitFor();
  await page.getByText('close this window and open Lanyard again', { exact: false }).waitFor();
  expect(await page.getByText('Nobody else is here yet', { exact: false }).count()).toBe(0);
});

/** What reaches out of the window, scrolls sideways unasked, or is a label that is cut. */
function misfits(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const found: string[] = [];
    const nameOf = (element: Element) => `${element.tagName.toLowerCase()}.${element.getAttribute('class') ?? ''} ${(element.textContent ?? '').trim().slice(0, 40)}`;
    if (document.documentElement.scrollWidth > innerWidth) found.push(`the page is ${document.documentElement.scrollWidth} px wide`);
    for (const element of document.querySelectorAll<HTMLElement>('body *')) {
      if (element.closest('.visually-hidden') || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
      const { overflowX, whiteSpace, textOverflow } = getComputedStyle(element);
      const wider = element.scrollWidth > element.clientWidth + 1;
      // Code keeps its lines, and scrolls by itself.
      if (wider && (overflowX === 'auto' || overflowX === 'scroll') && whiteSpace !== 'pre') found.push(`scrolls sideways: ${nameOf(element)}`);
      if (wider && /\p{L}/u.test(element.textContent ?? '') && element.matches('button, label, h1, h2, h3, [role=tab]') && textOverflow !== 'ellipsis' && overflowX !== 'visible') found.push(`is cut: ${nameOf(element)}`);
      const box = element.getBoundingClientRect();
      if (element.matches('button, input, select, textarea, a') && (box.right > innerWidth + 1 || box.left < -1)) found.push(`is outside: ${nameOf(element)}`);
    }
    return found;
  });
}
