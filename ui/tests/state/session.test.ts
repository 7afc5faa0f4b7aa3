import { expect, test } from 'vitest';
import { FakeBackend } from '../../src/ipc/fake';
import type { ApiError } from '../../src/ipc/contract';
import { PAGE } from '../../src/state/history.svelte';
import { Session } from '../../src/state/session.svelte';

test('a window that starts shows who is there, the lobby first and the present before the absent', async () => {
  const { session } = await started();
  expect(session.world.namedRooms.map(({ name }) => name)).toEqual(['lobby', 'board', 'design', 'ops']);
  const online = session.world.people.map((peer) => peer.online);
  expect(online).toEqual([...online].sort((a, b) => Number(b) - Number(a)));
  expect(session.world.online).toBe(8);
});

test('people come and go while the window is open', async () => {
  const { session, fake } = await started();
  fake.emit({ event: 'peer-offline', peer: { ...fake.peer('Bo'), online: false } });
  expect(session.world.online).toBe(7);
  fake.emit({ event: 'peer-online', peer: fake.peer('Bo') });
  expect(session.world.online).toBe(8);
});

test('two people of one name are known to share it', async () => {
  const { session } = await started();
  expect([...session.world.sharedNames]).toEqual(['Ana']);
});

test('opening a room fetches its newest page and marks it read, with a line where reading stopped', async () => {
  const { session, fake } = await started();
  await session.openRoom(fake.room('design').id);
  expect(session.conversation?.rows.filter((row) => row.firstUnseen)).toHaveLength(1);
  expect(session.room?.unread).toBe(0);
});

test('the new line goes when the room is left', async () => {
  const { session, fake } = await started();
  await session.openRoom(fake.room('design').id);
  const design = session.conversation;
  await session.openRoom(fake.room('lobby').id);
  expect(design?.seen).toBeNull();
});

test('history is paged backwards to its beginning, once each', async () => {
  const { session, fake } = await started(250);
  await session.openRoom(fake.room('lobby').id);
  const lobby = session.conversation!;
  expect(lobby.messages).toHaveLength(PAGE);
  await Promise.all([lobby.loadOlder(), lobby.loadOlder()]);
  expect(lobby.messages).toHaveLength(2 * PAGE);
  await lobby.loadOlder();
  await lobby.loadOlder();
  expect(lobby.messages).toHaveLength(254);
  expect(lobby.more).toBe(false);
  expect(lobby.messages.map(({ cursor }) => cursor)).toEqual(lobby.messages.map(({ cursor }) => cursor).sort());
});

test('what one says is shown at once as sending, then once as sent, then as delivered', async () => {
  const { session, fake } = await started();
  await session.openRoom(fake.room('design').id);
  const design = session.conversation!;
  const before = design.rows.length;
  const sent = design.say('hello');
  expect(design.rows.at(-1)?.kind).toBe('pending');
  await sent;
  expect(design.rows).toHaveLength(before + 1);
  expect(design.messages.at(-1)).toMatchObject({ text: 'hello', delivered: { to: [], of: 4 } });
  fake.deliver('design', ['Bo', '小美']);
  expect(design.messages.at(-1)?.delivered?.to).toHaveLength(2);
});

test('what one writes to somebody who is away is sent, and kept by others, and delivered only when they have it', async () => {
  const { session, fake } = await started();
  await session.openPerson(fake.peer('Cai').id);
  const direct = session.conversation!;
  await direct.say('see you on Monday');
  expect(direct.messages.at(-1)?.delivered).toEqual({ to: [], names: [], of: 1, keptBy: [] });
  fake.keep('Cai', ['Bo', '小美']);
  expect(direct.messages.at(-1)?.delivered).toMatchObject({ to: [], keptBy: [fake.peer('Bo').id, fake.peer('小美').id] });
  expect(direct.newestOwn).toBe(direct.messages.at(-1)?.id);
  fake.deliver('Cai', ['Cai']);
  expect(direct.messages.at(-1)?.delivered).toMatchObject({ to: [fake.peer('Cai').id], keptBy: [] });
});

test('how much is kept for others is known from the start and stays true', async () => {
  const { session, fake } = await started();
  expect(session.world.mailbox).toEqual({ entries: 3, bytes: 1_240, people: 2 });
  fake.holds(0, 0, 0);
  expect(session.world.mailbox).toEqual({ entries: 0, bytes: 0, people: 0 });
});

