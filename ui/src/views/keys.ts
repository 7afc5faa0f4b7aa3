import type { Panel, Session } from '../state/session.svelte';
import type { Acts, ShortcutOf } from '../state/shortcuts';
import { goBy, goToUnread } from '../state/going';

/** What the window itself lets keys do. */
export interface Opening {
  /** A dialog is open: all else is out of reach. */
  modal: () => boolean;
  switcher: () => void;
  newRoom: () => void;
}

/** What keys do wherever one is in the window. Nothing behind a dialog, but the switcher closes by the keys that open it. */
export function actsOf(session: Session, { modal, switcher, newRoom }: Opening): Acts<ShortcutOf<'anywhere'>> {
  const named = () => session.world.me?.named === true;
  const free = (act: () => unknown) => () => (modal() || !named() ? undefined : act());
  const panel = (panel: Panel) => free(() => session.togglePanel(panel));
  return {
    switcher: () => named() && switcher(),
    find: free(() => session.look(session.current)),
    findAll: free(() => session.look(null)),
    previousConversation: free(() => goBy(session, -1)),
    nextConversation: free(() => goBy(session, 1)),
    nextUnread: free(() => goToUnread(session)),
    newRoom: free(newRoom),
    sendFiles: free(() => void session.pickAndOffer(false)),
    details: free(() => session.room && session.togglePanel('about')),
    transfers: panel('transfers'),
    settings: panel('settings'),
    microphone: free(() => mute(session)),
    nextZone: free(() => focusZone(1)),
    previousZone: free(() => focusZone(-1)),
    keys: panel('keys'),
    close: () => !modal() && close(session),
  };
}

/** In a call; without one the press is nobody's. */
function mute(session: Session): boolean {
  const call = session.calls.mine;
  if (call) void session.calls.mute(!call.muted);
  return call !== undefined;
}

function close(session: Session): boolean {
  if (session.panel === null) return false;
  if (session.panel === 'transfers' && session.transfers.details) session.transfers.show(null);
  else session.panel = null;
  return true;
}

/** Focuses the next part of the window, in the place in it that one most likely wants. */
function focusZone(step: 1 | -1): boolean {
  const zones = [...document.querySelectorAll<HTMLElement>('[data-zone]')].filter((zone) => zone.getClientRects().length > 0);
  const at = zones.findIndex((zone) => zone.contains(document.activeElement));
  const next = zones.at(at < 0 && step < 0 ? -1 : (at + step) % zones.length);
  const focusable = 'button, input, textarea, select, a[href], [tabindex="0"]';
  const place = ['[aria-current=true]', '[data-zone-start]', focusable].map((wanted) => next?.querySelector<HTMLElement>(wanted)).find(Boolean);
  place?.focus();
  return place != null;
}
