/** So long after the last key a draft is kept: seldom enough for the disk, soon enough for a crash. */
const SETTLE_MS = 600;

/** Keeps what was begun and not sent, a moment after it was last changed. */
export class Drafts {
  private readonly waiting = new Map<string, { text: string; timer: ReturnType<typeof setTimeout> }>();
  private readonly kept = new Map<string, string>();
  private readonly keep: (room: string, text: string) => Promise<boolean>;

  constructor(keep: (room: string, text: string) => Promise<boolean>) {
    this.keep = keep;
  }

  changed(room: string, text: string): void {
    clearTimeout(this.waiting.get(room)?.timer);
    this.waiting.set(room, { text, timer: setTimeout(() => this.flush(room), SETTLE_MS) });
  }

  /** Keeps at once what waits, of one room or of all. */
  flush(room?: string): void {
    for (const [id, { text, timer }] of [...this.waiting]) {
      if (room !== undefined && id !== room) continue;
      clearTimeout(timer);
      this.waiting.delete(id);
      if (this.kept.get(id) === text) continue;
      this.kept.set(id, text);
      void this.keep(id, text).then((kept) => {
        // It is worth another try.
        if (!kept && this.kept.get(id) === text) this.kept.delete(id);
      });
    }
  }
}
