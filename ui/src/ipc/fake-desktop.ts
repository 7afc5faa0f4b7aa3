import type { Desktop, Opening } from './client';
import { remember } from './fake-files';

/** A made-up desktop: a tray, a login, and hands that open things from outside of the window. */
export class FakeDesktop {
  state: Desktop = { tray: true, closeToTray: true, startAtLogin: false };
  /** The conversation that the window says is open. */
  looked: string | null = null;
  /** The language that the window says it speaks. */
  spoken: string | null = null;
  private waiting: Opening[] = [];
  private readonly listeners = new Set<() => void>();

  choose(change: Partial<Desktop>): Desktop {
    this.state = { ...this.state, ...change };
    return { ...this.state };
  }

  listen(onOpening: () => void): () => void {
    this.listeners.add(onOpening);
    return () => this.listeners.delete(onOpening);
  }

  take(): Opening[] {
    return this.waiting.splice(0);
  }

  /** Somebody clicks on a notification, opens a link, or names files at a second start. */
  open(...openings: Opening[]): void {
    for (const opening of openings) if (opening.kind === 'files') opening.handles.forEach(remember);
    this.waiting.push(...openings);
    for (const listener of this.listeners) listener();
  }
}
