import { expect, test } from 'vitest';
import { useBrowser } from './browser';
import { hear, openRoom, say } from './page';

const { open } = useBrowser();

test('words are found everywhere, marked, and lead to where they were said', async () => {
  const page = await open({ messages: 1_000 });
  await openRoom(page, 'design');
  await page.keyboard.press('Control+Shift+F');
  await page.getByTestId('search-text').fill('line 77 log');
  await page.getByTestId('search-status').getByText('messages found').waitFor();
  const result = page.getByTestId('result').filter({ hasText: /Line 77 of/ });
  expect(await result.locator('mark').allInnerTexts()).toEqual(['Line', '77', 'log']);
  await result.click();
  await page.getByTestId('title').getByText('lobby').waitFor();
  const message = page.locator('[data-testid=message].flashed');
  await message.getByText('Line 77 of the log').waitFor();
  expect(await message.isVisible()).toBe(true);
});

test('a search of one room leaves out the others, and can be of one person', async () => {
  const page = await open();
  await openRoom(page, 'design');
  await page.keyboard.press('Control+F');
  await page.getByTestId('search-text').fill('the');
  await page.getByTestId('search-status').getByText('2 messages found').waitFor();
  await page.getByTestId('search-person').selectOption({ label: 'Bo' });
  await page.getByTestId('search-status').getByText('1 message found').waitFor();
  await page.getByTestId('search-room').selectOption({ label: 'All rooms' });
  await expect.poll(() => page.getByTestId('result').count()).toBeGreaterThan(2);
});

test('more results come when they are wanted, and none are said to be none', async () => {
  const page = await open({ messages: 100 });
  await page.keyboard.press('Control+Shift+F');
  await page.getByTestId('search-text').fill('of the log');
  await page.getByTestId('search-more').click();
  await expect.poll(() => page.getByTestId('result').count()).toBe(60);
  await page.getByTestId('search-text').fill('没有这句话');
  await page.getByTestId('search-status').getByText('Nothing was found.').waitFor();
});

test('what a peer wrote is text in the results too', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await hear(page, 'ops', 'Bo', '<img src=x onerror=alert(1)> 下午茶');
  await page.keyboard.press('Control+F');
  await page.getByTestId('search-text').fill('img 下午');
  const result = page.getByTestId('result');
  await result.waitFor();
  expect(await result.locator('mark').allInnerTexts()).toEqual(['img', '下午']);
  expect(await result.locator('img').count()).toBe(0);
});

test('the keyboard goes from the field through the results into the history', async () => {
  const page = await open({ messages: 300 });
  await openRoom(page, 'lobby');
  await page.keyboard.press('Control+F');
  await page.getByTestId('search-text').fill('Line 12 of');
  await page.getByTestId('result').last().waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.locator('[data-testid=message].flashed').waitFor();
});

test('old history is read undisturbed, goes on in both directions, and is left in one step', async () => {
  const page = await open({ messages: 1_000 });
  await openRoom(page, 'lobby');
  await page.keyboard.press('Control+F');
  await page.getByTestId('search-text').fill('Line 500 of');
  await page.getByTestId('result').first().click();
  const found = page.locator('[data-testid=message]').filter({ hasText: 'Line 500 of the log' });
  await found.waitFor();
  const top = await found.evaluate((row) => row.getBoundingClientRect().top);
  await hear(page, 'lobby', 'Bo', 'news');
  await page.getByTestId('jump').getByText('1 unread').waitFor();
  expect(Math.abs((await found.evaluate((row) => row.getBoundingClientRect().top)) - top)).toBeLessThan(2);
  expect(await page.getByText('news', { exact: true }).count()).toBe(0);
  for (let turn = 0; (await page.getByText('Line 580 of the log').count()) === 0; turn += 1) {
    expect(turn).toBeLessThan(40);
    await page.getByRole('log').evaluate((log) => log.scrollBy(0, 700));
    await page.waitForFunction(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true)))));
  }
  await page.getByTestId('jump').click();
  await page.getByText('news', { exact: true }).waitFor();
  await page.getByTestId('jump').waitFor({ state: 'detached' });
  await page.locator('[data-testid=room][data-name=lobby]').getByTestId('unread').waitFor({ state: 'detached' });
});

