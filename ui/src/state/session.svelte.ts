import { ask, type Backend } from '../ipc/client';
import {
  asApiError,
  type ApiError,
  type Command,
  type Event,
  type Export,
  type ExportFormat,
  type FileHandle,
  type InterfaceChoice,
  type Message,
  type ReplyKind,
  type ReplyValue,
  type Room,
  type Storage,
} from '../ipc/contract';
import { Calls, type CallOutcome } from './calls.svelte';
import { Conversation } from './conversation.svelte';
import { Drafts } from './drafts';
import { Finder } from './finder.svelte';
import { forwarded } from './forward';
import type { Place } from './history.svelte';
import { NetworkCheck } from './network-check.svelte';
import { Previews } from './previews.svelte';
import { takePasted } from './paste';
import type { Requests } from './requests';
import { Rooms } from './rooms.svelte';
import { Search } from './search.svelte';
import { Shares } from './shares.svelte';
import { Transfers } from './transfers.svelte';
import { Trusting } from './trusting.svelte';
import { Typing } from './typing.svelte';
import { World } from './world.svelte';

export type Panel = 'about' | 'transfers' | 'network' | 'settings' | 'search' | 'keys';

/** Something that a person should read: what went wrong, where something is, or why nothing happened. */
export type Notice = { id: number } & News;
type News = { kind: 'error'; error: ApiError } | { kind: 'call'; outcome: CallOutcome; name: string } | { kind: 'exported'; exported: Export; folder: string } | { kind: 'pasted'; why: 'nothing' | 'too-large' };

/** Where files go: a room, or a person with whom there may be no conversation yet. */
export interface Destination {
  to: string;
  name: string;
  person: boolean;
}

/** Files that wait for a person's yes before they are offered. */
export interface Proposal {
  destination: Destination;
  handles: FileHandle[];
}

/** More than this in one drop is offered only after a question. */
const ASK_ABOVE_BYTES = 1_000_000_000;

/** Events that wait for a snapshot at the most. */
const WAITING = 4096;

/** Notices that are shown together; older ones give way. */
const NOTICES = 3;

/** One person in front of one window: what is open, and every command it can give. */
export class Session {
  readonly world = new World();
  current = $state<string | null>(null);
  /** How often a conversation was opened, the one that is open included. */
  opened = $state(0);
  panel = $state<Panel | null>(null);
  notices = $state.raw<Notice[]>([]);
  /** Why there is nothing to show. */
  failure = $state.raw<ApiError | null>(null);
  proposal = $state.raw<Proposal | null>(null);
  /** The newest message elsewhere than on screen, for those who listen instead of look. */
  heard = $state.raw<Message | null>(null);

  readonly rooms: Rooms;
  readonly calls: Calls;
  readonly search: Search;
  readonly networkCheck: NetworkCheck;
  readonly finder: Finder;
  readonly previews: Previews;
  readonly transfers: Transfers;
  readonly shares: Shares;
  readonly trusting: Trusting;
  readonly typing = new Typing((room) => void this.ask({ method: 'typing', params: { room } }, 'done').catch(() => undefined));
  readonly drafts = new Drafts((room, text) => this.keepDraft(room, text));

  room = $derived(this.current === null ? undefined : this.world.rooms.get(this.current));
  conversation = $state.raw<Conversation | undefined>(undefined);

  /** Set by the window: whether a person is looking at it now. */
  attentive = () => true;

  private readonly conversations = new Map<string, Conversation>();
  private readonly backend: Backend;
  /** Events that wait for the snapshot that is under way, and whether there has to be another behind it. */
  private waiting: Event[] | null = [];
  private refreshing = false;
  private again = false;
  private noticed = 0;

  private readonly requests: Requests = {
    ask: (command, kind) => this.attempt(() => this.ask(command, kind)),
    look: (command, kind) => this.ask(command, kind).catch(() => undefined),
    done: async (command) => (await this.attempt(() => this.ask(command, 'done').then(() => true))) ?? false,
  };

  constructor(backend: Backend) {
    this.backend = backend;
    this.rooms = new Rooms(this.requests, (room) => this.world.rooms.set(room.id, room));
    this.calls = new Calls(this.requests, (room, outcome) => this.show({ kind: 'call', outcome, name: this.world.rooms.get(room)?.name ?? '' }));
    this.search = new Search(this.requests);
    this.networkCheck = new NetworkCheck(this.requests);
    this.previews = new Previews(backend);
    this.finder = new Finder(this.world, () => this.current, this.requests);
    this.transfers = new Transfers(this.world, this.requests, {
      pickFolder: () => this.pickFolder(),
      reveal: async (transfer) => void (await this.attempt(() => backend.reveal(transfer))),
      openFile: async (transfer) => void (await this.attempt(() => backend.openFile(transfer))),
    });
    this.trusting = new Trusting(this.requests, (peer) => this.world.setPeer(peer));
    this.shares = new Shares(this.requests, (transfer) => this.world.setTransfer(transfer));
  }

