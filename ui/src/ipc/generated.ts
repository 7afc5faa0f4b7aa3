// Made from crates/engine/src/api by the test `typescript_types_are_fresh`

/**
 * Why a command was not carried out: a code to branch on, and a sentence that says what and what next.
 */
export type ApiError = { code: ErrorCode, message: string, };

/**
 * What a user interface can ask for. On the control socket this is a JSON-RPC 2.0 request (method and params).
 */
export type Command = { "method": "snapshot", "params": Record<symbol, never> } | { "method": "peers", "params": Record<symbol, never> } | { "method": "rooms", "params": Record<symbol, never> } | { "method": "join-room", "params": { name: string, } } | { "method": "leave-room", "params": { room: string, } } | { "method": "open", "params": { to: string, } } | { "method": "say", "params": { to: string, text: string, } } | { "method": "log", "params": { to: string,
/**
 * Only what comes before this [`Message::cursor`]; the newest if absent.
 */
before?: string,
/**
 * At most this many, 500 at the most.
 */
limit: number, } } | { "method": "mark-read", "params": { room: string, cursor: string, } } | { "method": "admit", "params": { paths: Array<string>, } } | { "method": "offer", "params": { to: string, handles: Array<string>, } } | { "method": "transfers", "params": Record<symbol, never> } | { "method": "accept", "params": { transfer: string, into?: string, } } | { "method": "decline", "params": { transfer: string, } } | { "method": "cancel", "params": { transfer: string, } } | { "method": "configure", "params": { name?: string,
/**
 * A handle of a folder.
 */
downloads?: string, } } | { "method": "add-peer", "params": { address: string, } };

/**
 * Signed by others, so it never overstates.
 */
export type Delivery = {
/**
 * Ids of the devices that hold it.
 */
to: Array<string>,
/**
 * How many other devices are known to take part.
 */
of: number, };

export type Dropped = { reason: string, count: number, };

/**
 * Only what a shell branches on.
 */
export type ErrorCode = "invalid" | "not-found" | "refused" | "timed-out" | "storage" | "network" | "profile-in-use" | "internal";

/**
 * Something happened. One JSON object each, told apart by `event`.
 */
export type Event = { "event": "ready", me: Me, network: Network, } | { "event": "peer-online", peer: Peer, } | { "event": "peer-offline", peer: Peer, } | { "event": "peer-changed", peer: Peer, } | { "event": "room-changed", room: Room, } | { "event": "room-left", room: string, } | { "event": "message", message: Message, } | { "event": "delivered", room: string, message: string, delivered: Delivery, } | { "event": "offer", transfer: Transfer, } | { "event": "transfer-changed", transfer: Transfer, } | { "event": "progress", progress: Array<Progress>, } | { "event": "transfer-finished", transfer: Transfer, } | { "event": "me-changed", me: Me, } | { "event": "network-changed", network: Network, } | { "event": "notice", error: ApiError, } | { "event": "lagged", missed: number, };

/**
 * Files that a person picked or dropped. The path stays in the engine.
 */
export type FileHandle = { handle: string, name: string, folder: boolean,
/**
 * Bytes of a file; 0 for a folder, which is not walked before it is offered.
 */
size: number, };

export type Interface = { name: string, addresses: Array<string>, };

/**
 * This device.
 */
export type Me = {
/**
 * The whole device key, 52 base32 characters.
 */
id: string,
/**
 * Its first 8 characters, for telling people apart.
 */
short: string, name: string,
/**
 * The download folder, to be shown.
 */
downloads: string, version: string,
/**
 * Whether a person chose the name; a window asks once if not.
 */
named: boolean, };

