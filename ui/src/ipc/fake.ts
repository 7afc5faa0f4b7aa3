import type { Backend, Desktop, DropSignal, Opening, PreviewKind } from './client';
import type { ApiError, Command, Delivery, Event, FileHandle, Files, Message, Peer, Reply, Room, Storage, Transfer } from './contract';
import { FakeCalls } from './fake-calls';
import { crowd } from './fake-crowd';
import { FakeDesktop } from './fake-desktop';
import { FakeFiles, handle, nameOf, painted, remember } from './fake-files';
import { FakeLog, heldBy } from './fake-log';
import { diagnosis, INTERFACES, useInterface } from './fake-network';
import { FakeRooms } from './fake-rooms';
import { FakeShares } from './fake-shares';
import { FakeTrust } from './fake-trust';
import { ME, people, rooms, type Scene } from './fake-scene';
import { live, script } from './fake-script';

/** What the fake can be told in the address: `?world=lively&messages=100000&people=500`. */
export interface FakeOptions {
  /**
   * `lively` goes on by itself, `quiet` waits to be told, `fresh` is a first run, `lonely` has nobody in it, `crowded` has
   * too much of everything, `starting` never gets there, and `broken` says why it does not.
   */
  world: 'lively' | 'quiet' | 'fresh' | 'lonely' | 'crowded' | 'starting' | 'broken';
  messages: number;
  people: number;
}

/** What the window asks for without being told to. */
const BY_ITSELF = new Set<Command['method']>(['members', 'pins', 'files', 'invites', 'directory', 'set-draft', 'typing', 'mark-read', 'shares', 'peer-shares']);

/** As the engine says it when it cannot begin. */
const BROKEN = 'The profile in /home/mei/.local/share/lanyard cannot be opened: the disk is read-only.';

/** A made-up engine for development and tests: one small world in memory, moved by hand or by a clock. */
export class FakeBackend implements Backend {
  private listeners = new Set<(events: Event[]) => void>();
  private dropListeners = new Set<(signal: DropSignal) => void>();
  readonly scene: Scene;
  readonly log: FakeLog;
  readonly rooms: FakeRooms;
  readonly files: FakeFiles;
  readonly shares: FakeShares;
  readonly trust: FakeTrust;
  readonly talk: FakeCalls;
  readonly outside = new FakeDesktop();
  /** What was asked for, for tests. */
  readonly calls: Command[] = [];
  readonly opened: string[] = [];
  /** What is in received files, where it matters. */
  readonly contents = new Map<string, ArrayBuffer>();
  /** What the next picker answers. */
  picked: FileHandle[] = [handle('设计稿 v3.sketch', 48_200_000)];
  /** What was copied in the file manager. */
  copied: FileHandle[] = [];
  /** The error that the next command is answered with that a person gives. */
  failNext: ApiError | null = null;
  /** What the window asks for by itself and does not get. */
  readonly refused = new Set<Command['method']>();

  private readonly options: FakeOptions;

  constructor(options: FakeOptions) {
    this.options = options;
    this.scene = {
      me: { ...ME, named: options.world !== 'fresh' },
      network: {
        port: 47_110,
        tcpPort: 47_111,
        multicast: true,
        interfaces: INTERFACES.filter(({ state }) => state === 'used').map(({ name, addresses }) => ({ name, addresses })),
        listed: structuredClone(INTERFACES),
        clockOff: null,
        dropped: [{ reason: 'replayed', count: 3 }, { reason: 'foreign', count: 120 }],
      },
      peers: options.world === 'lonely' ? [] : people(options.people),
      rooms: rooms(options.world === 'lonely'),
      transfers: [],
      mailbox: { entries: 3, bytes: 1_240, people: 2 },
      comparisons: [],
      calls: [],
    };
    const emit = (...events: Event[]) => this.emit(...events);
    this.log = new FakeLog(this.scene, emit);
    this.rooms = new FakeRooms(this.scene, this.log, emit);
    this.files = new FakeFiles(this.scene, emit);
    this.shares = new FakeShares(this.scene.peers);
    this.trust = new FakeTrust(this.scene, emit);
    this.talk = new FakeCalls(this.scene, emit);
    if (options.world !== 'lonely') script(this, options.messages, options.world === 'crowded');
    if (options.world === 'crowded') crowd(this);
    if (options.world === 'lively') live(this);
  }

