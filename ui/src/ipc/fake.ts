import type { Backend, DropSignal } from './client';
import type {
  ApiError,
  Command,
  Delivery,
  Event,
  FileHandle,
  Message,
  Peer,
  Reply,
  Room,
  Transfer,
  TransferState,
} from './contract';
import { ME, people, rooms, type Scene } from './fake-scene';

/** What the fake can be told in the address: `?world=lively&messages=100000&people=500`. */
export interface FakeOptions {
  /** `lively` goes on by itself, `quiet` waits to be told, `fresh` is a first run, `lonely` has nobody in it. */
  world: 'lively' | 'quiet' | 'fresh' | 'lonely';
  messages: number;
  people: number;
}

/** A made-up engine for development and tests: one small world in memory, moved by hand or by a clock. */
export class FakeBackend implements Backend {
  private listeners = new Set<(events: Event[]) => void>();
  private dropListeners = new Set<(signal: DropSignal) => void>();
  private log = new Map<string, Message[]>();
  private count = 0;
  readonly scene: Scene;
  /** What was asked for, for tests. */
  readonly calls: Command[] = [];
  readonly opened: string[] = [];
  /** What the next picker answers. */
  picked: FileHandle[] = [handle('设计稿 v3.sketch', 48_200_000)];
  /** The error that the next command is answered with. */
  failNext: ApiError | null = null;

  private readonly options: FakeOptions;

  constructor(options: FakeOptions) {
    this.options = options;
    this.scene = {
      me: { ...ME, named: options.world !== 'fresh' },
      network: {
        port: 47_110,
        tcpPort: 47_111,
        multicast: true,
        interfaces: [
          { name: 'wlan0', addresses: ['192.168.1.12', 'fe80::1c2d:3eff:fe4f:5a6b'] },
          { name: 'eth0', addresses: ['10.0.4.7'] },
        ],
        dropped: [{ reason: 'replayed', count: 3 }],
      },
      peers: options.world === 'lonely' ? [] : people(options.people),
      rooms: rooms(options.world === 'lonely'),
      transfers: [],
    };
    for (const room of this.scene.rooms) this.log.set(room.id, []);
    if (options.world !== 'lonely') this.fill();
    if (options.world === 'lively') this.live();
  }

  async call(command: Command): Promise<Reply> {
    this.calls.push(structuredClone(command));
    await Promise.resolve();
    if (this.failNext) {
      const error = this.failNext;
      this.failNext = null;
      throw error;
    }
    return structuredClone(this.answer(command));
  }

  async subscribe(onEvents: (events: Event[]) => void): Promise<() => void> {
    this.listeners.add(onEvents);
    return () => this.listeners.delete(onEvents);
  }

  async pickFiles(folders: boolean): Promise<FileHandle[]> {
    return folders ? [{ ...handle('holiday', 0), folder: true }] : this.picked;
  }

  async pickFolder(): Promise<FileHandle | null> {
    return { ...handle('Desktop', 0), folder: true };
  }

  /** A browser has drops of its own; their files become handles by name and size alone. */
  async onDrop(onSignal: (signal: DropSignal) => void): Promise<() => void> {
    this.dropListeners.add(onSignal);
    const forward = (kind: 'enter' | 'over' | 'leave' | 'drop') => (event: DragEvent) => {
      event.preventDefault();
      if (kind === 'leave' && event.relatedTarget !== null) return;
      const files = [...(event.dataTransfer?.files ?? [])];
      const handles = files.map((file) => handle(file.name, file.size));
      const at = { x: event.clientX, y: event.clientY };
      onSignal(kind === 'leave' ? { kind } : { kind, ...at, ...(kind === 'drop' ? { handles } : {}) });
    };
    addEventListener('dragenter', forward('enter'));
    addEventListener('dragover', forward('over'));
    addEventListener('dragleave', forward('leave'));
    addEventListener('drop', forward('drop'));
    return () => this.dropListeners.delete(onSignal);
  }

  async reveal(transfer: string): Promise<void> {
    this.opened.push(transfer);
  }

  async openLink(url: string): Promise<void> {
    this.opened.push(url);
  }

  /** As the shell would tell it: what was dropped is known from then on. */
  dropped(signal: DropSignal): void {
    const handles = 'handles' in signal ? signal.handles : undefined;
    for (const handle of handles ?? []) known.set(handle.handle, handle);
    for (const listener of this.dropListeners) listener(signal);
  }

  emit(...events: Event[]): void {
    for (const listener of this.listeners) listener(structuredClone(events));
  }

