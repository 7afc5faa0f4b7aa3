import type { Backend, PreviewKind } from '../ipc/client';
import { asApiError, type ApiError, type Transfer } from '../ipc/contract';

/** As the shell has it: more is not shown here. */
const MAX_PICTURE = 32_000_000;
const MAX_TEXT = 65_536;
/** So many small pictures are kept; those that were not seen for longest go first. */
const KEPT = 60;
/** Twice what is shown of them, for screens that are twice as fine. */
const SMALL = { width: 640, height: 320 };

/** Large photos take a second to be drawn. */
const PATIENCE_MS = 5000;

const PICTURES = /\.(?:gif|jpe?g|png|webp)$/i;
const TEXTS = /\.(?:c|cfg|conf|cpp|css|csv|diff|go|h|ini|java|js|json|kt|log|md|patch|py|rs|sh|sql|srt|svelte|tex|toml|ts|txt|ya?ml|xml)$/i;

/** As what the file of a transfer can be shown here: only what has arrived whole, and is one file. */
export function previewKind({ direction, state, files, failedFiles, names: [name = ''], bytes }: Transfer): PreviewKind | null {
  if (direction !== 'in' || state !== 'done' || files !== 1 || failedFiles > 0) return null;
  if (PICTURES.test(name) && bytes <= MAX_PICTURE) return 'picture';
  return TEXTS.test(name) ? 'text' : null;
}

export interface PreviewText {
  text: string;
  /** Only the beginning. */
  cut: boolean;
}

/** What received files look like, read from this disk when somebody is about to see it. */
export class Previews {
  /** What is shown large. */
  shown = $state.raw<Transfer | null>(null);

  private readonly small = new Map<string, Promise<string | null>>();
  /** The last of those that are drawn small one after the other: each takes a few hundred megabytes for a moment. */
  private drawing: Promise<unknown> = Promise.resolve();
  private readonly backend: Backend;

  constructor(backend: Backend) {
    this.backend = backend;
  }

  /** An address at which the page finds a small picture of it; nothing where it cannot be shown. */
  thumbnail({ id }: Transfer): Promise<string | null> {
    const known = this.small.get(id);
    const made = known ?? this.inTurn(() => this.backend.preview(id, 'picture').then(shrink)).catch(() => null);
    this.small.delete(id);
    this.small.set(id, made);
    const [oldest] = this.small;
    if (oldest && this.small.size > KEPT) {
      this.small.delete(oldest[0]);
      void oldest[1].then((address) => address && URL.revokeObjectURL(address));
    }
    return made;
  }

  private inTurn(draw: () => Promise<string | null>): Promise<string | null> {
    const drawn = this.drawing.then(() => inTime(draw()));
    this.drawing = drawn.catch(() => null);
    return drawn;
  }

  /** The whole picture. Whoever asked lets go of its address. */
  async picture({ id }: Transfer): Promise<string | ApiError> {
    try {
      return URL.createObjectURL(new Blob([await this.backend.preview(id, 'picture')]));
    } catch (thrown) {
      return asApiError(thrown);
    }
  }

  async text({ id, bytes }: Transfer): Promise<PreviewText | ApiError> {
    try {
      const cut = bytes > MAX_TEXT;
      // A character that was cut through at the end is left out.
      const text = new TextDecoder().decode(await this.backend.preview(id, 'text'), { stream: cut });
      return { text: text.replace(UNSEEN, '\u{fffd}'), cut };
    } catch (thrown) {
      return asApiError(thrown);
    }
  }
}

/** What would make a text look like another: controls other than breaks and tabs, and turns of direction. */
const UNSEEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** What takes too long is shown by its name only, and keeps no other one waiting. */
function inTime<T>(work: Promise<T>): Promise<T> {
  return new Promise((done, failed) => {
    const given = setTimeout(() => failed(new Error('it takes too long')), PATIENCE_MS);
    void work.then(done, failed).finally(() => clearTimeout(given));
  });
}

/** Drawn once and kept small: a list of photos would take all memory otherwise. */
async function shrink(bytes: ArrayBuffer): Promise<string | null> {
  const picture = await createImageBitmap(new Blob([bytes]));
  const scale = Math.min(1, SMALL.width / picture.width, SMALL.height / picture.height);
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  canvas.getContext('2d')?.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  const blob = await new Promise<Blob | null>((made) => canvas.toBlob(made));
  return blob && URL.createObjectURL(blob);
}
