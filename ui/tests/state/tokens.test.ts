import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const tokens = readFileSync(join(root, 'src/tokens.css'), 'utf8');

interface Declaration {
  path: string;
  property: string;
  value: string;
}

const styles = ['src/components', 'src/views']
  .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path)))
  .filter((path) => path.endsWith('.svelte'))
  .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));

const declared: Declaration[] = styles.flatMap(({ path, text }) => {
  const style = (text.split('<style>')[1] ?? '').replace(/\/\*[^]*?\*\//g, '');
  return [...style.matchAll(/([\w-]+):\s*([^;{}]+);/g)].map(([, property = '', value = '']) => ({ path, property, value }));
});

const wrong = (is: (declaration: Declaration) => boolean) =>
  declared.filter(is).map(({ path, property, value }) => `${path}: ${property}: ${value}`);

const COLOUR = /#[0-9a-f]{3,8}\b|\b(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch)\(|\b(?:white|black|red|green|blue|gr[ae]y|yellow|orange|purple)\b/i;

test('no component has colours of its own', () => {
  expect(wrong(({ value }) => COLOUR.test(value))).toEqual([]);
});

test('no component has sizes of text, corners or times of its own', () => {
  const own = (value: string) => /\d(?:px|em|rem|%|ms|s)\b/.test(value.replace(/var\([^)]*\)/g, ''));
  expect(declared.length).toBeGreaterThan(500);
  expect(wrong(({ property, value }) => /^(?:font|font-size|line-height|border-radius|transition|animation)$/.test(property) && own(value))).toEqual([]);
});

/** Up to three pixels are where the eye, not the grid, decides. */
test('space is in steps', () => {
  const own = (value: string) => [...value.matchAll(/(?<![\w-])-?(\d+(?:\.\d+)?)px/g)].some(([, size]) => Number(size) > 3);
  expect(wrong(({ property, value }) => /^(?:padding|margin|gap|row-gap|column-gap)/.test(property) && own(value))).toEqual([]);
});

test('every name that is used is there, and every name that is there is used', () => {
  const all = styles.map(({ text }) => text).join('\n') + tokens;
  const named = new Set([...all.matchAll(/(--[\w-]+):/g)].map(([, name]) => name));
  const used = new Set([...all.matchAll(/var\((--[\w-]+)/g)].map(([, name]) => name));
  expect([...used].filter((name) => !named.has(name))).toEqual([]);
  expect([...named].filter((name) => !used.has(name))).toEqual([]);
});

test('each theme has every colour, and so has the palette of a system', () => {
  const light = Object.keys(block(":root,\n:root[data-theme='light']"));
  expect(Object.keys(block(":root[data-theme='dark']"))).toEqual(light);
  expect(light.filter((name) => !(name in block('  :root[data-theme][data-contrast]')))).toEqual([]);
});

test.each(['light', 'dark'])('with more contrast text stands out by 7:1 at least, in %s', (theme) => {
  const plain = block(theme === 'light' ? ":root,\n:root[data-theme='light']" : ":root[data-theme='dark']");
  const colours = { ...plain, ...block(`:root[data-contrast='more'][data-theme='${theme}']`) };
  const low = ['--ink', '--ink-2', '--ink-3', '--accent-text', '--good', '--warn', '--bad'].flatMap((ink) =>
    ['--bg', '--bg-side', '--bg-raised', '--bg-field'].filter((paper) => contrast(colours[ink], colours[paper]) < 7).map((paper) => `${ink} on ${paper}`),
  );
  expect(low).toEqual([]);
  expect(contrast(colours['--accent-ink'], colours['--accent'])).toBeGreaterThan(7);
  for (let hue = 0; hue < 8; hue += 1) expect(contrast(colours['--avatar-ink'], colours[`--hue-${hue}`]), `hue ${hue}`).toBeGreaterThan(7);
});

test.each([
  ['light', 'normal', 4.5],
  ['dark', 'normal', 4.5],
  ['light', 'more', 7],
  ['dark', 'more', 7],
] as const)('whatever colour a person chose, what it accents can be read: %s, %s contrast', (theme, kind, least) => {
  const plain = block(theme === 'light' ? ":root,\n:root[data-theme='light']" : ":root[data-theme='dark']");
  const more = kind === 'more' ? block(`:root[data-contrast='more'][data-theme='${theme}']`) : {};
  const own = ":root[data-accent]:not([data-accent='0'])";
  const accent = { ...block(`  ${own}[data-theme='${theme}']`), ...(kind === 'more' ? block(`  ${own}[data-contrast='more'][data-theme='${theme}']`) : {}) };
  const low = [1, 2, 3, 4, 5, 6, 7].flatMap((hue) => {
    const colours: Record<string, string> = { ...plain, ...more, ...accent, ...block(`:root[data-accent='${hue}']`) };
    const of = (name: string) => resolve(colours[name] ?? '', colours);
    const pairs = [
      ['--accent-ink', '--accent'],
      ['--accent-ink', '--accent-hover'],
      ...['--bg', '--bg-side', '--bg-raised', '--bg-field', '--accent-soft'].map((paper) => ['--accent-text', paper]),
      ...['--ink', '--ink-2', '--ink-3', '--accent-text'].map((ink) => [ink, '--bg-selected']),
    ] as const;
    return pairs
      .map(([ink = '', paper = '']) => ({ what: `${ink} on ${paper}, hue ${hue}`, is: contrast(of(ink), of(paper)) }))
      .filter(({ is }) => is < least)
      .map(({ what, is }) => `${what}: ${is.toFixed(2)}`);
  });
  expect(low).toEqual([]);
});

/** What stands for a colour, as #rrggbb: a colour, another name, or a mix of the two kinds. */
function resolve(value: string, colours: Record<string, string>): string {
  const name = /^var\((--[\w-]+)\)$/.exec(value)?.[1];
  if (name) return resolve(colours[name] ?? '', colours);
  const mix = /^color-mix\(in srgb, (.+) (\d+)%, (#\w{6})\)$/.exec(value);
  if (!mix) return value;
  const [, one = '', share = '', other = ''] = mix;
  const part = (hex: string, at: number) => Number.parseInt(hex.slice(at, at + 2), 16);
  const from = resolve(one, colours);
  const mixed = [1, 3, 5].map((at) => Math.round((part(from, at) * Number(share) + part(other, at) * (100 - Number(share))) / 100));
  return `#${mixed.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`;
}

function block(selector: string): Record<string, string> {
  const from = tokens.indexOf(`${selector} {`);
  expect(from, selector).toBeGreaterThanOrEqual(0);
  const text = tokens.slice(from, tokens.indexOf('}', from));
  return Object.fromEntries([...text.matchAll(/(--[\w-]+):\s*([^;]+);/g)].map(([, name = '', value = '']) => [name, value]));
}

/** As WCAG 2.2 defines it. */
function contrast(a = '', b = ''): number {
  const [high = 0, low = 0] = [luminance(a), luminance(b)].sort((one, other) => other - one);
  return (high + 0.05) / (low + 0.05);
}

function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
