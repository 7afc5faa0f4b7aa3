import { SvelteMap, SvelteSet } from 'svelte/reactivity';
import type { Command, Event, Files, Invite, ListedRoom, Member, Message, NotifyLevel, Role, Room } from '../ipc/contract';
import { Latest, type Requests } from './requests';

/** How every invite begins. */
export const INVITE_PREFIX = 'lanyard:v1:inv:';

export const isInvite = (text: string) => text.trim().startsWith(INVITE_PREFIX);

/** Offers that are asked for at a time. */
export const FILES_PAGE = 20;

/** What is known of a room and can be asked for again. */
export type Known = 'members' | 'pins' | 'files' | 'invites' | 'directory';

/** Rooms beyond their messages: who is in them, who may come, what is pinned and offered, and which there are to join. */
export class Rooms {
  /** As far as they were asked for; kept current from then on. */
  readonly members = new SvelteMap<string, Member[]>();
  readonly pins = new SvelteMap<string, Message[]>();
  readonly invites = new SvelteMap<string, Invite[]>();
  readonly files = new SvelteMap<string, Files>();
  directory = $state.raw<ListedRoom[] | null>(null);

  /** What could not be had: nothing is shown of it, and it can be asked for again. */
  private readonly refused = new SvelteSet<string>();
  private readonly watched = new Set<string>();
  private readonly latest = new Latest();
  private readonly requests: Requests;
  private readonly onChanged: (room: Room) => void;

  constructor(requests: Requests, onChanged: (room: Room) => void) {
    this.requests = requests;
    this.onChanged = onChanged;
  }

  handle(event: Event): void {
    switch (event.event) {
      case 'members-changed':
        if (this.members.has(event.room)) void this.loadMembers(event.room);
        if (this.invites.has(event.room)) void this.loadInvites(event.room);
        break;
      case 'room-changed':
        if (this.watched.has(event.room.id) && !this.members.has(event.room.id)) void this.watch(event.room);
        break;
      case 'directory-changed':
        if (this.directory) void this.loadDirectory();
        break;
      case 'message':
        this.offered(event.message);
        break;
      case 'message-changed':
        this.messageChanged(event.message);
        break;
      case 'history':
        if (this.files.has(event.room)) void this.loadFiles(event.room);
        // What arrived without a word may be pinned or not any more.
        if (this.pins.has(event.room)) void this.loadPins(event.room);
        break;
      case 'room-left':
        this.watched.delete(event.room);
        this.latest.forget(event.room);
        this.members.delete(event.room);
        this.pins.delete(event.room);
        this.invites.delete(event.room);
        this.files.delete(event.room);
        break;
    }
  }

  /** From now on it is known who is in a room. Whoever is not in it yet is not told. */
  async watch({ id, membership }: Room): Promise<void> {
    this.watched.add(id);
    if (membership === 'member' || membership === 'removed') await this.loadMembers(id);
  }

  /** Whether there is nothing to show of it because it could not be had. */
  failed(room: string, what: Known): boolean {
    const shown = what === 'directory' ? this.directory !== null : this[what].has(room);
    return !shown && this.refused.has(`${what} ${room}`);
  }

  loadMembers(room: string): Promise<void> {
    const asked = () => this.requests.look({ method: 'members', params: { room } }, 'members');
    return this.load(room, 'members', asked, (members) => this.members.set(room, members));
  }

  loadPins(room: string): Promise<void> {
    const asked = () => this.requests.look({ method: 'pins', params: { room } }, 'page');
    return this.load(room, 'pins', asked, ({ messages }) => this.pins.set(room, messages));
  }

  /** The newest of what was offered; what was shown beyond them is let go. */
  loadFiles(room: string): Promise<void> {
    const asked = () => this.requests.look({ method: 'files', params: { room, limit: FILES_PAGE } }, 'files');
    return this.load(room, 'files', asked, (files) => this.files.set(room, files));
  }

  /** What was offered before that. */
  async moreFiles(room: string): Promise<void> {
    const before = this.files.get(room)?.next;
    if (!before) return;
    const page = await this.requests.ask({ method: 'files', params: { room, before, limit: FILES_PAGE } }, 'files');
    const shown = this.files.get(room);
    // Meanwhile the list may have begun anew.
    if (page && shown?.next === before) this.files.set(room, { offers: [...shown.offers, ...page.offers], next: page.next });
  }

