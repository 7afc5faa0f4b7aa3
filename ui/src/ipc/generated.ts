// Made from crates/engine/src/api by the test `typescript_types_are_fresh`

/**
 * Why a command was not carried out: a code to branch on, and a sentence that says what and what next.
 */
export type ApiError = { code: ErrorCode,
/**
 * The sentence in English.
 */
message: string,
/**
 * The same sentence as it can be said in another language, where it is not only the system's.
 */
says?: Saying, };

/**
 * Messages in the order in which they arrived on this device.
 */
export type Arrived = { messages: Array<Message>,
/**
 * Those that had arrived before and read otherwise since: somebody edited them, took them back, pinned them or reacted.
 */
changed: Array<Message>,
/**
 * Where to go on.
 */
next: string,
/**
 * Whether there is more behind by now.
 */
more: boolean,
/**
 * Where whoever only wants what arrives from now on begins.
 */
newest: string, };

/**
 * What stands for a person beside the name: chosen by them, and no proof of anything. Whoever chose none has one by the
 * device key.
 */
export type Avatar = {
/**
 * One of eight, 0 to 7.
 */
color: number,
/**
 * One, as reactions have it.
 */
emoji: string, };

/**
 * A call that is on in a room. There is at most one in a room, and a device is in one at the most.
 */
export type Call = { id: string, room: string,
/**
 * When this device first knew of it, in milliseconds since 1970.
 */
since: number,
/**
 * Whether this device is in it.
 */
joined: boolean,
/**
 * In a direct conversation: nobody has answered yet. It is we who are called where this device has not joined.
 */
ringing: boolean,
/**
 * Whether nothing that is said here is sent.
 */
muted: boolean,
/**
 * What does not work at the moment; the call goes on with what does.
 */
trouble: Array<Sentence>,
/**
 * Who is in it, this device first if it is.
 */
members: Array<CallMember>,
/**
 * Packets of sound that this device sent in it, those for others that it relays included.
 */
sentPackets: number,
/**
 * Their bytes, without headers of UDP and below.
 */
sentBytes: number, };

/**
 * What is said into a call instead of what the microphone hears.
 */
export type CallAudio = { "source": "tone" } | { "source": "silence" } | { "source": "file", handle: string, } | { "source": "fed" };

export type CallDevice = { id: string,
/**
 * As the system calls it.
 */
name: string,
/**
 * Whether it is the one that the system would use.
 */
default: boolean, };

/**
 * What can be spoken into and heard from, and what is chosen.
 */
export type CallDevices = { microphones: Array<CallDevice>, speakers: Array<CallDevice>,
/**
 * The id of the chosen one; absent where the system's is used. It need not be there at the moment.
 */
microphone: string | null, speaker: string | null, };

/**
 * Why a call is no longer on.
 */
export type CallEnd = "over" | "declined" | "unanswered" | "merged" | "gone";

/**
 * A device in a call.
 */
export type CallMember = { peer: string, short: string, name: string, me: boolean, muted: boolean, speaking: boolean,
/**
 * How loud it is, 0 to 100.
 */
level: number,
/**
 * How its sound comes to this device.
 */
way: CallWay,
/**
 * How many percent of its packets did not come lately.
 */
loss: number,
/**
 * How many percent of its sound had to be made up lately, because no copy of it came.
 */
concealed: number,
/**
 * Milliseconds that its sound waits here, so that late packets still count.
 */
buffer: number, };

/**
 * Where what is heard in a call is written, as a WAV file of 48 kHz, mono, 16 bit. Nothing is played then.
 */
export type CallRecording = {
/**
 * A handle of a folder.
 */
into: string,
/**
 * The new file's name in it. What is there already is not overwritten.
 */
name: string, };

/**
 * How somebody's sound comes to this device.
 */
export type CallWay = "multicast" | "unicast" | "relayed" | "none";

/**
 * What can be in the way.
 */
export type Cause = "no-network" | "port-taken" | "wrong-interface" | "firewall" | "isolation" | "multicast-filtered" | "cloned-identity" | "clock-off" | "nobody-there" | "other-version" | "other-network" | "other-subnet" | "multicast-off";

/**
 * An interface, and what went over it.
 */
export type CheckedInterface = { name: string, addresses: Array<string>, used: boolean, kind: InterfaceKind, choice: InterfaceChoice,
/**
 * Datagrams that the system took, and did not take, since this run began to use the interface.
 */
sent: number, failed: number,
/**
 * Of those that failed, how many the system did not allow.
 */
forbidden: number,
/**
 * Datagrams of other devices that came over it.
 */
heard: number,
/**
 * Whether what this device sent to everybody came back to it, as it does where nothing on this device is in the way;
 * absent where it sent nothing.
 */
loopsBack: boolean | null, };

