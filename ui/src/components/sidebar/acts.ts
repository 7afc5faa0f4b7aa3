import BellOff from '@lucide/svelte/icons/bell-off';
import Bell from '@lucide/svelte/icons/bell';
import CheckCheck from '@lucide/svelte/icons/check-check';
import LogOut from '@lucide/svelte/icons/log-out';
import PanelRight from '@lucide/svelte/icons/panel-right';
import Settings from '@lucide/svelte/icons/settings';
import type { Me, NotifyLevel, Peer, Room } from '../../ipc/contract';
import { t } from '../../i18n/index.svelte';
import type { Session } from '../../state/session.svelte';
import type { Item } from '../shared/Menu.svelte';

/** What can be done with a line of the sidebar: a room, or a person with whom there may be no conversation yet. */
export function placeActs(place: { room?: Room | undefined; peer?: Peer | undefined }, session: Session, leave: (room: Room) => void): Item[] {
  const { room, peer } = place;
  const items: Item[] = [];
  if (room && room.unread > 0) items.push({ key: 'read', text: t().markRead, icon: CheckCheck, act: () => void session.readAll(room) });
  if (room) {
    const muted = room.notify === 'none';
    items.push({
      key: 'mute',
      text: muted ? t().unmute : t().mute,
      icon: muted ? Bell : BellOff,
      act: () => mute(room, session),
    });
  }
  items.push({ key: 'details', text: t().details, icon: PanelRight, act: () => void details(place, session) });
  if (room && (room.kind === 'open' || room.kind === 'private') && !peer) {
    items.push({ key: 'leave', text: t().leaveRoom, icon: LogOut, danger: true, act: () => leave(room) });
  }
  return items;
}

/** What rooms told of before they were muted, to be told of again. */
const before = new Map<string, NotifyLevel | null>();

function mute(room: Room, session: Session): void {
  if (room.notify === 'none') return void session.rooms.notify(room.id, before.get(room.id) ?? null);
  before.set(room.id, room.notify);
  void session.rooms.notify(room.id, 'none');
}

/** What can be done with oneself. */
export function ownActs({ notifications }: Me, session: Session): Item[] {
  const quiet = notifications.doNotDisturb;
  return [
    {
      key: 'do-not-disturb',
      text: quiet ? t().doNotDisturbEnd : t().doNotDisturb,
      icon: quiet ? Bell : BellOff,
      act: () => void session.chooseNotifications({ doNotDisturb: !quiet }),
    },
    { key: 'settings', text: t().settings, icon: Settings, shortcut: 'settings', act: () => (session.panel = 'settings') },
  ];
}

async function details({ room, peer }: { room?: Room | undefined; peer?: Peer | undefined }, session: Session): Promise<void> {
  if (peer) await session.openPerson(peer.id);
  else if (room) await session.openRoom(room.id);
  session.panel = 'about';
}
