import type { Locator, Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { ALL, keysText, SHORTCUTS, type Chord, type ShortcutId } from '../../src/state/shortcuts';
import { useBrowser } from './browser';
import { accepted, choose, lastCall, openRoom, say, saying } from './page';

const { open } = useBrowser();

/** As Playwright names what is pressed. */
const named = ({ key, mod, shift, alt }: Chord) => [...(mod ? ['Control'] : []), ...(alt ? ['Alt'] : []), ...(shift ? ['Shift'] : []), key].join('+');

/** Brings the window to where a shortcut means something, presses it, and sees that it was done. */
type Story = (page: Page, press: () => Promise<void>) => Promise<void>;

/** The compiler asks for a story of each shortcut. */
const STORIES: Record<ShortcutId, Story> = {
  switcher: async (page, press) => {
    await press();
    await page.getByTestId('switcher').waitFor();
    await press();
    await page.getByTestId('switcher').waitFor({ state: 'detached' });
  },
  find: async (page, press) => {
    await press();
    await expect.poll(() => chosen(page, 'search-room')).toBe('#design');
  },
  findAll: async (page, press) => {
    await press();
    await expect.poll(() => chosen(page, 'search-room')).toBe('All rooms');
  },
  previousConversation: (page, press) => goesTo(page, press, 'board'),
  nextConversation: (page, press) => goesTo(page, press, 'ops'),
  nextUnread: async (page, press) => {
    await page.evaluate(() => void window.lanyardFake.hear('lobby', 'Bo', 'somebody there?'));
    await page.locator('[data-testid=room][data-name=lobby]').getByTestId('unread').waitFor();
    await goesTo(page, press, 'lobby');
  },
  placeMenu: async (page, press) => {
    await row(page, 'design').focus();
    await press();
    await page.getByTestId('menu-details').waitFor();
  },
  newRoom: (page, press) => shows(page, press, 'join-dialog'),
  sendFiles: async (page, press) => {
    await press();
    await expect.poll(() => lastCall(page, 'offer')).toMatchObject({ to: 'room-design' });
  },
  details: (page, press) => panel(page, press, 'Details'),
  transfers: (page, press) => panel(page, press, 'Transfers'),
  settings: (page, press) => panel(page, press, 'Settings'),
  microphone: async (page, press) => {
    await page.getByTestId('call').click();
    await page.locator('[data-testid=call-bar][data-joined=true]').waitFor();
    await press();
    await expect.poll(() => lastCall(page, 'mute')).toEqual({ muted: true });
    await press();
    await expect.poll(() => lastCall(page, 'mute')).toEqual({ muted: false });
  },
  nextZone: async (page, press) => {
    await row(page, 'design').focus();
    await press();
    await expect.poll(() => focused(page)).toBe('composer');
    await press();
    await expect.poll(() => focused(page)).toBe('room');
  },
  previousZone: async (page, press) => {
    await page.getByTestId('settings').click();
    await page.getByTestId('panel').waitFor();
    await page.getByTestId('composer').focus();
    await press();
    await expect.poll(() => focused(page)).toBe('room');
    await press();
    await expect.poll(() => page.evaluate(() => document.activeElement?.closest('[data-testid=panel]') !== null)).toBe(true);
  },
  keys: (page, press) => shows(page, press, 'keys-map'),
  close: async (page, press) => {
    await page.getByTestId('settings').click();
    await page.getByTestId('panel').waitFor();
    await press();
    await page.getByTestId('panel').waitFor({ state: 'detached' });
  },

  send: async (page, press) => {
    await page.getByTestId('composer').fill('sent by a key');
    await press();
    await saying(page, 'sent by a key').waitFor();
    expect(await written(page)).toBe('');
  },
  newLine: async (page, press) => {
    await page.getByTestId('composer').fill('a');
    await press();
    await page.keyboard.type('b');
    expect(await written(page)).toBe('a\nb');
  },
  editLast: async (page, press) => {
    await press();
    await page.getByTestId('editing').waitFor();
    expect(await written(page)).toBe('On it.');
  },
  bold: (page, press) => emphasises(page, press, '**'),
  italic: (page, press) => emphasises(page, press, '*'),
  mention: async (page, press) => {
    await press();
    await page.getByTestId('completion').waitFor();
  },
  completeName: async (page, press) => {
    await page.getByTestId('composer').pressSequentially('@Dm');
    await page.getByTestId('completion').waitFor();
    await press();
    await expect.poll(() => written(page)).toBe('@Dmitri ');
  },
  giveUp: async (page, press) => {
    await choose(page, saying(page, 'On it.'), 'reply');
    await page.getByTestId('replying').waitFor();
    await page.getByTestId('composer').focus();
    await press();
    await page.getByTestId('replying').waitFor({ state: 'detached' });
  },

  reply: (page, press) => shows(page, press, 'replying'),
  react: (page, press) => shows(page, press, 'emoji-picker'),
  edit: (page, press) => shows(page, press, 'editing'),
  forward: (page, press) => shows(page, press, 'forward-dialog'),
  copyText: async (page, press) => {
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await press();
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe('mine to change');
  },
  deleteMessage: (page, press) => shows(page, press, 'confirm'),
  messageMenu: (page, press) => shows(page, press, 'menu'),

  up: (page, press) => reaches(page, press, 'board'),
  down: (page, press) => reaches(page, press, 'ops'),
  first: (page, press) => reaches(page, press, 'lobby'),
  last: async (page, press) => {
    const last = await page.evaluate(() => window.lanyardFake.scene.peers.findLast(({ online }) => !online)?.name);
    await reaches(page, press, last ?? '');
  },
  open: async (page, press) => {
    await row(page, 'ops').focus();
    await goesTo(page, press, 'ops');
  },

  queueUp: (page, press) => reorders(page, press, 1, [1, 0]),
  queueDown: (page, press) => reorders(page, press, 0, [1, 0]),
  unfold: async (page, press) => {
    const folder = await fileTree(page);
    await page.keyboard.press('ArrowLeft');
    await expect.poll(() => folder.getAttribute('aria-expanded')).toBe('false');
    await press();
    await expect.poll(() => folder.getAttribute('aria-expanded')).toBe('true');
  },
  fold: async (page, press) => {
    const folder = await fileTree(page);
    await expect.poll(() => folder.getAttribute('aria-expanded')).toBe('true');
    await press();
    await expect.poll(() => folder.getAttribute('aria-expanded')).toBe('false');
  },
  choose: async (page, press) => {
    const folder = await fileTree(page);
    await expect.poll(() => folder.getAttribute('aria-checked')).toBe('true');
    await press();
    await expect.poll(() => folder.getAttribute('aria-checked')).toBe('false');
  },
};

describe('every shortcut that the map shows', () => {
  const rows = ALL.flatMap((id) => SHORTCUTS[id].chords.map((chord: Chord) => ({ id, chord, keys: named(chord) })));
  test.each(rows)('$id: $keys', async ({ id, keys }) => {
    const page = await open();
    await openRoom(page, 'design');
    const { group } = SHORTCUTS[id];
    if (group === 'composer') await page.getByTestId('composer').focus();
    else if (group === 'messages') {
      await say(page, 'mine to change');
      // While it is on its way it is another row.
      await saying(page, 'mine to change').and(page.locator('[data-message]')).focus();
    }
    else await row(page, 'design').focus();
    await STORIES[id](page, () => page.keyboard.press(keys));
  });
});

test('the map shows each shortcut once, with its keys, and is opened by a button and from the settings as well', async () => {
  const page = await open();
  await page.getByTestId('keys').click();
  const map = page.getByTestId('keys-map');
  await map.waitFor();
  const shown = await map.getByTestId('shortcut').evaluateAll((rows) => rows.map((row) => row.dataset.shortcut));
  expect(shown.toSorted()).toEqual(ALL.toSorted());
  const keys = await map.locator('[data-shortcut=sendFiles] kbd').allInnerTexts();
  expect(keys.join('+')).toBe(keysText('sendFiles', false));
  await page.getByTestId('settings').click();
  await page.getByTestId('settings-keys').click();
  await map.waitFor();
});

test('what is text where one writes does nothing else there', async () => {
  const page = await open();
  await openRoom(page, 'design');
  await page.getByTestId('composer').pressSequentially('r? +e');
  expect(await written(page)).toBe('r? +e');
  expect(await page.getByTestId('keys-map').count()).toBe(0);
  await page.getByTestId('search').click();
  await page.getByTestId('switcher-input').pressSequentially('?');
  expect(await page.getByTestId('switcher-input').inputValue()).toBe('?');
  expect(await page.getByTestId('keys-map').count()).toBe(0);
});

test('keys do nothing behind a dialog, and what one may not do to a message has no key', async () => {
  const page = await open();
  await openRoom(page, 'design');
  await saying(page, 'The new build is up. Could someone on Windows try the installer?').focus();
  await page.keyboard.press('e');
  await page.keyboard.press('Delete');
  expect(await page.getByTestId('editing').count()).toBe(0);
  expect(await page.getByTestId('confirm').count()).toBe(0);
  await page.keyboard.press('f');
  await page.getByTestId('forward-dialog').waitFor();
  await page.getByTestId('forward-close').focus();
  for (const key of ['Control+j', 'Alt+ArrowDown', 'Control+n', '?']) await page.keyboard.press(key);
  await page.keyboard.press('Escape');
  await page.getByTestId('forward-dialog').waitFor({ state: 'detached' });
  expect(await page.getByTestId('panel').count()).toBe(0);
  expect(await page.getByTestId('title').innerText()).toContain('design');
});

test('another layout of letters has the same shortcuts in the same places', async () => {
  const page = await open();
  await page.evaluate(() => dispatchEvent(new KeyboardEvent('keydown', { key: 'л', code: 'KeyK', ctrlKey: true, bubbles: true })));
  await page.getByTestId('switcher').waitFor();
});

const row = (page: Page, name: string) => page.locator(`[data-testid=room][data-name=${name}]`);
const written = (page: Page) => page.getByTestId('composer').inputValue();
const focused = (page: Page) => page.evaluate(() => document.activeElement?.getAttribute('data-testid') ?? null);

function chosen(page: Page, select: string): Promise<string | undefined> {
  return page.getByTestId(select).evaluate((select) => (select as HTMLSelectElement).selectedOptions[0]?.text);
}

async function shows(page: Page, press: () => Promise<void>, testid: string): Promise<void> {
  expect(await page.getByTestId(testid).count()).toBe(0);
  await press();
  await page.getByTestId(testid).waitFor();
}

async function panel(page: Page, press: () => Promise<void>, title: string): Promise<void> {
  await press();
  await page.getByTestId('panel').getByRole('heading', { name: title, level: 2 }).waitFor();
  await press();
  await page.getByTestId('panel').waitFor({ state: 'detached' });
}

async function goesTo(page: Page, press: () => Promise<void>, name: string): Promise<void> {
  await press();
  await page.getByTestId('title').getByText(name, { exact: true }).waitFor();
}

async function reaches(page: Page, press: () => Promise<void>, name: string): Promise<void> {
  await press();
  await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute('data-name'))).toBe(name);
}