/**
 * Another device, and what passes between the two.
 */
export type CheckedPeer = { id: string, name: string, found: FoundBy, addresses: Array<string>,
/**
 * The interface in use whose network it is in, if it is in one.
 */
interface: string | null,
/**
 * What of this device it hears; absent where it did not say.
 */
hears: Ways | null,
/**
 * What of it this device hears; absent where it did not send anything for that.
 */
heard: Ways | null,
/**
 * What comes of dialling it.
 */
dial: Reached | null,
/**
 * What comes of its dialling this device; absent where it did not say.
 */
dials: Reached | null, };

/**
 * What a user interface can ask for. On the control socket this is a JSON-RPC 2.0 request (method and params).
 */
export type Command = { "method": "snapshot", "params": Record<symbol, never> } | { "method": "peers", "params": Record<symbol, never> } | { "method": "rooms", "params": Record<symbol, never> } | { "method": "join-room", "params": { name: string, } } | { "method": "create-room", "params": { name: string, } } | { "method": "leave-room", "params": { room: string, } } | { "method": "open", "params": { to: string, } } | { "method": "find", "params": { to: string, } } | { "method": "say", "params": { to: string, text: string,
/**
 * The message that this one answers.
 *
 * A message is here and below its whole id, or the beginning of one that is not ambiguous in its room.
 */
reply?: string, } } | { "method": "edit", "params": { to: string, message: string, text: string, } } | { "method": "delete", "params": { to: string, message: string, } } | { "method": "react", "params": { to: string, message: string, emoji: string, on: boolean, } } | { "method": "pin", "params": { to: string, message: string, on: boolean, } } | { "method": "pins", "params": { room: string, } } | { "method": "set-topic", "params": { room: string, topic: string, } } | { "method": "typing", "params": { room: string, } } | { "method": "set-draft", "params": { room: string, text: string, } } | { "method": "log", "params": { to: string,
/**
 * Only what comes before this [`Message::cursor`]; the newest if all four are absent.
 */
before?: string,
/**
 * Only what comes after this [`Message::cursor`].
 */
after?: string,
/**
 * What comes from this time on, in milliseconds since 1970.
 */
at?: number,
/**
 * The message of this id in the middle.
 */
around?: string,
/**
 * Only what had arrived by this [`Arrived::next`].
 */
until?: string,
/**
 * At most this many, 500 at the most.
 */
limit: number, } } | { "method": "arrived", "params": {
/**
 * Only in this room.
 */
to?: string,
/**
 * Only behind this [`Arrived::next`]; all since the node started if it is absent.
 */
since?: string,
/**
 * At most this many, 500 at the most.
 */
limit: number, } } | { "method": "search", "params": { text: string,
/**
 * Only in this room.
 */
to?: string,
/**
 * Only by this person, `@name` or `@id-prefix`.
 */
from?: string,
/**
 * Only what comes before this [`Message::cursor`]: for the next page.
 */
before?: string,
/**
 * At most this many, 200 at the most.
 */
limit: number, } } | { "method": "export", "params": { to: string, format: ExportFormat, into: string, } } | { "method": "members", "params": { room: string, } } | { "method": "add-member", "params": { room: string, peer: string, } } | { "method": "remove-member", "params": { room: string, peer: string, } } | { "method": "set-role", "params": { room: string, peer: string, role: Role, } } | { "method": "renew-keys", "params": { room: string, } } | { "method": "invite", "params": { room: string, hours?: number, } } | { "method": "invites", "params": { room: string, } } | { "method": "revoke-invite", "params": { room: string, invite: string, } } | { "method": "directory", "params": Record<symbol, never> } | { "method": "keep-room", "params": { room: string, days?: number, } } | { "method": "mark-read", "params": { room: string, cursor: string, } } | { "method": "read-all", "params": { room: string, } } | { "method": "admit", "params": { paths: Array<string>, } } | { "method": "offer", "params": { to: string, handles: Array<string>, } } | { "method": "files", "params": { room: string,
/**
 * [`Files::next`] of the page before.
 */
before?: string,
/**
 * At most this many, 100 at the most.
 */
limit: number, } } | { "method": "transfers", "params": Record<symbol, never> } | { "method": "accept", "params": { transfer: string, into?: string,
/**
 * Only these, each a [`TransferFile::path`] of a file, or of a folder with all that is in it. Of an offer of which a
 * part is here already: these, too. Absent: everything, or what is missing of what was chosen.
 */
only?: Array<string>, } } | { "method": "transfer-files", "params": { transfer: string,
/**
 * [`TransferFiles::next`] of the page before.
 */
after?: string,
/**
 * At most this many, 1000 at the most.
 */
limit: number, } } | { "method": "decline", "params": { transfer: string, } } | { "method": "cancel", "params": { transfer: string, } } | { "method": "share", "params": {
/**
 * Of a folder.
 */
handle: string,
/**
 * What others see it as; the folder's own name if it is absent.
 */
name?: string, who: ShareAudience, } } | { "method": "unshare", "params": { share: string, } } | { "method": "shares", "params": Record<symbol, never> } | { "method": "set-share", "params": { share: string, name?: string, who?: ShareAudience, } } | { "method": "peer-shares", "params": { peer: string, } } | { "method": "browse", "params": { peer: string, share: string,
/**
 * From the shared folder down, `/` between names; empty for the shared folder itself.
 */
folder: string,
/**
 * [`Listing::next`] of the page before.
 */
after?: string,
/**
 * At most this many, 1000 at the most.
 */
limit: number, } } | { "method": "get", "params": { peer: string, share: string,
/**
 * As [`Command::Browse`] has them; none, or an empty one, means all of it.
 */
paths: Array<string>, into?: string, } } | { "method": "pause", "params": { transfer: string, } } | { "method": "resume", "params": { transfer: string, } } | { "method": "reorder", "params": { transfer: string, before?: string, } } | { "method": "forget-transfer", "params": { transfer: string, } } | { "method": "forget-transfers", "params": Record<symbol, never> } | { "method": "configure", "params": { name?: string, avatar?: Avatar,
/**
 * A handle of a folder.
 */
downloads?: string,
/**
 * For how many days history is kept; 0 means for ever.
 */
historyDays?: number,
/**
 * How many bytes of history are kept in all.
 */
historyBytes?: number,
/**
 * Keep sealed messages for others who are away. Off, those that are here are given up.
 */
holdForOthers?: boolean,
/**
 * How many bytes of them at the most.
 */
holdBytes?: number,
/**
 * Bytes per second with which files are given; 0 means no limit.
 */
uploadLimit?: number,
/**
 * Bytes per second with which files are fetched; 0 means no limit.
 */
downloadLimit?: number,
/**
 * How many transfers are fetched at a time onto one disk, 1 to 16.
 */
transfersAtOnce?: number,
/**
 * Pass on sealed bytes between devices that cannot dial each other. Off, what is passed on now ends, too.
 */
relay?: boolean, } } | { "method": "set-notifications", "params": { doNotDisturb?: boolean, previews?: boolean, rooms?: NotifyLevel, } } | { "method": "notify-room", "params": { room: string, level?: NotifyLevel, } } | { "method": "settle-clone", "params": Record<symbol, never> } | { "method": "mailbox", "params": Record<symbol, never> } | { "method": "storage", "params": Record<symbol, never> } | { "method": "caught-up", "params": Record<symbol, never> } | { "method": "trust", "params": { peer: string, act: TrustAct, } } | { "method": "add-peer", "params": { address: string, } } | { "method": "use-interface", "params": { name: string, choice: InterfaceChoice, } } | { "method": "diagnose", "params": Record<symbol, never> } | { "method": "call", "params": { room: string,
/**
 * Instead of the microphone.
 */
audio?: CallAudio,
/**
 * Instead of the speaker.
 */
record?: CallRecording, } } | { "method": "leave-call", "params": Record<symbol, never> } | { "method": "decline-call", "params": { room: string, } } | { "method": "mute", "params": { muted: boolean, } } | { "method": "feed-call", "params": { samples: string, } } | { "method": "calls", "params": Record<symbol, never> } | { "method": "call-devices", "params": Record<symbol, never> } | { "method": "choose-call-devices", "params": { microphone?: string, speaker?: string, } };

