import type { Peer, Room } from './contract';
import type { FakeBackend } from './fake';
import { line } from './fake-crowd';
import { heldBy } from './fake-log';
import { ME } from './fake-scene';

const MINUTE = 60_000;

/** What was said before the window opened. */
export function script(fake: FakeBackend, messages: number, varied = false): void {
  const start = Date.now() - 27 * 60 * MINUTE;
  const lobby = fake.room('lobby');
  const speakers = fake.scene.peers.slice(0, 5);
  for (let i = 0; i < messages; i += 1) {
    const author = i % 7 === 0 ? null : (speakers[(i >> 1) % speakers.length] ?? null);
    fake.log.write(lobby, author, { text: varied ? line(i + 1) : `Line ${i + 1} of the log`, time: start - (messages - i) * 90_000 });
  }
  inTheLobby(fake, lobby, start);
  inDesign(fake, fake.room('design'));
  inTheBoard(fake);
  withAna(fake);
  for (const room of fake.scene.rooms) Object.assign(room, { read: room.last?.cursor ?? null, unread: 0, mentions: 0 });
  const design = fake.room('design');
  Object.assign(design, { unread: 2, mentions: 1, read: fake.log.of(design.id).at(-3)?.cursor ?? null });
  fake.rooms.directory = [
    { name: 'lobby', members: 9, joined: true, active: Date.now() - 38 * MINUTE },
    { name: 'design', members: 5, joined: true, active: Date.now() - 2 * MINUTE },
    { name: 'garden', members: 4, joined: false, active: Date.now() - 95 * MINUTE },
    { name: '羽毛球', members: 12, joined: false, active: Date.now() - 26 * 60 * MINUTE },
    { name: 'release-2026', members: 1, joined: false, active: 0 },
  ];
}

function inTheLobby(fake: FakeBackend, lobby: Room, start: number): void {
  const [ana, bo, mei] = cast(fake);
  const now = Date.now();
  fake.log.write(lobby, bo, { text: 'Morning. The printer on the second floor is back.', time: start });
  fake.log.write(lobby, null, { text: 'Thanks, Bo!', time: start + 2 * MINUTE });
  fake.log.write(lobby, ana, { text: 'Lunch at half past twelve?', time: now - 40 * MINUTE });
  fake.log.write(lobby, mei, { text: '好的，我带茶。', time: now - 38 * MINUTE });
}

function inDesign(fake: FakeBackend, design: Room): void {
  const [ana, bo, mei] = cast(fake);
  const { log } = fake;
  const now = Date.now();
  log.write(design, ana, { text: 'The new build is up. Could someone on Windows try the installer?', time: now - 34 * MINUTE });
  log.write(design, ana, { text: 'Notes are here: https://wiki.example.lan/builds/412', time: now - 33 * MINUTE });
  const own = log.write(design, null, { text: 'On it.', time: now - 30 * MINUTE });
  own.delivered = heldBy([ana, bo], 4);
  const build = fake.files.add(design, ana, ['setup-0.9.412.exe'], 48_200_000, 1, now - 29 * MINUTE);
  Object.assign(build, { state: 'running', moved: 39_500_000, folder: fake.scene.me.downloads });
  log.write(design, ana, { text: 'setup-0.9.412.exe', time: now - 29 * MINUTE, transfer: build.id });
  const text = 'Works on Windows 11. Two things:\n- the tray icon is blurry at 150 %\n- `lanyard doctor` says all is well';
  const report = log.write(design, bo, { text, time: now - 12 * MINUTE, reply: own.id });
  report.reactions = [
    { emoji: '👍', by: [ana.id, ME.id], mine: true },
    { emoji: '🎉', by: [mei.id], mine: false },
  ];
  const answer = log.write(design, mei, { text: '@Mei 图标我来改，今天下午给你。', time: now - 3 * MINUTE, reply: report.id });
  answer.edited = now - MINUTE;
  const icons = fake.files.add(design, mei, ['icons'], 7_340_000, 24, now - 2 * MINUTE);
  log.write(design, mei, { text: 'icons', time: now - 2 * MINUTE, transfer: icons.id });
}

