import type { Me, Peer, Platform, Room, Snapshot } from './contract';

export type Scene = Snapshot;

export const ME: Me = {
  id: 'mei00000deviceofmine000000000000000000000000000000000',
  short: 'mei00000',
  name: 'Mei',
  avatar: { color: 0, emoji: '🐼' },
  downloads: '/home/mei/Downloads/Lanyard',
  version: '0.1.0',
  named: true,
  historyDays: 365,
  historyBytes: 1_000_000_000,
  cloned: null,
  holdForOthers: true,
  holdBytes: 64_000_000,
  uploadLimit: 0,
  downloadLimit: 0,
  transfersAtOnce: 3,
  relaying: { on: true, most: 8, mostOfOne: 4 },
  locked: [],
  notifications: { doNotDisturb: false, previews: true, rooms: 'all' },
};

const FACES = ['🦊', '🐙', '🦉', '🐢', '🐝', '🐳', '🦄', '🐸', '🦋', '🐨', '🐯'];

const PEOPLE: [string, Platform, boolean][] = [
  ['Ana', 'macos', true],
  ['Bo', 'linux', true],
  ['小美', 'windows', true],
  ['Dmitri', 'linux', true],
  ['Ana', 'windows', true],
  ['Fatima', 'macos', true],
  ['Build server', 'linux', true],
  ['Grace', 'windows', true],
  ['Cai', 'linux', false],
  ['Hugo', 'macos', false],
  ['Ines', 'windows', false],
  ['Jonas with quite a long name that does not fit', 'other', false],
];

/** The first twelve have names and stories, the rest are there to be many. */
export function people(count: number): Peer[] {
  const known = Array.from({ length: count }, (_, index): Peer => {
    const [name, platform, online] = PEOPLE[index] ?? [`Guest ${index + 1}`, 'other' as const, index % 3 !== 0];
    const number = index < PEOPLE.length ? index + 11 : index + 3_000;
    const short = `k${number.toString(32).padStart(3, '2')}x7qa`.slice(0, 8);
    return {
      id: `${short}${'a'.repeat(52 - short.length)}`,
      short,
      name,
      avatar: { color: (index * 3 + 1) % 8, emoji: FACES[index % FACES.length] ?? '🦔' },
      online,
      addresses: [`192.168.1.${20 + (index % 200)}:47111`],
      platform,
      alike: [],
      acceptBytes: null,
      trust: index === 0 ? 'verified' : index < 5 ? 'pinned' : 'unknown',
      lastSeen: Date.now() - (online ? 2_000 : (index + 1) * 1_900_000),
    };
  });
  for (const peer of known.slice(0, PEOPLE.length)) {
    peer.alike = known.filter((other) => other !== peer && other.name === peer.name).map(({ id }) => id);
  }
  return known;
}

export function newRoom(part: Partial<Room> & Pick<Room, 'kind' | 'name'>): Room {
  return {
    id: `room-${part.name}`,
    peer: null,
    unread: 0,
    mentions: 0,
    topic: '',
    draft: '',
    membership: 'member',
    role: null,
    keepDays: null,
    notify: null,
    last: null,
    read: null,
    members: 1,
    forked: [],
    alike: false,
    ...part,
  };
}

export function rooms(alone: boolean): Room[] {
  if (alone) return [newRoom({ kind: 'lobby', name: 'lobby' })];
  return [
    newRoom({ kind: 'lobby', name: 'lobby', members: 9 }),
    newRoom({ kind: 'open', name: 'design', members: 5, topic: 'Builds, icons, screens' }),
    newRoom({ kind: 'open', name: 'ops', members: 3 }),
  ];
}