export type ComparedEmoji = {
/**
 * 0 to 63, in the order of the Matrix specification.
 */
number: number, symbol: string,
/**
 * In English.
 */
name: string, };

/**
 * A comparison of seven emoji with somebody.
 */
export type Comparison = { peer: string, state: ComparisonState,
/**
 * Seven, while they are to be seen.
 */
emoji: Array<ComparedEmoji>,
/**
 * Why it ended without a match.
 */
error: ApiError | null,
/**
 * Whether that may be somebody's attack.
 */
alarm: boolean, };

export type ComparisonState = "calling" | "waiting" | "asked" | "settling" | "shown" | "confirmed" | "matched" | "ended";

/**
 * Signed by others, so it never overstates.
 */
export type Delivery = {
/**
 * Ids of the devices that hold it.
 */
to: Array<string>,
/**
 * What they call themselves, as known now, in the same order; with the short id behind it where two of the room are
 * called alike.
 */
names: Array<string>,
/**
 * How many other devices it concerns: those who hold it and the members of the room; in an open room, where there are
 * none, those who were here when it was said or since.
 */
of: number,
/**
 * Ids of devices that say to keep it for the other side of a direct conversation, which is away: at most three. They
 * cannot read it, and nothing is delivered by that.
 */
keptBy: Array<string>, };

