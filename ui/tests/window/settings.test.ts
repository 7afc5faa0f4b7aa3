import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { check } from './axe';
import { useBrowser } from './browser';
import { lastCall } from './page';

const { open } = useBrowser();

const decided = (page: Page, name: string) => page.locator(`[data-testid=decided][data-name="${name}"]`);

/** Whether the keys are at this person. */
const focused = (page: Page, name: string) =>
  decided(page, name).getByTestId('decided-open').evaluate((button) => document.activeElement === button);

describe.each([
  { language: 'en', theme: 'dark' },
  { language: 'zh-CN', theme: 'light' },
] as const)('in $language, $theme', (look) => {
  test('every section is named at the top, and gone to by click and key', async () => {
    const page = await open(look);
    await page.getByTestId('settings').click();
    const nav = page.getByTestId('settings-sections');
    await nav.locator('[data-section=settings-start]').waitFor();
    const named = await nav.getByRole('button').allInnerTexts();
    expect(await page.getByTestId('panel').getByRole('heading', { level: 3 }).allInnerTexts()).toEqual(named);
    await nav.locator('[data-section=settings-about]').press('Enter');
    const about = page.locator('#settings-about');
    await expect.poll(() => about.evaluate((heading) => document.activeElement === heading)).toBe(true);
    const panel = (await page.getByTestId('panel').boundingBox())!;
    const heading = (await about.boundingBox())!;
    expect(heading.y + heading.height).toBeLessThanOrEqual(panel.y + panel.height);
  });

  test('whom one decided about stands together, and can be decided anew there', async () => {
    const page = await open(look);
    await page.getByTestId('settings').click();
    await decided(page, 'Ana').waitFor();
    expect(await page.getByTestId('decided').count()).toBe(1);
    await page.evaluate(() => {
      const { trust, scene } = window.lanyardFake;
      const of = (name: string) => scene.peers.find((peer) => peer.name === name)!.id;
      trust.act(of('Bo'), { do: 'block' });
      trust.act(of('Ana'), { do: 'always-accept', bytes: 1_000_000_000 });
    });
    await decided(page, 'Bo').waitFor();
    expect(await page.getByTestId('decided').evaluateAll((rows) => rows.map((row) => (row as HTMLElement).dataset.trust))).toEqual(['blocked', 'verified']);
    await decided(page, 'Ana').getByText('1 GB', { exact: false }).waitFor();
    await check(page, 'people that were decided about');
    await decided(page, 'Ana').getByTestId('decided-ask').click();
    await decided(page, 'Ana').getByTestId('decided-ask').waitFor({ state: 'detached' });
    await expect.poll(() => focused(page, 'Ana')).toBe(true);
    expect(await lastCall(page, 'trust')).toMatchObject({ act: { do: 'always-accept' } });
    await decided(page, 'Bo').getByTestId('decided-unblock').click();
    await decided(page, 'Bo').waitFor({ state: 'detached' });
    await expect.poll(() => focused(page, 'Ana')).toBe(true);
    await decided(page, 'Ana').getByTestId('decided-open').click();
    await page.getByTestId('trust-state').waitFor();
    await page.getByTestId('title').getByText('Ana').waitFor();
  });
});

test('nobody decided about is said with where that is done', async () => {
  const page = await open({ world: 'lonely' });
  await page.getByTestId('settings').click();
  await page.getByText('You have verified or blocked nobody yet', { exact: false }).waitFor();
});

test('the settings lead to the network page', async () => {
  const page = await open();
  await page.getByTestId('settings').click();
  await page.getByTestId('settings-network').click();
  await page.getByTestId('health').waitFor();
});

test('when nobody is left the keys are at the heading', async () => {
  const page = await open();
  await page.evaluate(() => {
    const { trust, scene } = window.lanyardFake;
    trust.act(scene.peers.find(({ name }) => name === 'Bo')!.id, { do: 'block' });
    trust.act(scene.peers.find(({ trust }) => trust === 'verified')!.id, { do: 'unverify' });
  });
  await page.getByTestId('settings').click();
  await decided(page, 'Bo').getByTestId('decided-unblock').click();
  await decided(page, 'Bo').waitFor({ state: 'detached' });
  await expect.poll(() => page.locator('#settings-people').evaluate((heading) => document.activeElement === heading)).toBe(true);
});

test('what takes how much of the disk is said, and leads to what can be done about it', async () => {
  for (const [language, total] of [['en', /on this device$/], ['zh-CN', /^本机占用/]] as const) {
    const page = await open({ language });
    await page.getByTestId('settings').click();
    const storage = page.getByTestId('storage');
    await storage.getByText(total).waitFor();
    await storage.locator('[data-testid=storage-room][data-name=lobby]').waitFor();
    await check(page, 'what takes how much of the disk');
    const asked = () => page.evaluate(() => window.lanyardFake.calls.filter(({ method }) => method === 'storage').length);
    await storage.getByTestId('storage-again').click();
    await expect.poll(asked).toBe(2);
    await page.getByTestId('history-bytes').selectOption({ index: 0 });
    await expect.poll(asked).toBe(3);
    await storage.locator('[data-testid=storage-room][data-name=lobby]').click();
    await page.getByTestId('keep-room').waitFor();
    await page.getByTestId('settings').click();
    await storage.getByTestId('storage-transfers').click();
    await page.getByTestId('transfer').first().waitFor();
  }
});

test('what a disk does not say is not made up', async () => {
  const page = await open();
  await page.evaluate(() => {
    const fake = window.lanyardFake;
    const call = fake.call.bind(fake);
    fake.call = async (command) => {
      const reply = await call(command);
      return reply.reply === 'storage' ? { ...reply, value: { ...reply.value, unfinished: null } } : reply;
    };
  });
  await page.getByTestId('settings').click();
  await page.getByTestId('storage-unfinished').getByText('A disk does not answer').waitFor();
});
