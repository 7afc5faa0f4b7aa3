import type { ApiError, Message } from '../ipc/contract';

/** Something of ours that the engine has not taken yet. */
export interface Pending {
  key: string;
  text: string;
  reply: Message | null;
  time: number;
  error: ApiError | null;
}

/** Where the line above what was not seen stands: after this cursor, or above everything. */
export interface Seen {
  upTo: string | null;
}

/** What is above the oldest message: nothing, or what is not on this device. */
export type Edge = 'beginning' | 'missing' | null;

/** One line of a conversation as it is to be drawn. */
export type Row = {
  key: string;
  time: number;
  /** Stands above the first row. */
  edge: Edge;
  /** The first of its day: the date stands above it. */
  firstOfDay: boolean;
  /** The first that was not seen when the conversation was opened. */
  firstUnseen: boolean;
  /** Carries the author's name; the ones below it within five minutes do not. */
  head: boolean;
} & ({ kind: 'message' | 'note'; message: Message } | { kind: 'pending'; pending: Pending });

const GROUP_MS = 5 * 60_000;

export function rowsOf(
  messages: Message[],
  pending: Pending[],
  seen: Seen | null,
  me: string | null,
  edge: Edge = null,
): Row[] {
  const rows: Row[] = [];
  const isNewDay = days();
  let unseenFound = seen === null;
  let headTime = 0;
  let lastAuthor: string | null = null;

  const place = (time: number, author: string | null, unseen: boolean) => {
    const firstOfDay = isNewDay(time);
    const firstUnseen = !unseenFound && unseen;
    const head =
      author !== null &&
      (firstOfDay || firstUnseen || author !== lastAuthor || time - headTime > GROUP_MS || time < headTime);
    unseenFound ||= firstUnseen;
    if (head) headTime = time;
    lastAuthor = author;
    return { time, edge: rows.length === 0 ? edge : null, firstOfDay, firstUnseen, head };
  };

  for (const message of messages) {
    // What happened in the room is told by nobody, and is not counted as unread.
    const note = message.kind === 'note';
    const unseen = !message.mine && !note && (seen?.upTo == null || message.cursor > seen.upTo);
    const placed = place(message.time, note ? null : message.author, unseen);
    // An answer says first whom it answers, so it begins a group of its own.
    if (message.reply) placed.head = true;
    rows.push({ kind: note ? 'note' : 'message', key: message.id, message, ...placed });
  }
  for (const entry of pending) {
    const placed = place(entry.time, me, false);
    if (entry.reply) placed.head = true;
    rows.push({ kind: 'pending', key: entry.key, pending: entry, ...placed });
  }
  return rows;
}

/** Tells whether a time is of another day than the one before, without asking the calendar for each. */
function days(): (time: number) => boolean {
  let from = 0;
  let to = 0;
  return (time) => {
    if (time >= from && time < to) return false;
    const day = new Date(time);
    from = day.setHours(0, 0, 0, 0);
    to = day.setDate(day.getDate() + 1);
    return true;
  };
}