/**
 * What a look at the network came to.
 */
export type Diagnosis = {
/**
 * The gravest first; none where all is well.
 */
verdicts: Array<Verdict>,
/**
 * Those in use first.
 */
interfaces: Array<CheckedInterface>,
/**
 * Who was asked, or tried to be.
 */
peers: Array<CheckedPeer>,
/**
 * UDP port of discovery and rooms.
 */
port: number,
/**
 * TCP port of this device for sync and files.
 */
tcpPort: number,
/**
 * Milliseconds since 1970.
 */
at: number, };

/**
 * Which way something does not pass, seen from this device.
 */
export type Direction = "in" | "out" | "both";

export type Dropped = { reason: DroppedReason, count: number, };

/**
 * Why something that came over the network was not taken. A shell says it in its own language.
 */
export type DroppedReason = "truncated" | "too-long" | "foreign" | "other-version" | "other-network" | "malformed" | "bad-signature" | "replayed" | "bad-body" | "bad-frame" | "bad-entry";

/**
 * Only what a shell branches on.
 */
export type ErrorCode = "invalid" | "not-found" | "no-such" | "refused" | "timed-out" | "storage" | "network" | "profile-in-use" | "internal";

/**
 * Something happened. One JSON object each, told apart by `event`.
 */
export type Event = { "event": "ready", me: Me, network: Network, } | { "event": "peer-online", peer: Peer, } | { "event": "peer-offline", peer: Peer, } | { "event": "peer-changed", peer: Peer, } | { "event": "room-changed", room: Room, } | { "event": "room-left", room: string, } | { "event": "message", message: Message, } | { "event": "message-changed", message: Message, } | { "event": "history", room: string, } | { "event": "typing", room: string, peer: string, } | { "event": "members-changed", room: string, } | { "event": "directory-changed", } | { "event": "delivered", room: string, message: string, delivered: Delivery, } | { "event": "kept", room: string, message: string, delivered: Delivery, } | { "event": "mailbox-changed", mailbox: Mailbox, } | { "event": "offer", transfer: Transfer, } | { "event": "transfer-changed", transfer: Transfer, } | { "event": "progress", progress: Array<Progress>, } | { "event": "transfer-finished", transfer: Transfer, } | { "event": "shares-changed", } | { "event": "transfer-forgotten", transfer: string, } | { "event": "comparison", comparison: Comparison, } | { "event": "call", call: Call, } | { "event": "call-ended", room: string, id: string, why: CallEnd, } | { "event": "me-changed", me: Me, } | { "event": "network-changed", network: Network, } | { "event": "notice", error: ApiError, } | { "event": "lagged", missed: number, };

/**
 * History that was written into a file.
 */
export type Export = {
/**
 * The file's name in the folder.
 */
file: string, messages: number, };

/**
 * What a file of exported history is.
 */
export type ExportFormat = "html" | "json";

/**
 * Files that a person picked or dropped. The path stays in the engine.
 */
export type FileHandle = { handle: string, name: string, folder: boolean,
/**
 * Bytes of a file; 0 for a folder, which is not walked before it is offered.
 */
size: number, };

/**
 * What was offered in a room.
 */
export type Files = {
/**
 * Newest first, without those that were taken back.
 */
offers: Array<RoomOffer>,
/**
 * Where to go on, if there is more.
 */
next: string | null, };

/**
 * What stands in a hole.
 */
export type Filling = string | Saying;

/**
 * Messages that a search found.
 */
export type Found = {
/**
 * Newest first.
 */
messages: Array<Message>,
/**
 * Whether there are more before the last of them.
 */
more: boolean, };

/**
 * How another device is known.
 */
export type FoundBy = "heard" | "address" | "told" | "remembered";

export type Interface = { name: string, addresses: Array<string>, };

/**
 * What a person wants of an interface.
 */
export type InterfaceChoice = "automatic" | "always" | "never";

export type InterfaceKind = "ordinary" | "point-to-point" | "loopback";

/**
 * Whether an interface is used, and why not.
 */
export type InterfaceState = "used" | "excluded" | "not-named" | "tunnel" | "loopback" | "down" | "absent" | "too-many";

/**
 * Lets whoever has the link into a private room.
 */
