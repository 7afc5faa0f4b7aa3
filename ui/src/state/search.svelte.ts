import type { Message } from '../ipc/contract';
import type { Requests } from './requests';

/** How many results come at once: a screen or two. */
const RESULTS = 30;
/** Where the window sorts out what the engine cannot, it asks for so many, and so often before it shows how far it came. */
const SORTED = 200;
const TURNS = 8;

export const DAY_MS = 86_400_000;

/** What a person looks for in everything that was said, and what was found. */
export class Search {
  text = $state('');
  /** Only in this room. */
  room = $state<string | null>(null);
  /** Only by this person. */
  person = $state<string | null>(null);
  /** Only of so many last days. */
  days = $state<number | null>(null);
  /** Only what was offered. */
  files = $state(false);
  found = $state.raw<Message[]>([]);
  more = $state(false);
  searching = $state(false);
  /** What the results answer; nothing yet, if it is null. */
  searched = $state<string | null>(null);
  /** Counts how often somebody wanted to search, so that the field can take the focus each time. */
  opened = $state(0);

  filtered = $derived(this.room !== null || this.person !== null || this.days !== null || this.files);

  private asked = 0;
  /** Where the last answer ended. */
  private end: string | undefined;
  private readonly requests: Requests;

  constructor(requests: Requests) {
    this.requests = requests;
  }

  /** Looks for the same words everywhere. */
  clearFilters(): Promise<void> {
    this.room = null;
    this.person = null;
    this.days = null;
    this.files = false;
    return this.run();
  }

  async run(): Promise<void> {
    const text = this.text.trim();
    this.asked += 1;
    this.end = undefined;
    if (text === '') {
      this.found = [];
      this.more = false;
      this.searched = null;
      this.searching = false;
      return;
    }
    await this.fetch(text, (found) => (this.found = found));
  }

  async runOn(): Promise<void> {
    if (!this.more || this.searching || this.searched === null) return;
    this.asked += 1;
    await this.fetch(this.searched, (found) => (this.found = [...this.found, ...found]));
  }

  /** The engine knows words, rooms and people; how old a message is, and whether it offers something, is seen from it. */
  private async fetch(text: string, place: (found: Message[]) => void): Promise<void> {
    const turn = this.asked;
    const since = this.days === null ? 0 : Date.now() - this.days * DAY_MS;
    const { files } = this;
    this.searching = true;
    const kept: Message[] = [];
    let more = true;
    for (let asked = 0; more && kept.length < RESULTS && asked < (files ? TURNS : 1); asked += 1) {
      const answer = await this.requests.ask({ method: 'search', params: this.params(text, files ? SORTED : RESULTS) }, 'found');
      // Only the last question counts.
      if (turn !== this.asked) return;
      if (!answer) {
        this.searching = false;
        return;
      }
      const { messages } = answer;
      this.end = messages.at(-1)?.cursor ?? this.end;
      // They come newest first: behind one that is too old there are only older ones.
      more = answer.more && (messages.at(-1)?.time ?? 0) >= since;
      kept.push(...messages.filter(({ time, kind }) => time >= since && (!files || kind === 'offer')));
    }
    this.searching = false;
    place(kept);
    this.more = more;
    this.searched = text;
  }

  private params(text: string, limit: number) {
    return {
      text,
      ...(this.room === null ? {} : { to: this.room }),
      ...(this.person === null ? {} : { from: `@${this.person}` }),
      ...(this.end === undefined ? {} : { before: this.end }),
      limit,
    };
  }
}
