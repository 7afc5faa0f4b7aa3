/** The engine's types, and how a reply is told apart. `generated.ts` is made from the engine itself. */
export type * from './generated';
export type {
  Command,
  Event,
  Files,
  Listing,
  ListingEntry,
  PeerShare,
  Receiver,
  Reply,
  RoomOffer,
  Share,
  ShareAudience,
  Snapshot,
  Transfer,
  TransferFile,
  TransferFiles,
  TransferFileState,
} from './coming';

import type { Reply } from './coming';
import type { ApiError } from './generated';

export type ReplyKind = Reply['reply'];

export type ReplyValue<K extends ReplyKind> =
  Extract<Reply, { reply: K }> extends { value: infer V } ? V : void;

export function isApiError(thrown: unknown): thrown is ApiError {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown && 'message' in thrown;
}

export function asApiError(thrown: unknown): ApiError {
  return isApiError(thrown) ? thrown : { code: 'internal', message: String(thrown) };
}
