import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { setLocale } from '../../src/i18n/index.svelte';
import { inner, said, sentences } from '../../src/i18n/said';
import type { ApiError } from '../../src/ipc/contract';

const templates = JSON.parse(readFileSync(join(import.meta.dirname, '../../src/i18n/sentences.json'), 'utf8')) as string[];
const holes = (text: string) => [...new Set([...text.matchAll(/\{(\w+)\}/g)].map(([hole]) => hole))].sort();

const lost: ApiError = {
  code: 'network',
  message: 'The connection to Ann was lost; trying again. (the connection was lost: broken pipe)',
  says: {
    template: 'The connection to {other} was lost; trying again. ({noted})',
    with: {
      other: 'Ann {why}',
      noted: { template: 'the connection was lost: {why}', with: { why: { template: '{cut_off}', with: { cut_off: 'broken pipe' } } } },
    },
  },
};

afterEach(() => setLocale('en'));

/** What is typed in a terminal. The two that may stay are options of the window’s own program. */
const command = /\blanyard (?:[a-z]|--)|--(?!profile\b|port\b)[a-z]|\bsudo |\bnetstat /;

test.each(Object.entries(sentences))('%s has every sentence that it needs, and no other, with the same holes', (language, words) => {
  const needed = language === 'en' ? templates.filter((template) => command.test(template)) : templates;
  expect(Object.keys(words).sort()).toEqual([...needed].sort());
  for (const [template, translated] of Object.entries(words)) {
    // What is one hole names what the system says in its own words; a command that is left out takes its holes with it.
    if (/^\{\w+\}$/.test(template)) continue;
    const lost = holes(template).filter((hole) => !holes(translated).includes(hole));
    expect([translated, holes(translated)]).toEqual([translated, holes(template).filter((hole) => !lost.includes(hole))]);
    if (!command.test(template)) expect([translated, lost]).toEqual([translated, []]);
  }
});

test('the window tells nobody to type a command', () => {
  const typed = Object.values(sentences).flatMap((words) => Object.values(words).filter((sentence) => command.test(sentence)));
  expect(typed).toEqual([]);
  expect(templates.filter((template) => command.test(template)).length).toBeGreaterThan(10);
});

test('Chinese sentences have Chinese punctuation', () => {
  const halfWidth = Object.values(sentences['zh-CN']).filter((words) => /\p{Script=Han}\s?[,;:?!()."]|[)"]\p{Script=Han}/u.test(words));
  expect(halfWidth).toEqual([]);
});

test('an error is told in the language of the window, with all that stands in it', () => {
  expect(said(lost)).toBe(lost.message);
  setLocale('zh-CN');
  expect(said(lost)).toBe('与 Ann {why} 的连接已断开，正在重试。（连接已断开：连接中断）');
});

test('what stands in another sentence is told without a command, too, and can be told alone', () => {
  const different = { template: 'You ended the comparison.', with: {} };
  const still: ApiError = {
    code: 'refused',
    message: 'You ended the comparison. Ann was verified before, and still is. To take that back: lanyard verify @k22b --undo',
    says: {
      template: '{what} {name} was verified before, and still is. To take that back: lanyard verify @{short} --undo',
      with: { what: different, name: 'Ann', short: 'k22b' },
    },
  };
  expect(said(still)).toBe('You ended the comparison. Ann was verified before, and still is.');
  expect(said({ code: 'refused', message: 'x', says: { template: 'Ann says: {what}', with: { what: still.says! } } })).toBe(
    'Ann says: You ended the comparison. Ann was verified before, and still is.',
  );
  expect(said(inner(still, 'what')!)).toBe('You ended the comparison.');
  expect(inner(still, 'name')).toBe(undefined);
  setLocale('zh-CN');
  expect(said(inner(still, 'what')!)).toBe('你结束了比对。');
});

test('what has no words in this language stays as the engine says it', () => {
  setLocale('zh-CN');
  expect(said({ code: 'internal', message: 'Plain.' })).toBe('Plain.');
  expect(said({ code: 'internal', message: 'Newer Ann.', says: { template: 'Newer {name}.', with: { name: 'Ann' } } })).toBe('Newer Ann.');
  const inner: ApiError = {
    code: 'invalid',
    message: 'Nothing is fetched: 3 too new.',
    says: { template: 'Nothing is fetched: {error}.', with: { error: { template: '{count} too new', with: { count: '3' } } } },
  };
  expect(said(inner)).toBe('没有接收任何内容：3 too new。');
});
