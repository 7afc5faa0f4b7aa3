import { expect, test } from 'vitest';
import { FakeBackend } from '../../src/ipc/fake';
import { KEPT, MOST, PAGE } from '../../src/state/history.svelte';
import { Session } from '../../src/state/session.svelte';

test('a message far back is gone to, with what is around it, and the newest stay away', async () => {
  const { lobby, fake, line } = await inLobby(1_000);
  expect(await lobby.goTo({ around: line(100).id })).toBe(true);
  expect(lobby.messages).toHaveLength(PAGE);
  expect(lobby.target).toEqual({ id: line(100).id });
  expect([lobby.more, lobby.newer, lobby.following]).toEqual([true, true, false]);
  fake.hear('lobby', 'Bo', 'something new');
  expect(lobby.messages.some(({ text }) => text === 'something new')).toBe(false);
});

test('the past can be read on until it meets the present', async () => {
  const { lobby, fake, line } = await inLobby(400);
  await lobby.goTo({ around: line(250).id });
  await lobby.loadNewer();
  await lobby.loadOlder();
  fake.hear('lobby', 'Bo', 'meanwhile');
  await lobby.loadNewer();
  expect(lobby.newer).toBe(false);
  const cursors = lobby.messages.map(({ cursor }) => cursor);
  expect(cursors).toEqual([...new Set(cursors)].sort());
  expect(lobby.messages.at(-1)?.text).toBe('meanwhile');
});

test('what is said while the last page of the past is under way is not lost', async () => {
  const { lobby, fake, line } = await inLobby(150);
  await lobby.goTo({ around: line(40).id });
  const loading = lobby.loadNewer();
  fake.hear('lobby', 'Bo', 'just now');
  await loading;
  expect(lobby.newer).toBe(false);
  expect(lobby.messages.filter(({ text }) => text === 'just now')).toHaveLength(1);
});

test('the present is one step away, and whoever speaks in the past is heard in the present', async () => {
  const { lobby, line } = await inLobby(1_000);
  await lobby.goTo({ around: line(10).id });
  await lobby.toLatest();
  expect([lobby.newer, lobby.following]).toEqual([false, true]);
  await lobby.goTo({ around: line(10).id });
  await lobby.say('back again');
  expect(lobby.newer).toBe(false);
  expect(lobby.messages.at(-1)?.text).toBe('back again');
});

test('a page that was on its way to a stretch that is gone is dropped', async () => {
  const { lobby, line } = await inLobby(1_000);
  const older = lobby.loadOlder();
  await Promise.all([older, lobby.goTo({ around: line(10).id })]);
  const cursors = lobby.messages.map(({ cursor }) => cursor);
  expect(cursors).toEqual([...cursors].sort());
  expect(lobby.messages).toHaveLength(PAGE);
});

test('a date is gone to: its first message, or the end if nothing was said since', async () => {
  const { session, lobby, line } = await inLobby(1_000);
  await session.goTo({ at: line(200).time - 1 });
  expect(lobby.target).toEqual({ id: line(200).id });
  await session.goTo({ at: Date.now() + 86_400_000 });
  expect(lobby.newer).toBe(false);
});

test('of what comes while one follows the oldest are let go of, and fetched again on the way up', async () => {
  const { lobby, fake, line } = await inLobby(150);
  flood(fake, MOST);
  expect(lobby.messages).toHaveLength(PAGE + MOST);
  lobby.letGo('newest');
  expect(lobby.newer).toBe(false);
  lobby.letGo('oldest');
  expect(lobby.messages).toHaveLength(KEPT);
  expect([lobby.more, lobby.newer, lobby.prepended, lobby.messages.at(-1)?.text]).toEqual([true, false, true, `flood ${MOST - 1}`]);
  while (lobby.more) await lobby.loadOlder();
  expect(lobby.messages).toEqual(fake.log.of(lobby.room));
  expect(await lobby.goTo({ around: line(3).id })).toBe(true);
});

test('the line above what was not seen is nowhere until its place is here again', async () => {
  const { session, fake } = await started(0);
  const ops = fake.room('ops');
  fake.hear('ops', 'Bo', 'seen');
  await session.openRoom(ops.id);
  await session.markRead();
  await session.openRoom(fake.room('lobby').id);
  fake.hear('ops', 'Bo', 'first unseen');
  await session.openRoom(ops.id);
  const ofLine = () => session.conversation!.rows.filter(({ firstUnseen }) => firstUnseen).map((row) => row.kind === 'message' && row.message.text);
  expect(ofLine()).toEqual(['first unseen']);
  flood(fake, MOST + 1, 'ops');
  session.conversation!.letGo('oldest');
  expect(ofLine()).toEqual([]);
  while (session.conversation!.more) await session.conversation!.loadOlder();
  expect(ofLine()).toEqual(['first unseen']);
});

