import type { ApiError, Call, CallDevices, CallMember, Event, Peer, Room } from './contract';
import { newRoom, type Scene } from './fake-scene';

/** Calls that nobody speaks in: whoever is here in a room that has one is in it once this device is. */
export class FakeCalls {
  devices: CallDevices = {
    microphones: [
      { id: 'built-in', name: 'Built-in Audio', default: true },
      { id: 'headset', name: 'USB Headset', default: false },
    ],
    speakers: [
      { id: 'built-in', name: 'Built-in Audio', default: true },
      { id: 'headset', name: 'USB Headset', default: false },
    ],
    microphone: null,
    speaker: null,
  };

  private readonly scene: Scene;
  private readonly emit: (...events: Event[]) => void;

  constructor(scene: Scene, emit: (...events: Event[]) => void) {
    this.scene = scene;
    this.emit = emit;
  }

  /** Somebody begins a call, as their device would say it. */
  comes(room: Room, from: Peer): Call {
    const call = this.begin(room, room.kind === 'direct');
    call.members = [member(from, false)];
    this.emit({ event: 'call', call: structuredClone(call) });
    return structuredClone(call);
  }

  /** A person whom one has written with calls. */
  rings(from: Peer): Call {
    const known = this.scene.rooms.find(({ peer }) => peer === from.id);
    const room = known ?? newRoom({ kind: 'direct', name: from.name, peer: from.id, members: 2 });
    if (!known) this.scene.rooms.push(room);
    this.emit({ event: 'room-changed', room });
    return this.comes(room, from);
  }

  /** Somebody in a call says something, so loud. */
  speak(room: string, peer: string, level: number): void {
    this.change(room, (call) => {
      for (const one of call.members) if (one.peer === peer) Object.assign(one, { speaking: level > 0, level });
    });
  }

  /** Something of a call does not work, as the engine would say it. */
  troubled(room: string, message: string): void {
    this.change(room, (call) => call.trouble.push({ message, says: { template: message, with: {} } }));
  }

  join(room: Room): Call {
    this.leave();
    const known = this.of(room.id);
    const call = known ?? this.begin(room, room.kind === 'direct');
    if (known) call.ringing = false;
    call.joined = true;
    call.members = [member(this.scene.me, true), ...call.members];
    this.emit({ event: 'call', call: structuredClone(call) });
    return structuredClone(call);
  }

  leave(): void {
    const call = this.scene.calls.find(({ joined }) => joined);
    if (!call) return;
    call.joined = false;
    call.members = call.members.filter(({ me }) => !me);
    if (call.members.length === 0) this.end(call, 'over');
    else this.emit({ event: 'call', call: structuredClone(call) });
  }

  decline(room: string): void {
    const call = this.of(room);
    if (call) this.end(call, 'declined');
  }

  mute(muted: boolean): Call {
    const call = this.scene.calls.find(({ joined }) => joined);
    if (!call) throw { code: 'no-such', message: 'You are in no call.' } satisfies ApiError;
    call.muted = muted;
    for (const one of call.members) if (one.me) one.muted = muted;
    this.emit({ event: 'call', call: structuredClone(call) });
    return structuredClone(call);
  }

  /** The other side answers, or somebody else joins. */
  answered(call: Call, by: Peer): void {
    call.ringing = false;
    call.members = [...call.members.filter(({ peer }) => peer !== by.id), member(by, false)];
    this.emit({ event: 'call', call: structuredClone(call) });
  }

  end(call: Call, why: Extract<Event, { event: 'call-ended' }>['why']): void {
    this.scene.calls = this.scene.calls.filter(({ id }) => id !== call.id);
    this.emit({ event: 'call-ended', room: call.room, id: call.id, why });
  }

  choose(microphone: string | undefined, speaker: string | undefined): CallDevices {
    this.devices = { ...this.devices, microphone: microphone ?? null, speaker: speaker ?? null };
    return this.devices;
  }

  private change(room: string, how: (call: Call) => void): void {
    const call = this.of(room);
    if (!call) return;
    how(call);
    this.emit({ event: 'call', call: structuredClone(call) });
  }

  of(room: string): Call | undefined {
    return this.scene.calls.find((call) => call.room === room);
  }

  private begin(room: Room, ringing: boolean): Call {
    const call: Call = {
      id: `call-${room.id}`,
      room: room.id,
      since: Date.now(),
      joined: false,
      ringing,
      muted: false,
      trouble: [],
      members: [],
      sentPackets: 0,
      sentBytes: 0,
    };
    this.scene.calls.push(call);
    return call;
  }
}

function member({ id, short, name }: { id: string; short: string; name: string }, me: boolean): CallMember {
  return { peer: id, short, name, me, muted: false, speaking: false, level: 0, way: 'multicast', loss: 0, concealed: 0, buffer: 40 };
}
