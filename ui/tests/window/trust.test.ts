import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { check } from './axe';
import { useBrowser } from './browser';
import { lastCall, say } from './page';

const { open } = useBrowser();

async function openPerson(page: Page, name: string): Promise<void> {
  await page.locator(`[data-testid=person][data-name="${name}"]`).first().click();
  await page.getByTestId('title').getByText(name).waitFor();
}

async function openCard(page: Page, name: string): Promise<void> {
  await openPerson(page, name);
  await page.getByTestId('details').click();
  await page.getByTestId('trust-state').waitFor();
}

const trustOf = (page: Page, name: string) =>
  page.locator(`[data-testid=person][data-name="${name}"]`).first().getByTestId('shield').getAttribute('data-trust');

test('two people compare seven emoji, and the hollow shield becomes a solid one', async () => {
  const page = await open();
  await openCard(page, 'Bo');
  expect(await trustOf(page, 'Bo')).toBe('pinned');
  expect(await page.getByTestId('always-accept').count()).toBe(0);
  await page.getByTestId('verify').click();
  await page.getByTestId('compare').click();
  await page.getByText('Waiting for Bo to agree', { exact: false }).waitFor();
  await page.evaluate(() => window.lanyardFake.trust.agrees('Bo'));
  const emoji = page.getByTestId('emoji').getByRole('listitem');
  expect(await emoji.allInnerTexts()).toHaveLength(7);
  expect((await emoji.first().innerText()).split(/\s+/)).toEqual(['🐶', 'Dog']);
  await page.getByTestId('emoji-same').click();
  await page.getByText('Waiting for Bo to say the same', { exact: false }).waitFor();
  expect(await trustOf(page, 'Bo')).toBe('pinned');
  await page.evaluate(() => window.lanyardFake.trust.sees('Bo', true));
  await page.getByTestId('matched').waitFor();
  expect(await trustOf(page, 'Bo')).toBe('verified');
  await page.getByTestId('compare-done').click();
  await page.getByTestId('verify-dialog').waitFor({ state: 'detached' });
  await page.getByTestId('trust-state').getByText('this is Bo', { exact: false }).waitFor();
});

test('whoever is asked agrees or does not, and a word of the other side is heard at any time', async () => {
  const page = await open();
  await page.evaluate(() => window.lanyardFake.trust.asks('Bo'));
  const dialog = page.getByTestId('verify-dialog');
  await dialog.getByText('wants to compare seven emoji', { exact: false }).waitFor();
  await page.getByTestId('compare-no').click();
  await dialog.waitFor({ state: 'detached' });
  await expect.poll(() => lastCall(page, 'trust')).toMatchObject({ act: { do: 'cancel-comparison' } });
  await page.evaluate(() => window.lanyardFake.trust.asks('Bo'));
  await page.getByTestId('compare').click();
  await page.evaluate(() => window.lanyardFake.trust.agrees('Bo'));
  await page.evaluate(() => window.lanyardFake.trust.sees('Bo', false));
  await page.getByTestId('comparison-ended').getByText('says that the emoji are different', { exact: false }).waitFor();
  expect(await page.getByTestId('comparison-ended').getAttribute('data-alarm')).toBe('true');
});

test('emoji that differ are an alarm, and nobody is verified', async () => {
  const page = await open();
  await openCard(page, 'Bo');
  await page.getByTestId('verify').click();
  await page.getByTestId('compare').click();
  await page.evaluate(() => window.lanyardFake.trust.agrees('Bo'));
  await page.getByTestId('emoji-different').click();
  await page.getByRole('alert').getByText('somebody may be in between', { exact: false }).waitFor();
  expect(await trustOf(page, 'Bo')).toBe('pinned');
  await page.getByTestId('compare').click();
  await page.getByText('Waiting for Bo to agree', { exact: false }).waitFor();
  await page.keyboard.press('Escape');
  await expect.poll(() => lastCall(page, 'trust')).toMatchObject({ act: { do: 'cancel-comparison' } });
});