export type Invite = { id: string, room: string,
/**
 * `lanyard:v1:inv:…`, to be sent, or shown as a QR code. Only at the device that made the invite; elsewhere empty.
 */
link: string,
/**
 * Milliseconds since 1970.
 */
expires: number,
/**
 * Who made it.
 */
by: string, };

/**
 * What two people compare to make sure of each other.
 */
export type Keys = {
/**
 * Sixty digits, the same on both devices.
 */
number: string,
/**
 * The link of the other device.
 */
link: string,
/**
 * The link of this device, for the other side to scan or paste.
 */
mine: string, };

/**
 * What becomes of a room that was left.
 */
export type Left = {
/**
 * The newest messages, and whatever else was written, of this device that nobody else has.
 */
undelivered: number,
/**
 * Whether these are kept until somebody has them: in private rooms. Elsewhere they are gone.
 */
kept: boolean,
/**
 * Whether others are in who cannot let anybody in or put anybody out, now that the last admin is gone.
 */
withoutAdmin: boolean, };

/**
 * An interface, and whether it is used.
 */
export type ListedInterface = { name: string,
/**
 * Unknown of what is absent.
 */
kind: InterfaceKind | null, addresses: Array<string>, choice: InterfaceChoice, state: InterfaceState, };

/**
 * An open room that somebody on this network speaks of.
 */
export type ListedRoom = { name: string,
/**
 * Devices that were seen in it, about.
 */
members: number, joined: boolean,
/**
 * When somebody last wrote there, in milliseconds since 1970; 0 if that is not known.
 */
active: number, };

/**
 * A page of a shared folder.
 */
export type Listing = {
/**
 * Folders first, then by name. Hidden files, links and what is neither file nor folder are not listed.
 */
entries: Array<ListingEntry>,
/**
 * Where to go on, if there is more.
 */
next: string | null, };

export type ListingEntry = {
/**
 * Safe to show, and what it is asked for by.
 */
name: string, folder: boolean,
/**
 * Bytes of a file; 0 for a folder.
 */
size: number,
/**
 * When it was last changed, in milliseconds since 1970; 0 where that is not known.
 */
modified: number, };

/**
 * What is chosen for a device, and not by its people.
 */
export type Locked = "network" | "interfaces" | "accept" | "history-days" | "history-bytes" | "hold-for-others" | "relay";

/**
 * Sealed messages that this device keeps for others who are away. It cannot read them.
 */
export type Mailbox = {
/**
 * Messages, and what was done with messages.
 */
entries: number, bytes: number,
/**
 * For how many devices.
 */
people: number, };

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
short: string, name: string, avatar: Avatar,
/**
 * The download folder, to be shown.
 */
downloads: string, version: string,
/**
 * Whether a person chose the name; a window asks once if not.
 */
named: boolean,
/**
 * For how many days history is kept; 0 means for ever.
 */
historyDays: number,
/**
 * How many bytes of history are kept in all.
 */
historyBytes: number,
/**
 * Since when it is known that a copy of this profile runs elsewhere, in milliseconds since 1970, if one does.
 */
cloned: number | null,
/**
 * Whether sealed messages are kept for others who are away.
 */
holdForOthers: boolean,
/**
 * How many bytes of them at the most.
 */
holdBytes: number,
/**
 * Bytes per second with which files are given; 0 means no limit.
 */
uploadLimit: number,
/**
 * Bytes per second with which files are fetched; 0 means no limit.
 */
downloadLimit: number,
/**
 * How many transfers are fetched at a time onto one disk.
 */
transfersAtOnce: number, notifications: Notifications, relaying: Relaying,
/**
 * What whoever administers this device decided for everybody on it.
 */
locked: Array<Locked>, };

/**
 * Somebody who takes part in a room.
 */
export type Member = { peer: string, short: string, name: string, me: boolean, online: boolean,
/**
 * In private rooms; everybody is a member elsewhere.
 */
role: Role,
/**
 * It is proven that there are two versions of what this device wrote here: a copied profile, or fraud.
 */
forked: boolean, };

/**
 * Whether this device is in a room.
 */
export type Membership = "member" | "joining" | "refused" | "removed";

