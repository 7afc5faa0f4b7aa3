/**
 * Every key that does something. What handles keys asks this table, and the map that `?` shows is made from it, so that the
 * two cannot differ.
 */

/** A key and what is held down with it. `mod` is ⌘ on a Mac and Ctrl elsewhere. */
export interface Chord {
  key: string;
  mod?: true;
  shift?: true;
  alt?: true;
}

/** Where a key works, in the order in which the map shows it. */
export const GROUPS = ['anywhere', 'composer', 'messages', 'lists', 'files'] as const;
export type Group = (typeof GROUPS)[number];

const press = (key: string, held: Omit<Chord, 'key'> = {}): Chord => ({ key, ...held });
const MOD = { mod: true } as const;
const ALT = { alt: true } as const;
const SHIFT = { shift: true } as const;

export const SHORTCUTS = {
  switcher: { group: 'anywhere', chords: [press('k', MOD)] },
  find: { group: 'anywhere', chords: [press('f', MOD)] },
  findAll: { group: 'anywhere', chords: [press('f', { ...MOD, ...SHIFT })] },
  previousConversation: { group: 'anywhere', chords: [press('ArrowUp', ALT)] },
  nextConversation: { group: 'anywhere', chords: [press('ArrowDown', ALT)] },
  nextUnread: { group: 'anywhere', chords: [press('ArrowDown', { ...ALT, ...SHIFT })] },
  newRoom: { group: 'anywhere', chords: [press('n', MOD)] },
  sendFiles: { group: 'anywhere', chords: [press('u', { ...MOD, ...SHIFT })] },
  details: { group: 'anywhere', chords: [press('.', MOD)] },
  transfers: { group: 'anywhere', chords: [press('j', MOD)] },
  settings: { group: 'anywhere', chords: [press(',', MOD)] },
  microphone: { group: 'anywhere', chords: [press('m', { ...MOD, ...SHIFT })] },
  nextZone: { group: 'anywhere', chords: [press('F6')] },
  previousZone: { group: 'anywhere', chords: [press('F6', SHIFT)] },
  keys: { group: 'anywhere', chords: [press('?'), press('/', MOD)] },
  close: { group: 'anywhere', chords: [press('Escape')] },

  send: { group: 'composer', chords: [press('Enter')] },
  newLine: { group: 'composer', chords: [press('Enter', SHIFT)] },
  editLast: { group: 'composer', chords: [press('ArrowUp')] },
  bold: { group: 'composer', chords: [press('b', MOD)] },
  italic: { group: 'composer', chords: [press('i', MOD)] },
  mention: { group: 'composer', chords: [press('@')] },
  completeName: { group: 'composer', chords: [press('Tab')] },
  giveUp: { group: 'composer', chords: [press('Escape')] },

  reply: { group: 'messages', chords: [press('r')] },
  react: { group: 'messages', chords: [press('+')] },
  edit: { group: 'messages', chords: [press('e')] },
  forward: { group: 'messages', chords: [press('f')] },
  copyText: { group: 'messages', chords: [press('c', MOD)] },
  deleteMessage: { group: 'messages', chords: [press('Delete')] },
  messageMenu: { group: 'messages', chords: [press('ContextMenu'), press('F10', SHIFT)] },

  up: { group: 'lists', chords: [press('ArrowUp')] },
  down: { group: 'lists', chords: [press('ArrowDown')] },
  first: { group: 'lists', chords: [press('Home')] },
  last: { group: 'lists', chords: [press('End')] },
  open: { group: 'lists', chords: [press('Enter')] },
  placeMenu: { group: 'lists', chords: [press('ContextMenu'), press('F10', SHIFT)] },

  queueUp: { group: 'files', chords: [press('ArrowUp')] },
  queueDown: { group: 'files', chords: [press('ArrowDown')] },
  unfold: { group: 'files', chords: [press('ArrowRight')] },
  fold: { group: 'files', chords: [press('ArrowLeft')] },
  choose: { group: 'files', chords: [press(' '), press('Enter')] },
} as const satisfies Record<string, { group: Group; chords: readonly [Chord, ...Chord[]] }>;

export type ShortcutId = keyof typeof SHORTCUTS;

/** The shortcuts of one group: whoever handles the group has to have an act for each. */
export type ShortcutOf<G extends Group> = { [I in ShortcutId]: (typeof SHORTCUTS)[I]['group'] extends G ? I : never }[ShortcutId];

export const ALL = Object.keys(SHORTCUTS) as ShortcutId[];

