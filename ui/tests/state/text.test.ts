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

test('underscores slant as asterisks do, but not within a word', () => {
  const italic = { kind: 'italic', spans: [{ kind: 'text', text: 'so' }] };
  expect(spansOf('_so_')).toEqual([italic]);
  expect(spansOf('(_so_), **_so_**')).toEqual([
    { kind: 'text', text: '(' },
    italic,
    { kind: 'text', text: '), ' },
    { kind: 'bold', spans: [italic] },
  ]);
  for (const text of ['snake_case_words', '__init__', 'a_b_', '_a_b', 'ä_so_ö', '中_文_字', '_ so _', 'MAX_SIZE and MIN_SIZE', '_never closed']) {
    expect(spansOf(text)).toEqual([{ kind: 'text', text }]);
  }
  expect(plainOf('_so_ *and* so')).toBe('so and so');
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

test('a link with words of its own says where it leads', () => {
  const link = (text: string) => spansOf(text)[0];
  expect(link('[the notes](https://wiki.lan/a_b_c)')).toEqual({ kind: 'link', text: 'the notes', url: 'https://wiki.lan/a_b_c', host: 'wiki.lan' });
  expect(link('[setup.exe](https://wiki.lan/412)')).not.toHaveProperty('deceives');
  for (const honest of ['wiki.lan', 'https://wiki.lan/other', 'see docs.wiki.lan']) {
    expect(link(`[${honest}](https://docs.wiki.lan/)`), honest).not.toHaveProperty('deceives');
  }
  for (const lie of ['bank.example', 'https://bank.example/login', 'go to BANK.example now', 'wiki.lan.bank.example']) {
    expect(link(`[${lie}](https://wiki.lan/)`), lie).toMatchObject({ host: 'wiki.lan', deceives: true });
  }
  for (const text of ['[x](javascript:alert(1))', '[x](file:///etc/passwd)', '[x](/etc)']) expect(link(text)).toEqual({ kind: 'text', text });
});

test('an address that is not what it looks like says where it leads', () => {
  const link = (text: string) => spansOf(text)[0];
  expect(link('https://bank.example@evil.lan/')).toMatchObject({ host: 'evil.lan', deceives: true });
  expect(link('https://bаnk.example/')).toMatchObject({ host: 'xn--bnk-6cd.example', deceives: true });
  // A name in one script is no deception, but its host is seen as it is.
  expect(link('https://文档.lan/')).toEqual({ kind: 'link', text: 'https://文档.lan/', url: 'https://文档.lan/', host: 'xn--7dvp7d.lan' });
  for (const plain of ['https://a.lan', 'https://A.lan:8080/x', 'http://a.lan:80/', 'http://192.168.1.2/x']) {
    expect(link(plain), plain).toEqual({ kind: 'link', text: plain, url: plain });
  }
});

test('only the web is linked', () => {
  expect(spansOf('javascript:alert(1) file:///etc/passwd')).toEqual([
    { kind: 'text', text: 'javascript:alert(1) file:///etc/passwd' },
  ]);
});

test('a text made to be slow to read is read all the same', () => {
  for (const text of ['**a '.repeat(20_000), '~~'.repeat(30_000), '* a'.repeat(20_000), '_a '.repeat(20_000), '[a'.repeat(20_000), `[${'a.'.repeat(140)}](https://`.repeat(300)]) {
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