  async call(command: Command): Promise<Reply> {
    this.calls.push(structuredClone(command));
    await Promise.resolve();
    if (this.options.world === 'starting') await new Promise(() => undefined);
    if (this.options.world === 'broken') throw { code: 'storage', message: BROKEN } satisfies ApiError;
    if (this.failNext && !BY_ITSELF.has(command.method)) {
      const error = this.failNext;
      this.failNext = null;
      throw error;
    }
    if (this.refused.has(command.method)) throw { code: 'storage', message: 'The disk is full.' } satisfies ApiError;
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

  async pasteFiles(): Promise<FileHandle[]> {
    for (const copied of this.copied) remember(copied);
    return this.copied;
  }

  async pastePicture(name: string, png: ArrayBuffer): Promise<FileHandle> {
    return handle(`${name}.png`, png.byteLength);
  }

  async openFile(transfer: string): Promise<void> {
    this.opened.push(`file of ${transfer}`);
  }

  async reveal(transfer: string): Promise<void> {
    this.opened.push(transfer);
  }

  async openLink(url: string): Promise<void> {
    this.opened.push(url);
  }

  async preview(transfer: string, shown: PreviewKind): Promise<ArrayBuffer> {
    const bytes = this.contents.get(transfer);
    if (bytes) return bytes;
    if (shown === 'text') throw { code: 'not-found', message: 'The file is no longer where it was received, or was changed.' } satisfies ApiError;
    return painted();
  }

  async onOpening(onOpening: () => void): Promise<() => void> {
    return this.outside.listen(onOpening);
  }

  async takeOpenings(): Promise<Opening[]> {
    return this.outside.take();
  }

  async lookAt(room: string | null): Promise<void> {
    this.outside.looked = room;
  }

  async speak(language: string): Promise<void> {
    this.outside.spoken = language;
  }

  async desktop(): Promise<Desktop> {
    return this.outside.state;
  }

  async setDesktop(choice: Partial<Desktop>): Promise<Desktop> {
    return this.outside.choose(choice);
  }

  /** As the shell would tell it: what was dropped is known from then on. */
  dropped(signal: DropSignal): void {
    const handles = 'handles' in signal ? signal.handles : undefined;
    for (const dropped of handles ?? []) remember(dropped);
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
  hear(roomName: string, author: string, text: string, reply?: string): Message {
    const room = this.room(roomName);
    const message = this.log.write(room, this.peer(author), { text, time: Date.now(), ...(reply === undefined ? {} : { reply }) });
    this.emit({ event: 'message', message }, { event: 'room-changed', room });
    return message;
  }

  /** Somebody is writing. */
  type(roomName: string, author: string): void {
    this.emit({ event: 'typing', room: this.room(roomName).id, peer: this.peer(author).id });
  }

  /** Somebody puts an emoji on the newest message that has this text. */
  reacted(author: string, text: string, emoji: string): void {
    const message = this.scene.rooms.flatMap(({ id }) => this.log.of(id)).findLast((message) => message.text === text);
    if (!message) throw new Error(`nobody said ${text}`);
    this.log.react(message.id, this.peer(author).id, emoji, true);
  }

  /** Somebody offers something. */
  offered(roomName: string, author: string, name: string, bytes: number, files = 1): Transfer {
    const room = this.room(roomName);
    const peer = this.peer(author);
    const transfer = this.files.add(room, peer, [name], bytes, files, Date.now());
    const message = this.log.write(room, peer, { text: name, time: Date.now(), transfer: transfer.id });
    this.emit({ event: 'offer', transfer }, { event: 'message', message }, { event: 'room-changed', room });
    return transfer;
  }

  /** There are two versions of what somebody wrote in a room, from the newest message on. */
  forked(roomName: string, author: string | null): void {
    const room = this.room(roomName);
    const id = author === null ? this.scene.me.id : this.peer(author).id;
    room.forked = [...room.forked, id];
    this.emit({ event: 'members-changed', room: room.id }, { event: 'room-changed', room });
    const newest = this.log.of(room.id).findLast((message) => message.author === id && message.kind !== 'note');
    if (newest) this.log.change(newest, { disputed: true });
  }

  /** A copy of this profile was heard. */
  cloned(since: number): void {
    this.scene.me.cloned = since;
    this.emit({ event: 'me-changed', me: this.scene.me });
  }

  advance(id: string, part: number): void {
    this.files.advance(id, part);
  }

  /** These devices now hold our newest message in the room. */
  deliver(roomName: string, to: string[]): void {
    const room = this.room(roomName);
    const message = this.log.of(room.id).findLast((message) => message.mine);
    if (!message) throw new Error('nothing of ours is there to deliver');
    const delivered = heldBy(to.map((name) => this.peer(name)), room.members - 1);
    message.delivered = delivered;
    this.emit({ event: 'delivered', room: room.id, message: message.id, delivered });
  }

  /** These devices now keep our newest message for the other side, which is away. */
  keep(roomName: string, by: string[]): void {
    const room = this.room(roomName);
    const message = this.log.of(room.id).findLast((message) => message.mine);
    if (!message) throw new Error('nothing of ours is there to keep');
    const delivered: Delivery = { to: [], names: [], of: room.members - 1, keptBy: by.map((name) => this.peer(name).id) };
    message.delivered = delivered;
    this.emit({ event: 'kept', room: room.id, message: message.id, delivered });
  }

  /** This device now keeps so much for others. */
  holds(entries: number, bytes: number, people: number): void {
    const mailbox = { entries, bytes, people };
    this.scene.mailbox = mailbox;
    this.emit({ event: 'mailbox-changed', mailbox });
  }

  private answer(command: Command): Reply {
    const { log, rooms, files, shares, scene } = this;
    switch (command.method) {
      case 'snapshot':
        return { reply: 'snapshot', value: scene };
      case 'peers':
        return { reply: 'peers', value: scene.peers };
      case 'rooms':
        return { reply: 'rooms', value: scene.rooms };
      case 'transfers':
        return { reply: 'transfers', value: scene.transfers };
      case 'join-room':
        return { reply: 'room', value: rooms.join(command.params.name) };
      case 'create-room':
        return { reply: 'room', value: rooms.create(command.params.name) };
      case 'leave-room':
        scene.rooms = scene.rooms.filter(({ id }) => id !== command.params.room);
        this.emit({ event: 'room-left', room: command.params.room });
        return { reply: 'left', value: { undelivered: 0, kept: false, withoutAdmin: false } };
      case 'find':
      case 'open':
        return { reply: 'room', value: this.find(command.params.to) };
      case 'say':
        return { reply: 'message', value: this.say(this.find(command.params.to), command.params) };
      case 'edit':
        return { reply: 'message', value: log.edit(command.params.message, command.params.text) };
      case 'delete':
        return { reply: 'message', value: log.delete(command.params.message) };
      case 'react':
        return { reply: 'message', value: log.react(command.params.message, ME.id, command.params.emoji, command.params.on) };
      case 'pin':
        return { reply: 'message', value: log.pin(command.params.message, command.params.on) };
      case 'pins':
        return { reply: 'page', value: log.pins(command.params.room) };
      case 'set-topic':
        return { reply: 'room', value: rooms.setTopic(rooms.get(command.params.room), command.params.topic) };
      case 'set-draft':
        rooms.get(command.params.room).draft = command.params.text;
        return { reply: 'done' };
      case 'log':
        return { reply: 'page', value: log.page({ ...command.params, to: this.find(command.params.to).id }) };
      case 'arrived':
        return { reply: 'arrived', value: log.arrived(command.params) };
      case 'search':
        return { reply: 'found', value: log.search(command.params) };
      case 'export':
        return { reply: 'exported', value: this.export(this.find(command.params.to), command.params.format) };
      case 'members':
        return { reply: 'members', value: rooms.membersOf(rooms.get(command.params.room)) };
      case 'add-member':
        rooms.addMember(rooms.get(command.params.room), command.params.peer);
        return { reply: 'done' };
      case 'remove-member':
        rooms.removeMember(rooms.get(command.params.room), command.params.peer);
        return { reply: 'done' };
      case 'set-role':
        rooms.setRole(rooms.get(command.params.room), command.params.peer, command.params.role);
        return { reply: 'done' };
      case 'renew-keys':
        return { reply: 'room', value: rooms.renewKeys(rooms.get(command.params.room)) };
      case 'invite':
        return { reply: 'invite', value: rooms.invite(rooms.get(command.params.room), command.params.hours) };
      case 'invites':
        return { reply: 'invites', value: rooms.invites(command.params.room) };
      case 'revoke-invite':
        rooms.revoke(command.params.room, command.params.invite);
        return { reply: 'done' };
      case 'caught-up':
        return { reply: 'caught-up', value: true };
      case 'directory':
        return { reply: 'directory', value: rooms.directory };
      case 'keep-room':
        return { reply: 'room', value: this.changeRoom(command.params.room, { keepDays: command.params.days ?? null }) };
      case 'notify-room':
        return { reply: 'room', value: this.changeRoom(command.params.room, { notify: command.params.level ?? null }) };
      case 'set-notifications':
        scene.me.notifications = { ...scene.me.notifications, ...command.params };
        this.emit({ event: 'me-changed', me: scene.me });
        return { reply: 'me', value: scene.me };
      case 'mark-read':
        return this.markRead(command.params.room, command.params.cursor);
      case 'read-all': {
        const { unread, last } = rooms.get(command.params.room) ?? { unread: 0, last: null };
        if (last) this.markRead(command.params.room, last.cursor);
        return { reply: 'read', value: unread };
      }
      case 'admit':
        return { reply: 'handles', value: command.params.paths.map((path) => handle(path, 1)) };
      case 'offer':
        return { reply: 'transfer', value: this.offer(this.find(command.params.to), command.params.handles) };
      case 'files':
        return { reply: 'files', value: this.filesOf(command.params) };
      case 'settle-clone':
        scene.me.cloned = null;
        this.emit({ event: 'me-changed', me: scene.me });
        return { reply: 'me', value: scene.me };
      case 'accept':
        return { reply: 'transfer', value: this.run(command.params.transfer, (id) => files.accept(id, command.params.into, command.params.only)) };
      case 'pause':
        return { reply: 'transfer', value: files.pause(command.params.transfer) };
      case 'resume':
        return { reply: 'transfer', value: this.run(command.params.transfer, (id) => files.resume(id)) };
      case 'reorder':
        return { reply: 'transfers', value: files.reorder(command.params.transfer, command.params.before) };
      case 'forget-transfer':
        files.forget([command.params.transfer]);
        return { reply: 'done' };
      case 'forget-transfers':
        files.forget(files.finished());
        return { reply: 'done' };
      case 'transfer-files':
        return { reply: 'transfer-files', value: files.page(command.params.transfer, command.params.after, command.params.limit) };
      case 'shares':
        return { reply: 'shares', value: shares.own };
      case 'share':
        return { reply: 'share', value: shares.share(command.params) };
      case 'set-share':
        return { reply: 'share', value: shares.set(command.params) };
      case 'unshare':
        shares.unshare(command.params.share);
        return { reply: 'done' };
      case 'peer-shares':
        return { reply: 'peer-shares', value: shares.of(scene.peers.find(({ id }) => id === command.params.peer)) };
      case 'browse':
        return { reply: 'listing', value: shares.browse(command.params) };
      case 'get':
        return { reply: 'transfer', value: this.fetch(command.params) };
      case 'decline':
        return { reply: 'transfer', value: files.end(command.params.transfer, 'declined') };
      case 'cancel':
        return { reply: 'transfer', value: files.end(command.params.transfer, 'cancelled') };
      case 'configure':
        return this.configure(command.params);
      case 'trust':
        return this.trust.act(command.params.peer, command.params.act);
      case 'storage':
        return { reply: 'storage', value: this.storage() };
      case 'mailbox':
        return { reply: 'mailbox', value: scene.mailbox };
      case 'diagnose':
        return { reply: 'diagnosis', value: diagnosis(scene.network, scene.peers, this.options.world === 'crowded') };
      case 'use-interface':
        useInterface(scene.network, command.params.name, command.params.choice);
        this.emit({ event: 'network-changed', network: scene.network });
        return { reply: 'network', value: scene.network };
      case 'call':
        return { reply: 'call', value: this.talk.join(this.find(command.params.room)) };
      case 'mute':
        return { reply: 'call', value: this.talk.mute(command.params.muted) };
      case 'calls':
        return { reply: 'calls', value: scene.calls };
      case 'call-devices':
        return { reply: 'call-devices', value: this.talk.devices };
      case 'choose-call-devices':
        return { reply: 'call-devices', value: this.talk.choose(command.params.microphone, command.params.speaker) };
      case 'leave-call':
        this.talk.leave();
        return { reply: 'done' };
      case 'decline-call':
        this.talk.decline(command.params.room);
        return { reply: 'done' };
      case 'feed-call':
      case 'typing':
      case 'add-peer':
        return { reply: 'done' };
    }
  }

  private configure({ downloads, relay, ...rest }: Extract<Command, { method: 'configure' }>['params']): Reply {
    const { me } = this.scene;
    Object.assign(me, rest);
    if (relay !== undefined) me.relaying = { ...me.relaying, on: relay };
    if (rest.name !== undefined) me.named = true;
    if (downloads !== undefined) me.downloads = `/home/mei/${nameOf(downloads)}`;
    this.emit({ event: 'me-changed', me });
    return { reply: 'me', value: me };
  }

  /** As much as what was said here would take. */
  private storage(): Storage {
    const { rooms, transfers, mailbox } = this.scene;
    const taken = rooms.map(({ id }) => ({ room: id, bytes: this.log.of(id).length * 1_000 })).filter(({ bytes }) => bytes > 0);
    const unfinished = transfers.filter(({ direction, state }) => direction === 'in' && ['waiting', 'queued', 'running', 'paused', 'failed'].includes(state));
    const history = taken.reduce((sum, { bytes }) => sum + bytes, 0);
    return {
      history,
      rooms: taken.sort((a, b) => b.bytes - a.bytes).slice(0, 20),
      mail: mailbox.bytes,
      database: 2 * history + mailbox.bytes + 200_000,
      offers: 48_000,
      unfinished: unfinished.reduce((sum, { moved }) => sum + moved, 0),
      unfinishedTransfers: unfinished.length,
    };
  }

  private find(to: string): Room {
    const peer = this.scene.peers.find(({ id }) => `@${id}` === to);
    const room = this.scene.rooms.find(({ id, peer: other }) => id === to || (peer && other === peer.id));
    if (room) return room;
    if (!peer) throw { code: 'not-found', message: `There is no room or person ${to}.` } satisfies ApiError;
    return this.rooms.add({ kind: 'direct', name: peer.name, peer: peer.id, members: 2, id: `room-${peer.id}` });
  }

  private changeRoom(id: string, to: Partial<Room>): Room {
    const room = Object.assign(this.rooms.get(id), to);
    this.emit({ event: 'room-changed', room });
    return room;
  }

  private markRead(id: string, cursor: string): Reply {
    const unread = this.log.of(id).filter((message) => !message.mine && message.kind !== 'note' && message.cursor > cursor);
    const mentions = unread.filter(({ toMe }) => toMe).length;
    this.changeRoom(id, { read: cursor, unread: unread.length, mentions });
    return { reply: 'done' };
  }

  private say(room: Room, { text, reply }: { text: string; reply?: string }): Message {
    this.trust.mayWrite(room.peer);
    const message = this.log.write(room, null, { text, time: Date.now(), ...(reply === undefined ? {} : { reply }) });
    this.emit({ event: 'message', message }, { event: 'room-changed', room });
    return message;
  }

  private offer(room: Room, handles: string[]): Transfer {
    this.trust.mayWrite(room.peer);
    const transfer = this.files.offer(room, handles);
    const message = this.log.write(room, null, { text: transfer.names.join(', '), time: Date.now(), transfer: transfer.id });
    this.emit({ event: 'transfer-changed', transfer }, { event: 'message', message }, { event: 'room-changed', room });
    return transfer;
  }

  private filesOf({ room, before, limit }: Extract<Command, { method: 'files' }>['params']): Files {
    const offers = this.log
      .of(room)
      .filter(({ kind, deleted, cursor }) => kind === 'offer' && !deleted && (before === undefined || cursor < before))
      .reverse();
    const page = offers.slice(0, limit);
    const transferOf = (id: string | null) => this.scene.transfers.find((transfer) => transfer.id === id) ?? null;
    return {
      offers: page.map((message) => ({ message, transfer: transferOf(message.transfer) })),
      next: offers.length > limit ? (page.at(-1)?.cursor ?? null) : null,
    };
  }

  /** Lets it begin, and go on by itself where the world does. */
  private run(id: string, begin: (id: string) => Transfer): Transfer {
    const transfer = begin(id);
    if (this.options.world === 'lively') this.files.run(id);
    return transfer;
  }

  /** Fetches from a shared folder. */
  private fetch({ peer: id, paths, into }: Extract<Command, { method: 'get' }>['params']): Transfer {
    const peer = this.scene.peers.find((peer) => peer.id === id);
    if (!peer) throw { code: 'not-found', message: `There is no person ${id}.` } satisfies ApiError;
    const names = paths.map((path) => path.split('/').at(-1) || 'Reports');
    const { id: made } = this.files.add(this.find(`@${id}`), peer, names, names.length * 4_000_000, names.length, Date.now());
    return this.run(made, (id) => this.files.accept(id, into, undefined));
  }

  private export(room: Room, format: 'html' | 'json') {
    return { file: `${room.name}.${format}`, messages: this.log.of(room.id).length };
  }
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
