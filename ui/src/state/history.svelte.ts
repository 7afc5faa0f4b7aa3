import { ask, type Backend } from '../ipc/client';
import { asApiError, type Command, type Delivery, type Message, type Page } from '../ipc/contract';

/** How many messages a page of history holds: a few screens, fetched in one breath. */
export const PAGE = 100;

/** The engine's limit for one page. */
const LARGEST_PAGE = 500;

/** With more messages than this the ones far from the view are let go of, and this many stay: many screens. */
export const MOST = 600;
export const KEPT = 300;

/** How many messages that are here are read again at least, if there are so many. */
const REREAD = 1000;

/** What may come while a page is under way, as the engine bounds what it keeps for a slow reader. */
const MEANWHILE = 4096;

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
  /** Whether the last change was to what is in front only, so that what is on screen must stay where it is. */
  prepended = $state(false);
  /** Whether its oldest message is another one than when it was opened, though there are older ones: those were seen, or not. */
  cut = $state(false);
  /** Whether the newest message is in view, so that whatever comes next is seen as well. */
  following = $state(true);
  /** Another stretch has another number: nothing that was drawn of the one before is of use. */
  stretch = $state(0);
  /** A message to be brought into view and shown for a moment. */
  target = $state.raw<{ id: string } | null>(null);

  protected readonly backend: Backend;
  readonly room: string;
  /** Pages that are under way or wait for their turn. */
  private turns = 0;
  private lastTurn: Promise<void> = Promise.resolve();
  /** What came while a page is under way, which may have been read before it. */
  private meanwhile: (() => void)[] = [];
  /** Whether what is here has to be read again, and whether that goes on. */
  private stale = false;
  private refreshing: Promise<void> | null = null;
  /** How often what is here was to be read again so far. */
  protected rereads = 0;

  constructor(backend: Backend, room: string) {
    this.backend = backend;
    this.room = room;
  }

  /** Fetches the newest page, or anew what is here already. */
  async load(): Promise<void> {
    if (this.loaded) return this.refresh();
    await this.turn(async () => {
      if (this.loaded) return;
      const page = await this.page({ limit: PAGE });
      this.prepended = false;
      this.messages = page.messages;
      this.more = page.more;
      this.newer = page.newer;
      this.missing = page.missing;
      this.loaded = true;
    });
  }

  async loadOlder(): Promise<void> {
    if (this.messages.length === 0 || !this.more || this.loading) return;
    await this.turn(async () => {
      const oldest = this.messages[0];
      if (!oldest || !this.more) return;
      const page = await this.page({ before: oldest.cursor, limit: PAGE });
      this.prepended = true;
      this.messages = [...page.messages, ...this.messages];
      this.more = page.more;
      this.missing = page.missing;
    });
  }

  async loadNewer(): Promise<void> {
    if (!this.newer || this.loading) return;
    await this.turn(async () => {
      const newest = this.messages.at(-1);
      if (!newest || !this.newer) return;
      const page = await this.page({ after: newest.cursor, limit: PAGE });
      this.prepended = false;
      this.messages = [...this.messages, ...page.messages];
      this.newer = page.newer;
    });
  }

  /** Shows a place in the past; whether it is there. */
  async goTo(place: Place): Promise<boolean> {
    if ('around' in place && this.messages.some(({ id }) => id === place.around)) {
      this.show(place.around);
      return true;
    }
    return this.turn(async () => {
      const page = await this.page({ ...place, limit: PAGE });
      const id = 'around' in place ? place.around : (page.messages.find(({ time }) => time >= place.at)?.id ?? page.messages[0]?.id);
      if (id === undefined || !page.messages.some((message) => message.id === id)) return false;
      this.replace(page);
      this.show(id);
      return true;
    });
  }

  /**
   * Lets go of the messages at one end, far from what is in view, where there are very many. They are fetched again when
   * they are scrolled to.
   */
  letGo(end: 'oldest' | 'newest'): void {
    // What a page is joined to must stay.
    if (this.loading || this.messages.length <= MOST) return;
    if (end === 'oldest') this.dropOldest(this.messages.length - KEPT);
    else if (!this.following) {
      this.prepended = false;
      this.messages = this.messages.slice(0, KEPT);
      this.newer = true;
    }
  }

  /** Lets go of the messages far above this one, for whoever reads on from there. */
  letGoAbove(id: string): void {
    const above = this.messages.findIndex((message) => message.id === id);
    if (!this.loading && above > MOST) this.dropOldest(above - KEPT);
  }

  /** Leaves the past. */
  async toLatest(): Promise<void> {
    this.following = true;
    if (!this.newer) return;
    await this.turn(async () => {
      if (!this.newer) return;
      const page = await this.page({ limit: PAGE });
      this.target = null;
      this.replace(page);
    });
  }

  /**
   * Something arrived that was not told one by one, or was missed: what is here is read again, from its newest message to
   * its oldest. Once is enough for all who want it before it begins.
   */
  refresh(): Promise<void> {
    this.stale = true;
    this.rereads += 1;
    this.refreshing ??= this.untilFresh().finally(() => (this.refreshing = null));
    return this.refreshing;
  }

  /** Whether reading again what is here failed. */
  get outdated(): boolean {
    return this.stale;
  }

  /** Takes a message that is on disk: a new one, or a newer state of a known one. */
  receive(message: Message): void {
    this.now(() => {
      if (!this.replaceKnown(message)) this.insert(message);
    });
  }

  /**
   * Takes a message as an answer had it, unless it is here: what was told of it may be newer than the answer. If everything
   * was to be read again since the question (it was asked after `rereads` of that), the message may be gone by now, and only
   * the engine knows.
   */
  protected add(message: Message, rereads: number): void {
    if (this.known(message.id)) return;
    this.now(() => {
      if (!this.known(message.id)) this.insert(message);
    });
    if (this.rereads !== rereads) void this.refresh().catch(() => undefined);
  }

  protected known(id: string): Message | undefined {
    return this.messages.findLast((message) => message.id === id);
  }

  /** Takes the newer state of a message, here and where it is quoted. */
  change(message: Message): void {
    this.now(() => void this.replaceKnown(message));
  }

  delivered(id: string, delivered: Delivery): void {
    this.now(() => {
      const index = this.messages.findLastIndex((message) => message.id === id);
      const message = this.messages[index];
      if (message) this.messages = this.messages.with(index, { ...message, delivered });
    });
  }

  /** Does it, and again behind a page that is under way: that may have been read before. */
  private now(act: () => void): void {
    this.prepended = false;
    act();
    if (!this.loading) return;
    if (this.meanwhile.length < MEANWHILE) this.meanwhile.push(act);
    // More than anybody could say in this time was: it is read instead.
    else this.stale = true;
  }

  private insert(message: Message): void {
    const at = this.messages.findLastIndex(({ cursor }) => cursor < message.cursor) + 1;
    // Before the oldest that was fetched it belongs to a page that is still to come, and so it does after a past.
    if (at === 0 && this.more && this.messages.length > 0) return;
    if (at === this.messages.length) {
      // Whoever reads further up has enough here; the rest is fetched on the way down.
      this.newer ||= !this.following && this.messages.length >= MOST;
      if (this.newer) return;
    }
    this.messages = this.messages.toSpliced(at, 0, message);
  }

  /** Whether it is in this stretch. */
  private replaceKnown(message: Message): boolean {
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

  private dropOldest(count: number): void {
    this.prepended = true;
    this.messages = this.messages.slice(count);
    this.more = true;
    this.missing = false;
    this.cut = true;
  }

  private show(id: string): void {
    this.following = false;
    this.target = { id };
  }

  private replace(page: Page): void {
    this.prepended = false;
    this.stretch += 1;
    this.cut = true;
    this.messages = page.messages;
    this.more = page.more;
    this.newer = page.newer;
    this.missing = page.missing;
    this.loaded = true;
  }

  private async untilFresh(): Promise<void> {
    while (this.stale) {
      await this.turn(async () => {
        this.stale = false;
        if (!this.loaded) return;
        try {
          await this.reread();
        } catch (error) {
          this.stale = true;
          throw error;
        }
      });
    }
  }

  private async reread(): Promise<void> {
    const last = this.newer ? this.messages.at(-1) : undefined;
    const limit = last ? LARGEST_PAGE : Math.min(LARGEST_PAGE, Math.max(PAGE, this.messages.length));
    const end = await this.page({ ...(last ? { around: last.id } : {}), limit }).catch(unlessGone);
    // Its last message was given up: there is no such place any more.
    if (!end) return this.replace(await this.page({ limit: PAGE }));
    let { messages, more, missing } = end;
    const first = this.messages[0];
    // What arrived in between may be more than anybody wants to have here: the rest is fetched when it is read.
    const most = Math.max(this.messages.length, REREAD);
    while (first && more && messages.length < most && messages[0] && messages[0].cursor > first.cursor) {
      const page = await this.page({ before: messages[0].cursor, limit: LARGEST_PAGE });
      messages = [...page.messages, ...messages];
      ({ more, missing } = page);
    }
    this.placeReread(messages, more, missing, first, last);
    this.newer = last !== undefined && (end.newer || messages.some(({ cursor }) => cursor > last.cursor));
  }

  /** Keeps the stretch where it was, and a page of it at least. */
  private placeReread(messages: Message[], more: boolean, missing: boolean, first?: Message, last?: Message): void {
    const fitting = last ? messages.filter(({ cursor }) => cursor <= last.cursor) : messages;
    const begin = first ? fitting.findIndex(({ cursor }) => cursor >= first.cursor) : 0;
    const from = Math.max(0, Math.min(begin < 0 ? fitting.length : begin, fitting.length - PAGE));
    const known = this.messages;
    const read = fitting.slice(from);
    const front = read.findIndex(({ id }) => id === known[0]?.id);
    this.prepended = front > 0 && read.length - known.length === front;
    this.messages = read;
    this.more = more || from > 0;
    this.missing = missing;
  }

  private page(asked: Asked): Promise<Page> {
    return ask(this.backend, { method: 'log', params: { to: this.room, ...asked } }, 'page');
  }

  /** One at a time: what a page is joined to must not become another stretch while it is under way. */
  private async turn<T>(act: () => Promise<T>): Promise<T> {
    const before = this.lastTurn;
    let end!: () => void;
    this.lastTurn = new Promise((resolve) => (end = resolve));
    this.turns += 1;
    this.loading = true;
    await before;
    this.meanwhile = [];
    try {
      const result = await act();
      for (const again of this.meanwhile) again();
      return result;
    } finally {
      this.meanwhile = [];
      this.turns -= 1;
      this.loading = this.turns > 0;
      end();
      // Too much came to be kept.
      if (this.stale && !this.refreshing) void this.refresh().catch(() => undefined);
    }
  }
}

/** How much of a message is quoted, as the engine does it. */
const QUOTED = 200;

export function quoted(text: string): string {
  return [...text].slice(0, QUOTED).join('');
}

/** Nothing, where a page was wanted around a message that is gone. */
function unlessGone(thrown: unknown): undefined {
  if (asApiError(thrown).code !== 'no-such') throw thrown;
}
