import type { Event, Transfer, TransferFile } from '../ipc/contract';
import { FileTree } from './file-tree.svelte';
import type { Requests } from './requests';
import type { World } from './world.svelte';

/** Files of a transfer that are asked for at a time. */
export const FILES_AT_ONCE = 200;

/** Bytes that are to be moved: of what was chosen, where not everything was. */
export const wanted = ({ chosen, bytes }: Transfer) => chosen ?? bytes;

export const hasEnded = ({ state }: Transfer) => state === 'done' || state === 'declined' || state === 'cancelled' || state === 'failed';

/** Somebody else has it in their hands: nothing moves here before they do. */
export const isTheirs = ({ direction, state }: Transfer) => direction === 'out' && state === 'waiting';

/** Fetching it can be begun again: only what is missing is fetched then. */
export const canRetry = ({ direction, state, failedFiles }: Transfer) =>
  direction === 'in' && (state === 'failed' || state === 'cancelled' || (state === 'done' && failedFiles > 0));

/** What the window does outside of the engine, and shows why it failed. */
export interface Outside {
  pickFolder(): Promise<{ handle: string } | null | undefined>;
  reveal(transfer: string): Promise<void>;
  openFile(transfer: string): Promise<void>;
}

/** Everything that moves between devices, and every command about it. */
export class Transfers {
  /** Whose details are open, and which of its files are known. */
  details = $state.raw<FilePages | null>(null);
  /** Whose files are being chosen. */
  choosing = $state.raw<Transfer | null>(null);

  private readonly world: World;
  private readonly requests: Requests;
  private readonly outside: Outside;

  constructor(world: World, requests: Requests, outside: Outside) {
    this.world = world;
    this.requests = requests;
    this.outside = outside;
  }

  running = $derived.by(() => this.all.filter((one) => one.state === 'running' || (one.state === 'waiting' && !isTheirs(one)) || one.state === 'paused'));
  queued = $derived.by(() => this.all.filter(({ state }) => state === 'queued').sort((a, b) => (a.place ?? 0) - (b.place ?? 0)));
  offered = $derived.by(() => this.all.filter((one) => one.state === 'offered' || (one.state === 'waiting' && isTheirs(one))));
  ended = $derived.by(() => this.all.filter(hasEnded).sort((a, b) => (b.finished ?? b.offered) - (a.finished ?? a.offered)));

  /** All that moves, as one. */
  overall = $derived.by(() => {
    const sum = { moved: 0, bytes: 0, down: 0, up: 0 };
    for (const transfer of this.world.moving) {
      sum.moved += Math.min(transfer.moved, wanted(transfer));
      sum.bytes += wanted(transfer);
      const rate = this.world.rates.get(transfer.id) ?? 0;
      if (transfer.direction === 'in') sum.down += rate;
      else sum.up += rate;
    }
    return sum;
  });

  accept(transfer: string, { into, only }: { into?: string; only?: string[] } = {}): Promise<boolean> {
    const params = { transfer, ...(into === undefined ? {} : { into }), ...(only === undefined ? {} : { only }) };
    return this.change({ method: 'accept', params });
  }

  async acceptInto(transfer: string): Promise<void> {
    const folder = await this.outside.pickFolder();
    if (folder) await this.accept(transfer, { into: folder.handle });
  }

  act(method: 'decline' | 'cancel' | 'pause' | 'resume', transfer: string): Promise<boolean> {
    return this.change({ method, params: { transfer } });
  }

  /** Lets a queued one start before another, or last. */
  async reorder(transfer: string, before: string | null): Promise<void> {
    const params = { transfer, ...(before === null ? {} : { before }) };
    const all = await this.requests.ask({ method: 'reorder', params }, 'transfers');
    for (const one of all ?? []) this.world.setTransfer(one);
  }

