import { t, type Locale } from '../i18n/index.svelte';
import type { Backend, Desktop, Opening } from '../ipc/client';
import type { FileHandle } from '../ipc/contract';
import { isInvite } from './rooms.svelte';
import type { Session } from './session.svelte';

/** A link that only proves something beside a person whom one has in mind: whoever sends it could be anybody. */
const isDevice = (link: string) => link.startsWith('lanyard:v1:id:');

/** What is outside of the page: the desktop that the program belongs to, and what it asks the window to open. */
export class Outside {
  /** How the program behaves there; absent until somebody has asked. */
  desktop = $state.raw<Desktop | null>(null);
  /** A link to a private room that waits for a person's yes. */
  invite = $state.raw<string | null>(null);
  /** Files that wait until a person says for whom they are. */
  files = $state.raw<FileHandle[] | null>(null);

  private readonly session: Session;
  private readonly backend: Backend;

  constructor(session: Session, backend: Backend) {
    this.session = session;
    this.backend = backend;
  }

  /** Opens what is wanted, now and from now on; the answer ends it. */
  listen(): () => void {
    const open = () => void this.session.attempt(() => this.openAll());
    const listening = this.backend.onOpening(open).then((stop) => {
      // What was wanted before somebody listened.
      open();
      return stop;
    });
    return () => void listening.then((stop) => stop());
  }

  /** Which conversation is open: nothing is told of it while the window has the focus. */
  lookAt(room: string | null): void {
    void this.session.attempt(() => this.backend.lookAt(room));
  }

  speak(language: Locale): void {
    void this.session.attempt(() => this.backend.speak(language));
  }

  async load(): Promise<void> {
    this.desktop = (await this.session.attempt(() => this.backend.desktop())) ?? this.desktop;
  }

  async choose(change: Partial<Omit<Desktop, 'tray'>>): Promise<void> {
    this.desktop = (await this.session.attempt(() => this.backend.setDesktop(change))) ?? this.desktop;
  }

  private async openAll(): Promise<void> {
    for (const opening of await this.backend.takeOpenings()) await this.open(opening);
  }

  private async open(opening: Opening): Promise<void> {
    switch (opening.kind) {
      case 'room':
        return this.session.openRoom(opening.room);
      case 'person':
        return this.session.openPerson(opening.peer);
      case 'link':
        if (isInvite(opening.link)) this.invite = opening.link.trim();
        else this.session.notice({ code: 'invalid', message: isDevice(opening.link) ? t().linkDevice : t().linkUnknown });
        break;
      case 'files':
        this.files = opening.handles;
        break;
      case 'failed':
        this.session.notice(opening.error);
        break;
    }
  }
}
