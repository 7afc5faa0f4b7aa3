import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { useBrowser } from './browser';
import { lastCall, openRoom, say } from './page';

const { open } = useBrowser();

test('a private room is made, somebody is let in, made an admin and put out', async () => {
  const page = await open();
  await create(page, 'plans');
  await page.getByTestId('conversation').getByText('Only members can read this').waitFor();
  await page.getByTestId('note').getByText('Mei created this room').waitFor();
  await page.getByTestId('members-count').click();
  await page.getByTestId('add-member').click();
  await page.getByTestId('add-search').fill('bo');
  await page.locator('[data-testid=add-pick][data-name=Bo]').click();
  await page.locator('[data-testid=add-pick][data-name=Bo]').waitFor({ state: 'detached' });
  await page.getByTestId('add-close').click();
  const bo = page.locator('[data-testid=member][data-name=Bo]');
  await bo.getByTestId('member-menu').click();
  await page.getByTestId('menu-promote').click();
  await page.locator('[data-testid=member][data-name=Bo][data-role=admin]').waitFor();
  await bo.getByTestId('member-menu').click();
  await page.getByTestId('menu-remove').click();
  await page.getByTestId('confirm').getByText('What they have read until now they keep.', { exact: false }).waitFor();
  await page.getByTestId('confirm-yes').click();
  await bo.waitFor({ state: 'detached' });
  await page.getByTestId('note').getByText('Mei removed Bo').waitFor();
});

test('an invite has a link and a code, and can be revoked', async () => {
  const page = await open();
  await create(page, 'plans');
  await page.getByTestId('details').click();
  await page.getByTestId('invite-hours').selectOption({ label: '1 hour' });
  await page.getByTestId('invite-make').click();
  await page.getByTestId('qr').waitFor();
  expect(await page.getByTestId('invite-link').inputValue()).toMatch(/^lanyard:v1:inv:/);
  expect(await lastCall(page, 'invite')).toMatchObject({ hours: 1 });
  await page.getByTestId('invite-qr').click();
  await page.getByTestId('qr').waitFor({ state: 'detached' });
  await page.getByTestId('invite-revoke').click();
  await page.getByText('No invite holds now.').waitFor();
});

test('who joins by an invite waits to be let in, and can write then', async () => {
  const page = await open();
  await page.getByTestId('join-room').click();
  await page.getByTestId('tab-invite').click();
  await page.getByTestId('invite-paste').fill('not an invite');
  expect(await page.getByTestId('invite-confirm').isDisabled()).toBe(true);
  await page.getByTestId('invite-paste').fill(' lanyard:v1:inv:secret ');
  await page.getByTestId('invite-confirm').click();
  await page.locator('[data-testid=membership][data-membership=joining]').waitFor();
  expect(await page.getByTestId('composer').count()).toBe(0);
  await page.evaluate(() => window.lanyardFake.rooms.become('secret', 'member'));
  await say(page, 'thank you');
  await page.evaluate(() => window.lanyardFake.rooms.become('secret', 'removed'));
  await page.getByText('You were removed from this room').waitFor();
  await page.getByText('thank you').waitFor();
  await page.evaluate(() => window.lanyardFake.rooms.become('secret', 'refused'));
  await page.getByText('The invite was refused').waitFor();
  await page.getByTestId('membership-leave').click();
  await page.getByTestId('confirm').getByText('To come back you need a new invite.', { exact: false }).waitFor();
  await page.getByTestId('confirm-yes').click();
  await page.locator('[data-testid=room][data-name=secret]').waitFor({ state: 'detached' });
});

test('the open rooms of the network are listed, stay current, and are joined by a click', async () => {
  const page = await open();
  await page.getByTestId('join-room').click();
  const garden = page.locator('[data-testid=listed][data-name=garden]');
  await garden.getByText('4 people · active 2 hr. ago').waitFor();
  await page.evaluate(() => {
    const fake = window.lanyardFake;
    fake.rooms.directory = [...fake.rooms.directory, { name: 'attic', members: 2, joined: false, active: 0 }];
    fake.emit({ event: 'directory-changed' });
  });
  await page.locator('[data-testid=listed][data-name=attic]').waitFor();
  await garden.click();
  await page.getByTestId('title').getByText('garden').waitFor();
});

test('the topic is changed in the head, and everybody is told', async () => {
  const page = await open();
  await openRoom(page, 'design');
  await page.getByTestId('topic').click();
  await page.getByTestId('topic-input').fill('Icons only');
  await page.getByTestId('topic-input').press('Enter');
  await page.getByTestId('topic').getByText('Icons only').waitFor();
  await page.getByTestId('note').getByText('Mei changed the topic to “Icons only”').waitFor();
  await page.getByTestId('topic').click();
  await page.getByTestId('topic-input').press('Escape');
  await page.getByTestId('topic').getByText('Icons only').waitFor();
});

