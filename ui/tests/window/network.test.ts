import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import type { Network } from '../../src/ipc/contract';
import { check } from './axe';
import { useBrowser } from './browser';
import { lastCall } from './page';

const { open } = useBrowser();

function becomes(page: Page, network: Partial<Network>): Promise<void> {
  return page.evaluate((network) => {
    const fake = window.lanyardFake;
    Object.assign(fake.scene.network, network);
    fake.emit({ event: 'network-changed', network: fake.scene.network });
  }, network);
}

const health = (page: Page, is: string) => page.locator(`[data-testid=health][data-health=${is}]`);

describe.each([
  { language: 'en', theme: 'light' },
  { language: 'zh-CN', theme: 'dark' },
] as const)('in $language, $theme', (look) => {
  test('the page says how well people are found, and what to do step by step where they are not', async () => {
    const page = await open(look);
    await page.getByTestId('network').click();
    await health(page, 'good').waitFor();
    expect(await page.getByTestId('steps').count()).toBe(0);
    await check(page, 'all is well');
    await becomes(page, { multicast: false });
    await health(page, 'off').waitFor();
    expect(await page.getByTestId('steps').getByRole('listitem').count()).toBe(4);
    await page.getByTestId('steps').getByText('47110').waitFor();
    await check(page, 'by address only');
    await becomes(page, { interfaces: [] });
    await health(page, 'apart').waitFor();
    expect(await page.getByTestId('own-address').count()).toBe(0);
    await check(page, 'no network');
  });

  test('each interface says how it stands, and is used as one chooses', async () => {
    const page = await open(look);
    await page.getByTestId('network').click();
    const of = (name: string, state: string) => page.locator(`[data-testid=interfaces] > [data-interface=${name}][data-state=${state}]`);
    for (const [name, state] of [['wlan0', 'used'], ['eth0', 'used'], ['tun0', 'tunnel'], ['usb0', 'absent']] as const) await of(name, state).waitFor();
    await check(page, 'interfaces');
    await of('eth0', 'used').locator('input[value=never]').click({ force: true });
    await of('eth0', 'excluded').waitFor();
    expect(await lastCall(page, 'use-interface')).toEqual({ name: 'eth0', choice: 'never' });
    expect(await page.getByTestId('own-address').count()).toBe(1);
    await of('tun0', 'tunnel').locator('input[value=always]').click({ force: true });
    await of('tun0', 'used').waitFor();
    await of('usb0', 'absent').locator('input[value=automatic]').click({ force: true });
    await of('usb0', 'absent').waitFor({ state: 'detached' });
    await page.getByTestId('check-network').click();
    await page.locator('[data-cause=wrong-interface]').getByTestId('choose-interface').click();
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('network-interfaces');
    await becomes(page, { interfaces: [] });
    await health(page, 'unused').waitFor();
    await check(page, 'no interface is to be used');
  });

  test('who hears nobody is told what may keep people apart', async () => {
    const page = await open({ ...look, world: 'lonely' });
    await page.getByTestId('network').click();
    await health(page, 'nobody').waitFor();
    await page.getByTestId('steps').waitFor();
    await check(page, 'nobody there');
  });
});

test('the strip about a wrong clock leads to how wrong it is', async () => {
  const page = await open();
  await becomes(page, { clockOff: -10_800 });
  await page.getByTestId('network-strip').getByRole('button').click();
  await page.getByTestId('clock-off').getByText('3 hr ahead of most others', { exact: false }).waitFor();
  await becomes(page, { clockOff: 5 * 86_400 });
  await page.getByTestId('clock-off').getByText('5 days behind most others', { exact: false }).waitFor();
  await becomes(page, { clockOff: null });
  await page.getByTestId('clock-off').waitFor({ state: 'detached' });
});

test('another version that is heard here is said', async () => {
  const page = await open();
  await page.getByTestId('network').click();
  await page.getByTestId('health').waitFor();
  expect(await page.getByTestId('other-version').count()).toBe(0);
  await becomes(page, { dropped: [{ reason: 'other-version', count: 2 }] });
  await page.getByTestId('other-version').waitFor();
});

test('one’s own address is copied, and shown as a code', async () => {
  const page = await open();
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.getByTestId('network').click();
  const first = page.getByTestId('own-address').first();
  await first.getByText('192.168.1.12:47111').waitFor();
  await first.getByTestId('address-copy').click();
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe('192.168.1.12:47111');
  await first.getByTestId('address-qr').click();
  await first.getByTestId('qr').waitFor();
  await first.getByTestId('address-qr').click();
  await first.getByTestId('qr').waitFor({ state: 'detached' });
});

test('several addresses can be pasted at once, and what is none stays to be mended', async () => {
  const page = await open();
  await page.getByTestId('network').click();
  await page.getByTestId('address').fill('10.0.0.9, 10.0.0.10:47111');
  await page.getByTestId('add-peer').click();
  await page.getByText('Looking for 10.0.0.9 and 10.0.0.10:47111').waitFor();
  expect(await lastCall(page, 'add-peer')).toEqual({ address: '10.0.0.10:47111' });
  expect(await page.getByTestId('address').inputValue()).toBe('');
  await page.evaluate(() => {
    window.lanyardFake.failNext = { code: 'invalid', message: '“:::” is no address.' };
  });
  await page.getByTestId('address').fill('::: 10.0.0.11');
  await page.getByTestId('add-peer').click();
  await page.getByTestId('notice').getByText('“:::” is no address.').waitFor();
  expect(await page.getByTestId('address').inputValue()).toBe(':::, 10.0.0.11');
});

describe.each([
  { language: 'en', theme: 'dark' },
  { language: 'zh-CN', theme: 'light' },
] as const)('a check of the network in $language, $theme', (look) => {
  test('says that all is well, and shows what was found out', async () => {
    const page = await open(look);
    await page.getByTestId('network').click();
    await page.getByTestId('check-network').click();
    await page.getByTestId('verdicts').locator('.well').waitFor();
    await page.getByTestId('checked').locator('summary').click();
    await page.getByTestId('checked').getByText('wlan0').waitFor();
    expect(await lastCall(page, 'diagnose')).toEqual({});
    await check(page, 'all is well');
  });

  test('says what is in the way, how that is known and what to do, and stays while one does it', async () => {
    const page = await open({ ...look, world: 'crowded' });
    await page.getByTestId('network').click();
    await page.getByTestId('check-network').click();
    const verdict = page.locator('[data-testid=verdicts] > [data-cause=multicast-filtered]');
    await verdict.waitFor();
    expect(await verdict.getByRole('listitem').count()).toBe(2);
    await verdict.getByText('224.0.0.100').waitFor();
    await health(page, 'hindered').waitFor();
    await check(page, 'something is in the way');
    await page.keyboard.press('Escape');
    await verdict.waitFor({ state: 'detached' });
    await page.getByTestId('network').click();
    await verdict.waitFor();
  });

  test('takes the place of what can be said without one', async () => {
    const page = await open({ ...look, world: 'lonely' });
    await page.getByTestId('network').click();
    await page.getByTestId('steps').waitFor();
    await page.getByTestId('check-network').click();
    await page.locator('[data-cause=nobody-there]').waitFor();
    expect(await page.getByTestId('steps').count()).toBe(0);
  });
});
