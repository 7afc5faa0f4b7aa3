import type { Command, ReplyKind, ReplyValue } from '../ipc/contract';

/** Commands as the window gives them: what is refused becomes a notice. */
export interface Requests {
  /** Nothing if it was refused. */
  ask<K extends Exclude<ReplyKind, 'done'>>(command: Command, kind: K): Promise<ReplyValue<K> | undefined>;
  /** The same for what nobody asked for: nobody is told that it was refused. */
  look<K extends Exclude<ReplyKind, 'done'>>(command: Command, kind: K): Promise<ReplyValue<K> | undefined>;
  /** Whether it was done. */
  done(command: Command): Promise<boolean>;
}

/** Of several questions about one thing only the answer to the last counts: earlier ones may be late and old. */
export class Latest {
  private readonly asked = new Map<string, Map<string, symbol>>();

  /** `refused` is told where the last question was not answered. */
  async answer<T>(room: string, what: string, ask: () => Promise<T | undefined>, place: (answer: T) => void, refused?: () => void): Promise<void> {
    const turn = Symbol(what);
    const here = this.asked.get(room) ?? new Map<string, symbol>();
    this.asked.set(room, here.set(what, turn));
    const answer = await ask();
    if (here.get(what) !== turn || this.asked.get(room) !== here) return;
    here.delete(what);
    if (answer === undefined) refused?.();
    else place(answer);
  }

  /** Whether an answer is under way. */
  waits(room: string, what: string): boolean {
    return this.asked.get(room)?.has(what) ?? false;
  }

  /** Answers about this room are of no use any more. */
  forget(room: string): void {
    this.asked.delete(room);
  }
}
