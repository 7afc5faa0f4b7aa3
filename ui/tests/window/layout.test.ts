import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { SCREENS, sizeOf } from '../../tools/screens';
import { useBrowser, type Look } from './browser';

const { open } = useBrowser();

/**
 * Each width in one look: what does not fit does so in any theme, and words differ by language alone. What is shown at the first
 * is then drawn narrower, as somebody would with the window's edge.
 */
const LOOKS: { look: Look; widths: [number, number] }[] = [
  { look: { theme: 'light', language: 'en' }, widths: [900, 360] },
  { look: { theme: 'dark', language: 'zh-CN' }, widths: [1600, 640] },
];

describe.each(LOOKS)('$widths px wide, $look', ({ look, widths: [wide, narrow] }) => {
  test.each(SCREENS)('$name fits', async ({ world, show }) => {
    const page = await open({ ...look, world, people: world === 'crowded' ? 1000 : 12, size: sizeOf(wide) });
    await show(page);
    expect(await misfits(page), `${wide} px`).toEqual([]);
    await page.setViewportSize(sizeOf(narrow));
    await drawn(page);
    expect(await misfits(page), `${narrow} px`).toEqual([]);
  });
});

/** Opened where there is little room, some things take other ways: the list gives way, panels lie over it. */
test.each(SCREENS.filter(({ name }) => ['room', 'person', 'details', 'transfers', 'settings', 'call', 'switcher'].includes(name)))(
  '$name opens and fits at 360 px',
  async ({ world, show }) => {
    const page = await open({ language: 'zh-CN', theme: 'dark', world, people: world === 'crowded' ? 1000 : 12, size: sizeOf(360) });
    await show(page);
    expect(await misfits(page)).toEqual([]);
  },
);

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
  await page.getByTestId('offer').last().waitFor();
  const names = page.locator('[data-testid=message] .name, [data-testid=room] .name');
  expect(await names.count()).toBeGreaterThan(5);
  // A file's name has an ending of its own, and says with `dir` what `bdi` is by itself.
  expect(await names.filter({ hasNot: page.locator('bdi, [dir=auto]') }).allInnerTexts()).toEqual([]);
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

test('while the engine starts the window has its shape already', async () => {
  const page = await open({ world: 'starting' });
  await page.locator('.sidebar').getByTestId('skeleton').nth(1).waitFor();
  await page.locator('main').getByTestId('skeleton').waitFor();
  await page.getByRole('status').getByText('Starting…').waitFor({ state: 'attached' });
});

test('of a name without enough room the middle gives way, and the ending stays in view', async () => {
  const page = await open({ size: sizeOf(360) });
  await page.locator('[data-testid=room][data-name=ops]').click();
  const long = 'a very long name of a file that somebody really gave it (final, reviewed, 2nd version).docx';
  await page.evaluate((name) => void window.lanyardFake.offered('ops', 'Bo', name, 1_000), long);
  const name = page.getByTestId('offer-name').getByTestId('file-name');
  await name.waitFor();
  expect(await name.getAttribute('title')).toBe(long);
  expect(await name.locator('.visually-hidden').textContent()).toBe(long);
  expect(await name.locator('.end').innerText()).toBe('ion).docx');
  const [whole, end, card] = await Promise.all([name, name.locator('.end'), page.getByTestId('offer')].map((part) => part.boundingBox()));
  expect(end!.x + end!.width).toBeLessThanOrEqual(whole!.x + whole!.width + 1);
  expect(whole!.x + whole!.width).toBeLessThanOrEqual(card!.x + card!.width);
  expect(await name.locator('.start').evaluate((start) => start.scrollWidth > start.clientWidth)).toBe(true);
});

test('a text from right to left stands beside its author, however wide the window is', async () => {
  const page = await open({ size: sizeOf(1600) });
  await page.locator('[data-testid=room][data-name=ops]').click();
  await page.evaluate(() => void window.lanyardFake.hear('ops', 'Bo', 'مرحبا بالجميع'));
  const text = page.getByTestId('message-text').last();
  await text.getByText('مرحبا').waitFor();
  const [box, row] = await Promise.all([text.boundingBox(), page.getByTestId('message').last().boundingBox()]);
  expect(box!.x + box!.width - row!.x).toBeLessThan(300);
});

/** Until what follows a new size has been drawn: lists measure their rows in one frame and place them in the next. */
function drawn(page: Page): Promise<void> {
  return page.evaluate(async () => {
    for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
  });
}

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
