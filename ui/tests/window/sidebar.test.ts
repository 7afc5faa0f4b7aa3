import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { check } from './axe';
import { useBrowser } from './browser';
import { hear, lastCall, openRoom } from './page';

const { open } = useBrowser();

const room = (page: Page, name: string) => page.locator(`[data-testid=room][data-name="${name}"]`);
const person = (page: Page, name: string) => page.locator(`[data-testid=person][data-name="${name}"]`).first();

test('a line of the sidebar has a menu: read, quiet, details', async () => {
  const page = await open();
  await openRoom(page, 'lobby');
  await hear(page, 'ops', 'Bo', 'anyone?');
  await room(page, 'ops').getByTestId('unread').waitFor();
  await room(page, 'ops').click({ button: 'right' });
  await check(page, 'the menu of a room');
  await page.getByTestId('menu-read').click();
  await room(page, 'ops').getByTestId('unread').waitFor({ state: 'detached' });
  await page.getByTestId('title').getByText('lobby').waitFor();
  await room(page, 'ops').click({ button: 'right' });
  expect(await page.getByTestId('menu-read').count()).toBe(0);
  await page.getByTestId('menu-mute').click();
  await room(page, 'ops').getByTestId('muted').waitFor();
  expect(await lastCall(page, 'notify-room')).toEqual({ room: 'room-ops', level: 'none' });
  await room(page, 'ops').click({ button: 'right' });
  await page.getByTestId('menu-mute').getByText('Unmute').click();
  await room(page, 'ops').getByTestId('muted').waitFor({ state: 'detached' });
  expect(await lastCall(page, 'notify-room')).toEqual({ room: 'room-ops' });
  await room(page, 'ops').click({ button: 'right' });
  await page.getByTestId('menu-details').click();
  await page.getByTestId('panel').waitFor();
  await page.getByTestId('title').getByText('ops').waitFor();
});

test('by key the menu stands under its line, and a room is left from it only after a question', async () => {
  const page = await open();
  await openRoom(page, 'lobby');
  await room(page, 'ops').focus();
  await page.keyboard.press('Shift+F10');
  const menu = page.getByTestId('menu');
  await menu.waitFor();
  const [line, box] = await Promise.all([room(page, 'ops').boundingBox(), menu.boundingBox()]);
  expect(box!.y).toBeGreaterThanOrEqual(line!.y + line!.height);
  await page.keyboard.press('End');
  await page.keyboard.press('Enter');
  await page.getByTestId('confirm').getByText('Leave #ops?').waitFor();
  await page.getByTestId('confirm-yes').click();
  await room(page, 'ops').waitFor({ state: 'detached' });
});

test('a person without a conversation has details, and none of what needs one', async () => {
  const page = await open();
  await person(page, 'Fatima').click({ button: 'right' });
  expect(await page.getByTestId('menu').getByRole('menuitem').allInnerTexts()).toEqual(['Details']);
  await page.getByTestId('menu-details').click();
  await page.getByTestId('trust-state').waitFor();
  await page.getByTestId('title').getByText('Fatima').waitFor();
  await person(page, 'Fatima').click({ button: 'right' });
  await page.getByTestId('menu-mute').click();
  await person(page, 'Fatima').getByTestId('muted').waitFor();
});

