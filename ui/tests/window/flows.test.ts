import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { useBrowser } from './browser';
import { settled } from './page';

const { open } = useBrowser();

test('a first run asks for a name, an avatar and a folder over a live window, and nothing else', async () => {
  const page = await open({ world: 'fresh' });
  const card = page.getByTestId('first-run');
  await card.waitFor();
  await page.keyboard.press('Escape');
  expect(await page.getByTestId('person').count()).toBeGreaterThan(5);
  await page.getByTestId('choose-folder').click();
  await card.getByText('Desktop').waitFor();
  await page.getByTestId('first-run-name').fill('Mei Lin');
  await card.getByRole('radio', { name: 'Teal' }).check();
  await page.getByTestId('avatar-emoji').click();
  await page.getByTestId('emoji-search').fill('compass');
  await page.getByTestId('emoji-search').press('Enter');
  await page.getByTestId('emoji-picker').waitFor({ state: 'detached' });
  await page.getByTestId('first-run-start').click();
  await card.waitFor({ state: 'detached' });
  await page.getByText('Mei Lin').waitFor();
  expect(await lastCall(page, 'configure')).toEqual({
    name: 'Mei Lin',
    avatar: { color: 6, emoji: '🧭' },
    downloads: expect.any(String),
  });
});

test('text is sent with Enter, broken with Shift+Enter, and shows its delivery', async () => {
  const page = await open();
  await openRoom(page, 'design');
  const composer = page.getByTestId('composer');
  await composer.pressSequentially('first');
  await composer.press('Shift+Enter');
  await composer.pressSequentially('second');
  await composer.press('Enter');
  const sent = page.getByTestId('message').filter({ hasText: 'first' });
  await sent.waitFor();
  expect(await sent.getByTestId('message-text').innerText()).toBe('first\nsecond');
  expect(await composer.inputValue()).toBe('');
  await page.evaluate(() => window.lanyardFake.deliver('design', ['Bo', '小美']));
  await sent.locator('[data-testid=delivery][data-delivered="2"][data-of="4"]').hover();
  await sent.getByText('Held by Bo and 小美').waitFor();
});

test('what is written to somebody who is away says who keeps it, and never that it is delivered', async () => {
  const page = await open();
  await page.locator('[data-testid=person][data-name=Cai]').click();
  await page.getByTestId('title').getByText('Cai').waitFor();
  await page.getByTestId('composer').fill('one');
  await page.getByTestId('composer').press('Enter');
  await page.getByTestId('message').filter({ hasText: 'one' }).waitFor();
  await page.evaluate(() => window.lanyardFake.keep('Cai', ['Bo', '小美']));
  await page.getByTestId('kept').getByText('Sent · kept by 2, will be delivered when Cai is back').waitFor();
  const mark = page.locator('[data-testid=delivery][data-delivered="0"][data-kept="2"]');
  await mark.hover();
  await page.getByTestId('kept-by').getByText('Kept by Bo and 小美, who cannot read it').waitFor();
  expect(await page.getByText(/Delivered to/).count()).toBe(0);
  await page.evaluate(() => window.lanyardFake.deliver('Cai', ['Cai']));
  await page.getByTestId('kept').waitFor({ state: 'detached' });
  await page.locator('[data-testid=delivery][data-delivered="1"]').waitFor();
});

test('what could not be sent says so and can be sent again', async () => {
  const page = await open();
  await openRoom(page, 'design');
  await page.evaluate(() => {
    window.lanyardFake.failNext = { code: 'storage', message: 'The disk is full.' };
  });
  await page.getByTestId('composer').fill('hello');
  await page.getByTestId('send').click();
  await page.getByTestId('failed').getByText('The disk is full.').waitFor();
  await page.getByTestId('failed').getByRole('button', { name: 'Try again' }).click();
  await page.getByTestId('failed').waitFor({ state: 'detached' });
  await page.getByTestId('message').filter({ hasText: 'hello' }).getByTestId('delivery').waitFor();
});

test("a peer's text is text, whatever it looks like", async () => {
  const page = await open();
  await openRoom(page, 'design');
  const hostile = '<img src=x onerror=alert(1)> <b>bold</b> javascript:alert(1)';
  await page.evaluate((text) => void window.lanyardFake.hear('design', 'Bo', text), hostile);
  const text = page.getByTestId('message').last().getByTestId('message-text');
  await text.getByText('onerror').waitFor();
  expect(await text.innerText()).toBe(hostile);
  expect(await text.locator('*').count()).toBe(0);
});

