import { ask, type Backend } from '../ipc/client';
import { asApiError, type Command, type Message } from '../ipc/contract';
import { Composition } from './composition.svelte';
import { History } from './history.svelte';
import { rowsOf, type Pending, type Seen } from './rows';

/** One room as a person sees it: its messages, what was written and is not on disk yet, and what is being written. */
export class Conversation extends History {
  pending = $state.raw<Pending[]>([]);
  seen = $state.raw<Seen | null>(null);
  /** It was asked for and could not be had: there is nothing to show of it. */
  failed = $state(false);
  readonly composition: Composition;

  edge = $derived(this.loaded && !this.more ? (this.missing ? ('missing' as const) : ('beginning' as const)) : null);
  rows = $derived.by(() => rowsOf(this.shown(), this.pending, this.begun() ? this.seen : null, this.me(), this.edge));

  /** The last message of one's own that is shown. */
  newestOwn = $derived(this.messages.findLast(({ mine }) => mine)?.id ?? null);

  private sent = 0;
  /** What the engine has taken of the messages that are or were under way together; the newest before they were. */
  private taken = $state.raw<string[]>([]);
  private before = '';
  private readonly me: () => string | null;

  constructor(backend: Backend, room: string, me: () => string | null, draft = '') {
    super(backend, room);
    this.me = me;
    this.composition = new Composition(draft);
  }

  /** Says it at the end of the conversation, wherever one reads now. */
  async say(text: string, reply: Message | null = null): Promise<void> {
    if (this.newer) await this.toLatest();
    this.following = true;
    const key = `pending-${(this.sent += 1)}`;
    const entry: Pending = { key, text, reply, time: Date.now(), error: null };
    this.prepended = false;
    this.setOff();
    this.pending = [...this.pending, entry];
    await this.send(entry);
  }

  async retry(key: string): Promise<void> {
    const entry = this.pending.find((pending) => pending.key === key);
    if (!entry || entry.error === null) return;
    this.setOff();
    this.pending = this.pending.map((pending) => (pending.key === key ? { ...pending, error: null } : pending));
    await this.send(entry);
  }

  discard(key: string): void {
    this.pending = this.pending.filter((pending) => pending.key !== key);
  }

  edit(message: Message, text: string): Promise<void> {
    return this.act({ method: 'edit', params: { to: message.room, message: message.id, text } });
  }

  delete(message: Message): Promise<void> {
    return this.act({ method: 'delete', params: { to: message.room, message: message.id } });
  }

  pin(message: Message, on: boolean): Promise<void> {
    return this.act({ method: 'pin', params: { to: message.room, message: message.id, on } });
  }

  /** Puts an emoji on a message, or takes the own one off again. */
  react(message: Message, emoji: string): Promise<void> {
    const on = !message.reactions.some((reaction) => reaction.emoji === emoji && reaction.mine);
    return this.act({ method: 'react', params: { to: message.room, message: message.id, emoji, on } });
  }

  /** The last thing that oneself said and can still change. */
  lastOwn(): Message | undefined {
    return this.newer ? undefined : this.messages.findLast(({ mine, kind, deleted }) => mine && kind === 'text' && !deleted);
  }

  private async act(command: Extract<Command, { params: { message: string } }>): Promise<void> {
    this.prepended = false;
    const before = this.known(command.params.message);
    const changed = await ask(this.backend, command, 'message');
    // What was told meanwhile is as new as the answer, or newer.
    if (this.known(changed.id) === before) this.change(changed);
  }

  private async send({ key, text, reply }: Pending): Promise<void> {
    const { rereads } = this;
    try {
      const params = { to: this.room, text, ...(reply ? { reply: reply.id } : {}) };
      const message = await ask(this.backend, { method: 'say', params }, 'message');
      this.taken = [...this.taken, message.id];
      this.add(message, rereads);
      this.discard(key);
    } catch (thrown) {
      const error = asApiError(thrown);
      this.pending = this.pending.map((pending) => (pending.key === key ? { ...pending, error } : pending));
    }
  }

  /** Something is about to be sent. */
  private setOff(): void {
    if (this.underWay()) return;
    this.taken = [];
    this.before = this.messages.at(-1)?.cursor ?? '';
  }

  /** Whether what was not seen when it was opened begins here, and not further up than what is here. */
  private begun(): boolean {
    const upTo = this.seen?.upTo ?? '';
    return !this.cut || !this.more || this.messages.some(({ cursor }) => cursor <= upTo);
  }

  private underWay(): boolean {
    return this.pending.some(({ error }) => error === null);
  }

  /**
   * The event about a message of ours may come before the answer to `say`, and only the answer tells which of those that
   * are under way it is: until then it stands among these, and not twice.
   */
  private shown(): Message[] {
    if (!this.underWay()) return this.messages;
    const waits = ({ mine, kind, id, cursor }: Message) => mine && kind === 'text' && cursor > this.before && !this.taken.includes(id);
    return this.messages.some(waits) ? this.messages.filter((message) => !waits(message)) : this.messages;
  }
}
