import { expect, test } from 'vitest';
import { FakeBackend } from '../../src/ipc/fake';
import { canForward, forwarded, MAX_TEXT_BYTES } from '../../src/state/forward';
import { FILES_PAGE } from '../../src/state/rooms.svelte';
import { Session } from '../../src/state/session.svelte';

test('what is passed on stands as a quotation under its author’s name', () => {
  expect(forwarded('Ana', 'one\n\ntwo')).toBe('> Ana:\n> one\n> \n> two');
});

test('a text that is too long with its marks is cut at a whole character', () => {
  const long = forwarded('小美', '会'.repeat(6_000));
  expect(new TextEncoder().encode(long).length).toBeLessThanOrEqual(MAX_TEXT_BYTES);
  expect(new TextEncoder().encode(long).length).toBeGreaterThan(MAX_TEXT_BYTES - 6);
  expect(long.endsWith('会…')).toBe(true);
  expect(forwarded('Ana', 'x'.repeat(16_000))).not.toContain('…');
});

test('a message is forwarded to a person with whom there was no conversation, which opens', async () => {
  const { session, fake } = await started();
  const message = fake.hear('ops', 'Bo', 'the key is\nunder the mat');
  expect(await session.forward(message, `@${fake.peer('Grace').id}`)).toBe(true);
  expect(session.room?.name).toBe('Grace');
  expect(session.conversation?.messages.at(-1)?.text).toBe('> Bo:\n> the key is\n> under the mat');
});

test('what is refused stays where it was, and says why', async () => {
  const { session, fake } = await started();
  const message = fake.hear('ops', 'Bo', 'secret');
  fake.failNext = { code: 'refused', message: 'You are not in this room.' };
  expect(await session.forward(message, fake.room('design').id)).toBe(false);
  expect(session.notices.at(-1)).toMatchObject({ kind: 'error', error: { message: 'You are not in this room.' } });
});

test('of offers only those whose files are here can be passed on', async () => {
  const { fake } = await started();
  const transfer = fake.offered('ops', 'Bo', 'plan.pdf', 9);
  const message = fake.log.of(fake.room('ops').id).at(-1)!;
  expect(canForward(message, { ...transfer })).toBe(false);
  expect(canForward(message, undefined)).toBe(false);
  fake.advance(transfer.id, 1);
  expect(canForward(message, { ...fake.files.get(transfer.id) })).toBe(true);
  expect(canForward({ ...message, deleted: true }, fake.files.get(transfer.id))).toBe(false);
});

test('the files of a room come page by page, newest first, and stay current', async () => {
  const { session, fake } = await started();
  const room = fake.room('ops').id;
  for (let n = 0; n < FILES_PAGE + 3; n += 1) fake.offered('ops', 'Bo', `file ${n}`, 9);
  await session.rooms.loadFiles(room);
  const names = () => session.rooms.files.get(room)!.offers.map(({ message }) => message.text);
  expect(names()).toHaveLength(FILES_PAGE);
  expect(names()[0]).toBe(`file ${FILES_PAGE + 2}`);
  await session.rooms.moreFiles(room);
  expect(names().slice(-3)).toEqual(['file 2', 'file 1', 'file 0']);
  expect(session.rooms.files.get(room)!.next).toBeNull();
  fake.offered('ops', 'Bo', 'newest', 9);
  expect(names()[0]).toBe('newest');
  fake.log.delete(fake.log.of(room).at(-1)!.id);
  expect(names()[0]).toBe(`file ${FILES_PAGE + 2}`);
  fake.offered('design', 'Bo', 'elsewhere', 9);
  expect(names()[0]).toBe(`file ${FILES_PAGE + 2}`);
});

test('a copy of this profile is a fact until a person has ended it', async () => {
  const { session, fake } = await started();
  fake.cloned(77);
  expect(session.world.me?.cloned).toBe(77);
  await session.settleClone();
  expect(session.world.me?.cloned).toBeNull();
});

async function started() {
  const fake = new FakeBackend({ world: 'quiet', messages: 30, people: 12 });
  const session = new Session(fake);
  session.attentive = () => false;
  await session.start();
  return { session, fake };
}