  /** An engine that does not start is nothing to be noticed in passing: it is all that there is to say. */
  async start(): Promise<void> {
    try {
      await this.backend.subscribe((events) => this.receive(events));
      await this.refresh();
    } catch (thrown) {
      this.failure = asApiError(thrown);
    }
  }

  destination(room: Room): Destination {
    const person = room.kind === 'direct';
    const open = room.kind === 'open' || room.kind === 'lobby';
    return { to: room.id, name: open ? `#${room.name}` : room.name, person };
  }

  /** Opens a room where reading stopped, or at a place in its past. */
  async openRoom(id: string, place?: Place): Promise<void> {
    const room = this.world.rooms.get(id);
    if (!room) return;
    const left = this.conversation;
    if (left && left.room !== id) {
      left.seen = null;
      this.drafts.flush(left.room);
    }
    const conversation = this.conversationOf(id);
    if (room.unread > 0 && !place) conversation.seen ??= { upTo: room.read };
    this.current = id;
    this.opened += 1;
    this.conversation = conversation;
    void this.rooms.watch(room);
    if (place) return this.goTo(place);
    if (!conversation.loaded) await this.load(conversation);
    else if (conversation.newer) await this.attempt(() => conversation.toLatest());
    else if (conversation.outdated) await this.attempt(() => conversation.refresh());
    await this.markRead();
  }

  /** Shows a place in the past of the open conversation. */
  async goTo(place: Place): Promise<void> {
    const conversation = this.conversation;
    if (!conversation) return;
    const found = await this.attempt(() => conversation.goTo(place));
    if (found) return;
    // After all that was said there is only the end; a message that is not here stays where one was.
    if (!conversation.loaded) await this.load(conversation);
    else if ('at' in place) await this.attempt(() => conversation.toLatest());
  }

  async openPerson(peer: string): Promise<void> {
    const known = this.world.directRooms.get(peer);
    const room = known ?? (await this.attempt(() => this.ask({ method: 'open', params: { to: `@${peer}` } }, 'room')));
    if (!room) return;
    if (!known) this.world.rooms.set(room.id, room);
    await this.openRoom(room.id);
  }

  /** Joins an open room by its name, or a private one by an invite. Whether it worked, so that a dialog knows to close. */
  join(name: string): Promise<boolean> {
    return this.enter(this.requests.ask({ method: 'join-room', params: { name } }, 'room'));
  }

  create(name: string): Promise<boolean> {
    return this.enter(this.rooms.create(name));
  }

  async leave(room: string): Promise<void> {
    await this.requests.ask({ method: 'leave-room', params: { room } }, 'left');
  }

  /** Says somewhere else what somebody said, under that one's name, and goes there. Whether it was said. */
  async forward(message: Message, to: string): Promise<boolean> {
    const name = message.mine ? (this.world.me?.name ?? message.name) : (this.world.peers.get(message.author)?.name ?? message.name);
    const params = { to, text: forwarded(name, message.text) };
    const said = await this.requests.ask({ method: 'say', params }, 'message');
    if (!said) return false;
    if (!this.world.rooms.has(said.room)) {
      const room = await this.requests.ask({ method: 'open', params: { to } }, 'room');
      if (room) this.world.rooms.set(room.id, room);
    }
    await this.openRoom(said.room);
    return true;
  }

  /** A person has ended the copy of this profile. */
  async settleClone(): Promise<void> {
    const me = await this.requests.ask({ method: 'settle-clone', params: {} }, 'me');
    if (me) this.world.me = me;
  }

  async markRead(): Promise<void> {
    const room = this.room;
    if (!room || room.unread === 0) return;
    if (this.conversation?.newer) return;
    const newest = room.last ?? this.conversation?.messages.at(-1);
    if (!newest) return;
    await this.attempt(() => this.ask({ method: 'mark-read', params: { room: room.id, cursor: newest.cursor } }, 'done'));
  }

  /** Takes all of a room as seen without opening it. */
  async readAll({ id, last }: Room): Promise<void> {
    if (last) await this.requests.done({ method: 'mark-read', params: { room: id, cursor: last.cursor } });
  }