describe.each(['en', 'zh-CN'] as const)('in %s', (language) => {
  test('do not disturb is one’s own status: switched under the own name, and shown beside it', async () => {
    const page = await open({ language });
    expect(await page.getByTestId('quiet').count()).toBe(0);
    await page.getByTestId('self').click();
    await check(page, 'the own menu');
    await page.getByTestId('menu-do-not-disturb').click();
    await page.getByTestId('quiet').waitFor();
    expect(await lastCall(page, 'set-notifications')).toEqual({ doNotDisturb: true });
    await page.getByTestId('self').click();
    await page.getByTestId('menu-do-not-disturb').getByText(language === 'en' ? 'End do not disturb' : '结束勿扰').click();
    await page.getByTestId('quiet').waitFor({ state: 'detached' });
    await page.getByTestId('self').click();
    await page.getByTestId('menu-settings').click();
    await page.getByTestId('settings-name').waitFor();
  });

  test('who said something is a click away, with all that can be done about them', async () => {
    const page = await open({ language });
    await openRoom(page, 'design');
    await page.getByTestId('author').getByText('小美').click();
    const card = page.getByTestId('person-card');
    await card.getByText('Windows', { exact: false }).waitFor();
    await check(page, 'the card of a person');
    expect(await card.getByTestId('card-write').evaluate((button) => document.activeElement === button)).toBe(true);
    await page.keyboard.press('Escape');
    await card.waitFor({ state: 'detached' });
    await page.getByTestId('face').last().click();
    await card.getByTestId('card-verify').click();
    await page.getByTestId('verify-dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByTestId('face').last().click();
    await card.getByTestId('card-send').click();
    await page.getByTestId('title').getByText('小美').waitFor();
    expect(await lastCall(page, 'offer')).toMatchObject({ to: expect.stringMatching(/^@/) });
    await openRoom(page, 'design');
    await page.getByTestId('face').last().click();
    await card.getByTestId('card-details').click();
    await page.getByTestId('trust-state').waitFor();
  });
});

test('the card of a person opens from the menu of a message and from the list of members, too', async () => {
  const page = await open();
  await openRoom(page, 'design');
  await page.getByTestId('message').last().click({ button: 'right', position: { x: 6, y: 6 } });
  await page.getByTestId('menu-person').click();
  await page.getByTestId('person-card').getByText('小美').waitFor();
  await page.keyboard.press('Escape');
  await page.getByTestId('details').click();
  await page.locator('[data-testid=member][data-name=Bo]').getByTestId('member-menu').click();
  await page.getByTestId('menu-person').click();
  await page.getByTestId('person-card').getByTestId('card-write').click();
  await page.getByTestId('title').getByText('Bo').waitFor();
});

test('whoever said it oneself has no card, and in the own conversation nothing leads to itself', async () => {
  const page = await open();
  await openRoom(page, 'design');
  expect(await page.locator('[data-testid=message][data-mine=true] [data-testid=author]').count()).toBe(0);
  await person(page, 'Ana').click();
  await page.getByTestId('author').first().click();
  await page.getByTestId('person-card').waitFor();
  expect(await page.getByTestId('card-write').count()).toBe(0);
});

test('a folder is sent from the menu of the conversation, where the button has no room', async () => {
  const page = await open({ size: { width: 360, height: 640 } });
  await openRoom(page, 'ops');
  expect(await page.getByTestId('attach-folder').isVisible()).toBe(false);
  await page.getByTestId('room-menu').click();
  await page.getByTestId('menu-folder').click();
  await page.locator('[data-testid=offer]').getByText('holiday').waitFor();
});

test('a refused invite leads to another one', async () => {
  const page = await open();
  await page.evaluate(() => {
    const fake = window.lanyardFake;
    fake.room('board').membership = 'refused';
    fake.emit({ event: 'room-changed', room: fake.room('board') });
  });
  await room(page, 'board').click();
  await page.getByTestId('membership-again').click();
  await page.getByTestId('invite-paste').waitFor();
  await check(page, 'another invite');
});

test('a menu is closed by the button that opened it, and opened by it again', async () => {
  const page = await open();
  const menu = page.getByTestId('menu');
  for (const button of ['self', 'room-menu']) {
    if (button === 'room-menu') await openRoom(page, 'design');
    await page.getByTestId(button).click();
    await menu.waitFor();
    await page.getByTestId(button).click();
    await menu.waitFor({ state: 'detached' });
    await page.getByTestId(button).click();
    await menu.waitFor();
    // A press that ends elsewhere closes it and is no click; the next one counts.
    await page.getByTestId(button).hover();
    await page.mouse.down();
    await page.mouse.move(600, 400);
    await page.mouse.up();
    await menu.waitFor({ state: 'detached' });
    await page.getByTestId(button).click();
    await menu.waitFor();
    await page.keyboard.press('Escape');
  }
});
