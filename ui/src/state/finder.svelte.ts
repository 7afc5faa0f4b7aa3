import type { Message, Peer, Room, Transfer } from '../ipc/contract';
import type { Requests } from './requests';
import type { World } from './world.svelte';

/** Somewhere to go, or the way to find out where. */
export type Target = { key: string } & (
  | { kind: 'room'; room: Room }
  | { kind: 'person'; peer: Peer }
  | { kind: 'message'; message: Message }
  | { kind: 'file'; name: string; transfer: Transfer | undefined; message: Message | undefined }
  | { kind: 'search'; text: string }
);

export interface Section {
  key: 'places' | 'files' | 'messages' | 'search';
  targets: Target[];
}

/** As many of each as leave room for the others: whoever misses one types another letter. */
const PLACES = 6;
const PLACES_ALONE = 9;
const FILES = 4;
const MESSAGES = 4;
/** So many messages are looked at for both. */
const LOOKED_AT = 40;
/** A pause in typing after which one wants to see something. */
const PAUSE_MS = 120;

/** What the switcher finds while one types: rooms and people at once, messages and files from the history a moment later. */
export class Finder {
  query = $state('');
  private found = $state.raw<{ words: string; messages: Message[] }>({ words: '', messages: [] });

  /** Without the sign that asks for rooms or for people only. */
  words = $derived(this.query.trim().replace(/^[#@]/, '').trim());
  private only = $derived(/^\s*([#@])/.exec(this.query)?.[1]);

  sections = $derived.by((): Section[] => {
    const history = this.words !== '' && this.only === undefined;
    const all: Section[] = [
      { key: 'places', targets: this.places().slice(0, history ? PLACES : PLACES_ALONE) },
      ...(history
        ? [
            { key: 'files' as const, targets: this.files().slice(0, FILES) },
            { key: 'messages' as const, targets: this.messages().slice(0, MESSAGES) },
            { key: 'search' as const, targets: [{ key: 'search', kind: 'search' as const, text: this.words }] },
          ]
        : []),
    ];
    return all.filter(({ targets }) => targets.length > 0);
  });

  targets = $derived(this.sections.flatMap(({ targets }) => targets));

  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly world: World;
  private readonly current: () => string | null;
  private readonly requests: Requests;

  constructor(world: World, current: () => string | null, requests: Requests) {
    this.world = world;
    this.current = current;
    this.requests = requests;
  }

  type(query: string): void {
    this.query = query;
    clearTimeout(this.timer);
    if (this.words === '' || this.only !== undefined) this.found = { words: '', messages: [] };
    else this.timer = setTimeout(() => void this.look(this.words), PAUSE_MS);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.query = '';
    this.found = { words: '', messages: [] };
  }

  private async look(words: string): Promise<void> {
    const answer = await this.requests.look({ method: 'search', params: { text: words, limit: LOOKED_AT } }, 'found');
    // What was typed meanwhile asks for itself.
    if (answer && words === this.words) this.found = { words, messages: answer.messages };
  }

  private places(): Target[] {
    const rooms = this.only === '@' ? [] : this.world.namedRooms.map((room): Target => ({ key: room.id, kind: 'room', room }));
    const people = this.only === '#' ? [] : this.world.people.map((peer): Target => ({ key: peer.id, kind: 'person', peer }));
    const all = [...rooms, ...people];
    return this.words === '' ? this.lately(all) : this.named(all);
  }

  /** Where something waits, then where something was said last; never where one is. */
  private lately(all: Target[]): Target[] {
    const roomOf = (target: Target) => (target.kind === 'room' ? target.room : target.kind === 'person' ? this.world.directRooms.get(target.key) : undefined);
    const weight = (room: Room | undefined) => (room ? (room.mentions > 0 ? 3 : room.unread > 0 ? 2 : 1) : 0);
    return all
      .map((target) => ({ target, room: roomOf(target) }))
      .filter(({ room }) => room === undefined || room.id !== this.current())
      .sort((a, b) => weight(b.room) - weight(a.room) || (b.room?.last?.time ?? 0) - (a.room?.last?.time ?? 0))
      .map(({ target }) => target);
  }

  private named(all: Target[]): Target[] {
    const wanted = this.words.toLocaleLowerCase();
    const name = (target: Target) => (target.kind === 'room' ? target.room.name : target.kind === 'person' ? target.peer.name : '').toLocaleLowerCase();
    return all
      .map((target) => ({ target, at: name(target).indexOf(wanted) }))
      .filter(({ target, at }) => at >= 0 || (target.kind === 'person' && target.peer.short.startsWith(wanted)))
      .sort((a, b) => Number(a.at !== 0) - Number(b.at !== 0))
      .map(({ target }) => target);
  }

  /** Transfers that are listed here, and offers of which the history speaks. */
  private files(): Target[] {
    const wanted = this.words.toLocaleLowerCase();
    const listed = this.world.transferList.filter(({ names }) => names.some((name) => name.toLocaleLowerCase().includes(wanted)));
    const offers = this.found.messages.filter(({ kind, deleted, transfer }) => kind === 'offer' && !deleted && !listed.some(({ id }) => id === transfer));
    return [
      ...listed.map((transfer): Target => ({ key: transfer.id, kind: 'file', name: transfer.names.join(', '), transfer, message: undefined })),
      ...offers.map((message): Target => ({ key: message.id, kind: 'file', name: message.text, transfer: undefined, message })),
    ];
  }

  private messages(): Target[] {
    return this.found.messages.filter(({ kind }) => kind === 'text').map((message): Target => ({ key: message.id, kind: 'message', message }));
  }
}
