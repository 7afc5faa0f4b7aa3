import type { Member, Peer } from '../ipc/contract';

/** Somebody whose name can be completed. */
export interface Candidate {
  id: string;
  short: string;
  name: string;
}

/** What is being completed: from the `@` to the caret. */
export interface Mentioning {
  from: number;
  typed: string;
}

/** As many as fit above the field. */
const SHOWN = 6;
/** A name is no longer than this; what follows an `@` further away is text. */
const LONGEST = 64;

/** The name that is being written at the caret, if there is one. */
export function mentioningAt(text: string, caret: number): Mentioning | null {
  const before = text.slice(Math.max(0, caret - LONGEST), caret);
  const match = /(?:^|[\s(（，。、])@([^@\n]*)$/u.exec(before);
  const typed = match?.[1];
  return typed === undefined ? null : { from: caret - typed.length - 1, typed };
}

/** Whom it may mean: names that begin so, then names with a word that does. */
export function candidatesFor(typed: string, people: Candidate[]): Candidate[] {
  const wanted = typed.toLocaleLowerCase();
  const rank = ({ name }: Candidate) => {
    const lower = name.toLocaleLowerCase();
    if (lower.startsWith(wanted)) return 0;
    return lower.split(/\s+/).some((word) => word.startsWith(wanted)) ? 1 : 2;
  };
  return people
    .map((person) => ({ person, rank: rank(person) }))
    .filter(({ rank }) => rank < 2)
    .sort((a, b) => a.rank - b.rank)
    .slice(0, SHOWN)
    .map(({ person }) => person);
}

/** The text with the name in place, and where the caret stands then. */
export function complete(text: string, caret: number, { from }: Mentioning, name: string): { text: string; caret: number } {
  const written = `@${name} `;
  const rest = text.slice(caret).replace(/^ /, '');
  return { text: `${text.slice(0, from)}${written}${rest}`, caret: from + written.length };
}

/** Whoever is in the room, those who are here first; everybody while that is not known. */
export function mentionable(members: Member[] | undefined, people: Peer[]): Candidate[] {
  if (!members) return people;
  return members
    .filter(({ me }) => !me)
    .sort((a, b) => Number(b.online) - Number(a.online))
    .map(({ peer, short, name }) => ({ id: peer, short, name }));
}
