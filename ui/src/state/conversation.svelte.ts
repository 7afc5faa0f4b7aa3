import { ask, type Backend } from '../ipc/client';
import { asApiError, type Delivery, type Message } from '../ipc/contract';
import { rowsOf, type Pending, type Seen } from './rows';

/** How many messages a page of history holds: a few screens, fetched in one breath. */
export const PAGE = 100;

/** One room's messages as far as they were fetched, and what was written and is not on disk yet. */
export class Conversation {
  messages = $state.raw<Message[]>([]);
  pending = $state.raw<Pending[]>([]);
  more = $state(true);
  loading = $state(false);
  loaded = $state(false);
  seen = $state.raw<Seen | null>(null);
  /** Whether the last change put older messages in front, so that what is on screen must stay where it is. */
  prepended = $state(false);
  /** Whether the newest message is in view, so that whatever comes next is seen as well. */
  following = $state(true);
  draft = $state('');

  rows = $derived.by(() => rowsOf(this.messages, this.pending, this.seen, this.me()));

  private sent = 0;
  private readonly backend: Backend;
  readonly room: string;
  private readonly me: () => string | null;

  constructor(backend: Backend, room: string, me: () => string | null) {
    this.backend = backend;
    this.room = room;
    this.me = me;
  }

  /**
   * Fetches the newest page, anew if there was one: after a gap only the newest is known to be whole. What came in
   * meanwhile stays.
   */
  async load(): Promise<void> {
    await this.page(undefined, (messages) => {
      this.prepended = false;
      const newest = messages.at(-1)?.cursor ?? '';
      this.messages = [...messages, ...this.messages.filter(({ cursor }) => cursor > newest)];
      this.loaded = true;
    });
  }

  async loadOlder(): Promise<void> {
    const oldest = this.messages[0];
    if (!oldest || !this.more || this.loading) return;
    await this.page(oldest.cursor, (messages) => {
      this.prepended = true;
      this.messages = [...messages, ...this.messages];
    });
  }

  /** Takes a message that is on disk: a new one, or a newer state of a known one. */
  receive(message: Message): void {
    this.prepended = false;
    if (message.mine) this.settle(message.text);
    const known = this.messages.findIndex(({ id }) => id === message.id);
    if (known >= 0) {
      this.messages = this.messages.with(known, message);
      return;
    }
    const after = this.messages.findLastIndex(({ cursor }) => cursor < message.cursor) + 1;
    // Before the oldest that was fetched it belongs to a page that is still to come.
    if (after === 0 && this.more && this.messages.length > 0) return;
    this.messages = this.messages.toSpliced(after, 0, message);
  }

  delivered(id: string, delivered: Delivery): void {
    const index = this.messages.findLastIndex((message) => message.id === id);
    const message = this.messages[index];
    if (message) this.messages = this.messages.with(index, { ...message, delivered });
  }

  async say(text: string): Promise<void> {
    const key = `pending-${(this.sent += 1)}`;
    this.prepended = false;
    this.pending = [...this.pending, { key, text, time: Date.now(), error: null }];
    await this.send(key, text);
  }

  async retry(key: string): Promise<void> {
    const entry = this.pending.find((pending) => pending.key === key);
    if (!entry) return;
    this.pending = this.pending.map((pending) => (pending.key === key ? { ...pending, error: null } : pending));
    await this.send(key, entry.text);
  }

  discard(key: string): void {
    this.pending = this.pending.filter((pending) => pending.key !== key);
  }

  private async send(key: string, text: string): Promise<void> {
    try {
      const message = await ask(
        this.backend,
        { method: 'say', params: { to: this.room, text } },
        'message',
      );
      this.receive(message);
      this.discard(key);
    } catch (thrown) {
      const error = asApiError(thrown);
      this.pending = this.pending.map((pending) => (pending.key === key ? { ...pending, error } : pending));
    }
  }

  /** The event about our own message may come before the answer to `say`: it must not be shown twice. */
  private settle(text: string): void {
    const index = this.pending.findIndex((pending) => pending.error === null && pending.text === text);
    if (index >= 0) this.pending = this.pending.toSpliced(index, 1);
  }

  private async page(before: string | undefined, place: (messages: Message[]) => void): Promise<void> {
    this.loading = true;
    try {
      const params = { to: this.room, limit: PAGE, ...(before === undefined ? {} : { before }) };
      const page = await ask(this.backend, { method: 'log', params }, 'page');
      this.more = page.more;
      place(page.messages);
    } finally {
      this.loading = false;
    }
  }
}