async function emphasises(page: Page, press: () => Promise<void>, mark: string): Promise<void> {
  const composer = page.getByTestId('composer');
  await composer.fill('so it is');
  await composer.evaluate((box) => (box as HTMLTextAreaElement).setSelectionRange(3, 5));
  await press();
  await expect.poll(() => written(page)).toBe(`so ${mark}it${mark} is`);
  await press();
  await expect.poll(() => written(page)).toBe('so it is');
}

async function reorders(page: Page, press: () => Promise<void>, grip: number, order: number[]): Promise<void> {
  const ids = await accepted(page, 5);
  await page.getByTestId('transfers').click();
  const queue = () => page.locator('[data-testid=transfer][data-state=queued]').evaluateAll((rows) => rows.map((row) => row.dataset.transfer));
  const before = ids.slice(-2);
  await expect.poll(queue).toEqual(before);
  await page.getByTestId('transfer-grip').nth(grip).focus();
  await press();
  await expect.poll(queue).toEqual(order.map((at) => before[at]));
}

/** The folder that the first row of a tree of files is, with the focus on it. */
async function fileTree(page: Page): Promise<Locator> {
  await page.getByTestId('choose-files').first().click();
  await page.getByTestId('tree-row').nth(2).waitFor();
  await page.getByTestId('file-tree').focus();
  return page.getByTestId('tree-row').first();
}
