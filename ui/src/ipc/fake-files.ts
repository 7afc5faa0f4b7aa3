import type { ApiError, Event, FileHandle, Peer, Room, Transfer, TransferFile, TransferFiles, TransferState } from './contract';
import { ME, type Scene } from './fake-scene';

/** What was picked or dropped, so that it has its name again when it is offered. */
const known = new Map<string, FileHandle>();

export function handle(name: string, size: number): FileHandle {
  const made = { handle: `h${known.size + 1}`, name, folder: false, size };
  remember(made);
  return made;
}

export function remember(made: FileHandle): void {
  known.set(made.handle, made);
}

export const nameOf = (id: string) => known.get(id)?.name ?? id;

/** The transfers of the made-up world. */
export class FakeFiles {
  private readonly scene: Scene;
  private readonly emit: (...events: Event[]) => void;

  constructor(scene: Scene, emit: (...events: Event[]) => void) {
    this.scene = scene;
    this.emit = emit;
  }

  get(id: string): Transfer {
    const transfer = this.scene.transfers.find((transfer) => transfer.id === id);
    if (!transfer) throw { code: 'not-found', message: `There is no transfer ${id}.` } satisfies ApiError;
    return transfer;
  }

  add(room: Room, author: Peer | null, names: string[], bytes: number, files: number, offered: number): Transfer {
    const transfer: Transfer = {
      id: `t${this.scene.transfers.length + 1}`,
      room: room.id,
      direction: author ? 'in' : 'out',
      from: author?.id ?? ME.id,
      fromShort: author?.short ?? ME.short,
      fromName: author?.name ?? this.scene.me.name,
      state: 'offered',
      names,
      files,
      bytes,
      moved: 0,
      offered,
      folder: null,
      sha256: null,
      error: null,
      chosen: null,
      chosenFiles: null,
      here: 0,
      failedFiles: 0,
      skipped: 0,
      placed: [],
      receivers: [],
      finished: null,
      place: null,
      rate: 0,
      audience: author ? 0 : Math.max(1, room.members - 1),
      awaited: [],
      via: null,
    };
    this.scene.transfers.push(transfer);
    return transfer;
  }

  offer(room: Room, handles: string[]): Transfer {
    const files = handles.map((id) => known.get(id) ?? handle(id, 1));
    const size = files.reduce((sum, { size }) => sum + size, 0);
    const transfer = this.add(room, null, files.map(({ name }) => name), size, files.length, Date.now());
    const peer = this.scene.peers.find(({ id }) => id === room.peer);
    if (peer) transfer.receivers = [{ peer: peer.id, short: peer.short, name: peer.name, state: 'offered', moved: 0, chosen: null, chosenFiles: null, full: false }];
    return transfer;
  }

  accept(id: string, into: string | undefined, only: string[] | undefined): Transfer {
    const transfer = this.get(id);
    transfer.folder = into === undefined ? this.scene.me.downloads : `/home/mei/${nameOf(into)}`;
    if (only) {
      this.only.set(id, only);
      const files = this.listed(transfer).filter(({ path, folder }) => !folder && this.isChosen(id, path));
      transfer.chosenFiles = files.length;
      transfer.chosen = files.reduce((sum, { size }) => sum + size, 0);
    }
    return this.go(transfer);
  }

  end(id: string, state: TransferState): Transfer {
    const transfer = this.get(id);
    Object.assign(transfer, { state, finished: Date.now(), rate: 0, place: null });
    this.emit({ event: 'transfer-finished', transfer });
    this.placeAnew();
    this.startQueued();
    return transfer;
  }

  pause(id: string): Transfer {
    const transfer = this.get(id);
    const changed = this.change(transfer, { state: 'paused', place: null, rate: 0 });
    this.placeAnew();
    this.startQueued();
    return changed;
  }

  resume(id: string): Transfer {
    const transfer = this.get(id);
    Object.assign(transfer, { error: null, finished: null, failedFiles: 0 });
    if (transfer.direction === 'in') return this.go(transfer);
    return this.change(transfer, { state: 'running' });
  }

  /** Lets a queued transfer start before another one, or last. */
  reorder(id: string, before: string | undefined): Transfer[] {
    const queue = this.queue().filter((other) => other.id !== id);
    const at = queue.findIndex((other) => other.id === before);
    queue.splice(at < 0 ? queue.length : at, 0, this.get(id));
    queue.forEach((transfer, place) => (transfer.place = place));
    return this.scene.transfers;
  }

  forget(ids: string[]): void {
    this.emit(...ids.map((transfer): Event => ({ event: 'transfer-forgotten', transfer })));
    this.scene.transfers = this.scene.transfers.filter(({ id }) => !ids.includes(id));
  }

  finished(): string[] {
    return this.scene.transfers.filter(({ finished }) => finished !== null).map(({ id }) => id);
  }

  /** Why it stands still, though nobody stopped it. */
  fail(id: string, state: 'failed' | 'waiting', error: ApiError): void {
    const transfer = this.get(id);
    transfer.error = error;
    if (state === 'failed') this.end(id, state);
    else this.change(transfer, { state });
  }

  page(id: string, after: string | undefined, limit: number): TransferFiles {
    const files = this.listed(this.get(id));
    const start = after === undefined ? 0 : files.findIndex(({ path }) => path === after) + 1;
    const page = files.slice(start, start + limit);
    return { files: page, next: start + limit < files.length ? (page.at(-1)?.path ?? null) : null };
  }

  private readonly only = new Map<string, string[]>();
  /** What is said of each transfer's files, made up once. */
  private readonly lists = new Map<string, TransferFile[]>();

