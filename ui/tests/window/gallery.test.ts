import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { check } from './axe';
import { useBrowser, type Look } from './browser';

const { open } = useBrowser();

test.each<Look>([
  { theme: 'light', language: 'en' },
  { theme: 'dark', language: 'zh-CN' },
  { theme: 'light', language: 'zh-CN', contrast: 'more' },
  { theme: 'dark', language: 'en', contrast: 'more' },
  { theme: 'light', language: 'en', contrast: 'forced' },
  { theme: 'dark', language: 'en', contrast: 'forced' },
])('every component in every state: $theme, $language, contrast $contrast', async (look) => {
  const page = await open({ ...look, path: '/gallery.html' });
  await page.locator('[data-emoji]').nth(100).waitFor({ state: 'attached' });
  await check(page, 'components');
  for (const opened of ['menu', 'dialog', 'confirm']) {
    await page.getByTestId(`open-${opened}`).click();
    await page.locator('[role=menu], dialog[open]').waitFor();
    await check(page, opened);
    await page.keyboard.press('Escape');
  }
});

test('no shared component is missing there', async () => {
  const root = join(import.meta.dirname, '../..');
  const shared = readdirSync(join(root, 'src/components/shared')).map((file) => basename(file, '.svelte'));
  const text = readdirSync(join(root, 'gallery')).map((file) => readFileSync(join(root, 'gallery', file), 'utf8')).join('\n');
  // What listeners hear has no look; what floats, and the strip, are shown by what they carry.
  const unseen = ['Announcer', 'Floating', 'Strip'];
  expect(shared.filter((name) => !unseen.includes(name) && !text.includes(`<${name}`))).toEqual([]);
});

test('every colour, edge and tint changes with the contrast that was asked for', async () => {
  const page = await open({ path: '/gallery.html', contrast: 'more' });
  const edge = () => page.locator('button.selected').first().evaluate((row) => getComputedStyle(row).boxShadow);
  const before = await edge();
  await page.getByRole('radio', { name: 'Normal contrast' }).check({ force: true });
  await expect.poll(edge).not.toBe(before);
});