test('an alarm about somebody verified says that the word from before stands, and takes it back by a button', async () => {
  for (const language of ['en', 'zh-CN'] as const) {
    const page = await open({ language });
    await openCard(page, 'Ana');
    await page.getByTestId('verify').click();
    await page.getByTestId('compare').click();
    await page.evaluate(() => window.lanyardFake.trust.agrees('Ana'));
    await page.getByTestId('emoji-different').click();
    const dialog = page.getByTestId('verify-dialog');
    await dialog.getByTestId('still-verified').getByText(language === 'en' ? 'that still stands' : '仍然有效', { exact: false }).waitFor();
    expect(await dialog.innerText()).not.toMatch(/lanyard [a-z]|--/);
    await check(page, 'an alarm about somebody verified');
    await dialog.getByTestId('take-back').click();
    await dialog.getByTestId('still-verified').getByText(language === 'en' ? 'is no longer verified' : '不再是已验证', { exact: false }).waitFor();
    expect(await dialog.getByTestId('take-back').count()).toBe(0);
    expect(await lastCall(page, 'trust')).toMatchObject({ act: { do: 'unverify' } });
    expect(await trustOf(page, 'Ana')).toBe('pinned');
  }
});

test('what is refused because of a decision about a person can be mended where it is said', async () => {
  const page = await open();
  await page.evaluate(async () => {
    const fake = window.lanyardFake;
    fake.trust.act(fake.peer('Bo').id, { do: 'block' });
    const handles = [{ handle: 'a', name: 'plan.pdf', folder: false, size: 5_000 }];
    const { x, y } = document.querySelector('[data-testid=person][data-name=Bo]')!.getBoundingClientRect();
    fake.dropped({ kind: 'drop', x: x + 10, y: y + 10, handles });
  });
  const notice = page.getByTestId('notice').filter({ hasText: 'You blocked' });
  await notice.waitFor();
  expect(await notice.innerText()).not.toContain('lanyard ');
  await check(page, 'a notice with something to do');
  await notice.getByTestId('notice-act').click();
  await notice.waitFor({ state: 'detached' });
  await expect.poll(() => trustOf(page, 'Bo')).toBe('pinned');
});

test('who is away can be verified by digits or a link, and only by the right link', async () => {
  const page = await open();
  await openCard(page, 'Cai');
  await page.getByTestId('verify').click();
  await page.getByText('is not here. Emoji are compared while you both are', { exact: false }).waitFor();
  expect(await page.getByTestId('compare').isDisabled()).toBe(true);
  await page.getByTestId('tab-digits').click();
  await expect.poll(() => page.getByTestId('digits').getByRole('listitem').count()).toBe(12);
  await page.getByTestId('tab-link').click();
  await page.getByTestId('qr').waitFor();
  await page.getByTestId('their-link').fill('lanyard:v1:id:somebody');
  await page.getByTestId('check-link').click();
  await page.getByTestId('notice').getByText('another device', { exact: false }).waitFor();
  expect(await trustOf(page, 'Cai')).toBe('unknown');
  const link = await page.evaluate(() => `lanyard:v1:id:${window.lanyardFake.peer('Cai').id}`);
  await page.getByTestId('their-link').fill(link);
  await page.getByTestId('check-link').click();
  await expect.poll(() => trustOf(page, 'Cai')).toBe('verified');
  await page.keyboard.press('Escape');
  await page.getByTestId('unverify').click();
  await expect.poll(() => trustOf(page, 'Cai')).toBe('pinned');
  await page.getByTestId('verify').click();
  await page.getByTestId('tab-digits').click();
  await page.getByTestId('digits-same').click();
  await expect.poll(() => trustOf(page, 'Cai')).toBe('verified');
});

test('files are always accepted from somebody only once that one is verified', async () => {
  const page = await open();
  await openCard(page, 'Ana');
  await page.getByTestId('always-accept').selectOption({ label: 'Up to 1 GB at a time' });
  await expect.poll(() => lastCall(page, 'trust')).toMatchObject({ act: { do: 'always-accept', bytes: 1_000_000_000 } });
  await page.getByTestId('always-accept').selectOption({ label: 'Ask me each time' });
  await expect.poll(() => lastCall(page, 'trust')).toMatchObject({ act: { do: 'always-accept' } });
  await page.getByTestId('unverify').click();
  await page.getByTestId('always-accept').waitFor({ state: 'detached' });
});

test('an offer of somebody verified can be the first of many that are accepted', async () => {
  const page = await open();
  await openPerson(page, 'Ana');
  await page.evaluate(() => window.lanyardFake.offered('Ana', 'Ana', 'plan.pdf', 48_000_000));
  await page.getByTestId('offer').last().getByTestId('always-accept-from').click();
  await expect.poll(() => lastCall(page, 'trust')).toMatchObject({ act: { do: 'always-accept', bytes: 1_000_000_000 } });
  await page.getByTestId('offer').last().locator('xpath=self::*[@data-state="running"]').waitFor();
  await page.evaluate(() => window.lanyardFake.offered('Ana', 'Ana', 'more.pdf', 48_000_000));
  await page.getByTestId('offer').last().getByTestId('accept').waitFor();
  expect(await page.getByTestId('always-accept-from').count()).toBe(0);
});

