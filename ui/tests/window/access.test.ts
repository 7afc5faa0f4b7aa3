import { describe, test } from 'vitest';
import { check } from './axe';
import { useBrowser } from './browser';

const { open } = useBrowser();

describe.each([
  { language: 'en', theme: 'light' },
  { language: 'en', theme: 'dark' },
  { language: 'zh-CN', theme: 'light' },
  { language: 'zh-CN', theme: 'dark' },
] as const)('in $language, $theme', (look) => {
  test('a conversation with files, and every panel beside it', async () => {
    const page = await open(look);
    await check(page, 'nothing open');
    await page.locator('[data-testid=room][data-name=design]').click();
    await page.getByTestId('offer').last().waitFor();
    await check(page, 'a room');
    await page.locator('[data-testid=person][data-name=Ana]').first().click();
    await page.getByTestId('details').click();
    await check(page, 'a person and details');
    await page.getByTestId('find').click();
    await page.getByTestId('search-text').fill('the');
    await page.getByTestId('result').first().waitFor();
    await check(page, 'search');
    for (const panel of ['transfers', 'network', 'settings']) {
      await page.getByTestId(panel).click();
      await page.getByTestId('panel').waitFor();
      await check(page, panel);
    }
  });

  test('transfers in every state, their files, and choosing among them', async () => {
    const page = await open(look);
    await page.locator('[data-testid=room][data-name=design]').click();
    await page.evaluate(async () => {
      const fake = window.lanyardFake;
      for (let n = 0; n < 6; n += 1) {
        const { id } = fake.offered('ops', 'Bo', `file ${n}`, 1_000_000, n === 0 ? 300 : 1);
        await fake.call({ method: 'accept', params: { transfer: id } });
        if (n === 0) await fake.call({ method: 'pause', params: { transfer: id } });
        if (n === 1) fake.files.fail(id, 'failed', { code: 'storage', message: 'The disk is full.' });
      }
    });
    await page.getByTestId('transfers').click();
    await page.getByTestId('transfer-grip').first().waitFor();
    await check(page, 'transfers of all kinds');
    await page.getByTestId('transfer-menu').first().click();
    await check(page, 'what can be done with a transfer');
    await page.keyboard.press('Escape');
    await page.locator('[data-testid=transfer][data-state=paused]').getByTestId('transfer-open').click();
    await page.getByTestId('transfer-file').first().waitFor();
    await check(page, 'the files of a transfer');
    await page.getByTestId('choose-files').first().click();
    await page.getByTestId('tree-row').nth(3).click();
    await check(page, 'choosing files');
  });

  test('shared folders, own and of others', async () => {
    const page = await open(look);
    await page.locator('[data-testid=person][data-name=Ana]').first().click();
    await page.getByTestId('details').click();
    await page.getByTestId('peer-share').first().click();
    await page.getByTestId('browse-entry').nth(2).waitFor();
    await check(page, 'a folder of somebody');
    await page.keyboard.press('Escape');
    await page.getByTestId('settings').click();
    await page.getByTestId('share-add').click();
    await page.getByTestId('share-save').click();
    await page.getByTestId('share-change').click();
    await page.locator('[data-testid=share-dialog] input[value=people]').check({ force: true });
    await page.getByTestId('share-person').first().waitFor();
    await check(page, 'who may see a folder');
  });

  test('a private room with all that can be done in it', async () => {
    const page = await open(look);
    await page.locator('[data-testid=room][data-name=board]').click();
    await page.getByTestId('details').click();
    await page.getByTestId('invite-make').click();
    await page.getByTestId('qr').waitFor();
    await check(page, 'a private room and details');
    await page.evaluate(() => {
      window.lanyardFake.forked('board', 'Bo');
      window.lanyardFake.offered('board', 'Bo', 'plan.pdf', 48_000_000);
      window.lanyardFake.cloned(Date.now());
    });
    await page.getByTestId('forked').waitFor();
    await page.getByTestId('room-file').first().waitFor();
    await check(page, 'two versions, a copy, and files');
    await page.getByTestId('copy-strip').getByRole('button').click();
    await check(page, 'what to do about a copy');
    await page.keyboard.press('Escape');
    await page.getByTestId('add-member').click();
    await check(page, 'adding somebody');
    await page.keyboard.press('Escape');
    await page.getByTestId('member-menu').first().click();
    await check(page, 'what can be done about a member');
    await page.keyboard.press('Escape');
    const message = page.getByTestId('message').last();
    await message.hover();
    await check(page, 'the tools of a message');
    await message.getByTestId('react').click();
    await page.locator('[data-emoji]').nth(100).waitFor({ state: 'attached' });
    await check(page, 'emoji');
    await page.keyboard.press('Escape');
    const said = page.getByTestId('message').filter({ has: page.getByTestId('message-text') }).last();
    await said.click({ button: 'right' });
    await page.getByTestId('menu-forward').click();
    await page.getByTestId('forward-search').waitFor();
    await check(page, 'forwarding');
    await page.keyboard.press('Escape');
    await message.click({ button: 'right' });
    await page.getByTestId('menu-reply').click();
    await page.getByTestId('composer').pressSequentially('@');
    await page.getByTestId('completion').waitFor();
    await check(page, 'an answer with names');
  });

  test('the dialogs, trouble, and files over the window', async () => {
    const page = await open({ ...look, world: 'fresh' });
    await page.getByTestId('first-run').waitFor();
    await check(page, 'first run');
    await page.getByTestId('first-run-start').click();
    await page.getByTestId('join-room').click();
    await page.getByTestId('listed').first().waitFor();
    await check(page, 'join');
    for (const tab of ['private', 'invite']) {
      await page.getByTestId(`tab-${tab}`).click();
      await check(page, tab);
    }
    await page.evaluate(() => void window.lanyardFake.rooms.join('lanyard:v1:inv:secret'));
    await page.keyboard.press('Escape');
    await page.getByTestId('search').click();
    await check(page, 'switcher');
    await page.keyboard.press('Escape');
    await page.evaluate(() => {
      const fake = window.lanyardFake;
      fake.emit({ event: 'network-changed', network: { ...fake.scene.network, multicast: false } });
      fake.emit({ event: 'notice', error: { code: 'storage', message: 'The disk is full.' } });
    });
    await page.getByTestId('notice').waitFor();
    await page.locator('[data-testid=room][data-name=lobby]').click();
    await check(page, 'trouble');
    await page.evaluate(() => window.lanyardFake.dropped({ kind: 'over', x: 700, y: 300 }));
    await check(page, 'drop');
  });
});

test('an empty network', async () => {
  const page = await open({ world: 'lonely' });
  await page.locator('[data-testid=room][data-name=lobby]').click();
  await page.getByTestId('transfers').click();
  await check(page, 'nobody there');
});
