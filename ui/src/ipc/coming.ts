/** What the engine's API is getting: written by hand until the generated types have it. */
import type * as Now from './generated';

export type TransferState = Now.TransferState | 'paused' | 'queued';
export type Receiver = Omit<Now.Receiver, 'state'> & { state: TransferState; chosen: number | null; chosenFiles: number | null };

export type Transfer = Omit<Now.Transfer, 'state' | 'receivers'> & {
  state: TransferState;
  receivers: Receiver[];
  /** When it ended, in milliseconds since 1970. */
  finished: number | null;
  /** Its place among those that are queued, from 0. */
  place: number | null;
  /** Bytes per second. */
  rate: number;
  /** Bytes of what was chosen, where not everything was. */
  chosen: number | null;
  chosenFiles: number | null;
  /** Bytes that were already here. */
  here: number;
  failedFiles: number;
  /** How many devices an offer of ours is for; 0 for others' offers. */
  audience: number;
  /** Names of those among them who have not answered; at most 32. */
  awaited: string[];
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
  /** Milliseconds since 1970. */
  modified: number;
}

export interface Listing {
  entries: ListingEntry[];
  next: string | null;
}

export type Me = Now.Me & { uploadLimit: number; downloadLimit: number; transfersAtOnce: number };
export type RoomOffer = Omit<Now.RoomOffer, 'transfer'> & { transfer: Transfer | null };
export type Files = Omit<Now.Files, 'offers'> & { offers: RoomOffer[] };
export type Snapshot = Omit<Now.Snapshot, 'me' | 'transfers'> & { me: Me; transfers: Transfer[] };

type Only<Union, Key extends string, Of> = Exclude<Union, { [K in Key]: Of }>;
type Configure = Extract<Now.Command, { method: 'configure' }>['params'];

export type Command =
  | Only<Now.Command, 'method', 'configure' | 'accept'>
  | { method: 'configure'; params: Configure & { uploadLimit?: number; downloadLimit?: number; transfersAtOnce?: number } }
  | { method: 'accept'; params: { transfer: string; into?: string; only?: string[] } }
  | { method: 'pause' | 'resume' | 'forget-transfer'; params: { transfer: string } }
  | { method: 'reorder'; params: { transfer: string; before?: string } }
  | { method: 'forget-transfers' | 'shares'; params: Record<symbol, never> }
  | { method: 'transfer-files'; params: { transfer: string; after?: string; limit: number } }
  | { method: 'share'; params: { handle: string; name?: string; who: ShareAudience } }
  | { method: 'unshare'; params: { share: string } }
  | { method: 'set-share'; params: { share: string; name?: string; who?: ShareAudience } }
  | { method: 'peer-shares'; params: { peer: string } }
  | { method: 'browse'; params: { peer: string; share: string; folder: string; after?: string; limit: number } }
  | { method: 'get'; params: { peer: string; share: string; paths: string[]; into?: string } };

export type Reply =
  | Only<Now.Reply, 'reply', 'me' | 'snapshot' | 'transfer' | 'transfers' | 'files'>
  | { reply: 'me'; value: Me }
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
  | Only<Now.Event, 'event', 'ready' | 'me-changed' | 'offer' | 'transfer-changed' | 'transfer-finished'>
  | { event: 'ready'; me: Me; network: Now.Network }
  | { event: 'me-changed'; me: Me }
  | { event: 'transfer-forgotten'; transfer: string }
  | { event: 'shares-changed' }
  | { event: 'offer' | 'transfer-changed' | 'transfer-finished'; transfer: Transfer };
