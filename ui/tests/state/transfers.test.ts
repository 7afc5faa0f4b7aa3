import { expect, test } from 'vitest';
import { FakeBackend } from '../../src/ipc/fake';
import { Session } from '../../src/state/session.svelte';
import { FILES_AT_ONCE, wanted } from '../../src/state/transfers.svelte';

const names = (list: { names: string[] }[]) => list.map(({ names }) => names[0]);

test('accepted transfers run as many as may at once, the others queue up and follow in order', async () => {
  const { session, fake } = await started();
  const [one, two, three, four] = offered(fake, 4);
  for (const id of [one, two, three, four]) await session.transfers.accept(id!);
  // One was running from the beginning.
  expect(names(session.transfers.queued)).toEqual(['file 3', 'file 4']);
  expect(session.transfers.queued.map(({ place }) => place)).toEqual([0, 1]);
  fake.advance(one!, 1);
  expect(names(session.transfers.queued)).toEqual(['file 4']);
  expect(session.world.transfers.get(three!)?.state).toBe('running');
});

test('a queued transfer goes up, down, first and last, and no further', async () => {
  const { session, fake } = await started();
  const ids = offered(fake, 5);
  for (const id of ids) await session.transfers.accept(id);
  const queue = () => names(session.transfers.queued);
  expect(queue()).toEqual(['file 3', 'file 4', 'file 5']);
  await session.transfers.move(ids[4]!, -1);
  expect(queue()).toEqual(['file 3', 'file 5', 'file 4']);
  await session.transfers.move(ids[2]!, 9);
  expect(queue()).toEqual(['file 5', 'file 4', 'file 3']);
  await session.transfers.move(ids[2]!, 1);
  await session.transfers.move(ids[2]!, -9);
  expect(queue()).toEqual(['file 3', 'file 5', 'file 4']);
  await session.transfers.reorder(ids[2]!, null);
  expect(queue()).toEqual(['file 5', 'file 4', 'file 3']);
});

test('overall progress counts what moves or will by itself, each way, and what was chosen of it', async () => {
  const { session, fake } = await started();
  const build = [...session.world.transfers.values()].find(({ state }) => state === 'running')!;
  const id = fake.offered('ops', 'Bo', 'photos', 1_000, 10).id;
  await session.transfers.accept(id, { only: ['photos/picture 0001.jpg', 'photos/picture 0002.jpg'] });
  const photos = session.world.transfers.get(id)!;
  expect(photos).toMatchObject({ chosen: 200, bytes: 1_000 });
  expect(wanted(photos)).toBe(200);
  fake.advance(id, 0.5);
  expect(session.transfers.overall).toEqual({ moved: build.moved + 100, bytes: build.bytes + 200, down: 94_000_000, up: 0 });
  await session.transfers.act('pause', id);
  expect(session.transfers.overall).toMatchObject({ bytes: build.bytes, down: 0 });
  expect(names(session.transfers.running)).toContain('photos');
});

test('what ended can be forgotten, one or all, and nothing else is', async () => {
  const { session, fake } = await started();
  const [one, two] = offered(fake, 2);
  await session.transfers.act('decline', one!);
  await session.transfers.act('decline', two!);
  await session.transfers.forget(one!);
  expect(names(session.transfers.ended)).not.toContain('file 1');
  const open = session.world.transfers.size - session.transfers.ended.length;
  await session.transfers.forgetAll();
  expect(session.transfers.ended).toEqual([]);
  expect(session.world.transfers.size).toBe(open);
});

test('the files of a transfer come page after page, and only those in view are asked for anew', async () => {
  const { session, fake } = await started();
  const id = fake.offered('ops', 'Bo', 'photos', 100_000_000, 1_000).id;
  session.transfers.show(id);
  const pages = session.transfers.details!;
  await pages.loadMore();
  expect(pages.files).toHaveLength(FILES_AT_ONCE);
  await Promise.all([pages.loadMore(), pages.loadMore()]);
  expect(pages.files).toHaveLength(2 * FILES_AT_ONCE);
  while (pages.more) await pages.loadMore();
  // A thousand files, eleven folders, and a link.
  expect(pages.files).toHaveLength(1_012);
  expect(new Set(pages.files.map(({ path }) => path)).size).toBe(1_012);

  pages.look(450, 470);
  const before = asked(fake);
  fake.files.get(id).moved = 50_000_000;
  await session.transfers.accept(id);
  await expect.poll(() => pages.files[460]?.state).toBe('done');
  expect(asked(fake) - before).toBe(1);
  expect(pages.files[10]?.state).toBe('offered');
});

test('an offer is listed as a tree of which parts are chosen with as few paths as say it', async () => {
  const { session, fake } = await started();
  const id = fake.offered('ops', 'Bo', 'photos', 250_000, 250).id;
  const tree = session.transfers.list(id);
  await expect.poll(() => tree.complete).toBe(true);
  expect(tree.rows.map(({ node }) => node.name)).toEqual(['photos', 'part 1', 'part 2', 'part 3', 'shortcut']);
  expect(tree.sum).toEqual({ items: 250, chosenItems: 250, bytes: 250_000, chosenBytes: 250_000 });
  expect(tree.everything).toBe(true);

  tree.choose(tree.rows[1]!.node, false);
  expect(tree.rows[0]?.choice).toBe('some');
  expect(tree.rows[1]?.choice).toBe('none');
  expect(tree.paths()).toEqual(['photos/part 2', 'photos/part 3']);
  tree.fold(tree.rows[1]!.node, true);
  expect(tree.rows).toHaveLength(105);
  tree.choose(tree.rows[2]!.node, true);
  expect(tree.paths()).toEqual(['photos/part 1/picture 0001.jpg', 'photos/part 2', 'photos/part 3']);
  tree.chooseAll(true);
  expect(tree.everything).toBe(true);
  tree.chooseAll(false);
  expect(tree.paths()).toEqual([]);
});

test('a hundred thousand files are a tree of few rows, quickly chosen among', async () => {
  const { session, fake } = await started();
  const id = fake.offered('ops', 'Bo', 'photos', 100_000, 100_000).id;
  const tree = session.transfers.list(id);
  await expect.poll(() => tree.complete, { timeout: 20_000 }).toBe(true);
  expect(tree.rows).toHaveLength(1_002);
  tree.choose(tree.rows[1]!.node, false);
  expect(tree.sum.chosenItems).toBe(99_900);
  expect(tree.paths()).toHaveLength(999);
}, 30_000);

function offered(fake: FakeBackend, count: number): string[] {
  return Array.from({ length: count }, (_, index) => fake.offered('ops', 'Bo', `file ${index + 1}`, 1_000).id);
}

const asked = (fake: FakeBackend) => fake.calls.filter(({ method }) => method === 'transfer-files').length;

async function started(): Promise<{ session: Session; fake: FakeBackend }> {
  const fake = new FakeBackend({ world: 'quiet', messages: 10, people: 12 });
  const session = new Session(fake);
  await session.start();
  return { session, fake };
}