export type Message = { id: string, room: string, author: string,
/**
 * The author's name as known now, with the short id behind it where somebody else is called alike.
 */
name: string, mine: boolean,
/**
 * By the author's clock, milliseconds since 1970.
 */
time: number, kind: MessageKind,
/**
 * What was written, as it reads now; of an offer, the names of what is offered. Empty if it was taken back.
 */
text: string,
/**
 * What it answers.
 */
reply: Quote | null,
/**
 * When it was last edited, by the author's clock.
 */
edited: number | null,
/**
 * It was taken back: a tombstone is shown.
 */
deleted: boolean,
/**
 * By emoji, in the order of the first.
 */
reactions: Array<Reaction>,
/**
 * Ids of the devices that the text mentions by `@Name`.
 */
mentions: Array<string>,
/**
 * It mentions us, or answers a message of ours.
 */
toMe: boolean, pinned: boolean,
/**
 * It arrived after later ones were read, and stands among them.
 */
late: boolean,
/**
 * Others may see another message in its place: from here on there are two versions of what its author wrote.
 */
disputed: boolean,
/**
 * What happened, where the message is a [`MessageKind::Note`].
 */
note: Note | null,
/**
 * The transfer that an offer speaks of.
 */
transfer: string | null,
/**
 * Sorts messages as they are to be shown, as plain text.
 */
cursor: string,
/**
 * Who holds the newest that we said of it by now: the message, its edit, or that it is taken back; only where that is
 * ours.
 */
delivered: Delivery | null, };

export type MessageKind = "text" | "offer" | "note" | "sealed" | "unknown";

export type Network = {
/**
 * UDP port of discovery and rooms.
 */
port: number,
/**
 * TCP port of this device for sync and files.
 */
tcpPort: number, multicast: boolean,
/**
 * Those in use.
 */
interfaces: Array<Interface>,
/**
 * All that are here or that somebody chose, used or not.
 */
listed: Array<ListedInterface>,
/**
 * By how many seconds the clocks of most other devices here are ahead of this one's, where that is more than ten minutes.
 */
clockOff: number | null,
/**
 * Datagrams that were not ours, damaged, forged or replayed, by reason, since the start.
 */
dropped: Array<Dropped>, };

/**
 * Something that happened in a room, to be told among its messages.
 */
export type Note = { kind: NoteKind,
/**
 * Whom it concerns, if not the author.
 */
peer: string | null,
/**
 * That person's name as known now.
 */
name: string | null,
/**
 * The topic, where that is what changed; else empty.
 */
text: string, };

export type NoteKind = "created" | "topic" | "added" | "joined" | "removed" | "left" | "promoted" | "demoted" | "keys-renewed" | "forked";

/**
 * What a person chose for all conversations.
 */
export type Notifications = {
/**
 * Nothing is told until it is switched off again.
 */
doNotDisturb: boolean,
/**
 * Notifications show what was written, and not only by whom.
 */
previews: boolean,
/**
 * Of rooms without a level of their own. All is told of direct conversations without one.
 */
rooms: NotifyLevel, };

/**
 * What is told of a conversation.
 */
export type NotifyLevel = "all" | "mentions" | "none";

export type Page = {
/**
 * Oldest first.
 */
messages: Array<Message>,
/**
 * Whether there is more before the first of them on this device.
 */
more: boolean,
/**
 * Whether there is more after the last of them.
 */
newer: boolean,
/**
 * Whether there was more before the first of them that is not on this device: not fetched yet, or no longer kept.
 */
missing: boolean, };

export type Peer = { id: string, short: string,
/**
 * What the device calls itself; never empty, never proof of anything.
 */
name: string, avatar: Avatar, online: boolean,
/**
 * `ip:port`, best first.
 */
addresses: Array<string>, platform: Platform, trust: Trust,
/**
 * Others, and perhaps this device, whose names look like this one: only ids tell them apart.
 */
alike: Array<string>,
/**
 * Its offers of up to so many bytes are fetched without asking.
 */
acceptBytes: number | null,
/**
 * Milliseconds since 1970.
 */
lastSeen: number, };

/**
 * A folder that somebody else shares with this device.
 */
export type PeerShare = { id: string,
/**
 * As its holder calls it, safe to show.
 */
name: string, };

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

/**
 * The message that another one answers, as it reads now.
 */
export type Quote = { id: string,
/**
 * Empty, like the name and the text, if the message is not here.
 */
author: string, name: string,
/**
 * Its beginning, at most 200 characters.
 */
text: string, deleted: boolean, };

/**
 * What came of dialling a device.
 */
export type Reached = "open" | "refused" | "silent" | "unreachable";

export type Reaction = { emoji: string,
/**
 * Ids of who put it there.
 */
by: Array<string>, mine: boolean, };

export type Receiver = { peer: string, short: string,
/**
 * As that of who offers.
 */
name: string, state: TransferState, moved: number,
/**
 * Bytes and number of the files that it has, where it chose among them: then it is done, and does not have all.
 */
chosen: number | null, chosenFiles: number | null,
/**
 * Whether it waits for space on its disk.
 */
full: boolean, };

/**
 * Whether this device passes on sealed bytes between others that cannot dial each other, and how much of that at a time. It
 * counts to the limits of speed as its own transfers do.
 */
