import ArrowDown from '@lucide/svelte/icons/arrow-down';
import ArrowDownToLine from '@lucide/svelte/icons/arrow-down-to-line';
import ArrowUp from '@lucide/svelte/icons/arrow-up';
import ArrowUpToLine from '@lucide/svelte/icons/arrow-up-to-line';
import Download from '@lucide/svelte/icons/download';
import Eye from '@lucide/svelte/icons/eye';
import ExternalLink from '@lucide/svelte/icons/external-link';
import FolderDown from '@lucide/svelte/icons/folder-down';
import FolderOpen from '@lucide/svelte/icons/folder-open';
import ListChecks from '@lucide/svelte/icons/list-checks';
import Pause from '@lucide/svelte/icons/pause';
import Play from '@lucide/svelte/icons/play';
import RotateCw from '@lucide/svelte/icons/rotate-cw';
import ShieldCheck from '@lucide/svelte/icons/shield-check';
import Trash2 from '@lucide/svelte/icons/trash-2';
import X from '@lucide/svelte/icons/x';
import type { Transfer } from '../../ipc/contract';
import { bytes, duration, list } from '../../i18n/format.svelte';
import { t } from '../../i18n/index.svelte';
import { said } from '../../i18n/said';
import type { Session } from '../../state/session.svelte';
import { previewKind } from '../../state/previews.svelte';
import { canRetry, hasEnded, wanted } from '../../state/transfers.svelte';
import type { Item } from '../shared/Menu.svelte';

/** Something that can be done with a transfer; what is minor stands in menus only. */
export type TransferAct = Item & { minor?: boolean; primary?: boolean };

/** Names of receivers that are told one by one. */
const NAMED = 2;

export const titleOf = (transfer: Transfer) => transfer.names.join(', ');

export function otherSide(transfer: Transfer, session: Session): string {
  if (transfer.direction === 'in') return t().transferFrom(transfer.fromName);
  const room = session.world.rooms.get(transfer.room);
  return room ? t().transferTo(session.destination(room).name) : t().toNobody;
}

/** What is to be known of it in one sentence. */
export function statusOf(transfer: Transfer, session: Session): string {
  const { state, direction, error, place, failedFiles } = transfer;
  const incoming = direction === 'in';
  if (error && state !== 'done' && state !== 'paused') return said(error);
  if (state === 'done' && failedFiles > 0) return t().receivedExcept(failedFiles);
  if (state === 'done') return incoming ? t().stateReceived : t().stateDelivered;
  if (state === 'offered' && incoming) return t().stateOfferedToYou;
  if (state === 'offered' && session.world.rooms.get(transfer.room)?.kind !== 'direct') return verifiedBy(transfer) ?? t().toNobody;
  if (state === 'queued') return t().queuedAt((place ?? 0) + 1);
  return t().states[state];
}

/** Who of those that an offer is for has it whole, and who does not yet. */
export function verifiedBy({ receivers, audience, awaited }: Transfer): string | null {
  const done = receivers.filter(({ state }) => state === 'done').length;
  if (done === 0) return null;
  const of = Math.max(audience, receivers.length);
  const fetching = receivers.filter(({ state }) => state === 'running' || state === 'waiting' || state === 'queued' || state === 'paused');
  const waiting = [...new Set([...fetching.map(({ name }) => name), ...awaited])];
  if (waiting.length === 0) return t().verifiedBy(done, of);
  const named = waiting.slice(0, NAMED);
  const more = waiting.length - named.length;
  return t().verifiedByWaiting(done, of, list(more > 0 ? [...named, t().others(more)] : named));
}

/** How large it is, or how much of it was chosen. */
export function sizeOf(transfer: Transfer): string {
  const { chosen, chosenFiles, bytes: all, files } = transfer;
  if (chosen != null) return t().chosenOf(t().sizeAndFiles(bytes(chosen), chosenFiles ?? files), bytes(all));
  return files > 1 ? t().sizeAndFiles(bytes(all), files) : bytes(all);
}

export function timeLeft(transfer: Transfer, rate: number | undefined): string | null {
  if (!rate || transfer.state !== 'running') return null;
  return t().timeLeft(duration(Math.max(0, wanted(transfer) - transfer.moved) / rate));
}

