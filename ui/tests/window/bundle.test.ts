import { join } from 'node:path';
import { build, type Rollup } from 'vite';
import { expect, test } from 'vitest';

test('the program holds nothing of the made-up engine, and not the page of all components', async () => {
  const root = join(import.meta.dirname, '../..');
  const built = (await build({ root, logLevel: 'warn', build: { write: false } })) as Rollup.RollupOutput;
  const names = built.output.map(({ fileName }) => fileName);
  const code = built.output.map((part) => (part.type === 'chunk' ? part.code : '')).join('\n');
  expect(names.filter((name) => name.includes('fake'))).toEqual([]);
  expect(code).toContain('pick_folder');
  expect(code).not.toContain('lanyardFake');
  expect(code).not.toContain('setup-0.9.412.exe');
  expect(names.filter((name) => name.endsWith('.html'))).toEqual(['index.html']);
  expect(code).not.toContain('MessageRow: ');
});