test('a link shows where it leads before it opens', async () => {
  const page = await open();
  await openRoom(page, 'design');
  // Until the rows have their sizes the list looks for its end, and takes the link out of view again.
  await settled(page);
  await page.getByRole('link', { name: 'https://wiki.example.lan/builds/412' }).click();
  await page.getByTestId('link-dialog').getByText('It leads to wiki.example.lan').waitFor();
  await page.getByTestId('link-open').click();
  expect(await page.evaluate(() => window.lanyardFake.opened)).toEqual(['https://wiki.example.lan/builds/412']);
});

test('a click counts, though the list finds its place between press and release', async () => {
  const page = await open();
  await openRoom(page, 'design');
  await settled(page);
  const link = page.getByRole('link', { name: 'https://wiki.example.lan/builds/412' });
  await link.hover();
  await settled(page);
  await page.mouse.down();
  await page.evaluate(async () => {
    document.querySelector('[role=log]')?.scrollBy(0, -2);
    for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
  });
  await page.mouse.up();
  await page.getByTestId('link-dialog').waitFor({ timeout: 5_000 });
});

test('an offer is accepted, moves, and ends verified with its hash', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  const id = await offer(page, 'ops', 'Bo', 'disk.img');
  await card(page, 'offered').getByTestId('accept').click();
  await card(page, 'running').waitFor();
  await page.evaluate((id) => window.lanyardFake.advance(id, 0.5), id);
  await card(page, 'running').getByText('94 MB/s').waitFor();
  expect(await card(page, 'running').getByRole('progressbar').getAttribute('aria-valuenow')).toBe('50');
  await page.evaluate((id) => window.lanyardFake.advance(id, 1), id);
  await card(page, 'done').getByTitle(/SHA-256 9f86d081/).waitFor();
  await card(page, 'done').getByTestId('reveal').click();
  expect(await page.evaluate(() => window.lanyardFake.opened)).toEqual([id]);
});

test('an offer is saved to another folder, declined, or stopped on the way', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await offer(page, 'ops', 'Bo', 'one.bin');
  await card(page, 'offered').getByTestId('accept-into').click();
  await card(page, 'running').getByTestId('cancel').click();
  await card(page, 'cancelled').waitFor();
  expect(await lastCall(page, 'accept')).toEqual({ transfer: expect.any(String), into: expect.any(String) });
  await offer(page, 'ops', 'Bo', 'two.bin');
  await card(page, 'offered').getByTestId('decline').click();
  await card(page, 'declined').waitFor();
  expect(await page.getByTestId('accept').count()).toBe(0);
});

test('files over the window light up where they would go, and one file dropped on a person goes there', async () => {
  const page = await open();
  await openRoom(page, 'design');
  const bo = page.locator('[data-testid=person][data-name=Bo]');
  const { x, y } = (await bo.boundingBox())!;
  await drop(page, 'over', x + 10, y + 10);
  await page.getByTestId('drop-here').getByText('Offer to #design').waitFor();
  expect(await bo.getAttribute('class')).toContain('lit');
  await drop(page, 'leave', 0, 0);
  await page.getByTestId('drop-here').waitFor({ state: 'detached' });
  await drop(page, 'drop', x + 10, y + 10, 1);
  await page.getByTestId('title').getByText('Bo').waitFor();
  await card(page, 'offered').getByText('file-1.bin').waitFor();
});

test('files that cannot be read when they are dropped are a notice', async () => {
  const page = await open();
  await page.evaluate(() =>
    window.lanyardFake.dropped({ kind: 'failed', error: { code: 'storage', message: 'secret.bin cannot be used.' } }),
  );
  await page.getByTestId('notice').getByText('secret.bin cannot be used.').waitFor();
});

test('several files dropped into a conversation are offered only after a question', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await drop(page, 'drop', 700, 400, 3);
  const question = page.getByTestId('confirm-send');
  await question.getByText('Send to #ops?').waitFor();
  await question.getByText('3 items, 3 MB').waitFor();
  await page.keyboard.press('Escape');
  await question.waitFor({ state: 'detached' });
  expect(await lastCall(page, 'offer')).toBeUndefined();
  await drop(page, 'drop', 700, 400, 3);
  await page.getByTestId('confirm-send-yes').click();
  await card(page, 'offered').waitFor();
});

test('the paper clip and its key offer what was picked', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await page.getByTestId('attach').click();
  await card(page, 'offered').waitFor();
  await page.keyboard.press('Control+Shift+U');
  await expect.poll(() => card(page, 'offered').count()).toBe(2);
});

test('a room is joined by name and can be left again', async () => {
  const page = await open();
  await page.getByTestId('join-room').click();
  await page.getByTestId('join-name').fill('#garden');
  await page.getByTestId('join-confirm').click();
  await page.getByTestId('title').getByText('garden').waitFor();
  await page.getByText('This is the beginning of #garden').waitFor();
  await page.getByTestId('details').click();
  await page.getByTestId('leave-room').click();
  await page.getByTestId('confirm-yes').click();
  await page.locator('[data-testid=room][data-name=garden]').waitFor({ state: 'detached' });
  await page.getByText('Pick a room or a person').waitFor();
});