  peer(name: string): Peer {
    const peer = this.scene.peers.find((peer) => peer.name === name);
    if (!peer) throw new Error(`nobody is called ${name}`);
    return peer;
  }

  room(name: string): Room {
    const room = this.scene.rooms.find((room) => room.name === name);
    if (!room) throw new Error(`no room is called ${name}`);
    return room;
  }

  /** Somebody says something. */
  hear(roomName: string, author: string, text: string): Message {
    const message = this.write(this.room(roomName), this.peer(author), text, Date.now());
    this.emit({ event: 'message', message }, { event: 'room-changed', room: this.room(roomName) });
    return message;
  }

  /** Somebody offers something. */
  offered(roomName: string, author: string, name: string, bytes: number, files = 1): Transfer {
    const transfer = this.offerFrom(this.room(roomName), this.peer(author), name, bytes, files, Date.now());
    const message = this.log.get(transfer.room)?.at(-1);
    this.emit({ event: 'offer', transfer });
    if (message) this.emit({ event: 'message', message }, { event: 'room-changed', room: this.room(roomName) });
    return transfer;
  }

  /** Moves a transfer's bytes to this part of the whole; at 1 it is done. */
  advance(id: string, part: number): void {
    const transfer = this.transfer(id);
    transfer.moved = Math.round(transfer.bytes * part);
    const peer = transfer.direction === 'in' ? transfer.from : (transfer.receivers[0]?.peer ?? '');
    for (const receiver of transfer.receivers) receiver.moved = transfer.moved;
    if (part < 1) {
      const { moved, bytes } = transfer;
      this.emit({ event: 'progress', progress: [{ transfer: id, peer, moved, bytes, rate: 94_000_000 }] });
      return;
    }
    for (const receiver of transfer.receivers) receiver.state = 'done';
    transfer.state = 'done';
    transfer.sha256 = transfer.files === 1 ? '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' : null;
    this.emit({ event: 'transfer-finished', transfer });
  }

  /** Every other device now holds our newest message in the room. */
  deliver(roomName: string, to: string[]): void {
    const room = this.room(roomName);
    const message = this.log.get(room.id)?.findLast((message) => message.mine);
    if (!message) throw new Error('nothing of ours is there to deliver');
    const delivered: Delivery = { to: to.map((name) => this.peer(name).id), of: room.members - 1 };
    message.delivered = delivered;
    this.emit({ event: 'delivered', room: room.id, message: message.id, delivered });
  }

  private answer(command: Command): Reply {
    switch (command.method) {
      case 'snapshot':
        return { reply: 'snapshot', value: this.scene };
      case 'peers':
        return { reply: 'peers', value: this.scene.peers };
      case 'rooms':
        return { reply: 'rooms', value: this.scene.rooms };
      case 'transfers':
        return { reply: 'transfers', value: this.scene.transfers };
      case 'join-room':
        return { reply: 'room', value: this.join(command.params.name) };
      case 'leave-room':
        this.scene.rooms = this.scene.rooms.filter(({ id }) => id !== command.params.room);
        this.emit({ event: 'room-left', room: command.params.room });
        return { reply: 'done' };
      case 'open':
        return { reply: 'room', value: this.find(command.params.to) };
      case 'say':
        return { reply: 'message', value: this.say(this.find(command.params.to), command.params.text) };
      case 'log':
        return { reply: 'page', value: this.page(command.params) };
      case 'mark-read':
        return this.markRead(command.params.room, command.params.cursor);
      case 'admit':
        return { reply: 'handles', value: command.params.paths.map((path) => handle(path, 1)) };
      case 'offer':
        return { reply: 'transfer', value: this.offer(this.find(command.params.to), command.params.handles) };
      case 'accept':
        return { reply: 'transfer', value: this.accept(command.params.transfer, command.params.into) };
      case 'decline':
        return { reply: 'transfer', value: this.end(command.params.transfer, 'declined') };
      case 'cancel':
        return { reply: 'transfer', value: this.end(command.params.transfer, 'cancelled') };
      case 'configure':
        return this.configure(command.params.name, command.params.downloads);
      case 'add-peer':
        return { reply: 'done' };
    }
  }

  private configure(name: string | undefined, downloads: string | undefined): Reply {
    const { me } = this.scene;
    if (name !== undefined) Object.assign(me, { name, named: true });
    if (downloads !== undefined) me.downloads = `/home/mei/${downloads}`;
    this.emit({ event: 'me-changed', me });
    return { reply: 'me', value: me };
  }