  /** Moves a queued one by so many places, as far as it goes. */
  move(transfer: string, step: number): Promise<void> {
    const from = this.queued.findIndex(({ id }) => id === transfer);
    const to = Math.max(0, Math.min(this.queued.length - 1, from + step));
    if (from < 0 || from === to) return Promise.resolve();
    return this.reorder(transfer, this.queued[to > from ? to + 1 : to]?.id ?? null);
  }

  async forget(transfer: string): Promise<void> {
    if (!(await this.requests.done({ method: 'forget-transfer', params: { transfer } }))) return;
    this.world.transfers.delete(transfer);
    if (this.details?.transfer === transfer) this.details = null;
  }

  async forgetAll(): Promise<void> {
    const gone = this.ended.map(({ id }) => id);
    if (!(await this.requests.done({ method: 'forget-transfers', params: {} }))) return;
    for (const id of gone) this.world.transfers.delete(id);
  }

  reveal(transfer: string): Promise<void> {
    return this.outside.reveal(transfer);
  }

  openFile(transfer: string): Promise<void> {
    return this.outside.openFile(transfer);
  }

  /** Begins to list all of an offer, so that parts of it can be chosen. */
  list(transfer: string): FileTree {
    const tree = new FileTree();
    void tree.load(transfer, this.requests);
    return tree;
  }

  show(transfer: string | null): void {
    this.details = transfer === null ? null : new FilePages(transfer, this.requests);
  }

  handle(event: Event): void {
    if (event.event !== 'transfer-changed' && event.event !== 'transfer-finished') return;
    if (event.transfer.id === this.details?.transfer) void this.details.refresh();
  }

  private all = $derived.by(() => this.world.transferList);

  private async change(command: Parameters<Requests['ask']>[0]): Promise<boolean> {
    const transfer = await this.requests.ask(command, 'transfer');
    if (transfer) this.world.setTransfer(transfer);
    return transfer !== undefined;
  }
}

interface FilePage {
  after: string | undefined;
  files: TransferFile[];
  next: string | null;
}

/** The files of one transfer, as far as somebody has looked: page after page, those in view kept current. */
export class FilePages {
  readonly transfer: string;
  /** Nobody could say what is in it, the last time. */
  failed = $state(false);
  private pages = $state.raw<FilePage[]>([]);
  private loading = false;
  private refreshing = false;
  private again = false;
  private view: [number, number] = [0, 0];
  private readonly requests: Requests;

  constructor(transfer: string, requests: Requests) {
    this.transfer = transfer;
    this.requests = requests;
  }

  files = $derived.by(() => this.pages.flatMap((page) => page.files));
  loaded = $derived.by(() => this.pages.length > 0);
  more = $derived.by(() => this.pages.length === 0 || this.pages.at(-1)?.next != null);

  async loadMore(): Promise<void> {
    if (this.loading || !this.more) return;
    this.loading = true;
    const page = await this.page(this.pages.at(-1)?.next ?? undefined);
    this.loading = false;
    this.failed = page === undefined;
    if (page) this.pages = [...this.pages, page];
  }

  /** Says which files are in view. */
  look(from: number, to: number): void {
    this.view = [from, to];
  }

  /** Asks anew for what is in view, and for nothing else. */
  async refresh(): Promise<void> {
    this.again = true;
    if (this.refreshing) return;
    this.refreshing = true;
    while (this.again) {
      this.again = false;
      for (const { after } of this.inView()) {
        const fresh = await this.page(after);
        if (fresh) this.pages = this.pages.map((other) => (other.after === after ? fresh : other));
      }
    }
    this.refreshing = false;
  }

  private inView(): FilePage[] {
    const [from, to] = this.view;
    let end = 0;
    return this.pages.filter((page) => {
      const start = end;
      end += page.files.length;
      return start <= to && end > from;
    });
  }

  private async page(after: string | undefined): Promise<FilePage | undefined> {
    const params = { transfer: this.transfer, limit: FILES_AT_ONCE, ...(after === undefined ? {} : { after }) };
    const page = await this.requests.look({ method: 'transfer-files', params }, 'transfer-files');
    return page && { after, ...page };
  }
}