export const inGroup = (group: Group) => ALL.filter((id) => SHORTCUTS[id].group === group);

/** What a key does. `false` leaves the press to whoever is asked next, and to the browser. */
export type Acts<I extends ShortcutId> = Record<I, () => unknown>;

/** Whether a press is this shortcut. */
export function is(event: KeyboardEvent, id: ShortcutId): boolean {
  // An input method ends its composition with keys that are not meant for anybody else.
  if (event.isComposing || event.keyCode === 229) return false;
  const { group, chords } = SHORTCUTS[id];
  const typing = group !== 'composer' && writes(event.target);
  return chords.some((chord: Chord) => !(typing && isText(chord)) && matches(event, chord));
}

/** Does what a press is a shortcut for; whether there was something to do. */
export function byKey<I extends ShortcutId>(event: KeyboardEvent, acts: Acts<I>): boolean {
  for (const id of Object.keys(acts) as I[]) {
    if (!is(event, id) || acts[id]() === false) continue;
    event.preventDefault();
    return true;
  }
  return false;
}

/** Moves the focus among what stands in a list, the field above it being the first; whether there was somewhere to go. */
export function byArrows(event: KeyboardEvent, stops: HTMLElement[]): boolean {
  const at = stops.findIndex((stop) => stop === document.activeElement);
  const focus = (stop: HTMLElement | undefined) => (stop ? stop.focus() : false);
  const inField = writes(event.target);
  return byKey(event, {
    up: () => focus(stops[at - 1]),
    down: () => focus(stops[at + 1]),
    // In a field these keys move the caret.
    first: () => !inField && focus(stops.find((stop) => !writes(stop))),
    last: () => !inField && focus(stops.at(-1)),
  });
}

/** What is a letter or a sign where one writes. */
const isText = ({ key, mod, alt }: Chord) => key.length === 1 && !mod && !alt;

function matches(event: KeyboardEvent, { key, mod, shift, alt }: Chord): boolean {
  return (
    keyOf(event) === key.toLowerCase() &&
    (event.ctrlKey || event.metaKey) === (mod ?? false) &&
    event.altKey === (alt ?? false) &&
    // Whether a sign needs Shift is the keyboard's affair.
    (/^[^a-z ]$/.test(key) || event.shiftKey === (shift ?? false))
  );
}

/** The key as the table names it: also where the layout has other letters, or an input method other signs. */
function keyOf({ key, code }: KeyboardEvent): string {
  if (key === '？') return '?';
  const letter = /^Key([A-Z])$/.exec(code)?.[1];
  return letter && key.length === 1 && key > '~' ? letter.toLowerCase() : key.toLowerCase();
}

/** Whether what is typed there becomes text. */
export function writes(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !/^(?:button|checkbox|radio|range|submit)$/.test(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable;
}

export const onMac = () => navigator.platform.startsWith('Mac');

/** The keys of a chord as they are printed, one by one. */
export function keysOf({ key, mod, shift, alt }: Chord, mac = onMac()): string[] {
  const held = mac ? { mod: '⌘', shift: '⇧', alt: '⌥' } : { mod: 'Ctrl', shift: 'Shift', alt: 'Alt' };
  const named = (mac && MAC_NAMES[key]) || NAMES[key] || (key.length === 1 ? key.toUpperCase() : key);
  return [...(mod ? [held.mod] : []), ...(alt ? [held.alt] : []), ...(shift ? [held.shift] : []), named];
}

/** The first way to press it, for a tooltip: `Ctrl+K`, `⌘K`. */
export function keysText(id: ShortcutId, mac = onMac()): string {
  return keysOf(SHORTCUTS[id].chords[0], mac).join(mac ? '' : '+');
}

/** As `aria-keyshortcuts` wants it. */
export function ariaKeys(id: ShortcutId, mac = onMac()): string {
  return SHORTCUTS[id].chords
    .map(({ key, mod, shift, alt }: Chord) =>
      [...(mod ? [mac ? 'Meta' : 'Control'] : []), ...(alt ? ['Alt'] : []), ...(shift ? ['Shift'] : []), ARIA[key] ?? key].join('+'),
    )
    .join(' ');
}

const NAMES: Record<string, string> = { ArrowUp: '↑', ArrowDown: '↓', ArrowLeft: '←', ArrowRight: '→', Escape: 'Esc', ' ': 'Space', ContextMenu: 'Menu' };
const MAC_NAMES: Record<string, string> = { Enter: '↩', Delete: '⌦' };
const ARIA: Record<string, string> = { ' ': 'Space', '+': 'Plus' };