  private find(to: string): Room {
    const peer = this.scene.peers.find(({ id }) => `@${id}` === to);
    const room = this.scene.rooms.find(({ id, peer: other }) => id === to || (peer && other === peer.id));
    if (room) return room;
    if (!peer) throw { code: 'not-found', message: `There is no room or person ${to}.` } satisfies ApiError;
    return this.addRoom({ kind: 'direct', name: peer.name, peer: peer.id, members: 2 });
  }

  private join(name: string): Room {
    const known = this.scene.rooms.find((room) => room.name === name);
    return known ?? this.addRoom({ kind: 'open', name, peer: null, members: 1 });
  }

  private addRoom(part: Pick<Room, 'kind' | 'name' | 'peer' | 'members'>): Room {
    const room: Room = { id: `room-${part.name}`, unread: 0, last: null, read: null, ...part };
    this.scene.rooms.push(room);
    this.log.set(room.id, []);
    this.emit({ event: 'room-changed', room });
    return room;
  }

  private page({ to, before, limit }: { to: string; before?: string; limit: number }) {
    const log = this.log.get(this.find(to).id) ?? [];
    const end = before === undefined ? log.length : log.findIndex(({ cursor }) => cursor >= before);
    const start = Math.max(0, end - limit);
    return { messages: log.slice(start, end), more: start > 0 };
  }

  private markRead(id: string, cursor: string): Reply {
    const room = this.scene.rooms.find((room) => room.id === id);
    if (room) {
      room.read = cursor;
      room.unread = (this.log.get(id) ?? []).filter((message) => !message.mine && message.cursor > cursor).length;
      this.emit({ event: 'room-changed', room });
    }
    return { reply: 'done' };
  }

  private say(room: Room, text: string): Message {
    const message = this.write(room, null, text, Date.now());
    this.emit({ event: 'message', message }, { event: 'room-changed', room });
    return message;
  }

  private write(room: Room, author: Peer | null, text: string, time: number, transfer?: string): Message {
    this.count += 1;
    const message: Message = {
      id: `m${this.count}`,
      room: room.id,
      author: author?.id ?? ME.id,
      name: author?.name ?? this.scene.me.name,
      mine: author === null,
      time,
      kind: transfer === undefined ? 'text' : 'offer',
      text,
      transfer: transfer ?? null,
      cursor: String(this.count).padStart(10, '0'),
      delivered: author === null ? { to: [], of: room.members - 1 } : null,
    };
    this.log.get(room.id)?.push(message);
    room.last = message;
    if (author !== null) room.unread += 1;
    return message;
  }

  private offer(room: Room, handles: string[]): Transfer {
    const files = handles.map((id) => known.get(id) ?? handle(id, 1));
    const names = files.map(({ name }) => name);
    const receivers = room.peer === null ? this.scene.peers.filter(({ online }) => online).slice(0, 3) : [this.scene.peers.find(({ id }) => id === room.peer)];
    const transfer = this.addTransfer(room, null, names, files.reduce((sum, { size }) => sum + size, 0), files.length, Date.now());
    transfer.receivers = receivers.flatMap((peer) =>
      peer && room.kind === 'direct' ? [{ peer: peer.id, name: peer.name, state: 'offered' as const, moved: 0 }] : [],
    );
    const message = this.write(room, null, names.join(', '), Date.now(), transfer.id);
    this.emit({ event: 'transfer-changed', transfer }, { event: 'message', message }, { event: 'room-changed', room });
    return transfer;
  }

  private offerFrom(room: Room, author: Peer, name: string, bytes: number, files: number, time: number): Transfer {
    const transfer = this.addTransfer(room, author, [name], bytes, files, time);
    this.write(room, author, name, time, transfer.id);
    return transfer;
  }

