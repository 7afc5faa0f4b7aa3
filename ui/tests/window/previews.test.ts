import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { check } from './axe';
import { useBrowser } from './browser';
import { openRoom } from './page';

const { open } = useBrowser();

test('a received picture is seen small in its card and large on demand, by the keyboard as well', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await received(page, 'evening.png', 2_400_000);
  const small = page.getByTestId('thumbnail');
  await small.locator('img').waitFor();
  expect(await small.locator('img').evaluate((picture) => (picture as HTMLImageElement).naturalWidth)).toBe(480);
  expect(await small.getAttribute('aria-label')).toBe('Preview of evening.png');
  await small.focus();
  await page.keyboard.press('Enter');
  const picture = page.getByTestId('preview-picture');
  await picture.waitFor();
  await expect.poll(() => picture.evaluate((picture) => (picture as HTMLImageElement).naturalWidth)).toBe(1200);
  await check(page, 'a picture');
  await page.keyboard.press('Escape');
  await page.getByTestId('preview-dialog').waitFor({ state: 'detached' });
});

test('a received text is shown as text, whatever it holds, and says when there is more of it', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await received(page, 'notes.md', 70_000, '<img src=x onerror=alert(1)>\nabc\u202Etxt.exe\u0007 €'.repeat(3) + 'end');
  await page.getByTestId('offer').getByTestId('preview').click();
  const text = page.getByTestId('preview-text');
  await text.waitFor();
  expect(await text.locator('*').count()).toBe(0);
  expect(await text.textContent()).toBe('<img src=x onerror=alert(1)>\nabc\uFFFDtxt.exe\uFFFD €'.repeat(3) + 'end');
  await page.getByText('Only the beginning is shown', { exact: false }).waitFor();
  await check(page, 'a text');
  await page.getByTestId('preview-open').click();
  expect(await page.evaluate(() => window.lanyardFake.opened.at(-1))).toMatch(/^file of /);
});

test('a file that is gone says so, a broken picture is left out, and what is no picture has no preview', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await received(page, 'gone.txt', 10);
  await page.getByTestId('offer').getByTestId('preview').click();
  await page.getByTestId('preview-failed').getByText('no longer where it was received', { exact: false }).waitFor();
  await page.getByTestId('preview-close').click();
  await received(page, 'broken.jpg', 10, 'this is no picture');
  await page.locator('[data-testid=offer]').nth(1).waitFor();
  await page.getByTestId('thumbnail').waitFor({ state: 'detached' });
  await received(page, 'setup.exe', 10, 'MZ');
  const program = page.locator('[data-testid=offer]').nth(2);
  await program.getByTestId('reveal').waitFor();
  expect(await program.getByTestId('preview').count()).toBe(0);
});

/** A file that came from Bo and is here, with these bytes if it matters. */
function received(page: Page, name: string, bytes: number, content?: string): Promise<void> {
  return page.evaluate(
    async ([name, bytes, content]) => {
      const fake = window.lanyardFake;
      const { id } = fake.offered('ops', 'Bo', name, bytes);
      if (content !== undefined) fake.contents.set(id, new TextEncoder().encode(content).buffer);
      await fake.call({ method: 'accept', params: { transfer: id } });
      fake.advance(id, 1);
    },
    [name, bytes, content] as const,
  );
}
