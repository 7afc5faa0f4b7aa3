import type { Backend } from '../ipc/client';
import type { FileHandle } from '../ipc/contract';

/** Larger pictures than the engine's shell takes are no pictures that anybody copied by hand. */
export const MAX_PICTURE_BYTES = 64 * 1024 * 1024;

/** What a paste has to give, as far as the page is told. */
export interface Pasted {
  /** Text is for the field, also where a picture of it lies beside it, as spreadsheets put it there. */
  forField: boolean;
  picture: Blob | null;
}

export function pastedOf(data: DataTransfer | null): Pasted {
  const types = data?.types ?? [];
  const picture = [...(data?.files ?? [])].find(({ type }) => type.startsWith('image/')) ?? null;
  // Whoever copies files gets their paths as text as well; those are not meant.
  const forField = types.includes('text/plain') && (picture !== null || !types.includes('Files'));
  return { forField, picture };
}

/** Turns what was pasted into files that can be offered: copied files first, else a picture. Empty if it is neither. */
export async function takePasted(backend: Backend, picture: Blob | null, name: string): Promise<FileHandle[] | 'too-large'> {
  const copied = await backend.pasteFiles();
  if (copied.length > 0 || !picture) return copied;
  const png = picture.type === 'image/png' ? picture : await asPng(picture);
  if (png.size > MAX_PICTURE_BYTES) return 'too-large';
  return [await backend.pastePicture(name, await png.arrayBuffer())];
}

/** What a picture is called: the word for it, and when it was pasted, in a form that every file system takes. */
export function pictureName(word: string, time: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${word} ${day} ${two(time.getHours())}.${two(time.getMinutes())}.${two(time.getSeconds())}`;
}

async function asPng(picture: Blob): Promise<Blob> {
  const bitmap = await createImageBitmap(picture);
  const canvas = document.createElement('canvas');
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext('2d')?.drawImage(bitmap, 0, 0);
  bitmap.close();
  return new Promise((made, failed) => {
    canvas.toBlob((png) => (png ? made(png) : failed(new Error('The picture cannot be read.'))), 'image/png');
  });
}
