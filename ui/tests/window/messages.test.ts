import { expect, test } from 'vitest';
import { useBrowser } from './browser';
import { choose, hear, lastCall, openRoom, say, saying } from './page';

const { open } = useBrowser();

test('a message is answered, with what it answers above, and a click leads there', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await hear(page, 'ops', 'Bo', 'Who has the **key**?');
  const asked = page.getByTestId('message').filter({ hasText: 'Who has the' });
  await asked.hover();
  await page.getByTestId('reply').click();
  await page.getByTestId('replying').getByText('Who has the key?').waitFor();
  const answer = await say(page, 'I have it.');
  await answer.getByTestId('quote').getByText('Who has the key?').waitFor();
  expect(await lastCall(page, 'say')).toMatchObject({ reply: expect.any(String) });
  expect(await page.getByTestId('replying').count()).toBe(0);
  await answer.getByTestId('quote').click();
  await page.locator('[data-testid=message].flashed').filter({ hasText: 'Who has the' }).waitFor();
});

test('Escape gives up an answer and an edit', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await say(page, 'said');
  await choose(page, saying(page, 'said'), 'reply');
  await page.getByTestId('replying').waitFor();
  await page.keyboard.press('Escape');
  await page.getByTestId('replying').waitFor({ state: 'detached' });
  await page.keyboard.press('ArrowUp');
  await page.getByTestId('editing').waitFor();
  await page.keyboard.press('Escape');
  await page.getByTestId('editing').waitFor({ state: 'detached' });
  expect(await page.getByTestId('composer').inputValue()).toBe('');
});

test('the last own message is edited with the arrow up, and says that it was', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await say(page, 'the frist');
  await page.keyboard.press('ArrowUp');
  const composer = page.getByTestId('composer');
  await expect.poll(() => composer.inputValue()).toBe('the frist');
  await composer.fill('the first');
  await composer.press('Enter');
  await saying(page, 'the first').getByTestId('edited').waitFor();
  expect(await saying(page, 'the first').getByTestId('edited').getAttribute('title')).toMatch(/^Edited .*\d/);
  expect(await composer.inputValue()).toBe('');
});

test('what cannot be edited stays as it was, and the edit stays open', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await say(page, 'as it was');
  await page.evaluate(() => {
    window.lanyardFake.failNext = { code: 'storage', message: 'The disk is full.' };
  });
  await page.keyboard.press('ArrowUp');
  await page.getByTestId('composer').fill('as it should be');
  await page.keyboard.press('Enter');
  await page.getByTestId('notice').getByText('The disk is full.').waitFor();
  await page.getByTestId('editing').waitFor();
  await saying(page, 'as it was').waitFor();
});

test('an own message is deleted after a question, and leaves a stone', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  const message = await say(page, 'better not');
  await choose(page, message, 'delete');
  await page.getByTestId('confirm').getByText('Whoever has read or copied it keeps what they have.', { exact: false }).waitFor();
  await page.getByTestId('confirm-yes').click();
  await page.getByTestId('tombstone').waitFor();
  expect(await page.getByText('better not').count()).toBe(0);
});

test('what others wrote cannot be edited or deleted in an open room', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await hear(page, 'ops', 'Bo', 'mine');
  await saying(page, 'mine').click({ button: 'right' });
  await page.getByTestId('menu-copy').waitFor();
  expect(await page.getByTestId('menu-edit').count()).toBe(0);
  expect(await page.getByTestId('menu-delete').count()).toBe(0);
});

test('an admin of a private room can take back what others wrote', async () => {
  const page = await open();
  await openRoom(page, 'board');
  await choose(page, saying(page, 'I was offline, but I had seen them.'), 'delete');
  await page.getByTestId('confirm-yes').click();
  await expect.poll(() => page.getByTestId('tombstone').count()).toBe(2);
});

test('a reaction is found by its name, counted with those of others, and taken off again', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  const message = await say(page, 'done');
  await message.hover();
  await page.getByTestId('react').click();
  await page.getByTestId('emoji-search').fill('party popper');
  await page.keyboard.press('Enter');
  const chip = message.locator('[data-testid=reaction][data-emoji="🎉"]');
  await chip.getByText('1', { exact: true }).waitFor();
  await page.evaluate(() => window.lanyardFake.reacted('Bo', 'done', '🎉'));
  await chip.getByText('2', { exact: true }).waitFor();
  expect(await chip.getAttribute('title')).toBe('Mei and Bo reacted with 🎉');
  expect(await chip.getAttribute('aria-pressed')).toBe('true');
  await chip.click();
  await chip.getByText('1', { exact: true }).waitFor();
  expect(await chip.getAttribute('aria-pressed')).toBe('false');
});

test('an emoji is put on a message from its menu, too', async () => {
  const page = await open();
  await openRoom(page, 'design');
  await choose(page, saying(page, 'On it.'), 'react');
  await page.getByTestId('emoji-search').fill('compass');
  await page.getByTestId('emoji-search').press('Enter');
  await saying(page, 'On it.').getByTestId('reaction').getByText('🧭', { exact: true }).waitFor();
});

