import { SvelteMap } from 'svelte/reactivity';
import type { Call, CallDevices, CallEnd, Event } from '../ipc/contract';
import type { Requests } from './requests';

/** Why a call came to nothing, where whoever called or was called should hear of it. */
export type CallOutcome = 'declined' | 'unanswered' | 'missed';

/** Who talks with whom, and this person's part in it. Sound is the engine's: the window only says what is wanted. */
export class Calls {
  /** The calls that are on, by their rooms. */
  readonly on = new SvelteMap<string, Call>();
  mine = $derived([...this.on.values()].find((call) => call.joined));
  /** Calls that ring for this person. */
  ringing = $derived([...this.on.values()].filter((call) => call.ringing && !call.joined));
  devices = $state.raw<CallDevices | null>(null);
  /** Whether the devices could not be listed. */
  devicesFailed = $state(false);
  /** Where a call is being joined at the moment. */
  joining = $state<string | null>(null);

  private readonly requests: Requests;
  private readonly ended: (room: string, outcome: CallOutcome) => void;
  /** Muting and speaking reach the engine in the order of the presses. */
  private muting: Promise<unknown> = Promise.resolve();

  constructor(requests: Requests, ended: (room: string, outcome: CallOutcome) => void) {
    this.requests = requests;
    this.ended = ended;
  }

  apply(calls: Call[]): void {
    this.on.clear();
    for (const call of calls) this.on.set(call.room, call);
  }

  handle(event: Event): void {
    if (event.event === 'call') this.on.set(event.call.room, event.call);
    else if (event.event === 'call-ended') this.end(event.room, event.id, event.why);
    else if (event.event === 'room-left') this.on.delete(event.room);
  }

  /** Starts a call in a room, or joins the one that is on; nothing while that is under way. */
  async join(room: string): Promise<void> {
    if (this.joining !== null) return;
    this.joining = room;
    const call = await this.requests.ask({ method: 'call', params: { room } }, 'call');
    this.joining = null;
    if (call) this.on.set(call.room, call);
  }

  leave(): Promise<boolean> {
    return this.requests.done({ method: 'leave-call', params: {} });
  }

  decline(room: string): Promise<boolean> {
    return this.requests.done({ method: 'decline-call', params: { room } });
  }

  mute(muted: boolean): Promise<void> {
    const mute = async () => {
      const call = await this.requests.ask({ method: 'mute', params: { muted } }, 'call');
      if (call) this.on.set(call.room, call);
    };
    const done = this.muting.then(mute);
    this.muting = done;
    return done;
  }

  async list(): Promise<void> {
    const devices = await this.requests.look({ method: 'call-devices', params: {} }, 'call-devices');
    this.devicesFailed = devices === undefined;
    if (devices) this.devices = devices;
  }

  /** Speaks into or hears from another device from now on; the system's without an id. */
  async choose(what: 'microphone' | 'speaker', id: string | null): Promise<void> {
    const other = what === 'microphone' ? 'speaker' : 'microphone';
    const kept = this.devices?.[other] ?? null;
    // Absent is the system's.
    const params = { ...(id === null ? {} : { [what]: id }), ...(kept === null ? {} : { [other]: kept }) };
    const devices = await this.requests.ask({ method: 'choose-call-devices', params }, 'call-devices');
    if (devices) this.devices = devices;
  }

  private end(room: string, id: string, why: CallEnd): void {
    const call = this.on.get(room);
    // Of two that began at once one goes on.
    if (!call || call.id !== id) return;
    this.on.delete(room);
    if (why === 'declined' && call.joined) this.ended(room, 'declined');
    else if (why === 'unanswered') this.ended(room, call.joined ? 'unanswered' : 'missed');
  }
}