test('keys are renewed after a question, and history is kept as long as one wants', async () => {
  const page = await open();
  await openRoom(page, 'board');
  await page.getByTestId('details').click();
  await page.getByTestId('renew-keys').click();
  await page.getByTestId('confirm-yes').click();
  await page.getByTestId('note').getByText('Mei renewed the keys of this room').waitFor();
  await page.getByTestId('keep-room').selectOption({ label: 'For 30 days' });
  await expect.poll(() => lastCall(page, 'keep-room')).toEqual({ room: 'private-board', days: 30 });
  await page.getByTestId('keep-room').selectOption({ label: 'As in the settings' });
  await expect.poll(() => lastCall(page, 'keep-room')).toEqual({ room: 'private-board' });
});

test('an open room says who is in it and has nobody to manage', async () => {
  const page = await open();
  await openRoom(page, 'design');
  await page.getByTestId('details').click();
  await page.locator('[data-testid=member][data-name=Bo]').waitFor();
  expect(await page.getByTestId('add-member').count()).toBe(0);
  expect(await page.getByTestId('invite-make').count()).toBe(0);
  expect(await page.getByTestId('renew-keys').count()).toBe(0);
  await page.locator('[data-testid=member][data-name=Bo]').getByTestId('member-menu').click();
  await page.getByTestId('menu-message').click();
  await page.getByTestId('title').getByText('Bo').waitFor();
});

test('history is saved as a page or as data, and a notice says where', async () => {
  const page = await open();
  await openRoom(page, 'design');
  await page.getByTestId('room-menu').click();
  await page.getByTestId('menu-html').click();
  await page.getByTestId('notice').getByText('7 messages in design.html, in the folder Desktop').waitFor();
  await page.getByTestId('room-menu').click();
  await page.getByTestId('menu-json').click();
  await page.getByTestId('notice').getByText('design.json', { exact: false }).waitFor();
  expect(await lastCall(page, 'export')).toMatchObject({ format: 'json', into: expect.any(String) });
});

test('how much history is kept is a setting', async () => {
  const page = await open();
  await page.getByTestId('settings').click();
  await page.getByTestId('history-days').selectOption({ label: 'For ever' });
  await expect.poll(() => lastCall(page, 'configure')).toEqual({ historyDays: 0 });
  await page.getByTestId('history-bytes').selectOption({ label: 'Up to 5 GB' });
  await expect.poll(() => lastCall(page, 'configure')).toEqual({ historyBytes: 5_000_000_000 });
});

test('what whoever administers the device decided is shown so, and cannot be chosen', async () => {
  const page = await open();
  await page.evaluate(() => {
    const { me } = window.lanyardFake.scene;
    Object.assign(me, { locked: ['history-days', 'relay', 'accept'], historyDays: 30 });
    window.lanyardFake.emit({ event: 'me-changed', me: { ...me } });
  });
  await page.getByTestId('settings').click();
  const days = page.getByTestId('history-days');
  await expect.poll(() => days.isDisabled()).toBe(true);
  const help = (await days.getAttribute('aria-describedby'))!;
  expect(await page.locator(`[id="${help}"]`).innerText()).toBe('Whoever administers this device decided this.');
  expect(await page.getByTestId('relay').getByRole('radio', { name: 'Off' }).isDisabled()).toBe(true);
  expect(await page.getByTestId('history-bytes').isDisabled()).toBe(false);
  await page.keyboard.press('Escape');
  // A room may forget sooner.
  await openRoom(page, 'design');
  await page.getByTestId('details').click();
  const kept = await page.getByTestId('keep-room').locator('option').allInnerTexts();
  expect(kept).not.toContain('For ever');
  expect(kept).toContain('For 30 days');
  expect(kept).not.toContain('For 365 days');
});

test('keeping messages for others is a switch with a limit, and says what is kept', async () => {
  const page = await open();
  await page.getByTestId('settings').click();
  const hold = page.getByTestId('hold');
  await hold.getByText('3 messages (1.2 kB) are kept for 2 people.').waitFor();
  await page.getByTestId('hold-bytes').selectOption({ label: 'Up to 256 MB' });
  await expect.poll(() => lastCall(page, 'configure')).toEqual({ holdBytes: 256_000_000 });
  await page.evaluate(() => window.lanyardFake.holds(0, 0, 0));
  await hold.getByText('Nothing is kept right now.').waitFor();
  await hold.getByRole('radio', { name: 'Off' }).check();
  await expect.poll(() => lastCall(page, 'configure')).toEqual({ holdForOthers: false });
  await page.getByTestId('hold-bytes').waitFor({ state: 'detached' });
});

test('passing on between others is a switch that says how much it is', async () => {
  const page = await open();
  await page.getByTestId('settings').click();
  const relay = page.getByTestId('relay');
  await relay.getByText('for 8 pairs at a time, 4 of one device', { exact: false }).waitFor();
  expect(await relay.getByRole('radio', { name: 'On' }).isChecked()).toBe(true);
  await relay.getByRole('radio', { name: 'Off' }).check();
  await expect.poll(() => lastCall(page, 'configure')).toEqual({ relay: false });
});

async function create(page: Page, name: string): Promise<void> {
  await page.getByTestId('join-room').click();
  await page.getByTestId('tab-open').press('ArrowRight');
  await page.getByTestId('create-name').fill(name);
  await page.getByTestId('create-confirm').click();
  await page.getByTestId('title').getByText(name).waitFor();
}
