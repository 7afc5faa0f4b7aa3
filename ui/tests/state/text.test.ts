import { expect, test } from 'vitest';
import { plainOf, spansOf } from '../../src/state/text';

test('plain text stays as it was written', () => {
  for (const text of ['', 'hello', '2 * 3 * 4', 'snake_case_name', '<b>not html</b>', '**', 'a ` b']) {
    expect(spansOf(text)).toEqual(text === '' ? [] : [{ kind: 'text', text }]);
  }
});

test('emphasis, code and strike are told apart, and may hold one another', () => {
  expect(spansOf('**bold *and* `x`** ~~gone~~')).toEqual([
    {
      kind: 'bold',
      spans: [
        { kind: 'text', text: 'bold ' },
        { kind: 'italic', spans: [{ kind: 'text', text: 'and' }] },
        { kind: 'text', text: ' ' },
        { kind: 'code', text: 'x' },
      ],
    },
    { kind: 'text', text: ' ' },
    { kind: 'strike', spans: [{ kind: 'text', text: 'gone' }] },
  ]);
});

test('a code block is kept to the letter', () => {
  expect(spansOf('see\n```rust\nlet a = **b;\n```\nthere')).toEqual([
    { kind: 'text', text: 'see\n' },
    { kind: 'block', text: 'let a = **b;' },
    { kind: 'text', text: 'there' },
  ]);
});

test('a link ends before the punctuation of its sentence, Chinese punctuation too', () => {
  expect(spansOf('at https://a.lan/x?y=1.')).toEqual([
    { kind: 'text', text: 'at ' },
    { kind: 'link', text: 'https://a.lan/x?y=1', url: 'https://a.lan/x?y=1' },
    { kind: 'text', text: '.' },
  ]);
  expect(spansOf('看https://a.lan/文档，谢谢')[1]).toEqual({
    kind: 'link',
    text: 'https://a.lan/文档',
    url: 'https://a.lan/文档',
  });
});

test('only the web is linked', () => {
  expect(spansOf('javascript:alert(1) file:///etc/passwd')).toEqual([
    { kind: 'text', text: 'javascript:alert(1) file:///etc/passwd' },
  ]);
});

test('a text made to be slow to read is read all the same', () => {
  for (const text of ['**a '.repeat(20_000), '~~'.repeat(30_000), '* a'.repeat(20_000)]) {
    expect(spansOf(text)).toEqual([{ kind: 'text', text }]);
  }
});

test('quotes and lists are lines of their own, and what looks like them within a line is not', () => {
  expect(spansOf('> Bo:\n> tea?\nyes')).toEqual([
    { kind: 'quote', spans: [{ kind: 'text', text: 'Bo:\ntea?' }] },
    { kind: 'text', text: 'yes' },
  ]);
  expect(spansOf('Two:\n- **a**\n2. b\nand - not * this > here')).toEqual([
    { kind: 'text', text: 'Two:\n' },
    { kind: 'item', mark: '•', spans: [{ kind: 'bold', spans: [{ kind: 'text', text: 'a' }] }] },
    { kind: 'item', mark: '2.', spans: [{ kind: 'text', text: 'b' }] },
    { kind: 'text', text: 'and - not * this > here' },
  ]);
  expect(spansOf('>_<')).toEqual([{ kind: 'text', text: '>_<' }]);
  expect(plainOf('> a\n- b\n- c')).toBe('a b c');
});
