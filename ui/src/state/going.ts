import type { Room } from '../ipc/contract';
import type { Session } from './session.svelte';

/** Conversations in the order of the sidebar: rooms, then the people with whom there is one. */
function conversations({ world }: Session): Room[] {
  const direct = world.people.flatMap(({ id }) => world.directRooms.get(id) ?? []);
  return [...world.namedRooms, ...direct];
}

/** Opens the conversation so many places further, round the end. */
export function goBy(session: Session, step: 1 | -1): boolean {
  const all = conversations(session);
  const at = all.findIndex(({ id }) => id === session.current);
  const next = at < 0 ? all.at(step > 0 ? 0 : -1) : all.at((at + step) % all.length);
  if (next) void session.openRoom(next.id);
  return next !== undefined;
}

/** Opens the next conversation below this one in which something was not read yet; those that speak of oneself go first. */
export function goToUnread(session: Session): boolean {
  const all = conversations(session);
  const at = all.findIndex(({ id }) => id === session.current);
  const waiting = [...all.slice(at + 1), ...all.slice(0, Math.max(0, at))].filter(({ unread }) => unread > 0);
  const next = waiting.find(({ mentions }) => mentions > 0) ?? waiting[0];
  if (next) void session.openRoom(next.id);
  return next !== undefined;
}
