import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Session } from '../../src/state/session.svelte';
import { Model, ROOM } from './model';

/** Something that happens: at the engine, on the way, or by the hand of a person. */
type Step = (model: Model, session: Session) => unknown;

const anywhere = fc.nat(1 << 20);
const at = (model: Model, where: number) => where % (model.log.length + 1);

const steps = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step>((model) => model.add(model.log.length)) },
  { weight: 2, arbitrary: anywhere.map((where): Step => (model) => model.add(at(model, where))) },
  { weight: 2, arbitrary: fc.array(anywhere, { minLength: 1, maxLength: 300 }).map((places): Step => (model) => model.arrive(places.map((place) => at(model, place)))) },
  { weight: 3, arbitrary: fc.tuple(anywhere, fc.string(), fc.boolean()).map(([where, text, told]): Step => (model) => model.change(at(model, where), { text }, told)) },
  { weight: 1, arbitrary: anywhere.map((where): Step => (model) => model.change(at(model, where), { text: '', deleted: true })) },
  { weight: 1, arbitrary: anywhere.map((where): Step => (model) => model.deliver(at(model, where))) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 50 }).map((count): Step => (model) => model.prune(count)) },
  { weight: 1, arbitrary: fc.string().map((topic): Step => (model) => model.setTopic(topic)) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 3 }).map((times): Step => (model) => model.lag(times)) },
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 5 }).map((most): Step => (model) => model.tell(most)) },
  { weight: 8, arbitrary: fc.tuple(fc.nat(3), fc.boolean()).map(([which, fails]): Step => (model) => model.read(which, fails)) },
  { weight: 8, arbitrary: fc.nat(3).map((which): Step => (model) => model.answer(which)) },
  { weight: 2, arbitrary: fc.constant<Step>((_, { conversation }) => quietly(conversation?.loadOlder())) },
  { weight: 2, arbitrary: fc.constant<Step>((_, { conversation }) => quietly(conversation?.loadNewer())) },
  { weight: 1, arbitrary: anywhere.map((where): Step => (model, session) => quietly(goTo(model, session, where))) },
  { weight: 1, arbitrary: fc.constant<Step>((_, { conversation }) => quietly(conversation?.toLatest())) },
  { weight: 1, arbitrary: fc.integer({ min: 200, max: 700 }).map((count): Step => (model) => model.flood(count)) },
  { weight: 2, arbitrary: fc.boolean().map((following): Step => (_, { conversation }) => void (conversation && (conversation.following = following && !conversation.newer))) },
  { weight: 3, arbitrary: fc.constantFrom('oldest' as const, 'newest' as const).map((end): Step => (_, { conversation }) => conversation?.letGo(end)) },
  { weight: 3, arbitrary: fc.constantFrom('yes', 'no').map((text): Step => (_, { conversation }) => quietly(conversation?.say(text))) },
);

test('whatever comes in whichever order, in the end the window shows what the log says', { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 700 }), fc.array(steps, { maxLength: 60 }), async (before, story) => {
      const model = new Model();
      for (let count = 0; count < before; count += 1) model.add(count);
      model.events = [];
      const session = new Session(model);
      void session.start();
      await model.rest();
      const opened = session.openRoom(ROOM);
      await story.reduce(async (told, step) => {
        await told;
        await step(model, session);
      }, Promise.resolve());
      await model.rest();
      await opened;
      check(model, session);
    }),
    { numRuns: Number(process.env.LANYARD_WALKS ?? 150), ...seed() },
  );
});

function check(model: Model, session: Session): void {
  const { conversation } = session;
  expect(session.failure).toBeNull();
  if (!conversation) throw new Error('the room is open');
  const { messages, more, newer, pending } = conversation;
  expect(conversation.loaded).toBe(true);
  expect(conversation.loading).toBe(false);
  const first = model.log.findIndex(({ id }) => id === messages[0]?.id);
  const stretch = messages.length === 0 ? [] : model.log.slice(first, first + messages.length);
  expect(messages).toEqual(stretch);
  if (!newer) expect(messages.at(-1)).toEqual(model.log.at(-1));
  expect(more).toBe(first > 0);
  expect(newer).toBe(messages.length > 0 && first + messages.length < model.log.length);
  // What could not be said stays and says why; what was said is said.
  expect(pending.map(({ text, error }) => [text, error?.code]).sort()).toEqual(model.refused.map((text) => [text, 'storage']).sort());
  expect(conversation.rows.filter(({ kind }) => kind === 'message')).toHaveLength(messages.length);
  expect(session.world.rooms.get(ROOM)?.topic).toBe(model.topic);
}

function goTo(model: Model, { conversation }: Session, where: number): Promise<unknown> | undefined {
  const message = model.log[at(model, where)];
  return message && conversation?.goTo({ around: message.id });
}

/** A person's wish is not waited for; one for what is gone is refused. */
function quietly(wish: Promise<unknown> | undefined): void {
  void wish?.catch(() => undefined);
}

/** A run that failed can be played again: `LANYARD_SEED`. */
function seed(): { seed?: number } {
  const given = process.env.LANYARD_SEED;
  return given === undefined ? {} : { seed: Number(given) };
}
