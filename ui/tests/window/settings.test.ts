import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { check } from './axe';
import { useBrowser } from './browser';
import { lastCall } from './page';

const { open } = useBrowser();

const decided = (page: Page, name: string) => page.locator(`[data-testid=decided][data-name="${name}"]`);

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
    expect(await lastCall(page, 'trust')).toMatchObject({ act: { do: 'always-accept' } });
    await decided(page, 'Bo').getByTestId('decided-unblock').click();
    await decided(page, 'Bo').waitFor({ state: 'detached' });
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