/** A private room in which all that can happen has happened. */
function inTheBoard(fake: FakeBackend): void {
  const [ana, bo] = cast(fake);
  const grace = fake.peer('Grace');
  const { log } = fake;
  const at = (minutes: number) => Date.now() - minutes * MINUTE;
  const board = fake.rooms.add({ kind: 'private', name: 'board', role: 'admin', topic: 'Budget 2027, until Friday', id: 'private-board' });
  fake.rooms.found(board, [[ana, 'creator'], [null, 'admin'], [bo, 'member'], [grace, 'member']]);
  const note = (author: Peer | null, kind: 'created' | 'added' | 'joined' | 'promoted' | 'topic' | 'keys-renewed', minutes: number, whom?: Peer | 'me', text = '') => {
    const peer = whom === 'me' ? { id: ME.id, name: ME.name } : whom;
    log.write(board, author, { text: '', time: at(minutes), note: { kind, peer: peer?.id ?? null, name: peer?.name ?? null, text } });
  };
  note(ana, 'created', 190);
  note(ana, 'added', 189, 'me');
  note(ana, 'promoted', 188, 'me');
  note(bo, 'joined', 180);
  note(ana, 'topic', 179, undefined, board.topic);
  const figures = log.write(board, ana, { text: 'The figures are **final** now. Please read them before Friday.', time: at(170) });
  figures.pinned = true;
  log.write(board, null, { text: 'I had sent the wrong table, sorry.', time: at(168) }).deleted = true;
  const late = log.write(board, bo, { text: 'I was offline, but I had seen them.', time: at(167) });
  late.late = true;
  log.write(board, grace, { text: '', time: at(120), kind: 'sealed' });
  note(ana, 'keys-renewed', 100);
  log.write(board, null, { text: 'Thank you, @Ana. Two questions tomorrow.', time: at(60), reply: figures.id }).delivered = heldBy([ana, bo, grace], 3);
}

function withAna(fake: FakeBackend): void {
  const [ana] = cast(fake);
  const { log } = fake;
  const at = (minutes: number) => Date.now() - minutes * MINUTE;
  const direct = fake.rooms.add({ kind: 'direct', name: ana.name, peer: ana.id, members: 2 });
  log.write(direct, ana, { text: 'Do you have the photos from Saturday?', time: at(65) });
  log.write(direct, null, { text: 'Yes, all of them. Sending.', time: at(64) }).delivered = heldBy([ana], 1);
  const photos = fake.files.add(direct, null, ['saturday'], 1_240_000_000, 86, at(63));
  const receivers = [{ peer: ana.id, short: ana.short, name: ana.name, state: 'done', moved: photos.bytes, chosen: null, chosenFiles: null, full: false }];
  Object.assign(photos, { state: 'done', moved: photos.bytes, receivers, finished: at(60) });
  log.write(direct, null, { text: 'saturday', time: at(63), transfer: photos.id }).delivered = heldBy([ana], 1);
  log.write(direct, ana, { text: 'Got them, thank you!', time: at(50) });
}

function cast(fake: FakeBackend): [Peer, Peer, Peer] {
  return [fake.peer('Ana'), fake.peer('Bo'), fake.peer('小美')];
}

/** The world goes on by itself: people write, now and then. */
export function live(fake: FakeBackend): void {
  const lines = ['Anyone has a USB-C cable?', '会议室 B 空着。', 'Deploy is done.', '@Mei back in ten.'];
  let beat = 0;
  fake.files.run('t1');
  setInterval(() => {
    beat += 1;
    const author = fake.scene.peers[(beat >> 1) % 4];
    if (!author?.online) return;
    const room = (beat >> 1) % 3 ? 'lobby' : 'design';
    if (beat % 2) fake.type(room, author.name);
    else fake.hear(room, author.name, lines[(beat >> 1) % lines.length] ?? '');
  }, 3000);
}
