import type { Message } from '../ipc/contract';

/** What is being written in one conversation: something new, an answer, or a message of ours anew. */
export class Composition {
  draft = $state('');
  reply = $state.raw<Message | null>(null);
  editing = $state.raw<Message | null>(null);
  private edited = $state('');

  constructor(draft: string) {
    this.draft = draft;
  }

  /** What stands in the field. An edit has a text of its own and leaves the draft as it is. */
  get text(): string {
    return this.editing ? this.edited : this.draft;
  }

  set text(text: string) {
    if (this.editing) this.edited = text;
    else this.draft = text;
  }

  answer(message: Message): void {
    this.editing = null;
    this.reply = message;
  }

  edit(message: Message): void {
    this.reply = null;
    this.edited = message.text;
    this.editing = message;
  }

  /** Whether there was something to give up. */
  cancel(): boolean {
    const busy = this.reply !== null || this.editing !== null;
    this.reply = null;
    this.editing = null;
    return busy;
  }

  /** What was written, to be sent; the field is empty then. */
  take(): { text: string; reply: Message | null } {
    const taken = { text: this.draft.trim(), reply: this.reply };
    this.draft = '';
    this.reply = null;
    return taken;
  }
}
