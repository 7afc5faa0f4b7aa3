import { expect, test } from 'vitest';
import type { Message } from '../../src/ipc/contract';
import { rowsOf, type Row } from '../../src/state/rows';

const noon = new Date(2026, 4, 4, 12).getTime();
const minutes = (count: number) => noon + count * 60_000;

test('one author within five minutes is one group, a second author or a pause begins another', () => {
  const rows = rowsOf([said('ana', 0), said('ana', 4), said('ana', 6), said('bo', 7), said('bo', 8)], [], null, 'me');
  expect(heads(rows)).toEqual([true, false, true, true, false]);
});

test('the first message of each day carries the date and its author', () => {
  const rows = rowsOf([said('ana', 0), said('ana', 1), said('ana', 24 * 60)], [], null, 'me');
  expect(rows.map((row) => row.firstOfDay)).toEqual([true, false, true]);
  expect(heads(rows)).toEqual([true, false, true]);
});

test('the new line stands once, above the first message of others that was not seen', () => {
  const messages = [said('ana', 0), said('ana', 1), said('me', 2), said('bo', 3), said('bo', 4)];
  const rows = rowsOf(messages, [], { upTo: messages[1]!.cursor }, 'me');
  expect(rows.map((row) => row.firstUnseen)).toEqual([false, false, false, true, false]);
});

test('in a room that was never opened everything of others is new', () => {
  const rows = rowsOf([said('me', 0), said('bo', 1)], [], { upTo: null }, 'me');
  expect(rows.map((row) => row.firstUnseen)).toEqual([false, true]);
});

test('what is being sent joins the group of its author at the end', () => {
  const pending = { key: 'p', text: 'and this', reply: null, time: minutes(2), error: null };
  const rows = rowsOf([said('me', 1)], [pending], null, 'me');
  expect(rows.map((row) => [row.kind, row.head])).toEqual([
    ['message', true],
    ['pending', false],
  ]);
});

function heads(rows: Row[]): boolean[] {
  return rows.map((row) => row.head);
}

function said(author: string, minute: number): Message {
  const cursor = String(minute).padStart(8, '0');
  return {
    id: cursor,
    room: 'r',
    author,
    name: author,
    mine: author === 'me',
    time: minutes(minute),
    kind: 'text',
    text: 'hello',
    reply: null,
    edited: null,
    deleted: false,
    reactions: [],
    mentions: [],
    toMe: false,
    pinned: false,
    late: false,
    disputed: false,
    note: null,
    transfer: null,
    cursor,
    delivered: null,
  };
}