/** What a line has a button for; all else is in its menu. */
export const mainAct = (acts: TransferAct[]) => acts.find(({ minor }) => !minor);

/** What is always accepted of somebody if no size is chosen at the person. */
const ALWAYS_UP_TO = 1_000_000_000;

export function actsOf(transfer: Transfer, session: Session): TransferAct[] {
  const { id, state, direction, files } = transfer;
  const { transfers } = session;
  const incoming = direction === 'in';
  const acts: TransferAct[] = [];
  if (state === 'offered' && incoming) {
    acts.push({ key: 'accept', text: t().accept, icon: Download, primary: true, act: () => void transfers.accept(id) });
    if (files > 1) acts.push({ key: 'choose-files', text: t().chooseFiles, icon: ListChecks, act: () => (transfers.choosing = transfer) });
    acts.push(
      { key: 'accept-into', text: t().acceptInto, icon: FolderDown, act: () => void transfers.acceptInto(id) },
      { key: 'decline', text: t().decline, icon: X, act: () => void transfers.act('decline', id) },
    );
    const giver = session.world.peers.get(transfer.from);
    if (giver?.trust === 'verified' && giver.acceptBytes === null && !session.world.me?.locked.includes('accept')) {
      const always = async () => {
        if (await session.trusting.decide(giver.id, { do: 'always-accept', bytes: ALWAYS_UP_TO })) await transfers.accept(id);
      };
      acts.push({ key: 'always-accept-from', text: t().alwaysAccept(giver.name), icon: ShieldCheck, act: () => void always() });
    }
  }
  if (state === 'paused') acts.push({ key: 'resume', text: t().resume, icon: Play, act: () => void transfers.act('resume', id) });
  if (state === 'running' || state === 'waiting' || state === 'queued' || (state === 'offered' && !incoming)) {
    acts.push({ key: 'pause', text: t().pause, icon: Pause, minor: state === 'offered', act: () => void transfers.act('pause', id) });
  }
  if (canRetry(transfer)) {
    const text = state === 'done' ? t().retryFailed : state === 'cancelled' ? t().resume : t().retry;
    acts.push({ key: 'retry', text, icon: RotateCw, act: () => void transfers.act('resume', id) });
  }
  if (state === 'done' && incoming) {
    if (files === 1) acts.push({ key: 'open-file', text: t().openFile, icon: ExternalLink, act: () => void transfers.openFile(id) });
    const kind = previewKind(transfer);
    // A picture is its own preview where there is room for it.
    if (kind) acts.push({ key: 'preview', text: t().preview, icon: Eye, minor: kind === 'picture', act: () => (session.previews.shown = transfer) });
    if (transfer.chosen != null) {
      acts.push({ key: 'choose-files', text: t().chooseMore, icon: ListChecks, minor: true, act: () => (transfers.choosing = transfer) });
    }
    acts.push({ key: 'reveal', text: t().reveal, icon: FolderOpen, act: () => void transfers.reveal(id) });
  }
  if (state === 'queued') acts.push(...queueActs(id, session));
  if (!hasEnded(transfer) && !(state === 'offered' && incoming)) {
    const text = state === 'offered' ? t().withdraw : t().cancel;
    acts.push({ key: 'cancel', text, icon: X, act: () => void transfers.act('cancel', id) });
  }
  if (hasEnded(transfer)) acts.push({ key: 'forget', text: t().forgetTransfer, icon: Trash2, minor: true, act: () => void transfers.forget(id) });
  return acts;
}

function queueActs(id: string, { transfers }: Session): TransferAct[] {
  const first = transfers.queued[0]?.id === id;
  const last = transfers.queued.at(-1)?.id === id;
  const far = transfers.queued.length;
  return [
    ...(first ? [] : [{ key: 'first', text: t().queueFirst, icon: ArrowUpToLine, minor: true, act: () => void transfers.move(id, -far) }]),
    ...(first ? [] : [{ key: 'up', text: t().queueUp, icon: ArrowUp, minor: true, act: () => void transfers.move(id, -1) }]),
    ...(last ? [] : [{ key: 'down', text: t().queueDown, icon: ArrowDown, minor: true, act: () => void transfers.move(id, 1) }]),
    ...(last ? [] : [{ key: 'last', text: t().queueLast, icon: ArrowDownToLine, minor: true, act: () => void transfers.move(id, far) }]),
  ];
}
