import { SvelteMap } from 'svelte/reactivity';

/** How long somebody counts as writing after the last word of it, as the engine has it. */
const HOLDS_MS = 6_000;

/** So often it is said that oneself is writing, as the engine sends it on. */
const EVERY_MS = 3_000;

/** Who is writing where. */
export class Typing {
  private readonly rooms = new SvelteMap<string, string[]>();
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();
  private readonly say: (room: string) => void;
  private said = { room: '', time: 0 };

  constructor(say: (room: string) => void) {
    this.say = say;
  }

  /** In the order in which they began. */
  in(room: string): string[] {
    return this.rooms.get(room) ?? [];
  }

  heard(room: string, peer: string): void {
    const key = `${room} ${peer}`;
    clearTimeout(this.timers.get(key));
    this.timers.set(key, setTimeout(() => this.stopped(room, peer), HOLDS_MS));
    const there = this.in(room);
    if (!there.includes(peer)) this.rooms.set(room, [...there, peer]);
  }

  stopped(room: string, peer: string): void {
    const key = `${room} ${peer}`;
    clearTimeout(this.timers.get(key));
    this.timers.delete(key);
    const there = this.in(room);
    if (there.includes(peer)) this.rooms.set(room, there.filter((other) => other !== peer));
  }

  /** Oneself is writing. */
  own(room: string): void {
    const time = Date.now();
    if (this.said.room === room && time - this.said.time < EVERY_MS) return;
    this.said = { room, time };
    this.say(room);
  }

  /** What one was writing is said: what comes next is new. */
  sent(): void {
    this.said = { room: '', time: 0 };
  }
}