test('what could not be said stays, says why, and can be said again', async () => {
  const { session, fake } = await started();
  await session.openRoom(fake.room('design').id);
  const design = session.conversation!;
  fake.failNext = full;
  await design.say('hello');
  expect(design.pending).toMatchObject([{ text: 'hello', error: full }]);
  await design.retry(design.pending[0]!.key);
  expect(design.pending).toEqual([]);
  expect(design.messages.at(-1)?.text).toBe('hello');
});

test('a message that sorts before others is put in its place, and known ones are not doubled', async () => {
  const { session, fake } = await started();
  await session.openRoom(fake.room('design').id);
  const design = session.conversation!;
  const [first, second] = design.messages;
  design.receive({ ...first!, id: 'late', cursor: `${first!.cursor}5` });
  design.receive({ ...second!, text: 'same' });
  expect(design.messages.slice(0, 3).map(({ id }) => id)).toEqual([first!.id, 'late', second!.id]);
  expect(design.messages[2]?.text).toBe('same');
});

test('what arrives while nobody looks stays unread and gets the new line', async () => {
  const { session, fake } = await started();
  await session.openRoom(fake.room('ops').id);
  fake.hear('ops', 'Bo', 'first');
  await session.markRead();
  expect(session.room?.unread).toBe(0);
  session.attentive = () => false;
  fake.hear('ops', 'Bo', 'second');
  expect(session.room?.unread).toBe(1);
  expect(session.conversation?.rows.find((row) => row.firstUnseen)).toMatchObject({ message: { text: 'second' } });
});

test('a window that fell behind asks for everything anew', async () => {
  const { session, fake } = await started();
  await session.openRoom(fake.room('lobby').id);
  fake.scene.rooms = fake.scene.rooms.filter(({ name }) => name !== 'ops');
  fake.emit({ event: 'lagged', missed: 12 });
  fake.emit({ event: 'peer-offline', peer: { ...fake.peer('Bo'), online: false } });
  await expect.poll(() => session.world.namedRooms.map(({ name }) => name)).toEqual(['lobby', 'board', 'design']);
  await expect.poll(() => session.world.online).toBe(7);
});

test('bytes move and a rate is known until the transfer ends', async () => {
  const { session, fake } = await started();
  const { id } = fake.offered('design', 'Bo', 'disk.img', 1_000);
  await session.transfers.accept(id);
  fake.advance(id, 0.5);
  expect(session.world.transfers.get(id)?.moved).toBe(500);
  expect(session.world.rates.has(id)).toBe(true);
  fake.advance(id, 1);
  expect(session.world.transfers.get(id)?.state).toBe('done');
  expect(session.world.rates.has(id)).toBe(false);
});

test('one small file is offered at once, several or large ones only after a question', async () => {
  const { session, fake } = await started();
  const destination = { to: `@${fake.peer('Bo').id}`, name: 'Bo', person: true };
  const file = { handle: 'h', name: 'a', folder: false, size: 10 };
  await session.propose(destination, [file]);
  expect(fake.calls.filter(({ method }) => method === 'offer')).toHaveLength(1);
  expect(session.room?.name).toBe('Bo');
  await session.propose(destination, [file, { ...file, handle: 'g' }]);
  expect(session.proposal?.handles).toHaveLength(2);
  await session.propose(destination, [{ ...file, size: 2_000_000_000 }]);
  expect(session.proposal?.handles).toHaveLength(1);
});

test('a command that fails becomes a notice that can be dismissed', async () => {
  const { session, fake } = await started();
  fake.failNext = full;
  expect(await session.join('new')).toBe(false);
  expect(session.notices).toMatchObject([{ kind: 'error', error: full }]);
  session.dismiss(session.notices[0]!.id);
  expect(session.notices).toEqual([]);
});

test('a room that is left closes', async () => {
  const { session, fake } = await started();
  await session.openRoom(fake.room('ops').id);
  await session.leave(fake.room('ops').id);
  expect(session.room).toBeUndefined();
  expect(session.conversation).toBeUndefined();
});

const full: ApiError = { code: 'storage', message: 'The disk is full.' };

async function started(messages = 20) {
  const fake = new FakeBackend({ world: 'quiet', messages, people: 12 });
  const session = new Session(fake);
  await session.start();
  return { fake, session };
}
