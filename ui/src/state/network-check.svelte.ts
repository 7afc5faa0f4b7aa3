import type { CheckedInterface, CheckedPeer, Diagnosis, Ways } from '../ipc/contract';
import type { Requests } from './requests';

/** A look at what gets through on this network; the last one stays until the next, so that its steps can be followed. */
export class NetworkCheck {
  diagnosis = $state.raw<Diagnosis | null>(null);
  running = $state(false);

  private readonly requests: Requests;

  constructor(requests: Requests) {
    this.requests = requests;
  }

  async run(): Promise<void> {
    if (this.running) return;
    this.running = true;
    try {
      this.diagnosis = (await this.requests.ask({ method: 'diagnose', params: {} }, 'diagnosis')) ?? this.diagnosis;
    } finally {
      this.running = false;
    }
  }
}

/** Which of the two ways to everybody get through, as the texts have it. */
export function waysOf({ multicast, broadcast }: Ways): 'both' | 'multicast' | 'broadcast' | 'nothing' {
  if (multicast) return broadcast ? 'both' : 'multicast';
  return broadcast ? 'broadcast' : 'nothing';
}

/** How an interface stands: used, or why it is not. */
export function standing({ used, kind, choice }: CheckedInterface): 'used' | 'excluded' | 'tunnel' | 'unused' {
  if (used) return 'used';
  if (choice === 'never') return 'excluded';
  return kind === 'point-to-point' ? 'tunnel' : 'unused';
}

/** How many others said what they hear. */
export function answered(peers: CheckedPeer[]): number {
  return peers.filter(({ hears }) => hears !== null).length;
}
