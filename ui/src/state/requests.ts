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
