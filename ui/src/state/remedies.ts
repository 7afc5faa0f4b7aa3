import { t } from '../i18n/index.svelte';
import type { ApiError, Peer } from '../ipc/contract';
import type { Session } from './session.svelte';

/** What a button beside an error does about it. */
export interface Remedy {
  text: string;
  act: () => unknown;
}

/** The sentences of the engine that name a command which the window can give, by their template. */
export const REMEDIED = {
  blocked: 'You blocked {name}. To write to each other again: lanyard unblock @{short}',
  changed:
    'Nothing was sent: this device ({short}) is called {name} like somebody you verified, but has another key. Compare it, or say that it is somebody else: lanyard verify @{short}',
  stillVerified: '{what} {name} was verified before, and still is. To take that back: lanyard verify @{short} --undo',
  outside: 'You are not in #{name}. Join it first: lanyard room join {name}',
} as const;

/** What can be done about an error where it is shown; nothing if a person has to think first. */
export function remedyFor({ says }: ApiError, session: Session): Remedy | null {
  if (!says) return null;
  const { name, short } = says.with;
  if (says.template === REMEDIED.outside) return typeof name === 'string' ? { text: t().join, act: () => session.join(name) } : null;
  const peer = typeof short === 'string' ? called(short, session) : undefined;
  if (!peer) return null;
  const { trusting } = session;
  switch (says.template) {
    case REMEDIED.blocked:
      return { text: t().unblock, act: () => trusting.decide(peer.id, { do: 'unblock' }) };
    case REMEDIED.changed:
      return { text: t().compareKeys, act: () => trusting.open(peer.id) };
    case REMEDIED.stillVerified:
      return { text: t().unverify, act: () => trusting.decide(peer.id, { do: 'unverify' }) };
    default:
      return null;
  }
}

/** Ids are told by their beginning: of two that begin alike none is meant. */
function called(short: string, session: Session): Peer | undefined {
  const [peer, other] = [...session.world.peers.values()].filter(({ id }) => id.startsWith(short));
  return other ? undefined : peer;
}
