import type { ApiError, Command, Listing, ListingEntry, Peer, PeerShare, Share } from './contract';
import { nameOf } from './fake-files';

type Params<M extends Command['method']> = Extract<Command, { method: M }>['params'];

/** What others share: folders by path, and what is in each. */
const TREE: Record<string, ListingEntry[]> = {
  '': [folder('2025'), folder('2026'), file('read me.txt', 1_240), file('overview.pdf', 2_400_000)],
  '2025': [file('report.pdf', 4_800_000), file('figures.xlsx', 830_000)],
  '2026': [folder('drafts'), file('report.pdf', 5_100_000)],
  '2026/drafts': [],
};

/** Folders that are shared in the made-up world. */
export class FakeShares {
  readonly own: Share[] = [];
  readonly ofPerson = new Map<string, PeerShare[]>();

  constructor(peers: Peer[]) {
    const [ana, bo] = peers;
    if (ana) this.ofPerson.set(ana.id, [{ id: 's-reports', name: 'Reports' }, { id: 's-music', name: '音乐' }]);
    if (bo) this.ofPerson.set(bo.id, []);
  }

  share({ handle, name, who }: Params<'share'>): Share {
    const share = { id: `s${this.own.length + 1}`, name: name ?? nameOf(handle), path: `/home/mei/${nameOf(handle)}`, who, gone: false };
    this.own.push(share);
    return share;
  }

  set({ share: id, name, who }: Params<'set-share'>): Share {
    const share = this.own.find((share) => share.id === id);
    if (!share) throw { code: 'not-found', message: `Nothing is shared as ${id}.` } satisfies ApiError;
    return Object.assign(share, name === undefined ? {} : { name }, who === undefined ? {} : { who });
  }

  unshare(id: string): void {
    this.own.splice(this.own.findIndex((share) => share.id === id), 1);
  }

  of(peer: Peer | undefined): PeerShare[] {
    if (!peer?.online) throw { code: 'timed-out', message: 'Nobody answered.' } satisfies ApiError;
    return this.ofPerson.get(peer.id) ?? [];
  }

  browse({ share, folder, after, limit }: Params<'browse'>): Listing {
    const entries = share === 's-music' ? many() : TREE[folder];
    if (!entries) throw { code: 'not-found', message: `There is no folder ${folder} any more.` } satisfies ApiError;
    const start = after === undefined ? 0 : entries.findIndex(({ name }) => name === after) + 1;
    const page = entries.slice(start, start + limit);
    return { entries: page, next: start + limit < entries.length ? (page.at(-1)?.name ?? null) : null };
  }
}

function folder(name: string): ListingEntry {
  return { name, folder: true, size: 0, modified: Date.UTC(2026, 1, 3) };
}

function file(name: string, size: number): ListingEntry {
  return { name, folder: false, size, modified: Date.UTC(2026, 4, 17, 9, 30) };
}

function many(): ListingEntry[] {
  return Array.from({ length: 5000 }, (_, index) => file(`song ${String(index + 1).padStart(4, '0')}.flac`, 31_000_000));
}
