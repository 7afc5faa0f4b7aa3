import { SvelteMap } from 'svelte/reactivity';
import type { Avatar, Event, Mailbox, Me, Network, Peer, Progress, Room, Snapshot, Transfer } from '../ipc/contract';

/** What the engine says there is: a snapshot, kept current by events. Nothing is decided here. */
export class World {
  me = $state.raw<Me | null>(null);
  network = $state.raw<Network | null>(null);
  /** What this device keeps for others who are away. */
  mailbox = $state.raw<Mailbox | null>(null);
  readonly peers = new SvelteMap<string, Peer>();
  readonly rooms = new SvelteMap<string, Room>();
  readonly transfers = new SvelteMap<string, Transfer>();
  /** Bytes per second of each transfer that is moving. */
  readonly rates = new SvelteMap<string, number>();

  /** Rooms with a name, the lobby first. */
  namedRooms = $derived(
    [...this.rooms.values()]
      .filter((room) => room.kind !== 'direct')
      .sort((a, b) => Number(b.kind === 'lobby') - Number(a.kind === 'lobby') || byName(a, b)),
  );

  directRooms = $derived(
    new Map([...this.rooms.values()].flatMap((room) => (room.peer ? [[room.peer, room] as const] : []))),
  );

  /** Everybody who is here, then everybody who was. */
  people = $derived(
    [...this.peers.values()].sort(
      (a, b) =>
        Number(b.online) - Number(a.online) ||
        (a.online ? byName(a, b) : b.lastSeen - a.lastSeen) ||
        (a.id < b.id ? -1 : 1),
    ),
  );

  online = $derived(this.people.filter((peer) => peer.online).length);

  /** Names that more than one person here goes by, or that look like another's, oneself included. */
  sharedNames = $derived.by(() => {
    const seen = new Set(this.me ? [this.me.name] : []);
    const shared = new Set<string>();
    for (const { name, alike } of this.peers.values()) (seen.has(name) || alike.length > 0 ? shared : seen).add(name);
    return shared;
  });

  transferList = $derived([...this.transfers.values()].sort((a, b) => b.offered - a.offered || (a.id < b.id ? -1 : 1)));

  /** What moves, or will by itself. */
  moving = $derived(
    this.transferList.filter((one) => one.state === 'running' || (one.direction === 'in' && (one.state === 'waiting' || one.state === 'queued'))),
  );

  unread = $derived([...this.rooms.values()].reduce((sum, room) => sum + room.unread, 0));

  apply(snapshot: Snapshot): void {
    this.me = snapshot.me;
    this.network = snapshot.network;
    this.mailbox = snapshot.mailbox;
    replace(this.peers, snapshot.peers);
    replace(this.rooms, snapshot.rooms);
    replace(this.transfers, snapshot.transfers);
    this.rates.clear();
    for (const { id, rate } of snapshot.transfers) if (rate > 0) this.rates.set(id, rate);
  }

  handle(event: Event): void {
    switch (event.event) {
      case 'ready':
        this.me = event.me;
        this.network = event.network;
        break;
      case 'me-changed':
        this.me = event.me;
        break;
      case 'network-changed':
        this.network = event.network;
        break;
      case 'mailbox-changed':
        this.mailbox = event.mailbox;
        break;
      case 'peer-online':
      case 'peer-offline':
      case 'peer-changed':
        this.setPeer(event.peer);
        break;
      case 'room-changed':
        this.rooms.set(event.room.id, event.room);
        break;
      case 'room-left':
        this.rooms.delete(event.room);
        break;
      case 'offer':
      case 'transfer-changed':
      case 'transfer-finished':
        this.setTransfer(event.transfer);
        break;
      case 'transfer-forgotten':
        this.transfers.delete(event.transfer);
        break;
      case 'progress':
        this.advance(event.progress);
        break;
    }
  }

  /** A conversation of two is called as the other is, and of a new name only the person is told of. */
  setPeer(peer: Peer): void {
    this.peers.set(peer.id, peer);
    const room = this.directRooms.get(peer.id);
    if (room && room.name !== peer.name) this.rooms.set(room.id, { ...room, name: peer.name });
  }

  setTransfer(transfer: Transfer): void {
    this.transfers.set(transfer.id, transfer);
    if (transfer.state !== 'running') this.rates.delete(transfer.id);
  }

  personName(id: string): string {
    if (id === this.me?.id) return this.me.name;
    return this.peers.get(id)?.name ?? id.slice(0, 8);
  }

  /** How a person is shown; of whoever is not known, nothing is. */
  avatarOf(id: string): Avatar | undefined {
    return id === this.me?.id ? this.me.avatar : this.peers.get(id)?.avatar;
  }

  private advance(progress: Progress[]): void {
    const rates = new Map<string, number>();
    for (const { transfer: id, peer, moved, rate } of progress) {
      rates.set(id, (rates.get(id) ?? 0) + rate);
      const transfer = this.transfers.get(id);
      if (!transfer) continue;
      this.transfers.set(id, {
        ...transfer,
        moved: Math.max(transfer.moved, moved),
        receivers: transfer.receivers.map((receiver) =>
          receiver.peer === peer ? { ...receiver, moved } : receiver,
        ),
      });
    }
    for (const [id, rate] of rates) this.rates.set(id, rate);
  }
}

function replace<T extends { id: string }>(map: SvelteMap<string, T>, items: T[]): void {
  const kept = new Set(items.map((item) => item.id));
  for (const id of [...map.keys()]) if (!kept.has(id)) map.delete(id);
  for (const item of items) map.set(item.id, item);
}

/** Made once: a thousand names are sorted whenever one of them changes. Room 10 comes after room 9. */
const names = new Intl.Collator(undefined, { numeric: true });

function byName(a: { name: string }, b: { name: string }): number {
  return names.compare(a.name, b.name);
}
