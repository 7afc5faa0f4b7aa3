import type { Page } from 'playwright-core';

export type World = 'quiet' | 'fresh' | 'lonely' | 'crowded' | 'starting' | 'broken';

/** One thing that the window can show, and how to get there. */
export interface Screen {
  name: string;
  world: World;
  show: (page: Page) => Promise<void>;
}

/** From the smallest that it must stay usable at to a wide desktop. */
export const WIDTHS = [360, 640, 900, 1600] as const;

const HEIGHT = 760;

export const sizeOf = (width: number) => ({ width, height: HEIGHT });

/** Where the page says that it is drawn. */
export const READY: Record<World, string> = {
  quiet: '[data-testid=room]',
  fresh: '[data-testid=first-run]',
  lonely: '[data-testid=room]',
  crowded: '[data-testid=room]',
  starting: '[data-testid=search]',
  broken: '[data-testid=not-started]',
};

export const SCREENS: Screen[] = [
  { name: 'list', world: 'crowded', show: nothing },
  { name: 'room', world: 'crowded', show: (page) => room(page, 'design') },
  { name: 'private-room', world: 'quiet', show: (page) => room(page, 'board') },
  { name: 'person', world: 'crowded', show: person },
  { name: 'details', world: 'crowded', show: (page) => beside(page, () => room(page, 'design'), 'details') },
  { name: 'private-details', world: 'quiet', show: privateDetails },
  { name: 'person-details', world: 'crowded', show: (page) => beside(page, () => person(page), 'details') },
  { name: 'search', world: 'crowded', show: search },
  { name: 'transfers', world: 'crowded', show: (page) => list(page, 'transfers') },
  { name: 'transfer', world: 'crowded', show: transfer },
  { name: 'network', world: 'crowded', show: (page) => list(page, 'network') },
  { name: 'settings', world: 'crowded', show: (page) => list(page, 'settings') },
  { name: 'switcher', world: 'crowded', show: (page) => dialog(page, 'search', 'switcher') },
  { name: 'new-room', world: 'crowded', show: (page) => dialog(page, 'join-room', 'join-dialog') },
  { name: 'emoji', world: 'crowded', show: emoji },
  { name: 'menu', world: 'crowded', show: menu },
  { name: 'notices', world: 'crowded', show: notices },
  { name: 'drop', world: 'crowded', show: drop },
  { name: 'browse', world: 'quiet', show: browse },
  { name: 'first-run', world: 'fresh', show: nothing },
  { name: 'lonely', world: 'lonely', show: (page) => room(page, 'lobby') },
  { name: 'starting', world: 'starting', show: nothing },
  { name: 'broken', world: 'broken', show: nothing },
];

async function nothing() {}

async function room(page: Page, name: string) {
  await page.locator(`[data-testid=room][data-name="${name}"]`).click();
  await page.getByTestId('message').first().or(page.locator('.beginning')).first().waitFor();
}

/** Of 200 rooms the people come after the fold: the switcher knows them. */
async function person(page: Page) {
  await page.getByTestId('search').click();
  await page.getByTestId('switcher-input').fill('مريم');
  await page.keyboard.press('Enter');
  await page.getByTestId('composer').waitFor();
}

async function beside(page: Page, open: () => Promise<void>, button: string) {
  await open();
  await page.getByTestId(button).click();
  await page.getByTestId('panel').waitFor();
}

async function list(page: Page, button: string) {
  await page.getByTestId(button).click();
  await page.getByTestId('panel').waitFor();
}

async function privateDetails(page: Page) {
  await beside(page, () => room(page, 'board'), 'details');
  await page.getByTestId('invite-make').click();
  await page.getByTestId('qr').waitFor();
}

async function search(page: Page) {
  await room(page, 'design');
  await page.getByTestId('room-menu').click();
  await page.getByTestId('menu-find').click();
  await page.getByTestId('panel').waitFor();
  await page.getByTestId('search-room').selectOption('0');
  await page.getByTestId('search-text').fill('li');
  await page.getByTestId('search-text').press('Enter');
  await page.getByTestId('result').first().waitFor();
}

async function transfer(page: Page) {
  await list(page, 'transfers');
  await page.getByTestId('transfer-open').nth(1).click();
  await page.getByTestId('panel-back').waitFor();
}

async function dialog(page: Page, button: string, opened: string) {
  await page.getByTestId(button).click();
  await page.getByTestId(opened).waitFor();
}

async function emoji(page: Page) {
  await room(page, 'design');
  await page.getByTestId('add-emoji').click();
  await page.locator('[data-emoji]').nth(100).waitFor({ state: 'attached' });
}

async function menu(page: Page) {
  await room(page, 'design');
  await page.getByTestId('message').last().click({ button: 'right', position: { x: 6, y: 6 } });
  await page.getByTestId('menu').waitFor();
}

async function notices(page: Page) {
  await room(page, 'design');
  await page.evaluate(() => {
    const fake = window.lanyardFake;
    fake.emit({ event: 'network-changed', network: { ...fake.scene.network, multicast: false } });
    fake.cloned(Date.now());
    fake.emit({ event: 'notice', error: { code: 'storage', message: 'The disk on D: is full: 1.2 GB needed, 300 MB free.' } });
  });
  await page.getByTestId('notice').waitFor();
}

async function drop(page: Page) {
  await room(page, 'design');
  await page.evaluate(() => window.lanyardFake.dropped({ kind: 'over', x: innerWidth - 40, y: 300 }));
  await page.getByTestId('drop-here').waitFor();
}

async function browse(page: Page) {
  await page.locator('[data-testid=person][data-name=Ana]').first().click();
  await page.getByTestId('details').click();
  await page.getByTestId('peer-share').first().click();
  await page.getByTestId('browse-entry').nth(2).waitFor();
}
