import { expect, test } from 'vitest';
import { useBrowser } from './browser';
import { choose, hear, lastCall, openRoom, say, saying } from './page';

const { open } = useBrowser();

test('whose messages have two versions is said at the member and at the message, in both languages', async () => {
  const page = await open();
  await openRoom(page, 'board');
  await hear(page, 'board', 'Bo', 'which of me?');
  await page.getByTestId('members-count').click();
  expect(await page.getByTestId('forked').count()).toBe(0);
  await page.evaluate(() => window.lanyardFake.forked('board', 'Bo'));
  const bo = page.locator('[data-testid=member][data-name=Bo]');
  await bo.getByTestId('forked').getByText('There are two versions of what Bo wrote here', { exact: false }).waitFor();
  const mark = saying(page, 'which of me?').getByTestId('disputed');
  await mark.waitFor();
  expect(await mark.getAttribute('title')).toContain('Ask Bo in person');

  const chinese = await open({ language: 'zh-CN' });
  await openRoom(chinese, 'board');
  await hear(chinese, 'board', 'Bo', 'which of me?');
  await chinese.evaluate(() => window.lanyardFake.forked('board', 'Bo'));
  await saying(chinese, 'which of me?').getByTestId('disputed').getByText('两个版本').waitFor();
});

test('a copied profile has a strip with what to do, until a person has done it', async () => {
  const page = await open();
  expect(await page.getByTestId('copy-strip').count()).toBe(0);
  await page.evaluate(() => window.lanyardFake.cloned(Date.now()));
  await page.getByTestId('copy-strip').getByText('also runs on another machine', { exact: false }).waitFor();
  await page.getByTestId('copy-strip').getByRole('button').click();
  await page.getByTestId('confirm').getByText('Close Lanyard on one of the two machines', { exact: false }).waitFor();
  await page.getByTestId('confirm-yes').click();
  await page.getByTestId('copy-strip').waitFor({ state: 'detached' });
  expect(await lastCall(page, 'settle-clone')).toEqual({});
});

test('the files of a room stand in its details with the same actions, and more on demand', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await page.getByTestId('details').click();
  await page.getByText('No files were offered here yet.').waitFor();
  await page.evaluate(() => {
    for (let n = 0; n < 25; n += 1) window.lanyardFake.offered('ops', 'Bo', `file ${n}.pdf`, 48_000_000);
  });
  const files = page.getByTestId('room-file');
  await files.first().getByText('file 24.pdf').waitFor();
  await openRoom(page, 'design');
  await openRoom(page, 'ops');
  await expect.poll(() => files.count()).toBe(20);
  await page.getByTestId('files-more').click();
  await expect.poll(() => files.count()).toBe(25);
  expect(await page.getByTestId('files-more').count()).toBe(0);
  await files.first().getByTestId('accept').click();
  await files.first().locator('[data-state=running]').waitFor();
  await page.evaluate(() => window.lanyardFake.advance(window.lanyardFake.scene.transfers.at(-1)!.id, 1));
  await files.first().getByTestId('reveal').waitFor();
});

test('a message is forwarded to a room that is chosen, and the window goes there', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await hear(page, 'ops', 'Bo', 'the build is up');
  await choose(page, saying(page, 'the build is up'), 'forward');
  await page.getByTestId('forward-search').fill('des');
  await page.locator('[data-testid=forward-pick][data-name="#design"]').click();
  await page.getByTestId('forward-dialog').waitFor({ state: 'detached' });
  await page.getByTestId('title').getByText('design').waitFor();
  expect(await lastCall(page, 'say')).toMatchObject({ text: '> Bo:\n> the build is up' });
});

test('an offer is forwarded only when its file is here', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await say(page, 'before');
  const id = await page.evaluate(() => window.lanyardFake.offered('ops', 'Bo', 'plan.pdf', 9).id);
  const card = page.getByTestId('message').filter({ hasText: 'plan.pdf' });
  await card.click({ button: 'right' });
  await page.getByTestId('menu-reply').waitFor();
  expect(await page.getByTestId('menu-forward').count()).toBe(0);
  await page.keyboard.press('Escape');
  await page.evaluate((id) => window.lanyardFake.advance(id, 1), id);
  await card.getByTestId('reveal').waitFor();
  await card.click({ button: 'right', position: { x: 5, y: 5 } });
  await page.getByTestId('menu-forward').waitFor();
});

test('what was discarded on the network is said in the language of the window', async () => {
  for (const [language, words] of [['en', 'Heard before: 3'], ['zh-CN', '重复收到：3']] as const) {
    const page = await open({ language });
    await page.getByTestId('network').click();
    await page.getByTestId('panel').getByText(words).waitFor();
  }
});

test('a link that leads elsewhere than it says is marked, and warned of before it is opened', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await hear(page, 'ops', 'Bo', 'Sign in at [bank.example](https://evil.example/login), notes in [the wiki](https://wiki.example.lan/)');
  await page.getByTestId('link-host').getByText('wiki.example.lan').waitFor();
  const mark = page.getByTestId('link-deceives');
  await mark.getByText('evil.example').waitFor();
  expect(await mark.count()).toBe(1);
  await page.getByRole('link', { name: 'bank.example' }).click();
  await page.getByTestId('link-warning').getByText('It is written as “bank.example”', { exact: false }).waitFor();
  await page.getByTestId('link-dialog').getByText('It leads to evil.example').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('link', { name: 'the wiki' }).click();
  await page.getByTestId('link-dialog').getByText('It leads to wiki.example.lan').waitFor();
  expect(await page.getByTestId('link-warning').count()).toBe(0);
});

test('code is copied by its own button, which says so', async () => {
  const page = await open();
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await openRoom(page, 'ops');
  await hear(page, 'ops', 'Bo', '```\nlet _a = 1;\n```');
  await page.getByTestId('copy-code').focus();
  await page.keyboard.press('Enter');
  await page.getByRole('status').getByText('Copied').waitFor({ state: 'attached' });
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('let _a = 1;');
});

test('a conversation that could not be read says so, and is read when it can be', async () => {
  const page = await open();
  await page.evaluate(() => window.lanyardFake.refused.add('log'));
  await openRoom(page, 'board');
  await page.getByTestId('conversation-again').waitFor();
  await page.evaluate(() => window.lanyardFake.refused.clear());
  await page.getByTestId('conversation-again').click();
  await page.getByTestId('message').first().waitFor();
});

test('a list that could not be read says so and is asked for again', async () => {
  const page = await open();
  await page.evaluate(() => window.lanyardFake.refused.add('pins'));
  await openRoom(page, 'board');
  await page.getByTestId('details').click();
  await page.getByTestId('list-failed').getByText('This could not be read.').waitFor();
  await page.evaluate(() => window.lanyardFake.refused.clear());
  await page.getByTestId('list-again').click();
  await page.getByTestId('pin').waitFor();
  expect(await page.getByTestId('list-failed').count()).toBe(0);
});