test('nothing can be written to whoever is blocked, until they are not', async () => {
  const page = await open();
  await openCard(page, 'Bo');
  await page.getByTestId('block').click();
  await page.getByTestId('confirm').getByText('They are not told', { exact: false }).waitFor();
  await page.getByTestId('confirm-yes').click();
  await page.getByTestId('trust-bar').getByText('You blocked', { exact: false }).waitFor();
  expect(await page.getByTestId('composer').count()).toBe(0);
  expect(await trustOf(page, 'Bo')).toBe('blocked');
  await page.getByTestId('unblock').click();
  await page.getByTestId('composer').waitFor();
  expect(await trustOf(page, 'Bo')).toBe('pinned');
});

test('whoever takes the name of somebody verified is told in red, and nothing is sent before a person decided', async () => {
  const page = await open();
  await openPerson(page, 'Dmitri');
  await page.evaluate(() => window.lanyardFake.trust.takesName('Dmitri', 'Ana'));
  const bar = page.getByRole('alert').filter({ hasText: 'This is not the device of' });
  await bar.waitFor();
  await page.getByTestId('title').getByText('Ana', { exact: true }).waitFor();
  expect(await page.getByTestId('composer').count()).toBe(0);
  expect(await page.getByText('Write something, or drop a file', { exact: false }).count()).toBe(0);
  await page.getByTestId('details').click();
  const { short } = await page.evaluate(() => window.lanyardFake.peer('Ana'));
  await page.getByTestId('alike').getByText(short, { exact: false }).waitFor();
  await page.getByTestId('changed-apart').click();
  await page.getByTestId('composer').waitFor();
  await say(page, 'so you are another Ana');
  await expect.poll(() => lastCall(page, 'trust')).toMatchObject({ act: { do: 'apart' } });
});

test('two of one name are told apart by their short ids, with a warning', async () => {
  const page = await open();
  await openCard(page, 'Ana');
  const ids = await page.evaluate(() => window.lanyardFake.scene.peers.filter(({ name }) => name === 'Ana').map(({ short }) => short));
  const rows = page.locator('[data-testid=person][data-name=Ana]');
  for (const [index, short] of ids.entries()) await rows.nth(index).getByText(short).waitFor();
  await page.getByTestId('alike').getByText(ids[1] ?? '?', { exact: false }).waitFor();
});

describe.each([
  { language: 'en', theme: 'light' },
  { language: 'en', theme: 'dark' },
  { language: 'zh-CN', theme: 'light' },
  { language: 'zh-CN', theme: 'dark' },
] as const)('in $language, $theme', (look) => {
  test('every way to compare and every state of trust can be read by all', async () => {
    const page = await open(look);
    await openCard(page, 'Bo');
    await check(page, 'the card of somebody who is not verified');
    await page.getByTestId('verify').click();
    await check(page, 'before the emoji');
    await page.getByTestId('tab-digits').click();
    await page.getByTestId('digits').waitFor();
    await check(page, 'the digits');
    await page.getByTestId('tab-link').click();
    await page.getByTestId('qr').waitFor();
    await check(page, 'the code');
    await page.getByTestId('tab-emoji').click();
    await page.getByTestId('compare').click();
    await page.evaluate(() => window.lanyardFake.trust.agrees('Bo'));
    await page.getByTestId('emoji').getByText(look.language === 'en' ? 'Octopus' : '章鱼').waitFor();
    await check(page, 'the emoji');
    await page.getByTestId('emoji-different').click();
    await page.getByTestId('comparison-ended').waitFor();
    await check(page, 'the alarm');
    await page.keyboard.press('Escape');
    await page.evaluate(() => window.lanyardFake.trust.act(window.lanyardFake.peer('Bo').id, { do: 'block' }));
    await page.getByTestId('trust-bar').waitFor();
    await check(page, 'somebody blocked');
    await openPerson(page, 'Dmitri');
    await page.evaluate(() => window.lanyardFake.trust.takesName('Dmitri', 'Ana'));
    await page.getByTestId('trust-bar').waitFor();
    await check(page, 'another key');
    await openPerson(page, 'Ana');
    await page.getByTestId('always-accept').waitFor();
    await check(page, 'the card of somebody verified');
  });
});
