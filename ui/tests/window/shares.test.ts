import { expect, test } from 'vitest';
import { useBrowser } from './browser';
import { lastCall } from './page';

const { open } = useBrowser();

test('what somebody shares stands at the person, is looked through, and fetched where one says', async () => {
  const page = await open();
  await page.locator('[data-testid=person][data-name=Ana]').first().click();
  await page.getByTestId('details').click();
  await page.locator('[data-testid=peer-share][data-name=Reports]').click();
  const dialog = page.getByTestId('browse-dialog');
  await dialog.getByText('Reports, shared by Ana').waitFor();
  await dialog.locator('[data-name="2026"]').getByTestId('browse-open').click();
  await dialog.locator('[data-name="report.pdf"]').getByRole('checkbox').check();
  await dialog.getByTestId('choose-folder').click();
  await dialog.getByText('Get 1 item, 5.1 MB').click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByTestId('transfer').filter({ hasText: 'report.pdf' }).waitFor();
  const params = (await lastCall(page, 'get')) as { paths: string[]; into: string };
  expect(params.paths).toEqual(['2026/report.pdf']);
  expect(params.into).toBeDefined();
});

test('a folder of thousands is a list of few elements, and an empty or lost one says so', async () => {
  const page = await open();
  await page.locator('[data-testid=person][data-name=Ana]').first().click();
  await page.getByTestId('details').click();
  await page.locator('[data-testid=peer-share][data-name=音乐]').click();
  await page.getByTestId('browse-entry').first().waitFor();
  const list = page.getByTestId('browse-list').getByRole('region');
  for (let turn = 0; turn < 3; turn += 1) await list.evaluate((list) => list.scrollTo(0, list.scrollHeight));
  expect(await page.getByTestId('browse-entry').count()).toBeLessThan(60);
  await page.keyboard.press('Escape');
  await page.locator('[data-testid=peer-share][data-name=Reports]').click();
  await page.locator('[data-name="2026"]').getByTestId('browse-open').click();
  await page.locator('[data-name=drafts]').getByTestId('browse-open').click();
  await page.getByText('This folder is empty.').waitFor();
  await page.evaluate(() => (window.lanyardFake.failNext = { code: 'timed-out', message: 'Nobody answered.' }));
  await page.getByTestId('browse-top').click();
  await page.getByTestId('browse-again').click();
  await page.locator('[data-name="2026"]').waitFor();
});

test('who is away or shares nothing is said at the person', async () => {
  const page = await open();
  await page.locator('[data-testid=person][data-name=Cai]').click();
  await page.getByTestId('details').click();
  await page.getByTestId('shares-say').getByText('When Cai is here').waitFor();
  await page.locator('[data-testid=person][data-name=Bo]').click();
  await page.getByTestId('shares-say').getByText('Bo shares no folder with you.').waitFor();
});

test('a folder is shared with everyone, a room or people, changed, and shared no longer', async () => {
  const page = await open();
  await page.getByTestId('settings').click();
  await page.getByText('You share no folder.').waitFor();
  await page.getByTestId('share-add').click();
  await page.getByTestId('share-name').fill('Designs');
  await page.getByTestId('share-save').click();
  const share = page.locator('[data-testid=share][data-name=Designs]');
  await share.getByText('Seen by everyone on this network').waitFor();
  await share.getByTestId('share-change').click();
  await page.getByTestId('share-dialog').getByLabel('A room').check();
  await page.getByTestId('share-room').selectOption({ label: '#design' });
  await page.getByTestId('share-save').click();
  await share.getByText('Seen by #design').waitFor();
  await share.getByTestId('share-change').click();
  await page.getByTestId('share-dialog').getByLabel('People').check();
  expect(await page.getByTestId('share-save').isDisabled()).toBe(true);
  await page.getByTestId('share-search').fill('dmi');
  await page.locator('[data-testid=share-person][data-name=Dmitri]').check();
  await page.getByTestId('share-search').fill('gra');
  await page.locator('[data-testid=share-person][data-name=Grace]').check();
  await page.getByTestId('share-save').click();
  await share.getByText('Seen by Dmitri and Grace').waitFor();
  await share.getByTestId('share-remove').click();
  await page.getByTestId('confirm-yes').click();
  await share.waitFor({ state: 'detached' });
});

test('limits are chosen in the settings', async () => {
  const page = await open();
  await page.getByTestId('settings').click();
  await page.getByTestId('download-limit').selectOption({ label: 'Up to 10 MB/s' });
  await expect.poll(() => lastCall(page, 'configure')).toEqual({ downloadLimit: 10_000_000 });
  await page.getByTestId('at-once').selectOption({ label: '6' });
  await expect.poll(() => lastCall(page, 'configure')).toEqual({ transfersAtOnce: 6 });
});
