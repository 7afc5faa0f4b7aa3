import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { useBrowser } from './browser';
import { saying, settled } from './page';

const { open } = useBrowser();

test('of a long history only what is visible is in the page, down to its first message', async () => {
  const page = await open({ messages: 1_000 });
  await openLobby(page);
  const rows = page.getByTestId('message');
  for (let turn = 0; !(await rows.filter({ hasText: /^.*Line 1 of the log/s }).count()); turn += 1) {
    expect(turn).toBeLessThan(40);
    const before = await fetched(page);
    // What is read stays in view when older messages come in: whoever wants to go on scrolls on.
    const further = async () => {
      await scrollTo(page, 0);
      return (await atBeginning(page)) ? Infinity : fetched(page);
    };
    await expect.poll(further, { timeout: 10_000 }).toBeGreaterThan(before);
    expect(await rows.count()).toBeLessThan(60);
  }
  await page.getByTestId('jump').click();
  await page.getByText('好的，我带茶。').waitFor();
  expect(await rows.count()).toBeLessThan(60);
});

test('of a stream of messages the page keeps the newest, and moves for nobody who reads', async () => {
  const page = await open({ messages: 100 });
  await openLobby(page);
  // At no moment that is drawn is the end out of sight.
  await page.evaluate(() => {
    const list = document.querySelector('[role=log]')!;
    const look = () => {
      list.setAttribute('data-furthest', String(Math.max(Number(list.getAttribute('data-furthest')), list.scrollHeight - list.clientHeight - list.scrollTop)));
      requestAnimationFrame(look);
    };
    look();
  });
  const bursts = [0, 150, 300, 450, 600, 750];
  for (const from of bursts) {
    await page.evaluate((from) => {
      for (let n = from; n < from + 150; n += 1) window.lanyardFake.hear('lobby', 'Bo', `flood ${n}`);
    }, from);
    await page.getByText(`flood ${from + 149}`, { exact: true }).waitFor();
    await expect.poll(() => distanceToEnd(page)).toBeLessThan(2);
    expect(await page.getByTestId('jump').count()).toBe(0);
  }
  expect(Number(await page.getByRole('log').getAttribute('data-furthest'))).toBeLessThan(2);
  // What was let go of is fetched when somebody wants to read it again.
  const count = await fetched(page);
  await upTo(page, 'flood 20');
  expect(await fetched(page)).toBeGreaterThan(count);
  // And down again, a screen at a time: nothing is left out, and what is seen stays where it is.
  const seen = new Set<number>();
  for (let turn = 0; !seen.has(899); turn += 1) {
    expect(turn).toBeLessThan(200);
    const shown = await page.evaluate(async () => {
      const list = document.querySelector('[role=log]')!;
      list.scrollBy(0, 500);
      for (let frame = 0; frame < 4; frame += 1) await new Promise(requestAnimationFrame);
      return [...list.querySelectorAll('[data-testid=message-text]')].map((text) => Number(text.textContent?.replace('flood ', '')));
    });
    for (const number of shown) seen.add(number);
  }
  const first = Math.min(...[...seen].filter((number) => !Number.isNaN(number)));
  const missed = Array.from({ length: 900 - first }, (_, n) => first + n).filter((number) => !seen.has(number));
  expect(missed).toEqual([]);
  await expect.poll(() => distanceToEnd(page)).toBeLessThan(2);
});

test('older messages come in above without moving what is read', async () => {
  const page = await open({ messages: 600 });
  await openLobby(page);
  await scrollTo(page, 700);
  await settled(page);
  const count = await fetched(page);
  // Chosen, scrolled and measured in one step: the list may set other rows in between.
  const choose = () =>
    page.evaluate(() => {
      const list = document.querySelector('[role=log]');
      const texts = [...document.querySelectorAll('[data-testid=message-text]')];
      const inView = (text: Element) => {
        const { top, bottom } = text.getBoundingClientRect();
        return top > 150 && bottom < (list?.getBoundingClientRect().bottom ?? 0);
      };
      const text = texts.find((text) => inView(text) && text.checkVisibility({ visibilityProperty: true }));
      if (!text) return null;
      list?.scrollTo(0, 580);
      return { anchor: text.textContent, before: text.getBoundingClientRect().top };
    });
  let chosen: Awaited<ReturnType<typeof choose>> = null;
  await expect.poll(async () => (chosen ??= await choose())).toBeTruthy();
  const { anchor, before } = chosen!;
  await expect.poll(() => fetched(page)).toBeGreaterThan(count);
  const topOf = () => page.getByText(anchor, { exact: true }).evaluate((text) => text.getBoundingClientRect().top);
  await expect.poll(async () => Math.abs((await topOf()) - before)).toBeLessThan(2);
});

