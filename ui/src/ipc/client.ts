import type { ApiError, Command, Event, FileHandle, Reply, ReplyKind, ReplyValue } from './contract';

/** Files over the window. `x` and `y` are CSS pixels; handles arrive only with the drop itself. */
export type DropSignal =
  | { kind: 'enter' | 'over' | 'drop'; x: number; y: number; handles?: FileHandle[] }
  | { kind: 'leave' }
  | { kind: 'failed'; error: ApiError };

export type PreviewKind = 'picture' | 'text';
/** Something that was asked for outside of the window. */
export type Opening =
  | { kind: 'room'; room: string }
  | { kind: 'person'; peer: string }
  | { kind: 'link'; link: string }
  | { kind: 'files'; handles: FileHandle[] }
  | { kind: 'failed'; error: ApiError };

/** How the program behaves on this desktop. */
export interface Desktop {
  /** Whether there is a tray that shows the program. */
  tray: boolean;
  closeToTray: boolean;
  /** Absent where the system starts no programs by itself. */
  startAtLogin: boolean | null;
}

export type Unsubscribe = () => void;

/** All that the window can do to the world. One implementation talks to the engine, one makes a world up. */
export interface Backend {
  /** Rejects with an `ApiError`. */
  call(command: Command): Promise<Reply>;
  subscribe(onEvents: (events: Event[]) => void): Promise<Unsubscribe>;
  /** Empty when the person cancelled. */
  pickFiles(folders: boolean): Promise<FileHandle[]>;
  pickFolder(): Promise<FileHandle | null>;
  onDrop(onSignal: (signal: DropSignal) => void): Promise<Unsubscribe>;
  /** What was copied in a file manager; empty when nothing was. */
  pasteFiles(): Promise<FileHandle[]>;
  /** Keeps a picture, a PNG file, so that it can be offered under this name. */
  pastePicture(name: string, png: ArrayBuffer): Promise<FileHandle>;
  /** Shows a finished transfer in the system's file manager. */
  reveal(transfer: string): Promise<void>;
  /** Opens the one file of a finished transfer, where that can do no harm; else shows it. */
  openFile(transfer: string): Promise<void>;
  openLink(url: string): Promise<void>;
  /** The bytes of the one file of a received transfer: of a picture all, of a text the beginning. Rejects with an `ApiError`. */
  preview(transfer: string, shown: PreviewKind): Promise<ArrayBuffer>;
  /** Says that there is something to open; `takeOpenings` tells what, each once. */
  onOpening(onOpening: () => void): Promise<Unsubscribe>;
  takeOpenings(): Promise<Opening[]>;
  /** The conversation that is open, so that nothing is told of it while a person has it before them. */
  lookAt(room: string | null): Promise<void>;
  /** The language of what is said outside of the window, by its tag. */
  speak(language: string): Promise<void>;
  desktop(): Promise<Desktop>;
  setDesktop(choice: Partial<Omit<Desktop, 'tray'>>): Promise<Desktop>;
}

/** Calls and unpacks the one kind of reply that the command has. */
export async function ask<K extends ReplyKind>(
  backend: Backend,
  command: Command,
  kind: K,
): Promise<ReplyValue<K>> {
  const reply = await backend.call(command);
  if (reply.reply !== kind) {
    throw new Error(`${command.method} was answered by ${reply.reply} instead of ${kind}`);
  }
  return ('value' in reply ? reply.value : undefined) as ReplyValue<K>;
}
