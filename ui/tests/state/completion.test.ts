import { expect, test } from 'vitest';
import { candidatesFor, complete, mentioningAt } from '../../src/state/completion';
import { allEmoji, findEmoji } from '../../src/state/emoji';
import { excerpt, marksOf, plainOf, spansOf } from '../../src/state/text';

const people = ['Ana', 'Bo', '小美', 'Build server', 'Jonas Bauer'].map((name) => ({ id: name, short: name, name }));

test('a name is being written after an @ that begins a word', () => {
  expect(mentioningAt('hello @An', 9)).toEqual({ from: 6, typed: 'An' });
  expect(mentioningAt('@', 1)).toEqual({ from: 0, typed: '' });
  expect(mentioningAt('看，@小', 4)).toEqual({ from: 2, typed: '小' });
  expect(mentioningAt('mail me at ana@exam', 19)).toBeNull();
  expect(mentioningAt('@An\nand', 7)).toBeNull();
});

test('names that begin so come first, then names with such a word', () => {
  expect(candidatesFor('b', people).map(({ name }) => name)).toEqual(['Bo', 'Build server', 'Jonas Bauer']);
  expect(candidatesFor('小', people).map(({ name }) => name)).toEqual(['小美']);
  expect(candidatesFor('build s', people).map(({ name }) => name)).toEqual(['Build server']);
  expect(candidatesFor('nobody', people)).toEqual([]);
});

test('a name is put in place of what was written of it', () => {
  const mentioning = mentioningAt('hi @bu there', 6)!;
  expect(complete('hi @bu there', 6, mentioning, 'Build server')).toEqual({ text: 'hi @Build server there', caret: 17 });
});

test('mentions are told apart, the longest name first, oneself too', () => {
  const spans = spansOf('**@Ana Lee** and @Ana, not @Anabel, 问@小美好', { names: ['Ana', 'Ana Lee', '小美'], me: 'Ana' });
  expect(spans).toEqual([
    { kind: 'bold', spans: [{ kind: 'mention', text: '@Ana Lee', me: false }] },
    { kind: 'text', text: ' and ' },
    { kind: 'mention', text: '@Ana', me: true },
    { kind: 'text', text: ', not @Anabel, 问' },
    { kind: 'mention', text: '@小美', me: false },
    { kind: 'text', text: '好' },
  ]);
});

test('a name that looks like a pattern is a name', () => {
  expect(spansOf('@a.b(c)* @axb(c)*', { names: ['a.b(c)*', 'x-y'], me: null })[0]).toEqual({ kind: 'mention', text: '@a.b(c)*', me: false });
});

test('the words of a search are marked wherever they stand, whatever they look like', () => {
  expect(marksOf('The tea in the TEApot', 'tea')).toEqual(['The ', 'tea', ' in the ', 'TEA', 'pot']);
  expect(marksOf('今天下午喝茶', '下午 茶')).toEqual(['今天', '下午', '喝', '茶', '']);
  expect(marksOf('a+b (c)', '(c) a+b')).toEqual(['', 'a+b', ' ', '(c)', '']);
});

test('of a long text the part with the first hit is shown', () => {
  const text = `${'before '.repeat(100)}needle${' after'.repeat(100)}`;
  const shown = excerpt(text, 'needle', 100);
  expect(shown).toContain('needle');
  expect(shown.length).toBeLessThanOrEqual(102);
  expect(excerpt('short', 'short', 100)).toBe('short');
});

test('one line of a text says what it says without how it looks', () => {
  expect(plainOf('**bold**\n`code` ~~no~~ https://a.lan/x')).toBe('bold code no https://a.lan/x');
});

test('emoji are found by their names in both languages, as keyboards write them', async () => {
  const names = async (text: string) => (await findEmoji(text, 'en')).map(({ emoji }) => emoji);
  expect((await names('thumbs up'))[0]).toBe('👍');
  expect(await names('猫')).toContain('🐱');
  expect(await names('heart')).toContain('❤️');
  expect(await names('no such thing')).toEqual([]);
  expect((await findEmoji('thumbs up', 'zh-CN'))[0]?.name).toMatch(/\p{Script=Han}/u);
  expect((await allEmoji('en')).length).toBeGreaterThan(1_500);
});