  /** Lists the files of a transfer; what became of each follows from how far it is. */
  private listed(transfer: Transfer): TransferFile[] {
    let list = this.lists.get(transfer.id);
    if (!list) this.lists.set(transfer.id, (list = madeUp(transfer)));
    let left = transfer.moved;
    if (transfer.state === 'offered' && !this.only.has(transfer.id)) return list;
    return list.map((file) => {
      if (file.folder || file.state === 'skipped') return file;
      if (!this.isChosen(transfer.id, file.path)) return { ...file, state: 'left-out' as const };
      if (transfer.state === 'offered') return file;
      const moved = Math.min(file.size, left);
      left -= moved;
      if (moved === file.size) return { ...file, moved, state: 'done' as const };
      return { ...file, moved, state: moved > 0 ? ('running' as const) : ('waiting' as const) };
    });
  }

  private isChosen(id: string, path: string): boolean {
    const only = this.only.get(id);
    return !only || only.some((chosen) => path === chosen || path.startsWith(`${chosen}/`));
  }

  private queue(): Transfer[] {
    const queued = this.scene.transfers.filter(({ state }) => state === 'queued');
    return queued.sort((a, b) => (a.place ?? 0) - (b.place ?? 0));
  }

  /** Starts it, or puts it behind those that came first. */
  private go(transfer: Transfer): Transfer {
    const running = this.scene.transfers.filter(({ id, state, direction }) => id !== transfer.id && direction === 'in' && state === 'running');
    if (running.length < this.scene.me.transfersAtOnce) return this.change(transfer, { state: 'running', place: null });
    return this.change(transfer, { state: 'queued', place: this.queue().length });
  }

  private startQueued(): void {
    const running = this.scene.transfers.filter(({ state, direction }) => direction === 'in' && state === 'running').length;
    const [next] = this.queue();
    if (!next || running >= this.scene.me.transfersAtOnce) return;
    this.change(next, { state: 'running', place: null });
    this.placeAnew();
  }

  private placeAnew(): void {
    this.queue().forEach((transfer, place) => {
      if (transfer.place !== place) this.change(transfer, { place });
    });
  }

  private change(transfer: Transfer, to: Partial<Transfer>): Transfer {
    Object.assign(transfer, to);
    this.emit({ event: 'transfer-changed', transfer });
    return transfer;
  }

  /** Moves a transfer's bytes to this part of the whole; at 1 it is done. */
  advance(id: string, part: number): void {
    const transfer = this.get(id);
    const bytes = transfer.chosen ?? transfer.bytes;
    transfer.moved = Math.round(bytes * part);
    const peer = transfer.direction === 'in' ? transfer.from : (transfer.receivers[0]?.peer ?? '');
    for (const receiver of transfer.receivers) receiver.moved = transfer.moved;
    if (part < 1) {
      const { moved } = transfer;
      this.emit({ event: 'progress', progress: [{ transfer: id, peer, moved, bytes, rate: 94_000_000 }] });
      return;
    }
    for (const receiver of transfer.receivers) receiver.state = 'done';
    transfer.sha256 = transfer.files === 1 ? '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' : null;
    this.end(id, 'done');
  }

  /** Lets the bytes move by themselves. */
  run(id: string): void {
    const timer = setInterval(() => {
      const transfer = this.get(id);
      if (transfer.state !== 'running') return clearInterval(timer);
      this.advance(id, Math.min(1, transfer.moved / (transfer.chosen ?? transfer.bytes) + 0.02));
    }, 200);
  }
}

/** Files in folders of a hundred, with a link among them that nobody takes. */
function madeUp({ names, files, bytes }: Transfer): TransferFile[] {
  const about = { moved: 0, error: null, state: 'offered' as const };
  const size = Math.floor(bytes / files);
  if (files === names.length) return names.map((path) => ({ ...about, path, size, folder: false }));
  const top = names[0] ?? 'files';
  const list: TransferFile[] = [{ ...about, path: top, size: 0, folder: true }];
  for (let number = 0; number < files; number += 1) {
    const folder = `${top}/part ${Math.floor(number / 100) + 1}`;
    if (number % 100 === 0 && files > 100) list.push({ ...about, path: folder, size: 0, folder: true });
    const name = `picture ${String(number + 1).padStart(4, '0')}.jpg`;
    list.push({ ...about, path: `${files > 100 ? folder : top}/${name}`, size, folder: false });
  }
  list.push({ ...about, path: `${top}/shortcut`, size: 0, folder: false, state: 'skipped' });
  return list;
}

/** A picture as somebody might send it: a hill under an evening sky. */
export async function painted(): Promise<ArrayBuffer> {
  const [width, height] = [1200, 800];
  const canvas = document.createElement('canvas');
  Object.assign(canvas, { width, height });
  const paint = canvas.getContext('2d');
  if (!paint) throw new Error('a canvas has two dimensions');
  const sky = paint.createLinearGradient(0, 0, 0, height);
  sky.addColorStop(0, '#27386b');
  sky.addColorStop(1, '#f0a36b');
  paint.fillStyle = sky;
  paint.fillRect(0, 0, width, height);
  paint.fillStyle = '#1f3a35';
  paint.beginPath();
  paint.ellipse(width / 2, height + 120, width * 0.7, 360, 0, 0, 2 * Math.PI);
  paint.fill();
  const blob = await new Promise<Blob | null>((made) => canvas.toBlob(made));
  if (!blob) throw new Error('a canvas becomes a picture');
  return blob.arrayBuffer();
}