export type Relaying = { on: boolean,
/**
 * Pairs of devices at a time.
 */
most: number,
/**
 * Of these with any one device.
 */
mostOfOne: number, };

/**
 * The answer to a [`Command`].
 */
export type Reply = { "reply": "done" } | { "reply": "snapshot", "value": Snapshot } | { "reply": "me", "value": Me } | { "reply": "peers", "value": Array<Peer> } | { "reply": "room", "value": Room } | { "reply": "rooms", "value": Array<Room> } | { "reply": "message", "value": Message } | { "reply": "page", "value": Page } | { "reply": "arrived", "value": Arrived } | { "reply": "found", "value": Found } | { "reply": "exported", "value": Export } | { "reply": "members", "value": Array<Member> } | { "reply": "invite", "value": Invite } | { "reply": "invites", "value": Array<Invite> } | { "reply": "directory", "value": Array<ListedRoom> } | { "reply": "read", "value": number } | { "reply": "caught-up", "value": boolean } | { "reply": "handles", "value": Array<FileHandle> } | { "reply": "transfer", "value": Transfer } | { "reply": "transfers", "value": Array<Transfer> } | { "reply": "transfer-files", "value": TransferFiles } | { "reply": "files", "value": Files } | { "reply": "share", "value": Share } | { "reply": "shares", "value": Array<Share> } | { "reply": "peer-shares", "value": Array<PeerShare> } | { "reply": "left", "value": Left } | { "reply": "listing", "value": Listing } | { "reply": "mailbox", "value": Mailbox } | { "reply": "storage", "value": Storage } | { "reply": "peer", "value": Peer } | { "reply": "keys", "value": Keys } | { "reply": "comparison", "value": Comparison } | { "reply": "diagnosis", "value": Diagnosis } | { "reply": "network", "value": Network } | { "reply": "call", "value": Call } | { "reply": "calls", "value": Array<Call> } | { "reply": "call-devices", "value": CallDevices };

/**
 * What a member of a private room may do.
 */
export type Role = "creator" | "admin" | "member";

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
 * Whether somebody else has a name that looks the same as that person's.
 */
alike: boolean,
/**
 * Messages and offers of others that were not seen yet.
 */
unread: number,
/**
 * How many of them mention us or answer us.
 */
mentions: number,
/**
 * What the room is about; may be empty.
 */
topic: string,
/**
 * What was begun here and not sent; may be empty.
 */
draft: string, membership: Membership,
/**
 * Our role in a private room.
 */
role: Role | null,
/**
 * For how many days this room's history is kept, where it differs from the settings.
 */
keepDays: number | null,
/**
 * What is told of it, where that differs from the settings.
 */
notify: NotifyLevel | null,
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
members: number,
/**
 * Ids of the devices of which it is proven that they wrote two versions of what they said here.
 */
forked: Array<string>, };

export type RoomKind = "lobby" | "open" | "direct" | "private";

export type RoomOffer = { message: Message,
/**
 * Absent where it cannot be read yet, or was one too many.
 */
transfer: Transfer | null, };

/**
 * What was said in one room.
 */
export type RoomStorage = {
/**
 * The id of the room.
 */
room: string, bytes: number, };

/**
 * What can be said in another language: a sentence or a part of one in English, in which `{name}` is a hole, and what stands
 * in each.
 */
export type Saying = { template: string, with: { [key in string]: Filling }, };

/**
 * A sentence in English, and as it can be said in another language.
 */
export type Sentence = { message: string, says: Saying, };

export type Severity = "problem" | "note";

/**
 * A folder of this device that others may look into and fetch from. They can change nothing in it.
 */
export type Share = { id: string,
/**
 * What others see it as; no two of a device are called the same.
 */
name: string,
/**
 * Where it is, to be shown.
 */
path: string, who: ShareAudience,
/**
 * Whether the folder is not there at the moment.
 */
gone: boolean, };

/**
 * Who may see a shared folder.
 */
export type ShareAudience = { "kind": "everyone" } | { "kind": "room", room: string, } | { "kind": "people", people: Array<string>, };

export type Snapshot = { me: Me, network: Network, peers: Array<Peer>, rooms: Array<Room>, transfers: Array<Transfer>, mailbox: Mailbox,
/**
 * Those that are not over.
 */
comparisons: Array<Comparison>,
/**
 * Those that are on.
 */
calls: Array<Call>, };

/**
 * What this device's own data take of the disk, in bytes. Files that arrived are a person's own, and not counted.
 */
