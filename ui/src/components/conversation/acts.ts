import type { Message } from '../../ipc/contract';
import { canForward } from '../../state/forward';
import type { Session } from '../../state/session.svelte';
import type { Anchor } from '../shared/Floating.svelte';

/** What can be begun at a message. Some of it opens something that floats where the message is. */
export type Acting = 'reply' | 'edit' | 'delete' | 'forward' | 'menu' | 'emoji' | 'delivery' | 'person';

export type Act = (what: Acting, message: Message, anchor: Anchor) => void;

/** Something that floats at a message. */
export interface Float {
  what: 'menu' | 'emoji' | 'delivery' | 'person';
  message: Message;
  anchor: Anchor;
}

/** Whether it can be begun at this message of the open conversation, by menu, button or key. */
export function canDo(what: Acting, message: Message, { room, world }: Session): boolean {
  const { kind, deleted, mine } = message;
  const writes = room?.membership === 'member';
  const text = kind === 'text' && !deleted;
  switch (what) {
    case 'reply':
    case 'emoji':
      return writes && (text || (kind === 'offer' && !deleted));
    case 'edit':
      return writes && text && mine;
    case 'delete':
      return writes && text && (mine || (room.kind === 'private' && (room.role === 'creator' || room.role === 'admin')));
    case 'forward':
      return canForward(message, world.transfers.get(message.transfer ?? ''));
    case 'menu':
      return kind !== 'note';
    case 'person':
      return world.peers.has(message.author);
    case 'delivery':
      return message.delivered !== null;
  }
}
