import type { ApiError, Message } from '../ipc/contract';

/** Something of ours that the engine has not taken yet. */
export interface Pending {
  key: string;
  text: string;
  time: number;
  error: ApiError | null;
}

/** Where the line above what was not seen stands: after this cursor, or above everything. */
export interface Seen {
  upTo: string | null;
}

/** One line of a conversation as it is to be drawn. */
export type Row = {
  key: string;
  time: number;
  /** The first of its day: the date stands above it. */
  firstOfDay: boolean;
  /** The first that was not seen when the conversation was opened. */
  firstUnseen: boolean;
  /** Carries the author's name; the ones below it within five minutes do not. */
  head: boolean;
} & ({ kind: 'message'; message: Message } | { kind: 'pending'; pending: Pending });

const GROUP_MS = 5 * 60_000;

export function rowsOf(messages: Message[], pending: Pending[], seen: Seen | null, me: string | null): Row[] {
  const rows: Row[] = [];
  let unseenFound = seen === null;
  let headTime = 0;
  let lastAuthor: string | null = null;
  let lastDay = '';

  const place = (time: number, author: string | null, unseen: boolean) => {
    const day = new Date(time).toDateString();
    const firstOfDay = day !== lastDay;
    const firstUnseen = !unseenFound && unseen;
    const head =
      firstOfDay || firstUnseen || author !== lastAuthor || time - headTime > GROUP_MS || time < headTime;
    lastDay = day;
    unseenFound ||= firstUnseen;
    if (head) headTime = time;
    lastAuthor = author;
    return { time, firstOfDay, firstUnseen, head };
  };

  for (const message of messages) {
    const unseen = !message.mine && (seen?.upTo == null || message.cursor > seen.upTo);
    const placed = place(message.time, message.author, unseen);
    rows.push({ kind: 'message', key: message.id, message, ...placed });
  }
  for (const entry of pending) {
    rows.push({ kind: 'pending', key: entry.key, pending: entry, ...place(entry.time, me, false) });
  }
  return rows;
}
