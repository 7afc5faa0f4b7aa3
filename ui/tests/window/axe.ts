import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AxeResults, RunOptions } from 'axe-core';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Expects that axe has nothing against what the page shows now. */
export async function check(page: Page, view: string): Promise<void> {
  await page.evaluate(axe);
  const options: RunOptions = { resultTypes: ['violations'] };
  const { violations } = await page.evaluate(
    (options) => (window as unknown as { axe: { run(o: RunOptions): Promise<AxeResults> } }).axe.run(options),
    options,
  );
  const found = violations.flatMap(({ id, nodes }) => nodes.map((node) => `${view}: ${id}: ${node.html} ${node.failureSummary}`));
  expect(found).toEqual([]);
}
