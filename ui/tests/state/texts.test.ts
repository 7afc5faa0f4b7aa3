import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'svelte/compiler';
import { expect, test } from 'vitest';
import { en } from '../../src/i18n/en';
import { catalogues, systemLocale } from '../../src/i18n/index.svelte';

const src = join(import.meta.dirname, '../../src');
const sources = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((path) => /\.(svelte|ts)$/.test(path) && !path.startsWith('i18n'))
  .map((path) => ({ path, text: readFileSync(join(src, path), 'utf8') }));

test('every language has every text, as a text or a function of as many values', () => {
  for (const catalogue of Object.values(catalogues)) {
    expect(shape(catalogue)).toEqual(shape(en));
  }
});

test('no text is unused', () => {
  const used = new Set(sources.flatMap(({ text }) => [...text.matchAll(/\bt\(\)\.(\w+)/g)].map((match) => match[1])));
  expect(Object.keys(en).filter((key) => !used.has(key))).toEqual([]);
});

test('no component has words of its own', () => {
  const found = sources
    .filter(({ path }) => path.endsWith('.svelte'))
    .flatMap(({ path, text }) => words(parse(text, { modern: true }).fragment).map((word) => `${path}: ${word}`));
  expect(found).toEqual([]);
});

test('the system decides the language until a person does', () => {
  expect(systemLocale(['zh-Hans-CN', 'en'])).toBe('zh-CN');
  expect(systemLocale(['zh', 'en'])).toBe('zh-CN');
  expect(systemLocale(['de-DE', 'zh-CN'])).toBe('en');
  expect(systemLocale([])).toBe('en');
});

function shape(value: unknown): unknown {
  if (typeof value === 'function') return 'function';
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shape(inner)]).sort());
}

/** Letters in text nodes, and in the attributes that people read or hear. */
function words(node: unknown): string[] {
  if (Array.isArray(node)) return node.flatMap(words);
  if (typeof node !== 'object' || node === null) return [];
  const { type, name, data, value } = node as { type?: string; name?: string; data?: string; value?: unknown };
  if (type === 'Text') return /\p{L}/u.test(data ?? '') ? [data!.trim()] : [];
  if (type === 'Attribute') {
    const read = /^(aria-label|title|placeholder|alt|label|help|aria-description)$/.test(name ?? '');
    return read && Array.isArray(value) ? value.flatMap(words) : [];
  }
  if (type === 'StyleSheet' || type === 'Script' || type === 'StyleDirective') return [];
  return Object.values(node).flatMap(words);
}
