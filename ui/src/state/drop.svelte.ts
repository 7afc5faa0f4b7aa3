import type { DropSignal } from '../ipc/client';
import type { FileHandle } from '../ipc/contract';

/** Where on the page a drop would go: the value of the nearest `data-drop` attribute. */
export type Locate = (x: number, y: number) => string | null;

/** Files that hover over the window, and which target they would fall on. */
export class Dropping {
  active = $state(false);
  target = $state<string | null>(null);

  private readonly locate: Locate;
  private readonly onDropped: (target: string, handles: FileHandle[]) => void;

  constructor(locate: Locate, onDropped: (target: string, handles: FileHandle[]) => void) {
    this.locate = locate;
    this.onDropped = onDropped;
  }

  signal({ kind, x, y, handles = [] }: DropSignal): void {
    this.active = kind === 'enter' || kind === 'over';
    const target = kind === 'leave' ? null : this.locate(x, y);
    this.target = this.active ? target : null;
    if (kind === 'drop' && target !== null) this.onDropped(target, handles);
  }
}

export const roomTarget = (room: string) => `room:${room}`;
export const personTarget = (peer: string) => `person:${peer}`;