test('a date leads to the first message of that day', async () => {
  const page = await open({ messages: 3_000 });
  await openRoom(page, 'lobby');
  const day = await page.evaluate(() => {
    const { room, log } = { room: window.lanyardFake.room('lobby'), log: window.lanyardFake.log };
    const time = new Date(log.of(room.id)[1_500]!.time);
    return `${time.getFullYear()}-${String(time.getMonth() + 1).padStart(2, '0')}-${String(time.getDate()).padStart(2, '0')}`;
  });
  await page.getByTestId('room-menu').click();
  await page.getByTestId('menu-date').click();
  await page.getByTestId('date').fill(day);
  await page.getByTestId('date-go').click();
  const first = page.locator('[data-testid=message].flashed time').first();
  await first.waitFor({ state: 'attached' });
  const time = new Date((await first.getAttribute('datetime')) ?? '');
  expect(time.getHours()).toBe(0);
  expect(await page.getByTestId('jump').isVisible()).toBe(true);
});

test('what one says while reading old history is said at the end', async () => {
  const page = await open({ messages: 600 });
  await openRoom(page, 'lobby');
  await page.keyboard.press('Control+F');
  await page.getByTestId('search-text').fill('Line 100 of');
  await page.getByTestId('result').first().click();
  await page.getByTestId('jump').waitFor();
  await say(page, 'here I am');
  await page.getByText('好的，我带茶。').waitFor();
});

test('messages that are on no device here are not pretended to be the beginning', async () => {
  const page = await open();
  await page.evaluate(() => {
    const fake = window.lanyardFake;
    fake.hear('ops', 'Bo', 'the first that is here');
    fake.log.missing.add(fake.room('ops').id);
  });
  await openRoom(page, 'ops');
  await page.getByTestId('missing').waitFor();
  await page.evaluate(() => window.lanyardFake.log.fetchOlder(window.lanyardFake.room('ops'), window.lanyardFake.peer('Ana'), 5));
  await page.getByText('Fetched 1').waitFor();
  await page.getByTestId('beginning').waitFor();
});

test('results are of the last days, and of files, where one asks for that', async () => {
  const page = await open({ messages: 400 });
  await page.evaluate(() => {
    const fake = window.lanyardFake;
    fake.offered('ops', 'Bo', 'the log of today.pdf', 1_000);
    fake.hear('ops', 'Bo', 'Who has the log?');
  });
  await page.keyboard.press('Control+Shift+F');
  await page.getByTestId('search-text').fill('the log');
  await page.getByTestId('search-status').getByText('The newest 30 messages found').waitFor();
  await page.getByTestId('search-since').selectOption({ label: 'Last 24 hours' });
  await page.getByTestId('search-status').getByText('2 messages found').waitFor();
  await page.getByTestId('search-kind').selectOption({ label: 'Only files' });
  await page.getByTestId('search-status').getByText('1 message found').waitFor();
  await page.getByTestId('result').getByText('the log of today.pdf').waitFor();
  // The offer is the only one of them all, however far one looks.
  await page.getByTestId('search-since').selectOption({ label: 'Any time' });
  await page.getByTestId('search-status').getByText('1 message found').waitFor();
  await page.getByTestId('search-room').selectOption({ label: '#design' });
  await page.getByTestId('search-status').getByText('Nothing was found.').waitFor();
  await page.getByTestId('search-everywhere').click();
  await page.getByTestId('search-status').getByText('The newest 30 messages found').waitFor();
});

test('the switcher finds rooms, people, messages and files, and hands over to the search', async () => {
  const page = await open({ messages: 100 });
  const typed = async (text: string) => {
    await page.keyboard.press('Control+K');
    await page.getByTestId('switcher-input').fill(text);
  };
  const target = (kind: string) => page.locator(`[data-testid=target][data-kind=${kind}]`);
  await page.keyboard.press('Control+K');
  expect(await target('room').first().innerText()).toContain('design');
  await page.keyboard.press('Escape');
  await typed('setup');
  await target('file').filter({ hasText: 'setup-0.9.412.exe' }).first().click();
  await page.getByTestId('panel').getByRole('heading', { name: 'Files and details' }).waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await typed('half past twelve');
  await target('message').getByText('Lunch at half past twelve?').waitFor();
  expect(await target('message').locator('mark').allInnerTexts()).toEqual(['half', 'past', 'twelve']);
  await target('message').click();
  await page.locator('[data-testid=message].flashed').getByText('Lunch at half past twelve?').waitFor();
  await typed('#ana');
  await page.getByText('No room or person matches.').waitFor();
  await page.keyboard.press('Escape');
  await typed('@ana');
  await expect.poll(() => target('person').count()).toBe(2);
  expect(await target('search').count()).toBe(0);
  await page.keyboard.press('Escape');
  await typed('of the log');
  await target('message').first().waitFor();
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Enter');
  await page.getByTestId('search-status').getByText('The newest 30 messages found').waitFor();
  expect(await page.getByTestId('search-text').inputValue()).toBe('of the log');
});