export type Message = { id: string, room: string, author: string,
/**
 * The author's name as known now.
 */
name: string, mine: boolean,
/**
 * By the author's clock, milliseconds since 1970.
 */
time: number, kind: MessageKind,
/**
 * What was written; of an offer, the names of what is offered.
 */
text: string,
/**
 * The transfer that an offer speaks of.
 */
transfer: string | null,
/**
 * Sorts messages as they are to be shown, as plain text.
 */
cursor: string,
/**
 * Who holds it by now; only of our own messages.
 */
delivered: Delivery | null, };

export type MessageKind = "text" | "offer" | "unknown";

export type Network = {
/**
 * UDP port of discovery and rooms.
 */
port: number,
/**
 * TCP port of this device for sync and files.
 */
tcpPort: number, multicast: boolean, interfaces: Array<Interface>,
/**
 * Datagrams that were not ours, damaged, forged or replayed, by reason, since the start.
 */
dropped: Array<Dropped>, };

export type Page = {
/**
 * Oldest first.
 */
messages: Array<Message>,
/**
 * Whether there is more before the first of them.
 */
more: boolean, };

export type Peer = { id: string, short: string,
/**
 * What the device calls itself; never empty, never proof of anything.
 */
name: string, online: boolean,
/**
 * `ip:port`, best first.
 */
addresses: Array<string>, platform: Platform, trust: Trust,
/**
 * Milliseconds since 1970.
 */
lastSeen: number, };

export type Platform = "linux" | "macos" | "windows" | "other";

export type Progress = { transfer: string,
/**
 * The other device: the holder (incoming) or the receiver (outgoing).
 */
peer: string, moved: number, bytes: number,
/**
 * Bytes per second over the last seconds.
 */
rate: number, };

export type Receiver = { peer: string, name: string, state: TransferState, moved: number, };

/**
 * The answer to a [`Command`].
 */
export type Reply = { "reply": "done" } | { "reply": "snapshot", "value": Snapshot } | { "reply": "me", "value": Me } | { "reply": "peers", "value": Array<Peer> } | { "reply": "room", "value": Room } | { "reply": "rooms", "value": Array<Room> } | { "reply": "message", "value": Message } | { "reply": "page", "value": Page } | { "reply": "handles", "value": Array<FileHandle> } | { "reply": "transfer", "value": Transfer } | { "reply": "transfers", "value": Array<Transfer> };

export type Room = { id: string, kind: RoomKind,
/**
 * Without `#`; the other person's name in a direct conversation.
 */
name: string,
/**
 * The other person in a direct conversation.
 */
peer: string | null,
/**
 * Messages and offers of others that were not seen yet.
 */
unread: number,
/**
 * The newest message, if there is one.
 */
last: Message | null,
/**
 * The [`Message::cursor`] up to which all was seen.
 */
read: string | null,
/**
 * Devices known to take part, this one included.
 */
members: number, };

export type RoomKind = "lobby" | "open" | "direct";

export type Snapshot = { me: Me, network: Network, peers: Array<Peer>, rooms: Array<Room>, transfers: Array<Transfer>, };

export type Transfer = { id: string, room: string, direction: TransferDirection,
/**
 * The device that offers.
 */
from: string, fromName: string, state: TransferState,
/**
 * The first names of what is offered, safe to show; at most 8.
 */
names: Array<string>, files: number, bytes: number,
/**
 * Bytes that are here (incoming), or that were sent to the furthest receiver (outgoing).
 */
moved: number,
/**
 * Milliseconds since 1970.
 */
offered: number,
/**
 * Where the files are or will be; incoming and accepted only.
 */
folder: string | null,
/**
 * Lower-case hexadecimal SHA-256 of the file, once it is known; only where one file is offered.
 */
sha256: string | null,
/**
 * Why it failed or waits.
 */
error: ApiError | null,
/**
 * What became of it at each receiver; outgoing only.
 */
receivers: Array<Receiver>, };

export type TransferDirection = "in" | "out";

export type TransferState = "offered" | "waiting" | "running" | "done" | "declined" | "cancelled" | "failed";

export type Trust = "unknown" | "pinned" | "verified" | "blocked";
