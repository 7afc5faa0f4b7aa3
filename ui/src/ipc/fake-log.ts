import type { ApiError, Arrived, Command, Delivery, Event, Found, Message, Note, Page, Peer, Quote, Room } from './contract';
import { ME, type Scene } from './fake-scene';

type Emit = (...events: Event[]) => void;
type Params<M extends Command['method']> = Extract<Command, { method: M }>['params'];

export interface Written {
  text: string;
  time: number;
  transfer?: string;
  reply?: string;
  note?: Note;
  kind?: Message['kind'];
}

/** What was said in the made-up world, in the order in which it was said. */
export class FakeLog {
  private readonly rooms = new Map<string, Message[]>();
  private count = 0;
  private readonly scene: Scene;
  private readonly emit: Emit;
  /** Rooms of which older messages are elsewhere. */
  readonly missing = new Set<string>();

  constructor(scene: Scene, emit: Emit) {
    this.scene = scene;
    this.emit = emit;
  }

  of(room: string): Message[] {
    let log = this.rooms.get(room);
    if (!log) this.rooms.set(room, (log = []));
    return log;
  }

  find(id: string): Message {
    for (const log of this.rooms.values()) {
      const message = log.find((message) => message.id === id);
      if (message) return message;
    }
    throw { code: 'no-such', message: `There is no message ${id}.` } satisfies ApiError;
  }

  /** Somebody writes, or oneself. */
  write(room: Room, author: Peer | null, { text, time, transfer, reply, note, kind }: Written): Message {
    this.count += 1;
    const answered = reply === undefined ? null : this.find(reply);
    const mentions = this.mentioned(text);
    const message: Message = {
      id: `m${this.count}`,
      room: room.id,
      author: author?.id ?? ME.id,
      name: author?.name ?? this.scene.me.name,
      mine: author === null,
      time,
      kind: kind ?? (note ? 'note' : transfer === undefined ? 'text' : 'offer'),
      text,
      reply: answered && quote(answered),
      edited: null,
      deleted: false,
      reactions: [],
      mentions,
      toMe: author !== null && (mentions.includes(ME.id) || answered?.mine === true),
      pinned: false,
      late: false,
      disputed: false,
      note: note ?? null,
      transfer: transfer ?? null,
      cursor: String(this.count * 10).padStart(11, '0'),
      delivered: author === null && !note ? heldBy([], Math.max(0, room.members - 1)) : null,
    };
    this.of(room.id).push(message);
    room.last = message;
    if (author !== null && !note) {
      room.unread += 1;
      if (message.toMe) room.mentions += 1;
    }
    return message;
  }

  /** Puts messages in front of what is there, as if they had just been fetched. */
  fetchOlder(room: Room, author: Peer, lines: number): void {
    const log = this.of(room.id);
    const last = room.last;
    const { unread } = room;
    const first = log[0];
    const older = Array.from({ length: lines }, (_, index) => {
      const made = this.write(room, author, { text: `Fetched ${index + 1}`, time: (first?.time ?? 0) - (lines - index) * 60_000 });
      log.pop();
      return { ...made, cursor: `-${String(index).padStart(10, '0')}` };
    });
    log.unshift(...older);
    Object.assign(room, { last: last ?? older.at(-1) ?? null, unread });
    this.missing.delete(room.id);
    this.emit({ event: 'history', room: room.id });
  }

  page({ to, before, after, at, around, limit }: Params<'log'>): Page {
    const log = this.of(to);
    const none = log.length;
    const from = (found: number) => (found < 0 ? none : found);
    let [start, end] = [Math.max(0, none - limit), none];
    if (before !== undefined) {
      end = from(log.findIndex(({ cursor }) => cursor >= before));
      start = Math.max(0, end - limit);
    } else if (after !== undefined) {
      start = from(log.findIndex(({ cursor }) => cursor > after));
      end = Math.min(none, start + limit);
    } else if (at !== undefined) {
      start = from(log.findIndex(({ time }) => time >= at));
      end = Math.min(none, start + limit);
    } else if (around !== undefined) {
      const middle = log.findIndex(({ id }) => id === around);
      if (middle < 0) throw { code: 'no-such', message: `There is no message ${around}.` } satisfies ApiError;
      start = Math.max(0, middle - (limit >> 1));
      end = Math.min(none, start + limit);
    }
    return { messages: log.slice(start, end), more: start > 0, newer: end < none, missing: start === 0 && this.missing.has(to) };
  }

