import type { ApiError, ComparedEmoji, Comparison, Event, Peer, Reply, TrustAct } from './contract';
import { ME, type Scene } from './fake-scene';

const SEEN: ComparedEmoji[] = [
  { number: 0, symbol: '🐶', name: 'Dog' },
  { number: 28, symbol: '🎂', name: 'Cake' },
  { number: 54, symbol: '🚀', name: 'Rocket' },
  { number: 21, symbol: '☁️', name: 'Cloud' },
  { number: 47, symbol: '🔑', name: 'Key' },
  { number: 13, symbol: '🐙', name: 'Octopus' },
  { number: 40, symbol: '🎁', name: 'Gift' },
];

/** As the engine says it when the emoji differ. */
const DIFFERENT =
  'You saw other emoji than {name}: somebody may be in between, or one of you misread. Nothing was verified. Send nothing secret, and compare again or in person.';

/** The same, where the other side says so. */
const DIFFERENT_THERE =
  '{name} says that the emoji are different: somebody may be in between, or one of you misread. Nothing was verified. Send nothing secret, and compare again or in person.';

const STILL_VERIFIED = '{what} {name} was verified before, and still is. To take that back: lanyard verify @{short} --undo';
const BLOCKED = 'You blocked {name}. To write to each other again: lanyard unblock @{short}';
const CHANGED =
  'Nothing was sent: this device ({short}) is called {name} like somebody you verified, but has another key. Compare it, or say that it is somebody else: lanyard verify @{short}';

/** Whom to believe, in the made-up engine: what people there do is done by hand. */
export class FakeTrust {
  private readonly scene: Scene;
  private readonly emit: (...events: Event[]) => void;
  private readonly before = new Map<string, Peer['trust']>();

  constructor(scene: Scene, emit: (...events: Event[]) => void) {
    this.scene = scene;
    this.emit = emit;
  }

  act(id: string, act: TrustAct): Reply {
    const peer = this.peer(id);
    switch (act.do) {
      case 'show':
        return { reply: 'keys', value: { number: '12345678901234567890'.repeat(3), link: linkOf(peer.id), mine: linkOf(ME.id) } };
      case 'verify':
        return this.change(peer, { trust: 'verified' });
      case 'verify-link':
        if (act.link.trim() !== linkOf(peer.id)) throw { code: 'refused', message: 'This is the link of another device.' } satisfies ApiError;
        return this.change(peer, { trust: 'verified' });
      case 'unverify':
        return this.change(peer, { trust: 'pinned', acceptBytes: null });
      case 'apart':
        return this.change(peer, { trust: 'pinned' });
      case 'block':
        this.before.set(peer.id, peer.trust);
        return this.change(peer, { trust: 'blocked', online: false });
      case 'unblock':
        return this.change(peer, { trust: this.before.get(peer.id) ?? 'unknown' });
      case 'always-accept':
        return this.change(peer, { acceptBytes: act.bytes ?? null });
      case 'compare': {
        const open = this.of(peer);
        return this.step(peer, { state: open?.state === 'asked' ? 'settling' : 'waiting' });
      }
      case 'compared':
        if (!act.same) return this.end(peer, stillVerified(peer, saying(DIFFERENT, { name: peer.name })), true);
        return this.step(peer, { state: 'confirmed', emoji: SEEN });
      case 'cancel-comparison':
        return this.end(peer, { code: 'refused', message: 'You ended the comparison.' });
    }
  }

  /** Nothing is sent to whoever is blocked, or may be somebody else. */
  mayWrite(id: string | null): void {
    const peer = this.scene.peers.find((peer) => peer.id === id);
    if (!peer || (peer.trust !== 'blocked' && peer.trust !== 'changed')) return;
    throw saying(peer.trust === 'blocked' ? BLOCKED : CHANGED, { name: peer.name, short: peer.short });
  }

  /** Somebody wants to compare. */
  asks(name: string): void {
    this.step(this.called(name), { state: 'asked' });
  }

  /** The other side agreed, and both see the emoji. */
  agrees(name: string): void {
    this.step(this.called(name), { state: 'shown', emoji: SEEN });
  }

  /** The other side says whether they are the same. */
  sees(name: string, same: boolean): void {
    const peer = this.called(name);
    if (!same) {
      this.end(peer, stillVerified(peer, saying(DIFFERENT_THERE, { name: peer.name })), true);
      return;
    }
    this.scene.comparisons = this.scene.comparisons.filter((open) => open.peer !== peer.id);
    this.change(peer, { trust: 'verified' });
    this.emit({ event: 'comparison', comparison: { peer: peer.id, state: 'matched', emoji: [], error: null, alarm: false } });
  }

  /** Somebody here takes the name of somebody who is verified. */
  takesName(name: string, of: string): void {
    const [peer, verified] = [this.called(name), this.called(of)];
    this.change(verified, { alike: [peer.id] });
    this.change(peer, { name: of, trust: 'changed', alike: [verified.id] });
  }

  private step(peer: Peer, to: Pick<Comparison, 'state'> & Partial<Comparison>): Reply {
    const comparison: Comparison = { peer: peer.id, emoji: [], error: null, alarm: false, ...to };
    this.scene.comparisons = [...this.scene.comparisons.filter((open) => open.peer !== peer.id), comparison];
    this.emit({ event: 'comparison', comparison });
    return { reply: 'comparison', value: comparison };
  }

  private end(peer: Peer, error: ApiError, alarm = false): Reply {
    this.scene.comparisons = this.scene.comparisons.filter((open) => open.peer !== peer.id);
    const comparison: Comparison = { peer: peer.id, state: 'ended', emoji: [], error, alarm };
    this.emit({ event: 'comparison', comparison });
    return { reply: 'comparison', value: comparison };
  }

  private change(peer: Peer, to: Partial<Peer>): Reply {
    Object.assign(peer, to);
    for (const room of this.scene.rooms) if (room.peer === peer.id) room.name = peer.name;
    this.emit({ event: 'peer-changed', peer });
    return { reply: 'peer', value: peer };
  }

  private of(peer: Peer): Comparison | undefined {
    return this.scene.comparisons.find((open) => open.peer === peer.id);
  }

  private peer(id: string): Peer {
    const peer = this.scene.peers.find((peer) => peer.id === id);
    if (!peer) throw { code: 'not-found', message: `There is no person ${id}.` } satisfies ApiError;
    return peer;
  }

  private called(name: string): Peer {
    const peer = this.scene.peers.find((peer) => peer.name === name);
    if (!peer) throw new Error(`nobody is called ${name}`);
    return peer;
  }
}

/** As the engine says it: the sentence, and how it can be said in other languages. */
function saying(template: string, fillings: Record<string, string>): ApiError {
  const message = template.replace(/\{(\w+)\}/g, (_, hole: string) => fillings[hole] ?? '');
  return { code: 'refused', message, says: { template, with: fillings } };
}

/** What goes wrong now takes nothing back that was decided before. */
function stillVerified({ trust, name, short }: Peer, error: ApiError): ApiError {
  if (trust !== 'verified' || !error.says) return error;
  const said = saying(STILL_VERIFIED, { what: error.message, name, short });
  return { ...said, says: { template: STILL_VERIFIED, with: { what: error.says, name, short } } };
}

export function linkOf(id: string): string {
  return `lanyard:v1:id:${id}`;
}
