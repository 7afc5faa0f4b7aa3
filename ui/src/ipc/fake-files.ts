import type { ApiError, Event, FileHandle, Peer, Room, Transfer, TransferFiles, TransferState } from './contract';
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
      receivers: [],
      finished: null,
      place: null,
      rate: 0,
      audience: author ? 0 : Math.max(1, room.members - 1),
      awaited: [],
    };
    this.scene.transfers.push(transfer);
    return transfer;
  }

  offer(room: Room, handles: string[]): Transfer {
    const files = handles.map((id) => known.get(id) ?? handle(id, 1));
    const size = files.reduce((sum, { size }) => sum + size, 0);
    const transfer = this.add(room, null, files.map(({ name }) => name), size, files.length, Date.now());
    const peer = this.scene.peers.find(({ id }) => id === room.peer);
    if (peer) transfer.receivers = [{ peer: peer.id, name: peer.name, state: 'offered', moved: 0, chosen: null, chosenFiles: null }];
    return transfer;
  }

  accept(id: string, into: string | undefined): Transfer {
    const transfer = this.get(id);
    transfer.state = 'running';
    transfer.folder = into === undefined ? this.scene.me.downloads : `/home/mei/${nameOf(into)}`;
    this.emit({ event: 'transfer-changed', transfer });
    return transfer;
  }

  change(id: string, state: TransferState): Transfer {
    const transfer = this.get(id);
    transfer.state = state;
    this.emit({ event: 'transfer-changed', transfer });
    return transfer;
  }

  forget(ids: string[]): void {
    this.emit(...ids.map((transfer): Event => ({ event: 'transfer-forgotten', transfer })));
    this.scene.transfers = this.scene.transfers.filter(({ id }) => !ids.includes(id));
  }

  /** The made-up world knows the names at the top only. */
  list(id: string): TransferFiles {
    const { names, bytes, state } = this.get(id);
    const size = Math.floor(bytes / Math.max(1, names.length));
    const stands = state === 'done' ? 'done' : 'offered';
    return {
      files: names.map((path) => ({ path, size, folder: false, state: stands, moved: stands === 'done' ? size : 0, error: null })),
      next: null,
    };
  }

  end(id: string, state: TransferState): Transfer {
    const transfer = this.get(id);
    transfer.state = state;
    transfer.finished = Date.now();
    this.emit({ event: 'transfer-finished', transfer });
    return transfer;
  }

  /** Moves a transfer's bytes to this part of the whole; at 1 it is done. */
  advance(id: string, part: number): void {
    const transfer = this.get(id);
    transfer.moved = Math.round(transfer.bytes * part);
    const peer = transfer.direction === 'in' ? transfer.from : (transfer.receivers[0]?.peer ?? '');
    for (const receiver of transfer.receivers) receiver.moved = transfer.moved;
    if (part < 1) {
      const { moved, bytes } = transfer;
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
      this.advance(id, Math.min(1, transfer.moved / transfer.bytes + 0.02));
    }, 200);
  }
}
