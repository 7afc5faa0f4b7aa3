import type { Me, Peer, Platform, Room, Snapshot } from './contract';

export type Scene = Snapshot;

export const ME: Me = {
  id: 'mei00000deviceofmine000000000000000000000000000000000',
  short: 'mei00000',
  name: 'Mei',
  downloads: '/home/mei/Downloads/Lanyard',
  version: '0.1.0',
  named: true,
};

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
  return Array.from({ length: count }, (_, index) => {
    const [name, platform, online] = PEOPLE[index] ?? [`Guest ${index + 1}`, 'other' as const, index % 3 !== 0];
    const short = `k${(index + 11).toString(32).padStart(3, '2')}x7qa`.slice(0, 8);
    return {
      id: `${short}${'a'.repeat(52 - short.length)}`,
      short,
      name,
      online,
      addresses: [`192.168.1.${20 + (index % 200)}:47111`],
      platform,
      trust: index === 0 ? 'verified' : index < 5 ? 'pinned' : 'unknown',
      lastSeen: Date.now() - (online ? 2_000 : (index + 1) * 1_900_000),
    };
  });
}

export function rooms(alone: boolean): Room[] {
  const room = (name: string, kind: Room['kind'], members: number): Room => ({
    id: `room-${name}`,
    kind,
    name,
    peer: null,
    unread: 0,
    last: null,
    read: null,
    members: alone ? 1 : members,
  });
  const lobby = room('lobby', 'lobby', 9);
  return alone ? [lobby] : [lobby, room('design', 'open', 5), room('ops', 'open', 3)];
}
