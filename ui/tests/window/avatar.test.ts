import { describe, expect, test } from 'vitest';
import { check } from './axe';
import { useBrowser } from './browser';

const { open } = useBrowser();

test('everybody is shown with what they chose, wherever they are shown', async () => {
  const page = await open();
  const ana = page.locator('[data-testid=person][data-name=Ana]').first();
  const faces = page.locator('[data-testid=avatar][data-hue="1"]').filter({ hasText: '🦊' });
  await ana.locator(faces).waitFor();
  await ana.click();
  await page.getByTestId('title').getByText('Ana').waitFor();
  await page.locator('header').locator(faces).first().waitFor();
  await page.getByTestId('details').click();
  await page.getByTestId('panel').locator(faces).first().waitFor();
  await page.locator('[data-testid=room][data-name=design]').click();
  await page.getByTestId('message').filter({ has: faces }).first().waitFor();
});

test('a change of somebody is shown at once', async () => {
  const page = await open();
  const ana = page.locator('[data-testid=person][data-name=Ana]').first();
  await page.evaluate(() => {
    const fake = window.lanyardFake;
    const peer = fake.scene.peers.find(({ name }) => name === 'Ana');
    if (peer) fake.emit({ event: 'peer-changed', peer: { ...peer, avatar: { color: 5, emoji: '🧭' } } });
  });
  await ana.getByTestId('avatar').filter({ hasText: '🧭' }).waitFor();
  expect(await ana.getByTestId('avatar').getAttribute('data-hue')).toBe('5');
});

describe.each([
  { language: 'en', theme: 'light', red: 'Red' },
  { language: 'zh-CN', theme: 'dark', red: '红色' },
] as const)('in $language, $theme', ({ red, ...look }) => {
  test('the settings change the avatar, and the window takes its colour', async () => {
    const page = await open(look);
    const accent = () => page.evaluate(() => getComputedStyle(document.documentElement).getPropertyValue('--accent').trim());
    const before = await accent();
    await page.getByTestId('settings').click();
    await page.getByTestId('panel').getByRole('radio', { name: red }).check();
    await expect.poll(accent).not.toBe(before);
    expect(await page.evaluate(() => window.lanyardFake.scene.me.avatar)).toEqual({ color: 3, emoji: '🐼' });
    await check(page, 'another accent');
    await page.getByTestId('avatar-emoji').click();
    await check(page, 'choosing an emoji');
    await page.locator('[data-testid=emoji-picker] [data-emoji="🦄"]').click();
    await expect.poll(() => page.evaluate(() => window.lanyardFake.scene.me.avatar.emoji)).toBe('🦄');
    expect(await page.getByTestId('avatar-emoji').innerText()).toContain('🦄');
  });

  test('every colour bears what is written with it', async () => {
    const page = await open(look);
    await page.locator('[data-testid=room][data-name=design]').click();
    await page.getByTestId('offer').last().waitFor();
    for (let color = 0; color < 8; color += 1) {
      await page.evaluate((color) => {
        const { me } = window.lanyardFake.scene;
        window.lanyardFake.emit({ event: 'me-changed', me: { ...me, avatar: { ...me.avatar, color } } });
      }, color);
      await expect.poll(() => page.evaluate(() => document.documentElement.dataset.accent)).toBe(String(color));
      await check(page, `accent ${color}`);
    }
  });
});
