import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { Backend } from '../../src/ipc/client';
import type { Transfer } from '../../src/ipc/contract';
import { Previews } from '../../src/state/previews.svelte';

/** How many are drawn at this moment, and how many were at the most. */
let now = 0;
let most = 0;
let draw: () => Promise<never>;

beforeEach(() => {
  [now, most] = [0, 0];
  vi.useFakeTimers();
  vi.stubGlobal('createImageBitmap', async () => {
    now += 1;
    most = Math.max(most, now);
    return draw().finally(() => (now -= 1));
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const backend = { preview: async () => new ArrayBuffer(8) } as unknown as Backend;
const transfers = ['1', '2', '3'].map((id) => ({ id }) as Transfer);

const later = (milliseconds: number) =>
  new Promise<never>((_, failed) => void setTimeout(() => failed(new Error('no picture')), milliseconds));

test('pictures are drawn one after the other', async () => {
  draw = () => later(1000);
  const previews = new Previews(backend);
  const all = Promise.all(transfers.map((transfer) => previews.thumbnail(transfer)));
  await vi.advanceTimersByTimeAsync(3100);
  expect(await all).toEqual([null, null, null]);
  expect(most).toBe(1);
});

test('a picture that takes for ever keeps no other one waiting', async () => {
  let asked = 0;
  draw = () => later((asked += 1) === 1 ? 1e9 : 10);
  const previews = new Previews(backend);
  const all = Promise.all(transfers.map((transfer) => previews.thumbnail(transfer)));
  await vi.advanceTimersByTimeAsync(4900);
  expect(asked).toBe(1);
  await vi.advanceTimersByTimeAsync(300);
  expect(await all).toEqual([null, null, null]);
  expect(asked).toBe(3);
});