  loadInvites(room: string): Promise<void> {
    const asked = () => this.requests.look({ method: 'invites', params: { room } }, 'invites');
    return this.load(room, 'invites', asked, (invites) => this.invites.set(room, invites));
  }

  loadDirectory(): Promise<void> {
    const asked = () => this.requests.look({ method: 'directory', params: {} }, 'directory');
    return this.load('', 'directory', asked, (directory) => (this.directory = directory));
  }

  create(name: string): Promise<Room | undefined> {
    return this.requests.ask({ method: 'create-room', params: { name } }, 'room');
  }

  setTopic(room: string, topic: string): Promise<void> {
    return this.changeTo({ method: 'set-topic', params: { room, topic } });
  }

  keep(room: string, days: number | null): Promise<void> {
    return this.changeTo({ method: 'keep-room', params: { room, ...(days === null ? {} : { days }) } });
  }

  notify(room: string, level: NotifyLevel | null): Promise<void> {
    return this.changeTo({ method: 'notify-room', params: { room, ...(level === null ? {} : { level }) } });
  }

  renewKeys(room: string): Promise<void> {
    return this.changeTo({ method: 'renew-keys', params: { room } });
  }

  async add(room: string, peer: string): Promise<boolean> {
    return this.changed(room, await this.requests.done({ method: 'add-member', params: { room, peer } }));
  }

  async remove(room: string, peer: string): Promise<boolean> {
    return this.changed(room, await this.requests.done({ method: 'remove-member', params: { room, peer } }));
  }

  async setRole(room: string, peer: string, role: Role): Promise<boolean> {
    return this.changed(room, await this.requests.done({ method: 'set-role', params: { room, peer, role } }));
  }

  async invite(room: string, hours: number): Promise<Invite | undefined> {
    const invite = await this.requests.ask({ method: 'invite', params: { room, hours } }, 'invite');
    if (invite) await this.loadInvites(room);
    return invite;
  }

  async revoke(room: string, invite: string): Promise<void> {
    await this.requests.done({ method: 'revoke-invite', params: { room, invite } });
    await this.loadInvites(room);
  }

  /** Events were missed: whatever is shown is asked for anew. */
  refresh(): void {
    for (const room of this.members.keys()) void this.loadMembers(room);
    for (const room of this.pins.keys()) void this.loadPins(room);
    for (const room of this.invites.keys()) void this.loadInvites(room);
    if (this.directory) void this.loadDirectory();
  }

  private load<T>(room: string, what: Known, asked: () => Promise<T | undefined>, place: (answer: T) => void): Promise<void> {
    this.refused.delete(`${what} ${room}`);
    return this.latest.answer(room, what, asked, place, () => this.refused.add(`${what} ${room}`));
  }

  private async changeTo(command: Command): Promise<void> {
    const room = await this.requests.ask(command, 'room');
    if (room) this.onChanged(room);
  }

  private async changed(room: string, done: boolean): Promise<boolean> {
    if (done) await this.loadMembers(room);
    return done;
  }

  private offered(message: Message): void {
    const files = this.files.get(message.room);
    if (!files || message.kind !== 'offer' || files.offers.some((offer) => offer.message.id === message.id)) return;
    // One that was written earlier and came late has another place.
    if (files.offers[0] && files.offers[0].message.cursor > message.cursor) void this.loadFiles(message.room);
    else this.files.set(message.room, { ...files, offers: [{ message, transfer: null }, ...files.offers] });
  }

  private messageChanged(message: Message): void {
    const files = this.files.get(message.room);
    if (files && message.deleted) {
      this.files.set(message.room, { ...files, offers: files.offers.filter((offer) => offer.message.id !== message.id) });
    }
    // A list that is under way may be older than this.
    if (this.latest.waits(message.room, 'pins')) void this.loadPins(message.room);
    const pins = this.pins.get(message.room);
    if (!pins) return;
    const known = pins.some(({ id }) => id === message.id);
    if (known !== (message.pinned && !message.deleted)) void this.loadPins(message.room);
    else if (known) this.pins.set(message.room, pins.map((pin) => (pin.id === message.id ? message : pin)));
  }
}