export type Storage = {
/**
 * What was said, in all rooms: what [`super::Me::history_bytes`] limits.
 */
history: number,
/**
 * The rooms that take most of it, the largest first; 20 at the most.
 */
rooms: Array<RoomStorage>,
/**
 * Sealed messages that are kept for others: what [`super::Me::hold_bytes`] limits.
 */
mail: number,
/**
 * The database with both of them, with what is needed to find them, and with space that was given up and is used again.
 */
database: number,
/**
 * What is needed for offers: their lists of files, and pictures that were pasted.
 */
offers: number,
/**
 * What came of transfers that are not finished; absent if a disk did not answer in time.
 */
unfinished: number | null,
/**
 * How many transfers these are.
 */
unfinishedTransfers: number, };

export type Transfer = { id: string, room: string, direction: TransferDirection,
/**
 * The device that offers.
 */
from: string, fromShort: string,
/**
 * With the short id behind it where somebody else is called alike.
 */
fromName: string, state: TransferState,
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
 * Under which names the first of it stands in `folder`, which are others than those that were offered where these were
 * taken or cannot be used here; at most 8. Empty until it is there.
 */
placed: Array<string>,
/**
 * Lower-case hexadecimal SHA-256 of the file, once it is known; only where one file is offered.
 */
sha256: string | null,
/**
 * Why it failed or waits.
 */
error: ApiError | null,
/**
 * Bytes and number of the files that were chosen, where not all were; once it is done, of those that are here. Outgoing:
 * what the one receiver has.
 */
chosen: number | null, chosenFiles: number | null,
/**
 * Bytes that were here already, and were not fetched; incoming only.
 */
here: number,
/**
 * Files that did not come; incoming only.
 */
failedFiles: number,
/**
 * Links, special files and what its sender may not read: what is in it and not sent. 0 also where that is not known,
 * because it was offered or fetched in an earlier run.
 */
skipped: number,
/**
 * What became of it at each receiver; outgoing only.
 */
receivers: Array<Receiver>,
/**
 * When it was over, in milliseconds since 1970.
 */
finished: number | null,
/**
 * How many queued transfers start before this one; only while it is queued.
 */
place: number | null,
/**
 * Bytes per second over the last seconds, to or from all others together; what receivers give each other is not counted.
 */
rate: number,
/**
 * How many devices an offer of ours is for: the other side, the members of a private room, or those of an open room
 * who are here or have answered. 0 for others' offers.
 */
audience: number,
/**
 * Names of those among them who have not answered; at most 32.
 */
awaited: Array<string>,
/**
 * The device that passes on the sealed bytes of it, because neither side can dial the other: what it calls itself.
 */
via: string | null, };

export type TransferDirection = "in" | "out";

export type TransferFile = {
/**
 * Names from the top down, `/` between two, safe to show: what [`super::Command::Accept`] chooses it by.
 */
path: string,
/**
 * Bytes; 0 unless it is a file.
 */
size: number, folder: boolean, state: TransferFileState,
/**
 * Verified bytes that are here; incoming only.
 */
moved: number,
/**
 * Why it failed.
 */
error: ApiError | null, };

export type TransferFileState = "offered" | "left-out" | "waiting" | "running" | "done" | "here" | "failed" | "skipped";

/**
 * Files and folders of a transfer, in the order of its manifest.
 */
export type TransferFiles = { files: Array<TransferFile>,
/**
 * Where to go on, if there is more.
 */
next: string | null, };

export type TransferState = "offered" | "waiting" | "queued" | "paused" | "running" | "done" | "declined" | "cancelled" | "failed";

/**
 * How far a person here believes a device.
 */
export type Trust = "unknown" | "pinned" | "verified" | "changed" | "blocked";

/**
 * What a person does about the trust in somebody.
 */
export type TrustAct = { "do": "show", } | { "do": "verify", } | { "do": "verify-link", link: string, } | { "do": "unverify", } | { "do": "block", } | { "do": "unblock", } | { "do": "apart", } | { "do": "always-accept", bytes?: number, } | { "do": "compare", } | { "do": "compared", same: boolean, } | { "do": "cancel-comparison", };

/**
 * One cause, and the way on.
 */
export type Verdict = { cause: Cause, severity: Severity,
/**
 * What is in the way.
 */
what: Sentence,
/**
 * How that is known.
 */
evidence: Array<Sentence>,
/**
 * What to do about it, on this system, in this order.
 */
steps: Array<Sentence>,
/**
 * What is affected; absent where that makes no sense.
 */
direction?: Direction,
/**
 * The ids of those whom it concerns; none where it is this device alone, or everybody.
 */
peers: Array<string>, };

/**
 * Ways in which datagrams go to everybody.
 */
export type Ways = {
/**
 * Rooms need it.
 */
multicast: boolean,
/**
 * People are found by it, too.
 */
broadcast: boolean, };
