import type { DropSignal } from '../ipc/client';
import type { ApiError, FileHandle } from '../ipc/contract';

/** Where on the page a drop would go: the value of the nearest `data-drop` attribute. */
export type Locate = (x: number, y: number) => string | null;

/** Files that hover over the window, and which target they would fall on. */
export class Dropping {
  active = $state(false);
  target = $state<string | null>(null);

  private readonly locate: Locate;
  private readonly onDropped: (target: string, handles: FileHandle[]) => void;
  private readonly onFailed: (error: ApiError) => void;

  constructor(
    locate: Locate,
    onDropped: (target: string, handles: FileHandle[]) => void,
    onFailed: (error: ApiError) => void,
  ) {
    this.locate = locate;
    this.onDropped = onDropped;
    this.onFailed = onFailed;
  }

  signal(signal: DropSignal): void {
    this.active = signal.kind === 'enter' || signal.kind === 'over';
    if (signal.kind === 'leave' || signal.kind === 'failed') {
      this.target = null;
      if (signal.kind === 'failed') this.onFailed(signal.error);
      return;
    }
    const target = this.locate(signal.x, signal.y);
    this.target = this.active ? target : null;
    if (signal.kind === 'drop' && target !== null) this.onDropped(target, signal.handles ?? []);
  }
}

export const roomTarget = (room: string) => `room:${room}`;
export const personTarget = (peer: string) => `person:${peer}`;