  async configure(params: Extract<Command, { method: 'configure' }>['params']): Promise<boolean> {
    const me = await this.requests.ask({ method: 'configure', params }, 'me');
    if (me) this.world.me = me;
    return me !== undefined;
  }

  /** What this device's own data take of the disk. */
  storage(): Promise<Storage | undefined> {
    return this.requests.ask({ method: 'storage', params: {} }, 'storage');
  }

  async chooseNotifications(params: Extract<Command, { method: 'set-notifications' }>['params']): Promise<void> {
    const me = await this.requests.ask({ method: 'set-notifications', params }, 'me');
    if (me) this.world.me = me;
  }

  async useInterface(name: string, choice: InterfaceChoice): Promise<void> {
    const network = await this.requests.ask({ method: 'use-interface', params: { name, choice } }, 'network');
    if (network) this.world.network = network;
  }

  addPeer(address: string): Promise<boolean> {
    return this.requests.done({ method: 'add-peer', params: { address } });
  }

  /** Writes a room's history into a folder that is picked. */
  async export(room: Room, format: ExportFormat): Promise<void> {
    const folder = await this.pickFolder();
    if (!folder) return;
    const params = { to: room.id, format, into: folder.handle };
    const exported = await this.requests.ask({ method: 'export', params }, 'exported');
    if (exported) this.show({ kind: 'exported', exported, folder: folder.name });
  }

  /** Opens the search over one room, or over everything; for something else than before, if that is said. */
  look(room: string | null, text = this.search.text): void {
    this.search.room = room;
    this.search.text = text;
    this.search.opened += 1;
    this.panel = 'search';
    void this.search.run();
  }

  pickFolder(): Promise<FileHandle | null | undefined> {
    return this.attempt(() => this.backend.pickFolder());
  }

  /** Offers what is picked, in the open conversation if nobody else is meant. */
  async pickAndOffer(folders: boolean, destination = this.room && this.destination(this.room)): Promise<void> {
    if (!destination) return;
    const handles = await this.attempt(() => this.backend.pickFiles(folders));
    // Whoever went through a picker has already said what and to whom.
    if (handles?.length) await this.offer(destination, handles);
  }

  /** A drop is easily a slip: a large one is shown before anything is offered. */
  async propose(destination: Destination, handles: FileHandle[]): Promise<void> {
    if (handles.length === 0) return;
    const size = handles.reduce((sum, handle) => sum + handle.size, 0);
    if (handles.length > 1 || size > ASK_ABOVE_BYTES) this.proposal = { destination, handles };
    else await this.offer(destination, handles);
  }

  async offer(destination: Destination, handles: FileHandle[]): Promise<void> {
    this.proposal = null;
    const params = { to: destination.to, handles: handles.map(({ handle }) => handle) };
    const transfer = await this.attempt(() => this.ask({ method: 'offer', params }, 'transfer'));
    if (!transfer) return;
    this.world.setTransfer(transfer);
    if (!this.world.rooms.has(transfer.room)) {
      const room = await this.attempt(() => this.ask({ method: 'open', params: { to: destination.to } }, 'room'));
      if (room) this.world.rooms.set(room.id, room);
    }
    await this.openRoom(transfer.room);
  }

  /** Offers what was pasted, asking first as of a drop. */
  async paste(destination: Destination, picture: Blob | null, name: string): Promise<void> {
    const handles = await this.attempt(() => takePasted(this.backend, picture, name));
    if (handles === 'too-large') this.show({ kind: 'pasted', why: 'too-large' });
    else if (handles?.length === 0) this.show({ kind: 'pasted', why: 'nothing' });
    else if (handles) await this.propose(destination, handles);
  }

  /** Opens what is known of one transfer. */
  showTransfer(transfer: string): void {
    this.transfers.show(transfer);
    this.panel = 'transfers';
  }

  async openLink(url: string): Promise<void> {
    await this.attempt(() => this.backend.openLink(url));
  }

  togglePanel(panel: Panel): void {
    this.transfers.show(null);
    this.panel = this.panel === panel ? null : panel;
  }

  dismiss(id: number): void {
    this.notices = this.notices.filter((notice) => notice.id !== id);
  }

  /** Runs what may fail and shows why it did; nothing then. */
  async attempt<T>(act: () => Promise<T>): Promise<T | undefined> {
    try {
      return await act();
    } catch (thrown) {
      this.notice(asApiError(thrown));
      return undefined;
    }
  }

