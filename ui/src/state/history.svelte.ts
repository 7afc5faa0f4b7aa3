import { ask, type Backend } from '../ipc/client';
import type { Command, Delivery, Message, Page } from '../ipc/contract';

/** How many messages a page of history holds: a few screens, fetched in one breath. */
export const PAGE = 100;

/** The engine's limit for one page. */
const LARGEST_PAGE = 500;

/** A place in a room's past: a message, or a time in milliseconds since 1970. */
export type Place = { around: string } | { at: number };

type Asked = Omit<Extract<Command, { method: 'log' }>['params'], 'to'>;

/** An unbroken stretch of one room's messages, oldest first: the newest ones, or those around a place in the past. */
export class History {
  messages = $state.raw<Message[]>([]);
  /** Whether there are older messages on this device. */
  more = $state(true);
  /** Whether there are newer messages: this is a stretch of the past. */
  newer = $state(false);
  /** Whether there were older messages that are not on this device. */
  missing = $state(false);
  loading = $state(false);
  loaded = $state(false);
  /** Whether the last change put older messages in front, so that what is on screen must stay where it is. */
  prepended = $state(false);
  /** Whether the newest message is in view, so that whatever comes next is seen as well. */
  following = $state(true);
  /** Another stretch has another number: nothing that was drawn of the one before is of use. */
  stretch = $state(0);
  /** A message to be brought into view and shown for a moment. */
  target = $state.raw<{ id: string } | null>(null);

  protected readonly backend: Backend;
  readonly room: string;
  /** What came in while pages were under way to a stretch of the past that may end with them. */
  private arrived: Message[] = [];
  private stale = false;

  constructor(backend: Backend, room: string) {
    this.backend = backend;
    this.room = room;
  }

  /**
   * Fetches the newest page, anew if there was one: after a gap only the newest is known to be whole. What came in
   * meanwhile stays. Whoever reads in the past is left there.
   */
  async load(): Promise<void> {
    if (this.newer) return this.reread();
    await this.page({ limit: PAGE }, (page) => {
      this.prepended = false;
      this.messages = union(page.messages, after(this.messages, page.messages.at(-1)));
      this.more = page.more;
      this.missing = page.missing;
      this.loaded = true;
    });
  }

  async loadOlder(): Promise<void> {
    const oldest = this.messages[0];
    if (!oldest || !this.more || this.loading) return;
    await this.page({ before: oldest.cursor, limit: PAGE }, (page) => {
      this.prepended = true;
      this.messages = union(page.messages, this.messages);
      this.more = page.more;
      this.missing = page.missing;
    });
  }

  async loadNewer(): Promise<void> {
    const newest = this.messages.at(-1);
    if (!newest || !this.newer || this.loading) return;
    await this.page({ after: newest.cursor, limit: PAGE }, (page) => {
      this.prepended = false;
      this.messages = union(this.messages, page.messages);
      this.newer = page.newer;
    });
  }

  /** Shows a place in the past; whether it is there. */
  async goTo(place: Place): Promise<boolean> {
    if ('around' in place && this.messages.some(({ id }) => id === place.around)) {
      this.show(place.around);
      return true;
    }
    let found = false;
    await this.page({ ...place, limit: PAGE }, (page) => {
      const id = 'around' in place ? place.around : (page.messages.find(({ time }) => time >= place.at)?.id ?? page.messages[0]?.id);
      found = page.messages.some((message) => message.id === id);
      if (!found || id === undefined) return;
      this.replace(page);
      this.show(id);
    });
    return found;
  }

  /** Leaves the past. */
  async toLatest(): Promise<void> {
    this.following = true;
    if (!this.newer) return;
    await this.page({ limit: PAGE }, (page) => {
      this.target = null;
      this.replace(page);
    });
  }

