/** For how many days history can be kept; 0 is for ever. */
const DAYS = [0, 7, 30, 90, 365, 1095];
/** How many bytes of history can be kept. */
const BYTES = [100_000_000, 500_000_000, 1_000_000_000, 5_000_000_000, 20_000_000_000];

/** How many bytes of messages can be kept for others. */
const HELD = [16_000_000, 64_000_000, 256_000_000, 1_000_000_000];

/** Bytes per second that transfers may take; 0 is no limit. */
const SPEEDS = [0, 1_000_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000];
/** How many transfers may run at once on one disk. */
const AT_ONCE = [1, 2, 3, 4, 6, 8, 16];

/** The choices, with what was chosen elsewhere among them. */
export const daysToKeep = (current: number | null) => withCurrent(DAYS, current);
export const bytesToKeep = (current: number) => withCurrent(BYTES, current);
export const bytesToHold = (current: number) => withCurrent(HELD, current);
export const speeds = (current: number) => withCurrent(SPEEDS, current);
export const atOnce = (current: number) => withCurrent(AT_ONCE, current);

function withCurrent(choices: number[], current: number | null): number[] {
  if (current === null || choices.includes(current)) return choices;
  return [...choices, current].sort((a, b) => a - b);
}
