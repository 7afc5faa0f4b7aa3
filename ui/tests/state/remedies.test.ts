import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FakeBackend } from '../../src/ipc/fake';
import type { ApiError } from '../../src/ipc/contract';
import { REMEDIED, remedyFor } from '../../src/state/remedies';
import { Session } from '../../src/state/session.svelte';

const templates = JSON.parse(readFileSync(join(import.meta.dirname, '../../src/i18n/sentences.json'), 'utf8')) as string[];

const error = (template: string, fillings: Record<string, string>): ApiError => ({ code: 'refused', message: template, says: { template, with: fillings } });

async function started() {
  const fake = new FakeBackend({ world: 'quiet', messages: 10, people: 12 });
  const session = new Session(fake);
  await session.start();
  return { fake, session };
}

test('what has a button is said by the engine in just these words', () => {
  expect(Object.values(REMEDIED).filter((template) => !templates.includes(template))).toEqual([]);
});

test('a button does what the sentence would have typed', async () => {
  const { fake, session } = await started();
  const bo = fake.peer('Bo');
  const fillings = { name: bo.name, short: bo.short, what: '' };
  await session.trusting.decide(bo.id, { do: 'block' });
  await remedyFor(error(REMEDIED.blocked, fillings), session)?.act();
  expect(session.world.peers.get(bo.id)?.trust).toBe('pinned');
  await remedyFor(error(REMEDIED.changed, fillings), session)?.act();
  expect(session.trusting.verifying).toBe(bo.id);
  await session.trusting.decide(bo.id, { do: 'verify' });
  await remedyFor(error(REMEDIED.stillVerified, fillings), session)?.act();
  expect(session.world.peers.get(bo.id)?.trust).toBe('pinned');
  await remedyFor(error(REMEDIED.outside, { name: 'garden' }), session)?.act();
  expect(session.room?.name).toBe('garden');
});

test('there is no button where it is not known whom it would concern, or what to do', async () => {
  const { session } = await started();
  expect(remedyFor(error(REMEDIED.blocked, { name: 'Nobody', short: 'zzzzzzzz' }), session)).toBe(null);
  // The beginning of every id is that of several.
  expect(remedyFor(error(REMEDIED.blocked, { name: 'Ana', short: '' }), session)).toBe(null);
  expect(remedyFor(error('The disk is full.', { short: 'k22bx7qa' }), session)).toBe(null);
  expect(remedyFor({ code: 'storage', message: 'The disk is full.' }, session)).toBe(null);
});
