import { expect, test } from 'vitest';
import { sasEmoji } from '../../src/i18n/sas-emoji';

test('every language has a name of its own for each of the sixty-four emoji', () => {
  for (const names of Object.values(sasEmoji)) expect(new Set(names).size).toBe(64);
});