  private addTransfer(room: Room, author: Peer | null, names: string[], bytes: number, files: number, offered: number): Transfer {
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
      receivers: [],
    };
    this.scene.transfers.push(transfer);
    return transfer;
  }

  private accept(id: string, into: string | undefined): Transfer {
    const transfer = this.transfer(id);
    transfer.state = 'running';
    transfer.folder = into ? `/home/mei/${known.get(into)?.name ?? into}` : this.scene.me.downloads;
    this.emit({ event: 'transfer-changed', transfer });
    if (this.options.world === 'lively') this.run(id);
    return transfer;
  }

  private end(id: string, state: TransferState): Transfer {
    const transfer = this.transfer(id);
    transfer.state = state;
    this.emit({ event: 'transfer-finished', transfer });
    return transfer;
  }

  private transfer(id: string): Transfer {
    const transfer = this.scene.transfers.find((transfer) => transfer.id === id);
    if (!transfer) throw { code: 'not-found', message: `There is no transfer ${id}.` } satisfies ApiError;
    return transfer;
  }

  private fill(): void {
    const start = Date.now() - 27 * 3_600_000;
    const lobby = this.room('lobby');
    const speakers = this.scene.peers.slice(0, 5);
    for (let i = 0; i < this.options.messages; i += 1) {
      const author = i % 7 === 0 ? null : (speakers[(i >> 1) % speakers.length] ?? null);
      this.write(lobby, author, `Line ${i + 1} of the log`, start - (this.options.messages - i) * 90_000);
    }
    this.script(start);
    for (const room of this.scene.rooms) {
      room.read = room.last?.cursor ?? null;
      room.unread = 0;
    }
    const design = this.room('design');
    design.unread = 2;
    design.read = this.log.get(design.id)?.at(-3)?.cursor ?? null;
  }

  private script(start: number): void {
    const minute = 60_000;
    const [ana, bo, mei] = ['Ana', 'Bo', '小美'].map((name) => this.peer(name)) as [Peer, Peer, Peer];
    const now = Date.now();
    const lobby = this.room('lobby');
    this.write(lobby, bo, 'Morning. The printer on the second floor is back.', start);
    this.write(lobby, null, 'Thanks, Bo!', start + 2 * minute);
    this.write(lobby, ana, 'Lunch at half past twelve?', now - 40 * minute);
    this.write(lobby, mei, '好的，我带茶。', now - 38 * minute);
    const design = this.room('design');
    this.write(design, ana, 'The new build is up. Could someone on Windows try the installer?', now - 34 * minute);
    this.write(design, ana, 'Notes are here: https://wiki.example.lan/builds/412', now - 33 * minute);
    this.write(design, null, 'On it.', now - 30 * minute).delivered = { to: [ana.id, bo.id], of: 4 };
    const build = this.offerFrom(design, ana, 'setup-0.9.412.exe', 48_200_000, 1, now - 29 * minute);
    Object.assign(build, { state: 'running', moved: 39_500_000, folder: this.scene.me.downloads });
    this.write(design, bo, 'Works on Windows 11. Two things:\n- the tray icon is blurry at 150 %\n- `lanyard doctor` says all is well', now - 12 * minute);
    this.write(design, mei, '图标我来改，今天下午给你。', now - 3 * minute);
    this.offerFrom(design, mei, 'icons', 7_340_000, 24, now - 2 * minute);
    const direct = this.addRoom({ kind: 'direct', name: ana.name, peer: ana.id, members: 2 });
    this.write(direct, ana, 'Do you have the photos from Saturday?', now - 65 * minute);
    this.write(direct, null, 'Yes, all of them. Sending.', now - 64 * minute).delivered = { to: [ana.id], of: 1 };
    const photos = this.addTransfer(direct, null, ['saturday'], 1_240_000_000, 86, now - 63 * minute);
    Object.assign(photos, { state: 'done', moved: photos.bytes, receivers: [{ peer: ana.id, name: ana.name, state: 'done', moved: photos.bytes }] });
    this.write(direct, null, 'saturday', now - 63 * minute, photos.id).delivered = { to: [ana.id], of: 1 };
    this.write(direct, ana, 'Got them, thank you!', now - 50 * minute);
  }

  private live(): void {
    const lines = ['Anyone has a USB-C cable?', '会议室 B 空着。', 'Deploy is done.', 'Back in ten.'];
    let beat = 0;
    this.run('t1');
    setInterval(() => {
      beat += 1;
      const author = this.scene.peers[beat % 4];
      if (author?.online) this.hear(beat % 3 ? 'lobby' : 'design', author.name, lines[beat % lines.length] ?? '');
    }, 6000);
  }

  private run(id: string): void {
    const timer = setInterval(() => {
      const transfer = this.transfer(id);
      if (transfer.state !== 'running') return clearInterval(timer);
      this.advance(id, Math.min(1, transfer.moved / transfer.bytes + 0.02));
    }, 200);
  }
}

const known = new Map<string, FileHandle>();

function handle(name: string, size: number): FileHandle {
  const made = { handle: `h${known.size + 1}`, name, folder: false, size };
  known.set(made.handle, made);
  return made;
}

export function fakeBackend(search: string): FakeBackend {
  const asked = new URLSearchParams(search);
  const fake = new FakeBackend({
    world: (asked.get('world') as FakeOptions['world'] | null) ?? 'lively',
    messages: Number(asked.get('messages') ?? 240),
    people: Number(asked.get('people') ?? 12),
  });
  Object.assign(window, { lanyardFake: fake });
  return fake;
}