test('an error in a dialog is said above the dialog, which stays', async () => {
  const page = await open();
  await page.evaluate(() => {
    window.lanyardFake.failNext = { code: 'refused', message: 'Nobody may join that.' };
  });
  await page.getByTestId('join-room').click();
  await page.getByTestId('join-name').fill('garden');
  await page.getByTestId('join-confirm').click();
  const notice = page.getByTestId('notice').filter({ hasText: 'Nobody may join that.' });
  await notice.getByRole('button', { name: 'Dismiss' }).click();
  await notice.waitFor({ state: 'detached' });
  await page.getByTestId('join-dialog').waitFor();
});

test('unread counts rise elsewhere, and go when the room is opened', async () => {
  const page = await open();
  await openRoom(page, 'lobby');
  const ops = page.locator('[data-testid=room][data-name=ops]');
  await page.evaluate(() => void window.lanyardFake.hear('ops', 'Bo', 'anyone?'));
  await ops.getByTestId('unread').getByText('1 unread').waitFor({ state: 'attached' });
  await expect.poll(() => page.title()).toBe('(3) Lanyard');
  await openRoom(page, 'ops');
  await page.getByTestId('new-line').waitFor();
  await ops.getByTestId('unread').waitFor({ state: 'detached' });
});

test('the keyboard goes anywhere', async () => {
  const page = await open();
  await page.keyboard.press('Control+K');
  await page.getByTestId('switcher-input').fill('dmi');
  await page.keyboard.press('Enter');
  await page.getByTestId('title').getByText('Dmitri').waitFor();
  await page.locator('[data-testid=room][data-name=lobby]').focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.getByTestId('title').getByText('board').waitFor();
  await page.getByTestId('settings').click();
  await page.keyboard.press('Escape');
  await page.getByTestId('panel').waitFor({ state: 'detached' });
});

test('language and theme change at once and are remembered', async () => {
  const page = await open();
  await page.getByTestId('settings').click();
  await page.getByLabel('简体中文').check();
  await page.getByRole('heading', { name: '房间' }).waitFor();
  await page.getByLabel('深色').check();
  expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe('dark');
  await page.reload();
  await page.getByRole('heading', { name: '房间' }).waitFor();
  expect(await page.evaluate(() => [document.documentElement.dataset.theme, document.documentElement.lang])).toEqual([
    'dark',
    'zh-CN',
  ]);
});

test('a network in the way is said in a strip that leads to what can be done', async () => {
  const page = await open();
  await page.evaluate(() => {
    const { scene } = window.lanyardFake;
    window.lanyardFake.emit({ event: 'network-changed', network: { ...scene.network, multicast: false } });
  });
  await page.getByTestId('network-strip').getByRole('button').click();
  await page.getByTestId('address').fill('10.0.0.9');
  await page.getByTestId('add-peer').click();
  await page.getByText('Looking for 10.0.0.9').waitFor();
});

test('at 360 pixels one thing is on screen at a time, and there is a way back', async () => {
  const page = await open({ size: { width: 360, height: 640 } });
  await openRoom(page, 'design');
  expect(await page.getByTestId('room').first().isVisible()).toBe(false);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
  await page.getByTestId('back').click();
  await page.locator('[data-testid=room][data-name=design]').waitFor();
  expect(await page.getByTestId('composer').isVisible()).toBe(false);
});

async function openRoom(page: Page, name: string): Promise<void> {
  await page.locator(`[data-testid=room][data-name=${name}]`).click();
  await page.getByTestId('title').getByText(name).waitFor();
}

function card(page: Page, state: string) {
  return page.locator(`[data-testid=offer][data-state=${state}]`);
}

function offer(page: Page, room: string, author: string, name: string): Promise<string> {
  return page.evaluate(
    ([room, author, name]) => window.lanyardFake.offered(room, author, name, 100_000_000).id,
    [room, author, name] as const,
  );
}

function drop(page: Page, kind: 'over' | 'leave' | 'drop', x: number, y: number, files = 0): Promise<void> {
  const handles = Array.from({ length: files }, (_, index) => ({
    handle: `dropped-${index + 1}`,
    name: `file-${index + 1}.bin`,
    folder: false,
    size: 1_000_000,
  }));
  return page.evaluate(({ kind, x, y, handles }) => window.lanyardFake.dropped({ kind, x, y, handles }), {
    kind,
    x,
    y,
    handles,
  });
}

function lastCall(page: Page, method: string): Promise<unknown> {
  return page.evaluate((method) => window.lanyardFake.calls.findLast((call) => call.method === method)?.params, method);
}
