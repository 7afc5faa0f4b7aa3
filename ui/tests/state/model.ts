import { flushSync } from 'svelte';
import type { Backend } from '../../src/ipc/client';
import type { ApiError, Command, Event, Message, Page, Reply, Room, Snapshot } from '../../src/ipc/contract';

type Say = Extract<Command, { method: 'say' }>;

/** A question on its way: it is read at some moment, and the answer comes at another. */
interface Call {
  command: Command;
  /** What was read, once it was. */
  read: (() => Reply) | null;
  fails: boolean;
  resolve: (reply: Reply) => void;
  reject: (error: ApiError) => void;
}

export const ROOM = 'room';
const REFUSED: ApiError = { code: 'storage', message: 'The disk is full.' };

/**
 * One room's log as the engine has it, and the wire to the window: questions, answers and events are under way until the
 * test lets them go, events in their order and answers in any.
 */
export class Model implements Backend {
  /** In the order in which they are shown. */
  log: Message[] = [];
  topic = '';
  events: Event[] = [];
  calls: Call[] = [];
  /** What was refused, in the end. */
  refused: string[] = [];
  private listener: (events: Event[]) => void = () => undefined;
  private made = 0;

  call(command: Command): Promise<Reply> {
    return new Promise((resolve, reject) => this.calls.push({ command, read: null, fails: false, resolve, reject }));
  }

  async subscribe(onEvents: (events: Event[]) => void): Promise<() => void> {
    this.listener = onEvents;
    return () => undefined;
  }

  pickFiles = async () => [];
  pickFolder = async () => null;
  onDrop = async () => () => undefined;
  pasteFiles = async () => [];
  pastePicture = () => Promise.reject(new Error('nothing is pasted here'));
  reveal = async () => undefined;
  openFile = async () => undefined;
  openLink = async () => undefined;
  preview = () => Promise.reject(new Error('nothing is shown here'));
  onOpening = async () => () => undefined;
  takeOpenings = async () => [];
  lookAt = async () => undefined;
  speak = async () => undefined;
  desktop = () => Promise.reject(new Error('there is no desktop here'));
  setDesktop = () => Promise.reject(new Error('there is no desktop here'));

  /** Somebody says something; where `place` is less than the end, it arrives late. */
  add(place: number, mine = false, text = 'said', told = true): Message {
    const message = this.make(place, mine, text);
    this.events.push(told ? { event: 'message', message } : { event: 'history', room: ROOM });
    return message;
  }

  /** Very many things are said one after another, and all of it is told. */
  flood(count: number): void {
    for (let said = 0; said < count; said += 1) this.add(this.log.length);
    this.tell(this.events.length);
  }

  /** Several arrive without a word about each. */
  arrive(places: number[]): void {
    for (const place of places) this.make(place, false, 'older');
    this.events.push({ event: 'history', room: ROOM });
  }

  change(index: number, to: Partial<Message>, told = true): void {
    const known = this.log[index];
    if (!known) return;
    const message = { ...known, ...to };
    this.log = this.log.with(index, message);
    this.events.push(told ? { event: 'message-changed', message } : { event: 'history', room: ROOM });
  }

  deliver(index: number): void {
    const known = this.log[index];
    if (!known?.delivered) return;
    const delivered = { to: [...known.delivered.to, 'peer'], names: [...known.delivered.names, 'Peer'], of: known.delivered.of, keptBy: [] };
    this.log = this.log.with(index, { ...known, delivered });
    this.events.push({ event: 'delivered', room: ROOM, message: known.id, delivered });
  }

  /** The oldest are given up. */
  prune(count: number): void {
    this.log = this.log.slice(count);
    this.events.push({ event: 'history', room: ROOM });
  }

  setTopic(topic: string): void {
    this.topic = topic;
    this.events.push({ event: 'room-changed', room: this.room() });
  }

  /** The window was too slow: the events that wait are lost. */
  lag(times: number): void {
    this.events = Array.from({ length: times }, () => ({ event: 'lagged', missed: 1 }));
  }

  tell(most: number): void {
    const told = this.events.splice(0, most);
    if (told.length > 0) this.listener(structuredClone(told));
    flushSync();
  }

  read(index: number, fails: boolean): void {
    const call = this.calls.filter(({ read }) => !read)[index];
    if (!call) return;
    const answer = structuredClone(this.carryOut(call.command, fails));
    call.fails = answer === null;
    call.read = () => answer as Reply;
  }

