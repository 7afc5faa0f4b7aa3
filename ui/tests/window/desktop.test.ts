import { expect, test } from 'vitest';
import { check } from './axe';
import { useBrowser } from './browser';
import { hear, lastCall, openRoom } from './page';

const { open } = useBrowser();

test('what is announced is chosen for all in the settings, each choice with what it does', async () => {
  const page = await open();
  await page.getByTestId('settings').click();
  const settings = page.getByTestId('notification-settings');
  await settings.getByTestId('do-not-disturb').getByRole('radio', { name: 'On' }).check();
  await expect.poll(() => lastCall(page, 'set-notifications')).toEqual({ doNotDisturb: true });
  await settings.getByTestId('previews').getByRole('radio', { name: 'Off' }).check();
  await expect.poll(() => lastCall(page, 'set-notifications')).toEqual({ previews: false });
  await settings.getByTestId('notify-rooms').selectOption({ label: 'Mentions and answers' });
  await expect.poll(() => lastCall(page, 'set-notifications')).toEqual({ rooms: 'mentions' });
  await page.getByText('Off, a notification says only who wrote.').waitFor();
  await check(page, 'settings');
});

test('what is announced of one conversation is chosen in its details', async () => {
  const page = await open();
  await openRoom(page, 'design');
  await page.getByTestId('details').click();
  const level = page.getByTestId('notify-room');
  await expect.poll(() => level.locator('option').allTextContents()).toEqual(['As in the settings', 'Everything', 'Mentions and answers', 'Nothing']);
  await level.selectOption({ label: 'Nothing' });
  await expect.poll(() => lastCall(page, 'notify-room')).toEqual({ room: 'room-design', level: 'none' });
  await level.selectOption({ label: 'As in the settings' });
  await expect.poll(() => lastCall(page, 'notify-room')).toEqual({ room: 'room-design' });
  await page.locator('[data-testid=person][data-name=Ana]').first().click();
  await expect.poll(() => level.locator('option').allTextContents()).toEqual(['Everything', 'Mentions and answers', 'Nothing']);
  expect(await level.evaluate((select: HTMLSelectElement) => select.selectedOptions[0]?.textContent)).toBe('Everything');
});

test('how it starts and closes is chosen, and a desktop without a tray is told of', async () => {
  const page = await open();
  await page.getByTestId('settings').click();
  const settings = page.getByTestId('desktop-settings');
  await settings.getByTestId('closing').getByRole('radio', { name: 'Quit' }).check();
  await settings.getByTestId('start-at-login').getByRole('radio', { name: 'On' }).check();
  const state = () => page.evaluate(() => window.lanyardFake.outside.state);
  await expect.poll(state).toEqual({ tray: true, closeToTray: false, startAtLogin: true });
  await page.getByTestId('settings').click();
  await page.evaluate(() => Object.assign(window.lanyardFake.outside.state, { tray: false, startAtLogin: null }));
  await page.getByTestId('settings').click();
  await settings.getByTestId('no-tray').getByText('This desktop has no tray').waitFor();
  expect(await settings.getByTestId('closing').count()).toBe(0);
  expect(await settings.getByTestId('start-at-login').count()).toBe(0);
  await check(page, 'settings');
});

test('the sections speak Chinese, and so does the desktop', async () => {
  const page = await open();
  const spoken = () => page.evaluate(() => window.lanyardFake.outside.spoken);
  await expect.poll(spoken).toBe('en');
  await page.getByTestId('settings').click();
  await page.getByRole('radio', { name: '简体中文' }).check();
  await expect.poll(spoken).toBe('zh-CN');
  await page.getByRole('heading', { name: '通知', exact: true }).waitFor();
  await page.getByTestId('notification-settings').getByText('勿扰', { exact: true }).waitFor();
  await page.getByRole('heading', { name: '启动和托盘' }).waitFor();
  await page.getByTestId('desktop-settings').getByText('登录时启动', { exact: true }).waitFor();
});

test('the window says which conversation is open, and a notification opens another', async () => {
  const page = await open();
  const looked = () => page.evaluate(() => window.lanyardFake.outside.looked);
  expect(await looked()).toBe(null);
  await openRoom(page, 'design');
  await expect.poll(looked).toBe('room-design');
  await hear(page, 'ops', 'Bo', 'look here');
  await page.evaluate(() => window.lanyardFake.outside.open({ kind: 'room', room: 'room-ops' }));
  await page.getByTestId('message-text').getByText('look here').waitFor();
  await expect.poll(looked).toBe('room-ops');
  await page.evaluate(() => {
    const ana = window.lanyardFake.peer('Ana');
    window.lanyardFake.outside.open({ kind: 'person', peer: ana.id });
  });
  await page.getByTestId('title').getByText('Ana').waitFor();
});

test('an invite that was opened elsewhere waits for a yes, and what is none is said', async () => {
  const page = await open();
  const link = 'lanyard:v1:inv:4qx7k2mzj5hw3nvb6trf4qx7k2mzj5hw3nvb6trf';
  await page.evaluate((link) => window.lanyardFake.outside.open({ kind: 'link', link }), link);
  expect(await page.getByTestId('invite-paste').inputValue()).toBe(link);
  expect(await lastCall(page, 'join-room')).toBe(undefined);
  await page.getByTestId('invite-confirm').click();
  await page.getByTestId('join-dialog').waitFor({ state: 'detached' });
  expect(await lastCall(page, 'join-room')).toEqual({ name: link });
  await page.evaluate(() => window.lanyardFake.outside.open({ kind: 'link', link: 'lanyard:v9:dance' }));
  await page.getByTestId('notice').getByText('This link is damaged').waitFor();
  await page.evaluate(() => window.lanyardFake.outside.open({ kind: 'link', link: 'lanyard:v1:id:4qx7k2mzj5hw3nvb' }));
  await page.getByTestId('notice').getByText('This is the link of a device').waitFor();
});

test('files that were named at a second start are offered to whoever is chosen', async () => {
  const page = await open();
  await page.evaluate(() => {
    const handle = (name: string) => ({ handle: name, name, folder: false, size: 5_000 });
    window.lanyardFake.outside.open({ kind: 'files', handles: ['plan.pdf', '设计稿.png'].map(handle) });
  });
  const dialog = page.getByTestId('send-to-dialog');
  await dialog.getByText('plan.pdf and 设计稿.png').waitFor();
  await dialog.getByTestId('send-to-search').fill('ops');
  await dialog.locator('[data-testid=send-to-pick][data-name="#ops"]').click();
  await dialog.waitFor({ state: 'detached' });
  await expect.poll(() => lastCall(page, 'offer')).toEqual({ to: 'room-ops', handles: ['plan.pdf', '设计稿.png'] });
  await page.getByTestId('title').getByText('ops').waitFor();
});