test('of a past that is read downwards the page keeps what is near, and nothing moves when the rest goes', async () => {
  const page = await open({ messages: 1_000 });
  await openLobby(page);
  await page.keyboard.press('Control+F');
  await page.getByTestId('search-text').fill('line 100 of log');
  await page.getByTestId('result').filter({ hasText: /Line 100 of/ }).click();
  await saying(page, 'Line 100 of the log').waitFor();
  await settled(page);
  const height = () => page.evaluate(() => document.querySelector('[role=log]')!.scrollHeight);
  /** The line that is read, and where it stands. */
  const read = () =>
    page.evaluate(() => {
      const list = document.querySelector('[role=log]')!;
      const { top } = list.getBoundingClientRect();
      const row = [...list.querySelectorAll('[data-message]')].find((row) => row.getBoundingClientRect().top >= top)!;
      return [row.getAttribute('data-message'), Math.round(row.getBoundingClientRect().top)];
    });
  let tallest = 0;
  for (let turn = 0; (await saying(page, 'Line 850 of the log').count()) === 0; turn += 1) {
    expect(turn).toBeLessThan(120);
    await page.evaluate(async () => {
      document.querySelector('[role=log]')!.scrollBy(0, 600);
      for (let frame = 0; frame < 4; frame += 1) await new Promise(requestAnimationFrame);
    });
    tallest = Math.max(tallest, await height());
  }
  const before = await read();
  // Whoever stops reads, and then all that is far above goes.
  await expect.poll(height).toBeLessThan(tallest / 2);
  expect(await read()).toEqual(before);
  // It is fetched again on the way back.
  const count = await fetched(page);
  await scrollTo(page, 0);
  await expect.poll(() => fetched(page)).toBeGreaterThan(count);
});

test('a conversation that fits the window has nowhere to jump to, read or not', async () => {
  const page = await open({ messages: 3 });
  await page.evaluate(() => void window.lanyardFake.hear('lobby', 'Bo', 'short and new'));
  await openLobby(page);
  await page.getByTestId('new-line').waitFor();
  await page.getByText('short and new').waitFor();
  await expect.poll(() => page.getByTestId('jump').count()).toBe(0);
});

test('whoever leaves the end by a page stays away from it, whatever the rows on the way turn out to be', async () => {
  for (const lines of [1, 3, 9]) {
    const page = await open({ messages: 300 });
    await openLobby(page);
    await page.evaluate((lines) => {
      const fake = window.lanyardFake;
      for (let n = 0; n < 12; n += 1) fake.hear('lobby', 'Bo', Array(lines).fill(`line of ${n}`).join('\n'));
      for (let n = 0; n < 12; n += 1) fake.hear('lobby', 'Bo', `short ${n}`);
    }, lines);
    await page.getByText('short 11').waitFor();
    await expect.poll(() => distanceToEnd(page)).toBeLessThan(2);
    await page.evaluate(() => document.querySelector('[role=log]')?.scrollBy(0, -1_000));
    await page.getByTestId('jump').waitFor();
    expect(await distanceToEnd(page)).toBeGreaterThan(500);
  }
});

test('the end follows new messages, but not while older ones are read', async () => {
  const page = await open({ messages: 300 });
  await openLobby(page);
  await page.evaluate(() => void window.lanyardFake.hear('lobby', 'Bo', 'here I am'));
  await page.getByText('here I am').waitFor();
  await expect.poll(() => distanceToEnd(page)).toBeLessThan(2);
  await page.evaluate(() => document.querySelector('[role=log]')?.scrollBy(0, -1_000));
  await page.getByTestId('jump').waitFor();
  await page.evaluate(() => void window.lanyardFake.hear('lobby', 'Bo', 'and again'));
  await page.getByTestId('jump').filter({ hasText: '1 unread' }).waitFor();
  expect(await distanceToEnd(page)).toBeGreaterThan(500);
  await page.getByTestId('jump').click();
  await page.getByText('and again').waitFor();
  await page.getByTestId('jump').waitFor({ state: 'detached' });
  await page.locator('[data-testid=room][data-name=lobby]').getByTestId('unread').waitFor({ state: 'detached' });
});

test('ten thousand people are as cheap as ten', async () => {
  const page = await open({ people: 10_000 });
  expect(await page.getByTestId('person').count()).toBeLessThan(60);
  await page.keyboard.press('Control+K');
  await page.getByTestId('switcher-input').fill('Guest 9999');
  await page.getByRole('option', { name: 'Guest 9999', exact: true }).click();
  await page.getByTestId('title').getByText('Guest 9999').waitFor();
});

async function openLobby(page: Page): Promise<void> {
  await page.locator('[data-testid=room][data-name=lobby]').click();
  await expect.poll(() => distanceToEnd(page)).toBeLessThan(2);
  await page.getByText('好的，我带茶。').waitFor();
}

function scrollTo(page: Page, top: number): Promise<void> {
  return page.evaluate((top) => document.querySelector('[role=log]')?.scrollTo(0, top), top);
}

/** Scrolls up until this message is in the page. */
async function upTo(page: Page, text: string): Promise<void> {
  for (let turn = 0; !(await page.getByText(text, { exact: true }).count()); turn += 1) {
    expect(turn).toBeLessThan(60);
    await scrollTo(page, 0);
    await settled(page);
  }
}

function distanceToEnd(page: Page): Promise<number> {
  return page.evaluate(() => {
    const list = document.querySelector('[role=log]');
    return list ? list.scrollHeight - list.clientHeight - list.scrollTop : Infinity;
  });
}

function fetched(page: Page): Promise<number> {
  return page.evaluate(() => window.lanyardFake.calls.filter(({ method }) => method === 'log').length);
}

function atBeginning(page: Page): Promise<boolean> {
  return page.evaluate(() => {
    const last = window.lanyardFake.calls.findLast((call) => call.method === 'log');
    return last?.method === 'log' && last.params.before !== undefined && Number(last.params.before) <= 1_000;
  });
}