  private receive(events: Event[]): void {
    if (!this.waiting) for (const event of events) this.handle(event);
    else if (this.waiting.length + events.length <= WAITING) this.waiting.push(...events);
    // As the engine does with whoever reads too slowly: what is lost is in the next snapshot.
    else this.again = true;
  }

  private handle(event: Event): void {
    this.world.handle(event);
    this.rooms.handle(event);
    this.transfers.handle(event);
    this.shares.handle(event);
    this.trusting.handle(event);
    this.calls.handle(event);
    switch (event.event) {
      case 'message':
        this.hear(event.message);
        break;
      case 'message-changed':
        this.conversations.get(event.message.room)?.change(event.message);
        break;
      case 'history':
        void this.attempt(async () => this.conversations.get(event.room)?.refresh());
        break;
      case 'typing':
        if (event.peer !== this.world.me?.id) this.typing.heard(event.room, event.peer);
        break;
      case 'delivered':
      case 'kept':
        this.conversations.get(event.room)?.delivered(event.message, event.delivered);
        break;
      case 'room-changed':
        if (event.room.id === this.current && this.looking()) void this.markRead();
        break;
      case 'room-left':
        this.conversations.delete(event.room);
        if (this.current === event.room) {
          this.current = null;
          this.conversation = undefined;
        }
        break;
      case 'notice':
        this.notice(event.error);
        break;
      // What was asked before the node ran may have been refused.
      case 'ready':
      case 'lagged':
        void this.attempt(() => this.refresh());
        break;
    }
  }

  private hear(message: Message): void {
    const conversation = this.conversations.get(message.room);
    this.typing.stopped(message.room, message.author);
    if (conversation && message.room === this.current && !message.mine && !conversation.newer && !this.looking()) {
      conversation.seen ??= { upTo: conversation.messages.at(-1)?.cursor ?? null };
    }
    conversation?.receive(message);
    if (!message.mine && message.kind !== 'note') this.heard = message;
  }

  /** Whether a person has the end of the open conversation before them. */
  private looking(): boolean {
    const conversation = this.conversation;
    return this.attentive() && conversation !== undefined && conversation.following && !conversation.newer;
  }

  /**
   * Events that come while the snapshot is under way are newer than what it replaces: they wait for it. One snapshot is
   * under way at a time, or an older one might come behind a newer one and the events that were let go by then.
   */
  private async refresh(): Promise<void> {
    this.again = true;
    if (this.refreshing) return;
    this.refreshing = true;
    this.waiting ??= [];
    try {
      while (this.again) {
        this.again = false;
        const snapshot = await this.ask({ method: 'snapshot', params: {} }, 'snapshot');
        this.world.apply(snapshot);
        this.trusting.apply(snapshot.comparisons);
        this.calls.apply(snapshot.calls);
        this.rooms.refresh();
        await Promise.all([...this.conversations.values()].map((one) => one.refresh()));
      }
    } finally {
      this.refreshing = false;
      const events = this.waiting ?? [];
      this.waiting = null;
      for (const event of events) this.handle(event);
    }
  }

  private conversationOf(room: string): Conversation {
    let conversation = this.conversations.get(room);
    if (!conversation) {
      conversation = new Conversation(this.backend, room, () => this.world.me?.id ?? null, this.world.rooms.get(room)?.draft);
      this.conversations.set(room, conversation);
    }
    return conversation;
  }

  private async load(conversation: Conversation): Promise<void> {
    conversation.failed = false;
    const loaded = await this.attempt(() => conversation.load().then(() => true));
    conversation.failed = loaded !== true;
  }

  /** Something that a person should read. */
  notice(error: ApiError): void {
    this.show({ kind: 'error', error });
  }

  private show(news: News): void {
    this.noticed += 1;
    this.notices = [...this.notices, { id: this.noticed, ...news }].slice(-NOTICES);
  }

  private async enter(joining: Promise<Room | undefined>): Promise<boolean> {
    const room = await joining;
    if (!room) return false;
    this.world.rooms.set(room.id, room);
    await this.openRoom(room.id);
    return true;
  }

  /** The sidebar shows it before the engine speaks of the room again. */
  private async keepDraft(id: string, text: string): Promise<boolean> {
    const kept = await this.requests.done({ method: 'set-draft', params: { room: id, text } });
    const room = this.world.rooms.get(id);
    if (kept && room) this.world.rooms.set(id, { ...room, draft: text });
    return kept;
  }

  private ask<K extends ReplyKind>(command: Command, kind: K): Promise<ReplyValue<K>> {
    return ask(this.backend, command, kind);
  }
}