test('whoever reads far up does not keep what comes meanwhile, and finds it on the way down', async () => {
  const { lobby, fake } = await inLobby(1_000);
  lobby.following = false;
  while (lobby.messages.length <= MOST) await lobby.loadOlder();
  const read = lobby.messages.slice(0, KEPT);
  fake.hear('lobby', 'Bo', 'not now');
  expect([lobby.newer, lobby.messages.length]).toEqual([true, MOST + PAGE]);
  lobby.letGo('newest');
  expect(lobby.messages).toEqual(read);
  while (lobby.newer) await lobby.loadNewer();
  expect(lobby.messages.at(-1)?.text).toBe('not now');
});

test('nothing is let go of while a page is under way', async () => {
  const { lobby, fake } = await inLobby(1_000);
  flood(fake, MOST);
  const older = lobby.loadOlder();
  lobby.letGo('oldest');
  await older;
  expect(lobby.messages).toEqual(fake.log.of(lobby.room).slice(-lobby.messages.length));
  expect(lobby.messages.length).toBe(PAGE + MOST + PAGE);
});

test('nothing is marked as read from the past', async () => {
  const { session, lobby, fake, line } = await inLobby(1_000);
  await lobby.goTo({ around: line(10).id });
  fake.hear('lobby', 'Bo', 'for later');
  await session.markRead();
  expect(session.room?.unread).toBe(1);
  await lobby.toLatest();
  await session.markRead();
  expect(session.room?.unread).toBe(0);
});

test('older messages that arrive later take their place above, and it is said when some are elsewhere', async () => {
  const { session, fake } = await started(0);
  const ops = fake.room('ops');
  fake.hear('ops', 'Bo', 'first here');
  fake.log.missing.add(ops.id);
  await session.openRoom(ops.id);
  const { conversation } = session;
  expect(conversation?.rows[0]?.edge).toBe('missing');
  fake.log.fetchOlder(ops, fake.peer('Ana'), 3);
  await expect.poll(() => conversation?.messages.map(({ text }) => text)).toEqual(['Fetched 1', 'Fetched 2', 'Fetched 3', 'first here']);
  expect(conversation?.prepended).toBe(true);
  expect(conversation?.rows[0]?.edge).toBe('beginning');
});

test('an answer reads as what it answers does now', async () => {
  const { session, fake } = await started(0);
  await session.openRoom(fake.room('ops').id);
  const asked = fake.hear('ops', 'Bo', 'teh question');
  await session.conversation!.say('the answer', asked);
  fake.log.edit(asked.id, 'the question');
  expect(session.conversation?.messages.at(-1)?.reply?.text).toBe('the question');
  fake.log.delete(asked.id);
  expect(session.conversation?.messages.at(-1)?.reply).toMatchObject({ text: '', deleted: true });
});

test('a draft is kept when another room is opened, and is there again after a new start', async () => {
  const { session, fake } = await started(0);
  await session.openRoom(fake.room('ops').id);
  session.conversation!.composition.text = 'half a th';
  session.drafts.changed(fake.room('ops').id, 'half a th');
  await session.openRoom(fake.room('lobby').id);
  await expect.poll(() => session.world.rooms.get(fake.room('ops').id)?.draft).toBe('half a th');
  const again = new Session(fake);
  await again.start();
  await again.openRoom(fake.room('ops').id);
  expect(again.conversation?.composition.text).toBe('half a th');
});

test('an edit has a text of its own and leaves the draft', async () => {
  const { session, fake } = await started(0);
  await session.openRoom(fake.room('ops').id);
  const { composition } = session.conversation!;
  composition.text = 'a draft';
  composition.edit(fake.hear('ops', 'Bo', 'said'));
  expect(composition.text).toBe('said');
  composition.text = 'said better';
  expect(composition.cancel()).toBe(true);
  expect(composition.text).toBe('a draft');
});

function flood(fake: FakeBackend, count: number, room = 'lobby'): void {
  for (let said = 0; said < count; said += 1) fake.hear(room, 'Bo', `flood ${said}`);
}

async function started(messages: number) {
  const fake = new FakeBackend({ world: 'quiet', messages, people: 12 });
  const session = new Session(fake);
  await session.start();
  return { fake, session };
}

async function inLobby(messages: number) {
  const { fake, session } = await started(messages);
  const room = fake.room('lobby').id;
  await session.openRoom(room);
  return { fake, session, lobby: session.conversation!, line: (number: number) => fake.log.of(room)[number - 1]! };
}