  /** Older messages arrived: some may belong into this stretch, others come before it. */
  async refresh(): Promise<void> {
    if (this.loading) {
      this.stale = true;
      return;
    }
    if (!this.loaded || this.newer) {
      this.more = true;
      return;
    }
    const limit = Math.min(LARGEST_PAGE, Math.max(PAGE, this.messages.length));
    await this.page({ limit }, (page) => {
      const known = this.messages;
      const first = page.messages[0];
      const before = first ? known.filter(({ cursor }) => cursor < first.cursor) : known;
      const merged = union(union(before, page.messages), after(known, page.messages.at(-1)));
      const front = merged.findIndex(({ id }) => id === known[0]?.id);
      this.prepended = front > 0 && merged.length - known.length === front;
      this.messages = merged;
      this.more = page.more || before.length > 0;
      this.missing = page.missing;
    });
  }

  /** Takes a message that is on disk: a new one, or a newer state of a known one. */
  receive(message: Message): void {
    this.prepended = false;
    if (this.change(message)) return;
    const at = this.messages.findLastIndex(({ cursor }) => cursor < message.cursor) + 1;
    // Before the oldest that was fetched it belongs to a page that is still to come, and so it does after a past.
    if (at === 0 && this.more && this.messages.length > 0) return;
    if (at === this.messages.length && this.newer) {
      if (this.loading) this.arrived.push(message);
      return;
    }
    this.messages = this.messages.toSpliced(at, 0, message);
  }

  /** Takes the newer state of a message, here and where it is quoted; whether it is in this stretch. */
  change(message: Message): boolean {
    const { id, text, deleted } = message;
    let known = false;
    const read = (one: Message): Message => {
      if (one.id === id) {
        known = true;
        return message;
      }
      return one.reply?.id === id ? { ...one, reply: { ...one.reply, text: quoted(text), deleted } } : one;
    };
    if (this.messages.some((one) => one.id === id || one.reply?.id === id)) this.messages = this.messages.map(read);
    return known;
  }

  delivered(id: string, delivered: Delivery): void {
    const index = this.messages.findLastIndex((message) => message.id === id);
    const message = this.messages[index];
    if (message) this.messages = this.messages.with(index, { ...message, delivered });
  }

  private show(id: string): void {
    this.following = false;
    this.target = { id };
  }

  private replace(page: Page): void {
    this.prepended = false;
    this.stretch += 1;
    this.messages = page.messages;
    this.more = page.more;
    this.newer = page.newer;
    this.missing = page.missing;
    this.loaded = true;
  }

  /** What is shown of the past may read otherwise by now; it stays where it is. */
  private async reread(): Promise<void> {
    const middle = this.messages[this.messages.length >> 1];
    if (!middle) return;
    await this.page({ around: middle.id, limit: LARGEST_PAGE }, (page) => {
      const now = new Map(page.messages.map((message) => [message.id, message]));
      this.prepended = false;
      this.messages = this.messages.map((message) => now.get(message.id) ?? message);
      this.more = true;
    });
  }

  private async page(asked: Asked, place: (page: Page) => void): Promise<void> {
    const stretch = this.stretch;
    this.loading = true;
    try {
      const page = await ask(this.backend, { method: 'log', params: { to: this.room, ...asked } }, 'page');
      // Pages that were on their way to a stretch that is gone have no place any more.
      if (stretch !== this.stretch) return;
      place(page);
      if (!this.newer) this.messages = union(this.messages, after(this.arrived, this.messages.at(-1)));
      this.arrived = [];
    } finally {
      this.loading = false;
      if (this.stale) {
        this.stale = false;
        await this.refresh();
      }
    }
  }
}

/** How much of a message is quoted, as the engine does it. */
const QUOTED = 200;

export function quoted(text: string): string {
  return [...text].slice(0, QUOTED).join('');
}

/** What sorts after a message; all of it if there is none. */
function after(messages: Message[], last: Message | undefined): Message[] {
  return last ? messages.filter(({ cursor }) => cursor > last.cursor) : messages;
}

/** Two stretches as one; where both have a message the later list has its newer state. */
function union(earlier: Message[], later: Message[]): Message[] {
  const last = earlier.at(-1);
  const first = later[0];
  if (!last || !first || last.cursor < first.cursor) return [...earlier, ...later];
  const all = new Map([...earlier, ...later].map((message) => [message.id, message]));
  return [...all.values()].sort((a, b) => (a.cursor < b.cursor ? -1 : 1));
}