  async answer(index: number): Promise<void> {
    const call = this.calls.filter(({ read }) => read)[index];
    if (!call?.read) return;
    this.calls = this.calls.filter((other) => other !== call);
    if (call.fails) call.reject(call.command.method === 'log' ? { code: 'no-such', message: 'It is gone.' } : REFUSED);
    else call.resolve(call.read());
    await settled();
  }

  /** Lets everything go until nothing is under way any more. */
  async rest(): Promise<void> {
    await settled();
    for (let rounds = 0; this.events.length > 0 || this.calls.length > 0; rounds += 1) {
      if (rounds > 1000) throw new Error(`it does not come to rest: ${JSON.stringify(this.calls.map(({ command }) => command))}`);
      this.tell(this.events.length);
      await settled();
      this.read(0, false);
      await this.answer(0);
    }
  }

  private make(place: number, mine: boolean, text: string): Message {
    this.made += 1;
    const at = Math.min(place, this.log.length);
    const [before, after] = [this.log[at - 1]?.cursor ?? '', this.log[at]?.cursor ?? ''];
    const message = said(`m${this.made}`, between(before, after), mine, text);
    this.log = this.log.toSpliced(at, 0, message);
    return message;
  }

  private carryOut(command: Command, fails: boolean): Reply | null {
    switch (command.method) {
      case 'snapshot':
        return { reply: 'snapshot', value: this.snapshot() };
      case 'log':
        return this.page(command.params);
      case 'say':
        return this.say(command, fails);
      case 'members':
        return { reply: 'members', value: [] };
      default:
        return { reply: 'done' };
    }
  }

  private say({ params: { text } }: Say, fails: boolean): Reply | null {
    if (fails) {
      this.refused.push(text);
      return null;
    }
    return { reply: 'message', value: this.add(this.log.length, true, text) };
  }

  private page({ before, after, at, around, limit }: Extract<Command, { method: 'log' }>['params']): Reply | null {
    const { log } = this;
    const index = (from: (message: Message) => boolean) => {
      const found = log.findIndex(from);
      return found < 0 ? log.length : found;
    };
    let [start, end] = [Math.max(0, log.length - limit), log.length];
    if (before !== undefined) {
      end = index(({ cursor }) => cursor >= before);
      start = Math.max(0, end - limit);
    } else if (after !== undefined || at !== undefined) {
      start = index(({ cursor, time }) => (after === undefined ? time >= (at ?? 0) : cursor > after));
      end = Math.min(log.length, start + limit);
    } else if (around !== undefined) {
      const middle = log.findIndex(({ id }) => id === around);
      if (middle < 0) return null;
      start = Math.max(0, middle - (limit >> 1));
      end = Math.min(log.length, middle + limit - (limit >> 1));
    }
    const page: Page = { messages: log.slice(start, end), more: start > 0, newer: end < log.length, missing: false };
    return { reply: 'page', value: page };
  }

  private snapshot(): Snapshot {
    // Of each part no more than is looked at here, but each part: one that is missing would stop the window.
    const parts: Record<keyof Snapshot, unknown> = { me: { id: 'me' }, network: {}, peers: [], rooms: [this.room()], transfers: [], mailbox: {}, comparisons: [], calls: [] };
    return parts as Snapshot;
  }

  private room(): Room {
    const { topic } = this;
    return { id: ROOM, kind: 'open', name: 'room', topic, unread: 0, membership: 'member', last: null, read: null, draft: '' } as unknown as Room;
  }
}

/** Promises that can go on have gone on. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 40; turn += 1) await Promise.resolve();
  flushSync();
}

/** A text that sorts between two others. */
function between(before: string, after: string): string {
  const [low, high] = [before === '' ? 0n : BigInt(`0x${before}`), after === '' ? 1n << 400n : BigInt(`0x${after}`)];
  // Behind all that is there there is always as much room again.
  const middle = after === '' ? low + (1n << 200n) : (low + high) / 2n;
  return middle.toString(16).padStart(120, '0');
}

function said(id: string, cursor: string, mine: boolean, text: string): Message {
  return {
    id,
    room: ROOM,
    author: mine ? 'me' : 'peer',
    name: mine ? 'Me' : 'Peer',
    mine,
    time: 0,
    kind: 'text',
    text,
    reply: null,
    edited: null,
    deleted: false,
    reactions: [],
    mentions: [],
    toMe: false,
    pinned: false,
    disputed: false,
    late: false,
    note: null,
    transfer: null,
    cursor,
    delivered: mine ? { to: [], names: [], of: 1, keptBy: [] } : null,
  };
}
