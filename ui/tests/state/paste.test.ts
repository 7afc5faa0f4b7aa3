import { expect, test } from 'vitest';
import { FakeBackend } from '../../src/ipc/fake';
import { MAX_PICTURE_BYTES, pastedOf, pictureName } from '../../src/state/paste';
import { Session } from '../../src/state/session.svelte';

const png = new Blob([new Uint8Array([137, 80, 78, 71])], { type: 'image/png' });

test('text is for the field, with a picture of it beside it or not; files and lone pictures are not', () => {
  const picture = new File([png], 'image.png', { type: 'image/png' });
  const forField = (types: string[], files: File[] = []) => pastedOf({ types, files } as unknown as DataTransfer).forField;
  expect(forField(['text/plain'])).toBe(true);
  expect(forField(['text/plain', 'text/html', 'Files'], [picture])).toBe(true);
  expect(forField(['text/plain', 'Files'])).toBe(false);
  expect(forField(['Files'], [picture])).toBe(false);
  expect(forField([])).toBe(false);
});

test('copied files go before a picture, and several are offered only after a question', async () => {
  const { session, fake } = await started();
  const room = fake.room('ops');
  await session.openRoom(room.id);
  fake.copied = [handle('a.txt'), handle('b.txt')];
  await session.paste(session.destination(session.room!), png, 'Picture 1');
  expect(session.proposal?.handles.map(({ name }) => name)).toEqual(['a.txt', 'b.txt']);
  session.proposal = null;
  fake.copied = [];
  await session.paste(session.destination(session.room!), png, 'Picture 1');
  expect([...session.world.transfers.values()].at(-1)?.names).toEqual(['Picture 1.png']);
});

test('where nothing useful was copied, that is said', async () => {
  const { session, fake } = await started();
  await session.openRoom(fake.room('ops').id);
  await session.paste(session.destination(session.room!), null, 'Picture 1');
  const large = { type: 'image/png', size: MAX_PICTURE_BYTES + 1 } as Blob;
  await session.paste(session.destination(session.room!), large, 'Picture 1');
  expect(session.notices).toMatchObject([
    { kind: 'pasted', why: 'nothing' },
    { kind: 'pasted', why: 'too-large' },
  ]);
  expect(fake.calls.some(({ method }) => method === 'offer')).toBe(false);
});

test('a picture is named by when it was pasted', () => {
  expect(pictureName('Picture', new Date(2026, 1, 3, 4, 5, 6))).toBe('Picture 2026-02-03 04.05.06');
});

function handle(name: string) {
  return { handle: `copied ${name}`, name, folder: false, size: 3 };
}

async function started(): Promise<{ session: Session; fake: FakeBackend }> {
  const fake = new FakeBackend({ world: 'quiet', messages: 10, people: 12 });
  const session = new Session(fake);
  await session.start();
  return { session, fake };
}
