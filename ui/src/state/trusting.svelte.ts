import { SvelteMap } from 'svelte/reactivity';
import type { Comparison, Event, Keys, Peer, TrustAct } from '../ipc/contract';
import type { Requests } from './requests';

/** Whom to believe: what is compared with others, and what a person decides about them. */
export class Trusting {
  /** Those under way, and how the last with somebody ended until that was seen. */
  readonly comparisons = new SvelteMap<string, Comparison>();
  /** With whom keys are being compared, in a dialog. */
  verifying = $state<string | null>(null);

  private readonly requests: Requests;
  private readonly decided: (peer: Peer) => void;

  constructor(requests: Requests, decided: (peer: Peer) => void) {
    this.requests = requests;
    this.decided = decided;
  }

  apply(open: Comparison[]): void {
    this.comparisons.clear();
    for (const comparison of open) this.take(comparison);
  }

  handle(event: Event): void {
    if (event.event === 'comparison') this.take(event.comparison);
  }

  /** Opens the dialog in which keys are compared. */
  open(peer: string): void {
    this.verifying = peer;
  }

  /** Closes it. What is under way ends; whoever else asks has their turn. */
  close(): void {
    const peer = this.verifying;
    this.verifying = null;
    if (peer === null) return;
    const comparison = this.comparisons.get(peer);
    this.comparisons.delete(peer);
    if (comparison && !isOver(comparison)) void this.requests.look(act(peer, { do: 'cancel-comparison' }), 'comparison');
    for (const next of this.comparisons.values()) if (next.state === 'asked') this.verifying ??= next.peer;
  }

  keys(peer: string): Promise<Keys | undefined> {
    return this.requests.ask(act(peer, { do: 'show' }), 'keys');
  }

  /** Begins to compare emoji, or agrees to what the other side began. */
  async compare(peer: string): Promise<void> {
    this.comparisons.delete(peer);
    const comparison = await this.requests.ask(act(peer, { do: 'compare' }), 'comparison');
    if (comparison) this.take(comparison);
  }

  async compared(peer: string, same: boolean): Promise<void> {
    const comparison = await this.requests.ask(act(peer, { do: 'compared', same }), 'comparison');
    if (comparison && !isOver(comparison)) this.take(comparison);
  }

  /** Whether it was carried out. */
  async decide(peer: string, what: TrustAct): Promise<boolean> {
    const decided = await this.requests.ask(act(peer, what), 'peer');
    if (decided) this.decided(decided);
    return decided !== undefined;
  }

  private take(comparison: Comparison): void {
    const isShown = this.verifying === comparison.peer;
    // What ended is worth a word where a person looks at it, or may be attacked.
    if (isOver(comparison) && !isShown && !comparison.alarm) this.comparisons.delete(comparison.peer);
    else this.comparisons.set(comparison.peer, comparison);
    if (comparison.state === 'asked' || comparison.alarm) this.verifying ??= comparison.peer;
  }
}

export function isOver({ state }: Comparison): boolean {
  return state === 'matched' || state === 'ended';
}

function act(peer: string, what: TrustAct) {
  return { method: 'trust' as const, params: { peer, act: what } };
}