  /** Messages in the order in which they were made up. */
  arrived({ to, since, limit }: Params<'arrived'>): Arrived {
    const number = ({ id }: Message) => Number(id.slice(1));
    const behind = [...this.rooms]
      .filter(([room]) => to === undefined || room === to)
      .flatMap(([, log]) => log)
      .filter((message) => number(message) > Number(since ?? 0))
      .sort((a, b) => number(a) - number(b));
    const messages = behind.slice(0, limit);
    const last = messages.at(-1);
    const more = behind.length > limit;
    return { messages, changed: [], next: String(more && last ? number(last) : this.count), more, newest: String(this.count) };
  }

  search({ text, to, from, before, limit }: Params<'search'>): Found {
    const words = text.toLocaleLowerCase().split(/\s+/);
    const found = [...this.rooms]
      .filter(([room]) => to === undefined || room === to)
      .flatMap(([, log]) => log)
      .filter(({ kind, deleted }) => (kind === 'text' || kind === 'offer') && !deleted)
      .filter(({ author }) => from === undefined || author === from.slice(1))
      .filter((message) => words.every((word) => message.text.toLocaleLowerCase().includes(word)))
      .filter(({ cursor }) => before === undefined || cursor < before)
      .sort((a, b) => (a.cursor < b.cursor ? 1 : -1));
    return { messages: found.slice(0, limit), more: found.length > limit };
  }

  edit(id: string, text: string): Message {
    return this.change(this.find(id), { text, edited: Date.now(), mentions: this.mentioned(text) });
  }

  delete(id: string): Message {
    return this.change(this.find(id), { text: '', deleted: true, reactions: [], pinned: false });
  }

  pin(id: string, pinned: boolean): Message {
    return this.change(this.find(id), { pinned });
  }

  pins(room: string): Page {
    const messages = this.of(room).filter(({ pinned }) => pinned).reverse();
    return { messages, more: false, newer: false, missing: false };
  }

  react(id: string, by: string, emoji: string, on: boolean): Message {
    const message = this.find(id);
    const others = (ids: string[]) => ids.filter((other) => other !== by);
    const known = message.reactions.some((reaction) => reaction.emoji === emoji);
    const reactions = [...message.reactions, ...(known ? [] : [{ emoji, by: [], mine: false }])]
      .map((one) => (one.emoji === emoji ? { ...one, by: on ? [...others(one.by), by] : others(one.by) } : one))
      .map((one) => ({ ...one, mine: one.by.includes(ME.id) }))
      .filter((one) => one.by.length > 0);
    return this.change(message, { reactions });
  }

  change(message: Message, to: Partial<Message>): Message {
    Object.assign(message, to);
    for (const other of this.of(message.room)) if (other.reply?.id === message.id) other.reply = quote(message);
    this.emit({ event: 'message-changed', message });
    return message;
  }

  private mentioned(text: string): string[] {
    return [this.scene.me, ...this.scene.peers].filter(({ name }) => text.includes(`@${name}`)).map(({ id }) => id);
  }
}

/** Who holds a message, of how many. */
export function heldBy(peers: Peer[], of: number): Delivery {
  return { to: peers.map(({ id }) => id), names: peers.map(({ name }) => name), of, keptBy: [] };
}

function quote({ id, author, name, text, deleted }: Message): Quote {
  return { id, author, name, text: text.slice(0, 200), deleted };
}
