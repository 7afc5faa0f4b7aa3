import type { Message } from '../ipc/contract';
import type { Requests } from './requests';

/** How many results come at once: a screen or two. */
const RESULTS = 30;

/** What a person looks for in everything that was said, and what was found. */
export class Search {
  text = $state('');
  /** Only in this room. */
  room = $state<string | null>(null);
  /** Only by this person. */
  person = $state<string | null>(null);
  found = $state.raw<Message[]>([]);
  more = $state(false);
  searching = $state(false);
  /** What the results answer; nothing yet, if it is null. */
  searched = $state<string | null>(null);
  /** Counts how often somebody wanted to search, so that the field can take the focus each time. */
  opened = $state(0);

  private asked = 0;
  private readonly requests: Requests;

  constructor(requests: Requests) {
    this.requests = requests;
  }

  async run(): Promise<void> {
    const text = this.text.trim();
    this.asked += 1;
    if (text === '') {
      this.found = [];
      this.more = false;
      this.searched = null;
      this.searching = false;
      return;
    }
    await this.fetch(text, undefined, (found) => (this.found = found));
  }

  async runOn(): Promise<void> {
    const last = this.found.at(-1);
    if (!last || !this.more || this.searching || this.searched === null) return;
    this.asked += 1;
    await this.fetch(this.searched, last.cursor, (found) => (this.found = [...this.found, ...found]));
  }

  private async fetch(text: string, before: string | undefined, place: (found: Message[]) => void): Promise<void> {
    const turn = this.asked;
    this.searching = true;
    const params = {
      text,
      ...(this.room === null ? {} : { to: this.room }),
      ...(this.person === null ? {} : { from: `@${this.person}` }),
      ...(before === undefined ? {} : { before }),
      limit: RESULTS,
    };
    const answer = await this.requests.ask({ method: 'search', params }, 'found');
    // Only the last question counts.
    if (turn !== this.asked) return;
    this.searching = false;
    if (!answer) return;
    place(answer.messages);
    this.more = answer.more;
    this.searched = text;
  }
}
