/** What the engine's API is getting: written by hand until the generated types have it. */
import type * as Now from './generated';

export type Receiver = Now.Receiver & { chosen: number | null; chosenFiles: number | null };

export type Transfer = Omit<Now.Transfer, 'receivers'> & {
  receivers: Receiver[];
  /** Bytes of what was chosen, where not everything was. */
  chosen: number | null;
  chosenFiles: number | null;
  /** Bytes that were already here. */
  here: number;
  failedFiles: number;
};

export type TransferFileState = 'offered' | 'left-out' | 'waiting' | 'running' | 'done' | 'here' | 'failed' | 'skipped';

export interface TransferFile {
  /** Joined by `/`, safe to show. */
  path: string;
  size: number;
  folder: boolean;
  state: TransferFileState;
  moved: number;
  error: Now.ApiError | null;
}

export interface TransferFiles {
  files: TransferFile[];
  next: string | null;
}

export type ShareAudience = { kind: 'everyone' } | { kind: 'room'; room: string } | { kind: 'people'; people: string[] };

export interface Share {
  id: string;
  name: string;
  /** To be shown. */
  path: string;
  who: ShareAudience;
  /** Whether the folder is not there at the moment. */
  gone: boolean;
}

export interface PeerShare {
  id: string;
  name: string;
}

export interface ListingEntry {
  name: string;
  folder: boolean;
  size: number;
  /** Milliseconds since 1970; 0 where that is not known. */
  modified: number;
}

export interface Listing {
  entries: ListingEntry[];
  next: string | null;
}

export type RoomOffer = Omit<Now.RoomOffer, 'transfer'> & { transfer: Transfer | null };
export type Files = Omit<Now.Files, 'offers'> & { offers: RoomOffer[] };
export type Snapshot = Omit<Now.Snapshot, 'transfers'> & { transfers: Transfer[] };

type Only<Union, Key extends string, Of> = Exclude<Union, { [K in Key]: Of }>;

export type Command =
  | Only<Now.Command, 'method', 'accept'>
  | { method: 'accept'; params: { transfer: string; into?: string; only?: string[] } }
  | { method: 'transfer-files'; params: { transfer: string; after?: string; limit: number } }
  | { method: 'share'; params: { handle: string; name?: string; who: ShareAudience } }
  | { method: 'unshare'; params: { share: string } }
  | { method: 'shares'; params: Record<symbol, never> }
  | { method: 'set-share'; params: { share: string; name?: string; who?: ShareAudience } }
  | { method: 'peer-shares'; params: { peer: string } }
  | { method: 'browse'; params: { peer: string; share: string; folder: string; after?: string; limit: number } }
  | { method: 'get'; params: { peer: string; share: string; paths: string[]; into?: string } };

export type Reply =
  | Only<Now.Reply, 'reply', 'snapshot' | 'transfer' | 'transfers' | 'files'>
  | { reply: 'snapshot'; value: Snapshot }
  | { reply: 'transfer'; value: Transfer }
  | { reply: 'transfers'; value: Transfer[] }
  | { reply: 'files'; value: Files }
  | { reply: 'transfer-files'; value: TransferFiles }
  | { reply: 'share'; value: Share }
  | { reply: 'shares'; value: Share[] }
  | { reply: 'peer-shares'; value: PeerShare[] }
  | { reply: 'listing'; value: Listing };

export type Event =
  | Only<Now.Event, 'event', 'offer' | 'transfer-changed' | 'transfer-finished'>
  | { event: 'offer' | 'transfer-changed' | 'transfer-finished'; transfer: Transfer }
  | { event: 'shares-changed' };
