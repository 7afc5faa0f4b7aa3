import type { Room, Transfer } from './contract';
import type { FakeBackend } from './fake';
import { heldBy } from './fake-log';
import { newRoom } from './fake-scene';

const MINUTE = 60_000;
const ROOMS = 200;
const TRANSFERS = 50;

/** Names as people have them: long, short, of other scripts and directions, with marks on top and without a gap. */
const NAMES = [
  'Maximiliane-Charlotte von Hohenstein-Württemberg',
  'مريم عبد الرحمن',
  '👩🏽‍🚀 Nia',
  'דנה (אריזה)',
  '欧阳娜娜',
  'Donaudampfschifffahrtsgesellschaftskapitän',
  'ท่านผู้มีชื่อยาวมาก',
  'Ž',
];

const ROOM_NAMES = [
  'quarterly-planning-of-the-whole-northern-region',
  'غرفة التصميم',
  '🎉-parties',
  '上海办公室午餐拼单群',
  'עיצוב',
  'a',
];

const FILES = [
  'a very long name of a file that somebody really gave it (final, reviewed, 2nd version).docx',
  'تقرير الربع الأول.pdf',
  '季度财务报表（最终版）.xlsx',
  'IMG_4711.HEIC',
  '🏖️ photos.zip',
  'no-extension',
];

/** More of everything than most networks ever have, and none of it tidy. */
export function crowd(fake: FakeBackend): void {
  const { peers, rooms } = fake.scene;
  NAMES.forEach((name, index) => Object.assign(peers[12 + index] ?? {}, { name, online: true }));
  while (rooms.length < ROOMS) {
    const number = rooms.length;
    const name = ROOM_NAMES[number] ?? `project-${number}`;
    const kind = number % 5 === 0 ? 'private' : 'open';
    rooms.push(newRoom({ kind, name, members: 3 + (number % 40), unread: number % 7 === 0 ? number * 9 : 0, mentions: number % 21 === 0 ? 2 : 0 }));
  }
  rooms.push(newRoom({ kind: 'private', name: 'waiting', membership: 'joining', members: 0 }));
  const direct = rooms.findLast(({ kind }) => kind === 'direct');
  if (direct) Object.assign(direct, { unread: 1204, mentions: 3 });
  mixed(fake, fake.room('design'));
  for (let number = fake.scene.transfers.length; number < TRANSFERS; number += 1) transfer(fake, number);
}

/** Every kind of text in one room, one after the other. */
function mixed(fake: FakeBackend, room: Room): void {
  const [ana, bo] = [fake.peer('Ana'), fake.peer('Bo')];
  const speakers = [...fake.scene.peers.slice(12, 20), ana, bo];
  const texts = [
    'مرحبا، هل يمكن لأحد أن يجرب المثبت الجديد على Windows 11؟',
    '这个版本的安装包我已经测过了，没有问题；发布说明在 https://wiki.example.lan/builds/412 里。',
    'Loooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooong',
    '🎉🎉🎉',
    '```\nfn main() {\n    println!("a line of code that is longer than the window is wide, so that it has to scroll by itself");\n}\n```',
    '> It was fine yesterday.\n\n**Bold**, _italic_, ~~gone~~ and `code`, all in one line with שלום in between.',
    'https://build.example.lan/artifacts/2026/11/29/nightly/x86_64-unknown-linux-gnu/lanyard-0.9.412-release.tar.zst?download=1',
    '1. first\n2. second\n- and another thing\n- with a second line',
  ];
  const from = Date.now() - 2 * MINUTE;
  texts.forEach((text, index) => {
    const author = speakers[index % speakers.length] ?? ana;
    const message = fake.log.write(room, author, { text, time: from + index * 5_000 });
    if (index % 3 === 0) {
      message.reactions = ['👍', '❤️', '😂', '🎉', '🚀', '👀', '🙏', '✅'].map((emoji, n) => ({ emoji, by: [speakers[n % speakers.length]?.id ?? ana.id], mine: n === 1 }));
    }
    if (index % 4 === 1) Object.assign(message, { edited: from, pinned: true, late: true, disputed: true });
    if (index % 5 === 2) fake.log.write(room, bo, { text: 'كلام جميل (حقًا)!', time: from + index * 5_000, reply: message.id });
  });
  const own = fake.log.write(room, null, { text: 'All of that, please, and once more for those who sit at the back of the room.', time: from + 60_000 });
  own.delivered = heldBy(speakers, 30);
}

const STATES: Transfer['state'][] = ['running', 'queued', 'offered', 'paused', 'waiting', 'failed', 'done', 'declined', 'cancelled', 'running'];

function transfer(fake: FakeBackend, number: number): void {
  const state = STATES[number % STATES.length] ?? 'done';
  const peer = fake.scene.peers[12 + (number % NAMES.length)] ?? null;
  const outgoing = number % 3 === 1 && state !== 'offered';
  const room = fake.room(number % 4 === 0 ? 'design' : 'ops');
  const bytes = 10 ** (4 + (number % 7)) * 3;
  const files = number % 4 === 2 ? 1_840 : 1;
  const name = FILES[number % FILES.length] ?? 'file';
  const time = Date.now() - number * 7 * MINUTE;
  const made = fake.files.add(room, outgoing ? null : peer, [name], bytes, files, time);
  const ended = ['done', 'declined', 'cancelled', 'failed'].includes(state);
  Object.assign(made, {
    state,
    moved: state === 'done' ? bytes : ended || state === 'offered' || state === 'queued' ? 0 : Math.floor(bytes * 0.37),
    rate: state === 'running' ? 94_000_000 : 0,
    place: state === 'queued' ? number : null,
    folder: outgoing ? null : fake.scene.me.downloads,
    finished: ended ? time + MINUTE : null,
    error: state === 'failed' ? { code: 'storage', message: `The disk on D: is full: 1.2 GB needed, 300 MB free. ${name} was not saved.` } : null,
  } satisfies Partial<Transfer>);
  const author = outgoing ? null : peer;
  if (room.name === 'design') fake.log.write(room, author, { text: name, time, transfer: made.id });
}

/** A line of a long history: as people write, most short, some long, some marked up. */
export function line(number: number): string {
  switch (number % 11) {
    case 3:
      return `Line ${number}: **bold** and \`code\`, and a link https://wiki.example.lan/builds/${number}`;
    case 5:
      return `第 ${number} 行：今天下午的会议改到三点，地点还是二楼的会议室。`;
    case 7:
      return `Line ${number} is longer than the others, as somebody explains what was decided in the meeting, why it was, and what everybody else who reads this should do about it before the end of the week.`;
    case 9:
      return `Line ${number}\n- with\n- a list`;
    default:
      return `Line ${number}`;
  }
}
