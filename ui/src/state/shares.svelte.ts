import { SvelteMap } from 'svelte/reactivity';
import type { Event, ListingEntry, PeerShare, Share, ShareAudience, Transfer } from '../ipc/contract';
import { Latest, type Requests } from './requests';

/** Entries of a folder that are asked for at a time. */
const PAGE = 500;

/** Folders that are shared: one's own, and those of others. */
export class Shares {
  own = $state.raw<Share[] | null>(null);
  /** Of those who were asked; nothing while nobody has answered. */
  readonly ofPerson = new SvelteMap<string, PeerShare[] | 'unreachable'>();
  /** What is being looked through. */
  browsing = $state.raw<Browser | null>(null);

  private readonly latest = new Latest();
  private readonly requests: Requests;
  private readonly onFetching: (transfer: Transfer) => void;

  constructor(requests: Requests, onFetching: (transfer: Transfer) => void) {
    this.requests = requests;
    this.onFetching = onFetching;
  }

  handle(event: Event): void {
    if (event.event === 'shares-changed' && this.own) void this.loadOwn();
  }

  async loadOwn(): Promise<void> {
    const asked = () => this.requests.ask({ method: 'shares', params: {} }, 'shares');
    await this.latest.answer('', 'own', asked, (own) => (this.own = own));
  }

  async loadOf(peer: string): Promise<void> {
    const asked = async () => (await this.requests.look({ method: 'peer-shares', params: { peer } }, 'peer-shares')) ?? 'unreachable';
    await this.latest.answer(peer, 'shares', asked, (shares) => this.ofPerson.set(peer, shares));
  }

  async share(handle: string, name: string, who: ShareAudience): Promise<boolean> {
    const share = await this.requests.ask({ method: 'share', params: { handle, name, who } }, 'share');
    if (share) await this.loadOwn();
    return share !== undefined;
  }

  async change(share: string, name: string, who: ShareAudience): Promise<boolean> {
    const changed = await this.requests.ask({ method: 'set-share', params: { share, name, who } }, 'share');
    if (changed) await this.loadOwn();
    return changed !== undefined;
  }

  async unshare(share: string): Promise<void> {
    await this.requests.done({ method: 'unshare', params: { share } });
    await this.loadOwn();
  }

  browse(peer: string, share: PeerShare): void {
    this.browsing = new Browser(peer, share, this.requests);
    void this.browsing.open('');
  }

  /** Fetches what is chosen; it is a transfer like any other from then on. Whether it began. */
  async get(browser: Browser, into: string | undefined): Promise<boolean> {
    const { peer, share } = browser;
    const params = { peer, share: share.id, paths: browser.paths(), ...(into === undefined ? {} : { into }) };
    const transfer = await this.requests.ask({ method: 'get', params }, 'transfer');
    if (transfer) this.onFetching(transfer);
    return transfer !== undefined;
  }
}

/** One shared folder of somebody, as somebody walks through it. */
export class Browser {
  readonly peer: string;
  readonly share: PeerShare;
  /** The folder that is shown, `/`-joined; empty is the shared folder itself. */
  folder = $state('');
  entries = $state.raw<ListingEntry[]>([]);
  state = $state<'asking' | 'shown' | 'failed'>('asking');
  /** Paths of what is chosen here; a folder is left with nothing chosen. */
  chosen = $state.raw<ReadonlySet<string>>(new Set());

  private next = $state.raw<string | null>(null);
  private loading = false;
  private readonly requests: Requests;

  constructor(peer: string, share: PeerShare, requests: Requests) {
    this.peer = peer;
    this.share = share;
    this.requests = requests;
  }

  more = $derived.by(() => this.next !== null);
  /** The folders above the one that is shown, and itself. */
  trail = $derived.by(() => {
    const parts = this.folder === '' ? [] : this.folder.split('/');
    return parts.map((name, index) => ({ name, folder: parts.slice(0, index + 1).join('/') }));
  });
  bytes = $derived.by(() =>
    this.entries.reduce((sum, { name, size, folder }) => (folder || !this.chosen.has(this.pathOf(name)) ? sum : sum + size), 0),
  );

  pathOf(name: string): string {
    return this.folder === '' ? name : `${this.folder}/${name}`;
  }

  async open(folder: string): Promise<void> {
    this.folder = folder;
    this.entries = [];
    this.chosen = new Set();
    this.next = null;
    this.state = 'asking';
    const listing = await this.page(folder, undefined);
    if (this.folder !== folder) return;
    this.state = listing ? 'shown' : 'failed';
    this.entries = listing?.entries ?? [];
    this.next = listing?.next ?? null;
  }

  async loadMore(): Promise<void> {
    const { folder, next } = this;
    if (this.loading || next === null) return;
    this.loading = true;
    const listing = await this.page(folder, next);
    this.loading = false;
    if (!listing || this.folder !== folder || this.next !== next) return;
    this.entries = [...this.entries, ...listing.entries];
    this.next = listing.next;
  }

  toggle(name: string): void {
    const chosen = new Set(this.chosen);
    const path = this.pathOf(name);
    if (!chosen.delete(path)) chosen.add(path);
    this.chosen = chosen;
  }

  toggleAll(): void {
    const all = this.entries.map(({ name }) => this.pathOf(name));
    this.chosen = new Set(this.chosen.size === all.length ? [] : all);
  }

  /** What is to be fetched: what is chosen, or all of the folder that is shown. */
  paths(): string[] {
    return this.chosen.size > 0 ? [...this.chosen] : [this.folder];
  }

  private page(folder: string, after: string | undefined) {
    const params = { peer: this.peer, share: this.share.id, folder, limit: PAGE, ...(after === undefined ? {} : { after }) };
    return this.requests.ask({ method: 'browse', params }, 'listing');
  }
}
