import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutName } from '../../src/state/file-name';

test('a name is cut in the middle, and its ending stays with enough before it to tell names apart', () => {
  expect(cutName('annual report of the northern region (2).pdf')).toEqual(['annual report of the northern region', ' (2).pdf']);
  expect(cutName('lanyard-0.9.412-release.tar.gz')).toEqual(['lanyard-0.9.412-rel', 'ease.tar.gz']);
  expect(cutName('季度财务报表以及附件（最终版）.xlsx')).toEqual(['季度财务报表以及附件（', '最终版）.xlsx']);
});

test('what is written from right to left is not cut through, only its ending stands apart', () => {
  expect(cutName('تقرير الربع الأول.pdf')).toEqual(['تقرير الربع الأول', '.pdf']);
  expect(cutName('غرفة')).toEqual(['غرفة', '']);
});

test('a short name is left alone, and a long one without an ending keeps its end', () => {
  for (const name of ['', 'a.pdf', '.gitignore', 'README', 'photo.jpg']) expect(cutName(name).join('')).toBe(name);
  expect(cutName('README')).toEqual(['README', '']);
  expect(cutName('backup of the server 2026-11-30')).toEqual(['backup of the server 20', '26-11-30']);
  expect(cutName('He said. Then he left the room')[1]).not.toContain('.');
});

test('nothing is lost, and no emoji is cut through', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (name) => cutName(name).join('') === name));
  expect(cutName('holiday 👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦.png')).toEqual(['holiday ', '👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦.png']);
});
