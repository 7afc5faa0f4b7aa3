import { expect, test } from 'vitest';
import { FakeBackend } from '../../src/ipc/fake';
import { Session } from '../../src/state/session.svelte';

test('own shares are added, changed and removed', async () => {
  const { session, fake } = await started();
  await session.shares.loadOwn();
  expect(session.shares.own).toEqual([]);
  const folder = await session.pickFolder();
  expect(await session.shares.share(folder!.handle, 'Designs', { kind: 'everyone' })).toBe(true);
  const [share] = session.shares.own!;
  expect(share).toMatchObject({ name: 'Designs', who: { kind: 'everyone' } });
  await session.shares.change(share!.id, 'Drafts', { kind: 'room', room: fake.room('design').id });
  expect(session.shares.own).toMatchObject([{ name: 'Drafts', who: { kind: 'room' } }]);
  await session.shares.unshare(share!.id);
  expect(session.shares.own).toEqual([]);
});

test('who is not here is unreachable, and nobody is told of it', async () => {
  const { session, fake } = await started();
  await session.shares.loadOf(fake.peer('Cai').id);
  expect(session.shares.ofPerson.get(fake.peer('Cai').id)).toBe('unreachable');
  expect(session.notices).toEqual([]);
});

test('a shared folder is walked through, and what is chosen in it becomes a transfer', async () => {
  const { session, fake } = await started();
  const ana = fake.peer('Ana').id;
  await session.shares.loadOf(ana);
  const [reports, music] = session.shares.ofPerson.get(ana) as { id: string; name: string }[];
  session.shares.browse(ana, reports!);
  const browser = session.shares.browsing!;
  await expect.poll(() => browser.state).toBe('shown');
  await browser.open('2026');
  await browser.open('2026/drafts');
  expect(browser.trail).toEqual([
    { name: '2026', folder: '2026' },
    { name: 'drafts', folder: '2026/drafts' },
  ]);
  expect(browser.entries).toEqual([]);
  await browser.open('2026');
  browser.toggle('report.pdf');
  expect(browser.paths()).toEqual(['2026/report.pdf']);
  expect(browser.bytes).toBe(5_100_000);
  const before = session.world.transfers.size;
  expect(await session.shares.get(browser, undefined)).toBe(true);
  expect(session.world.transfers.size).toBe(before + 1);

  session.shares.browse(ana, music!);
  const songs = session.shares.browsing!;
  await expect.poll(() => songs.entries.length).toBe(500);
  await Promise.all([songs.loadMore(), songs.loadMore()]);
  expect(songs.entries).toHaveLength(1_000);
});

test('a folder that is gone can be asked for again', async () => {
  const { session, fake } = await started();
  session.shares.browse(fake.peer('Ana').id, { id: 's-reports', name: 'Reports' });
  const browser = session.shares.browsing!;
  await browser.open('gone');
  expect(browser.state).toBe('failed');
  expect(session.notices).toHaveLength(1);
  await browser.open('');
  expect(browser.state).toBe('shown');
});

async function started(): Promise<{ session: Session; fake: FakeBackend }> {
  const fake = new FakeBackend({ world: 'quiet', messages: 10, people: 12 });
  const session = new Session(fake);
  await session.start();
  return { session, fake };
}