test('emoji are found by their Chinese names and put where one writes', async () => {
  const page = await open({ language: 'zh-CN' });
  await openRoom(page, 'ops');
  await page.getByTestId('composer').fill('好');
  await page.getByTestId('add-emoji').click();
  await page.getByTestId('emoji-search').fill('猫脸');
  await page.getByRole('button', { name: '猫脸', exact: true }).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await expect.poll(() => page.getByTestId('composer').inputValue()).toBe('好🐱');
});

test('a message is pinned, stands among the pinned ones, and is found from there', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await page.getByTestId('details').click();
  const message = await say(page, 'the rules');
  await choose(page, message, 'pin');
  await message.getByTestId('pinned').waitFor();
  await page.getByTestId('pin').getByText('the rules').click();
  await page.locator('[data-testid=message].flashed').waitFor();
  await choose(page, message, 'pin');
  await page.getByTestId('pin').waitFor({ state: 'detached' });
});

test('names are completed after an @, with the keyboard, and are highlighted', async () => {
  const page = await open();
  await openRoom(page, 'design');
  const composer = page.getByTestId('composer');
  await composer.pressSequentially('ask @d');
  await page.getByRole('option', { name: 'Dmitri' }).waitFor();
  await composer.press('Enter');
  expect(await composer.inputValue()).toBe('ask @Dmitri ');
  await composer.pressSequentially('and @');
  expect(await page.getByRole('option').count()).toBeGreaterThan(1);
  await composer.press('Escape');
  await page.getByTestId('completion').waitFor({ state: 'detached' });
  await composer.press('Enter');
  await page.getByTestId('message').last().getByTestId('mention').getByText('@Dmitri').waitFor();
});

test('mentions are counted apart from what is only unread', async () => {
  const page = await open();
  await openRoom(page, 'lobby');
  await hear(page, 'ops', 'Bo', 'anyone?');
  await hear(page, 'ops', 'Bo', '@Mei perhaps?');
  const ops = page.locator('[data-testid=room][data-name=ops]');
  await ops.getByTestId('unread').getByText('2 unread').waitFor({ state: 'attached' });
  await ops.getByTestId('mentions').getByText('1 mention of you').waitFor({ state: 'attached' });
  await openRoom(page, 'ops');
  await ops.getByTestId('mentions').waitFor({ state: 'detached' });
});

test('whoever is writing is shown until they have written', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await page.evaluate(() => window.lanyardFake.type('ops', 'Bo'));
  const typing = page.getByTestId('typing');
  await typing.getByText('Bo is writing…').waitFor();
  await page.evaluate(() => window.lanyardFake.type('ops', '小美'));
  await typing.getByText('Bo and 小美 are writing…').waitFor();
  expect(await typing.getAttribute('aria-hidden')).toBe('true');
  await hear(page, 'ops', 'Bo', 'here');
  await typing.getByText('小美 is writing…').waitFor();
});

test('that one is writing is said, and not for every letter', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await page.getByTestId('composer').pressSequentially('a few words');
  expect(await page.evaluate(() => window.lanyardFake.calls.filter(({ method }) => method === 'typing').length)).toBe(1);
});

test('a draft waits in its room, is shown in the list, and goes when it is sent', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await page.getByTestId('composer').fill('half a th');
  await openRoom(page, 'lobby');
  const ops = page.locator('[data-testid=room][data-name=ops]');
  await ops.getByTestId('draft').waitFor();
  expect(await page.getByTestId('composer').inputValue()).toBe('');
  await openRoom(page, 'ops');
  expect(await page.getByTestId('composer').inputValue()).toBe('half a th');
  await page.getByTestId('composer').press('Enter');
  await openRoom(page, 'lobby');
  await ops.getByTestId('draft').waitFor({ state: 'detached' });
  expect(await lastCall(page, 'set-draft')).toMatchObject({ text: '' });
});

test('messages are reached, acted upon and left by the keyboard alone', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await say(page, 'one');
  await say(page, 'two');
  await page.getByRole('log').focus();
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  const who = page.getByTestId('delivery-who');
  await who.getByText('It is on disk here', { exact: false }).waitFor();
  await who.getByText('Not yet: Ana and Bo').waitFor();
  await page.keyboard.press('Escape');
  await who.waitFor({ state: 'detached' });
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByTestId('replying').getByText('one').waitFor();
});

test('what happened in a private room is told between the messages', async () => {
  const page = await open();
  await openRoom(page, 'board');
  expect(await page.getByTestId('note').allInnerTexts()).toEqual([
    'Ana created this room',
    'Ana added Mei',
    'Ana made Mei an admin',
    'Bo joined by an invite',
    'Ana changed the topic to “Budget 2027, until Friday”',
    'Ana renewed the keys of this room',
  ]);
  await page.getByTestId('sealed').getByText('Waiting for the key of this message').waitFor();
  await page.getByTestId('late').waitFor();
  await page.getByTestId('beginning').waitFor();
});
