import type { Message, Transfer } from '../ipc/contract';

/** As many bytes as the engine takes of one text. */
export const MAX_TEXT_BYTES = 16_384;

const encoder = new TextEncoder();
const bytesOf = (text: string) => encoder.encode(text).length;

/** What is said where a message is passed on: its lines as a quotation, under its author's name. */
export function forwarded(name: string, text: string): string {
  const quoted = [`${name}:`, ...text.split('\n')].map((line) => `> ${line}`).join('\n');
  if (bytesOf(quoted) <= MAX_TEXT_BYTES) return quoted;
  let size = bytesOf('…');
  let kept = '';
  for (const character of quoted) {
    size += bytesOf(character);
    if (size > MAX_TEXT_BYTES) break;
    kept += character;
  }
  return `${kept}…`;
}

/** Texts can be passed on; of offers only those whose files are here: nobody is pointed at what cannot be had. */
export function canForward({ kind, deleted }: Message, transfer: Transfer | undefined): boolean {
  if (deleted) return false;
  if (kind === 'text') return true;
  if (kind !== 'offer' || !transfer) return false;
  return transfer.direction === 'in' ? transfer.state === 'done' : transfer.state !== 'cancelled' && transfer.state !== 'failed';
}
