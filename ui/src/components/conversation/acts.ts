import type { Message } from '../../ipc/contract';
import type { Anchor } from '../shared/Floating.svelte';

/** What can be begun at a message. Some of it opens something that floats where the message is. */
export type Acting = 'reply' | 'edit' | 'delete' | 'forward' | 'menu' | 'emoji' | 'delivery';

export type Act = (what: Acting, message: Message, anchor: Anchor) => void;

/** Something that floats at a message. */
export interface Float {
  what: 'menu' | 'emoji' | 'delivery';
  message: Message;
  anchor: Anchor;
}
