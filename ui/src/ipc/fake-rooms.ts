import type { ApiError, Event, Invite, ListedRoom, Member, NoteKind, Peer, Role, Room } from './contract';
import type { FakeLog } from './fake-log';
import { ME, newRoom, type Scene } from './fake-scene';

const HOUR = 3_600_000;
/** What the engine takes if nobody says for how long. */
const INVITE_HOURS = 168;

/** Who is in which room of the made-up world, and who may come. */
export class FakeRooms {
  private readonly members = new Map<string, { id: string; role: Role }[]>();
  private readonly open = new Map<string, Invite[]>();
  private readonly scene: Scene;
  private readonly log: FakeLog;
  private readonly emit: (...events: Event[]) => void;
  directory: ListedRoom[] = [];

  constructor(scene: Scene, log: FakeLog, emit: (...events: Event[]) => void) {
    this.scene = scene;
    this.log = log;
    this.emit = emit;
  }

  get(id: string): Room {
    const room = this.scene.rooms.find((room) => room.id === id);
    if (!room) throw { code: 'no-such', message: `There is no room ${id}.` } satisfies ApiError;
    return room;
  }

  add(part: Partial<Room> & Pick<Room, 'kind' | 'name'>): Room {
    const room = newRoom(part);
    this.scene.rooms.push(room);
    this.emit({ event: 'room-changed', room });
    return room;
  }

  /** Joins by name, or begins to join by an invite. */
  join(name: string): Room {
    if (name.startsWith('lanyard:v1:inv:')) {
      return this.add({ kind: 'private', name: name.slice('lanyard:v1:inv:'.length) || 'invited', membership: 'joining', members: 0 });
    }
    return this.scene.rooms.find((room) => room.name === name && room.kind !== 'direct') ?? this.add({ kind: 'open', name, members: 1 });
  }

  create(name: string): Room {
    const room = this.add({ kind: 'private', name, role: 'creator', members: 1, id: `private-${name}` });
    this.members.set(room.id, [{ id: ME.id, role: 'creator' }]);
    this.note(room, null, 'created');
    return room;
  }

  /** A private room that is there from the beginning. */
  found(room: Room, members: [Peer | null, Role][]): void {
    this.members.set(room.id, members.map(([peer, role]) => ({ id: peer?.id ?? ME.id, role })));
    room.members = members.length;
  }

  membersOf(room: Room): Member[] {
    const { me, peers } = this.scene;
    const many = peers.filter(({ online }) => online).slice(0, Math.max(0, room.members - 1));
    const others = room.peer === null ? many : peers.filter(({ id }) => id === room.peer);
    const listed = this.members.get(room.id) ?? [me, ...others].map(({ id }) => ({ id, role: 'member' as const }));
    return listed.flatMap(({ id, role }): Member[] => {
      const forked = room.forked.includes(id);
      if (id === me.id) return [{ peer: id, short: me.short, name: me.name, me: true, online: true, role, forked }];
      const peer = peers.find((peer) => peer.id === id);
      return peer ? [{ peer: id, short: peer.short, name: peer.name, me: false, online: peer.online, role, forked }] : [];
    });
  }

  addMember(room: Room, id: string): void {
    this.change(room, (members) => [...members, { id, role: 'member' }]);
    this.note(room, id, 'added');
  }

  removeMember(room: Room, id: string): void {
    this.change(room, (members) => members.filter((member) => member.id !== id));
    this.note(room, id, 'removed');
    this.note(room, null, 'keys-renewed');
  }

  setRole(room: Room, id: string, role: Role): void {
    this.change(room, (members) => members.map((member) => (member.id === id ? { id, role } : member)));
    this.note(room, id, role === 'admin' ? 'promoted' : 'demoted');
  }

  renewKeys(room: Room): Room {
    this.note(room, null, 'keys-renewed');
    return room;
  }

  setTopic(room: Room, topic: string): Room {
    room.topic = topic;
    this.note(room, null, 'topic', topic);
    return room;
  }

  invite(room: Room, hours = INVITE_HOURS): Invite {
    const invites = this.invites(room.id);
    const id = `i${room.id}${invites.length + 1}`;
    const link = `lanyard:v1:inv:4qx7k2mzj5hw3nvb6trf4qx7k2mzj5hw3nvb6trf-${id}`;
    const invite = { id, room: room.id, link, expires: Date.now() + hours * HOUR, by: ME.id };
    this.open.set(room.id, [...invites, invite]);
    return invite;
  }

  invites(room: string): Invite[] {
    return this.open.get(room) ?? [];
  }

  revoke(room: string, invite: string): void {
    this.open.set(room, this.invites(room).filter(({ id }) => id !== invite));
  }

  /** Somebody lets us in, refuses us, or puts us out. */
  become(name: string, membership: Room['membership']): void {
    const room = this.scene.rooms.find((room) => room.name === name);
    if (!room) throw new Error(`no room is called ${name}`);
    room.membership = membership;
    this.emit({ event: 'room-changed', room });
  }

  private change(room: Room, to: (members: { id: string; role: Role }[]) => { id: string; role: Role }[]): void {
    const members = to(this.members.get(room.id) ?? []);
    this.members.set(room.id, members);
    room.members = members.length;
    this.emit({ event: 'members-changed', room: room.id });
  }

  private note(room: Room, peer: string | null, kind: NoteKind, text = ''): void {
    const name = this.scene.peers.find(({ id }) => id === peer)?.name ?? null;
    const message = this.log.write(room, null, { text: '', time: Date.now(), note: { kind, peer, name, text } });
    this.emit({ event: 'message', message }, { event: 'room-changed', room });
  }
}
