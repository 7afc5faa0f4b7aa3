import { expect, test } from 'vitest';
import { Session } from '../../src/state/session.svelte';
import { Model, ROOM, settled } from './model';

test('what is said and given up while the room opens does not come back', async () => {
  const { model, session } = await started();
  const opened = session.openRoom(ROOM);
  await settled();
  await sayAndGiveUp(model, session);
  await model.rest();
  await opened;
  expect(session.conversation?.messages).toEqual([]);
  expect(session.conversation?.pending).toEqual([]);
});

test('an answer that is older than what was read again since does not bring back what is gone', async () => {
  const { model, session } = await started();
  void session.openRoom(ROOM);
  await model.rest();
  await sayAndGiveUp(model, session);
  model.tell(2);
  await settled();
  read(model, 'log');
  await model.answer(1);
  expect(session.conversation?.messages).toEqual([]);
  await model.rest();
  expect(session.conversation?.messages).toEqual([]);
  expect(session.conversation?.pending).toEqual([]);
});

async function started() {
  const model = new Model();
  const session = new Session(model);
  void session.start();
  await model.rest();
  return { model, session };
}

/** The engine has taken it and given it up again, and the window knows of neither. */
async function sayAndGiveUp(model: Model, session: Session): Promise<void> {
  void session.conversation?.say('yes');
  await settled();
  read(model, 'say');
  expect(model.log).toHaveLength(1);
  model.prune(1);
}

function read(model: Model, method: string): void {
  model.read(model.calls.filter(({ read }) => !read).findIndex(({ command }) => command.method === method), false);
}
