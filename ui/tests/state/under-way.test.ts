import { expect, test } from 'vitest';
import { Session } from '../../src/state/session.svelte';
import { Model, ROOM, settled } from './model';

test('older messages that fall between the newest five hundred and the oldest that is here are fetched', async () => {
  const { model, session } = await opened(700);
  for (let pages = 0; pages < 6; pages += 1) {
    void session.conversation!.loadOlder();
    await model.rest();
  }
  expect(session.conversation!.messages).toHaveLength(700);
  model.arrive([50, 60, 70]);
  await model.rest();
  expect(session.conversation!.messages).toEqual(model.log);
});

test('of two equal messages under way the one that could not be said stays and says why', async () => {
  const { model, session } = await opened(3);
  const conversation = session.conversation!;
  void conversation.say('yes');
  void conversation.say('yes');
  // The first is taken, its event comes before its answer, and only then the second is refused.
  model.read(0, false);
  model.tell(10);
  expect(conversation.rows.filter(({ kind }) => kind === 'pending')).toHaveLength(2);
  expect(conversation.rows).toHaveLength(5);
  await model.answer(0);
  expect(conversation.pending).toHaveLength(1);
  expect(conversation.rows).toHaveLength(5);
  model.read(0, true);
  await model.answer(0);
  expect(conversation.pending).toMatchObject([{ text: 'yes', error: { code: 'storage' } }]);
  expect(conversation.messages.filter(({ text }) => text === 'yes')).toHaveLength(1);
});

test('a message that was taken back before the answer to saying it came stays taken back', async () => {
  const { model, session } = await opened(3);
  void session.conversation!.say('yes');
  model.read(0, false);
  model.change(3, { text: '', deleted: true });
  model.tell(10);
  await model.answer(0);
  expect(session.conversation!.messages).toEqual(model.log);
});

test('an older answer to a reaction does not undo what was told meanwhile', async () => {
  const { model, session } = await opened(3);
  const conversation = session.conversation!;
  const answered = conversation.pin(conversation.messages[1]!, true);
  const old = { ...model.log[1]!, pinned: true };
  model.change(1, { text: 'said better', pinned: true });
  model.tell(10);
  model.calls.at(-1)!.read = () => ({ reply: 'message', value: old });
  await model.answer(0);
  await answered;
  expect(conversation.messages).toEqual(model.log);
});

test('what is edited or said late while a page is under way reads so when the page is there', async () => {
  const { model, session } = await opened(300);
  void session.conversation!.loadOlder();
  await settled();
  model.read(0, false);
  model.change(150, { text: 'said better' });
  model.add(160);
  model.tell(10);
  await model.answer(0);
  expect(session.conversation!.messages).toEqual(model.log.slice(100));
});

test('a window that fell behind twice asks once more, and no older snapshot comes over newer events', async () => {
  const { model, session } = await opened(3);
  model.lag(2);
  model.tell(2);
  expect(model.calls.filter(({ command }) => command.method === 'snapshot')).toHaveLength(1);
  for (let left = model.calls.length; left > 0; left -= 1) model.read(0, false);
  model.setTopic('tea');
  model.tell(1);
  await model.answer(0);
  await model.rest();
  expect(session.world.rooms.get(ROOM)?.topic).toBe('tea');
});

async function opened(messages: number): Promise<{ model: Model; session: Session }> {
  const model = new Model();
  for (let count = 0; count < messages; count += 1) model.add(count);
  model.events = [];
  const session = new Session(model);
  void session.start();
  await model.rest();
  void session.openRoom(ROOM);
  await model.rest();
  return { model, session };
}
