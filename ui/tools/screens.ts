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
  { name: 'network-nobody', world: 'lonely', show: networkNobody },
  { name: 'network-off', world: 'crowded', show: networkOff },
  { name: 'network-checked', world: 'crowded', show: networkChecked },
  { name: 'settings', world: 'crowded', show: (page) => list(page, 'settings') },
  { name: 'settings-people', world: 'crowded', show: settingsPeople },
  { name: 'settings-storage', world: 'crowded', show: settingsStorage },
  { name: 'own-menu', world: 'crowded', show: (page) => dialog(page, 'self', 'menu') },
  { name: 'person-card', world: 'crowded', show: personCard },
  { name: 'switcher', world: 'crowded', show: (page) => dialog(page, 'search', 'switcher') },
  { name: 'switcher-words', world: 'crowded', show: switcherWords },
  { name: 'keys', world: 'crowded', show: (page) => list(page, 'keys') },
  { name: 'preview', world: 'quiet', show: preview },
  { name: 'preview-text', world: 'quiet', show: previewText },
  { name: 'link', world: 'quiet', show: link },
  { name: 'new-room', world: 'crowded', show: (page) => dialog(page, 'join-room', 'join-dialog') },
  { name: 'emoji', world: 'crowded', show: emoji },
  { name: 'menu', world: 'crowded', show: menu },
  { name: 'notices', world: 'crowded', show: notices },
  { name: 'call', world: 'crowded', show: call },
  { name: 'call-devices', world: 'quiet', show: callDevices },
  { name: 'call-ringing', world: 'crowded', show: callRinging },
  { name: 'drop', world: 'crowded', show: drop },
  { name: 'browse', world: 'quiet', show: browse },
  { name: 'verify', world: 'quiet', show: verify },
  { name: 'changed', world: 'quiet', show: changed },
  { name: 'first-run', world: 'fresh', show: nothing },
  { name: 'confirm-send', world: 'quiet', show: confirmSend },
  { name: 'choose-files', world: 'quiet', show: chooseFiles },
  { name: 'offline', world: 'lonely', show: offline },
  { name: 'no-transfers', world: 'lonely', show: (page) => list(page, 'transfers') },
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

async function switcherWords(page: Page) {
  await dialog(page, 'search', 'switcher');
  await page.getByTestId('switcher-input').fill('the');
  await page.locator('[data-testid=target][data-kind=message]').first().waitFor();
}

async function received(page: Page, name: string, content?: string) {
  await room(page, 'ops');
  await page.evaluate(
    async ([name, content]) => {
      const fake = window.lanyardFake;
      const { id } = fake.offered('ops', 'Bo', name, 2_400_000);
      if (content !== undefined) fake.contents.set(id, new TextEncoder().encode(content).buffer);
      await fake.call({ method: 'accept', params: { transfer: id } });
      fake.advance(id, 1);
    },
    [name, content] as const,
  );
}

async function preview(page: Page) {
  await received(page, 'evening over the harbour, seen from the second floor of the office.png');
  await page.getByTestId('thumbnail').locator('img').waitFor();
}

async function previewText(page: Page) {
  await received(page, 'notes.md', '# Notes of Monday\n\n- the tray icon is blurry at 150 %\n- 图标今天下午改\n\n'.repeat(12));
  await page.getByTestId('offer').getByTestId('preview').click();
  await page.getByTestId('preview-text').waitFor();
}

async function link(page: Page) {
  await room(page, 'ops');
  await page.evaluate(() => void window.lanyardFake.hear('ops', 'Bo', 'Sign in at [bank.example](https://evil.example/login), _notes_ in [the wiki](https://wiki.example.lan/).'));
  await page.getByRole('link').first().click();
  await page.getByTestId('link-dialog').waitFor();
}

async function confirmSend(page: Page) {
  await room(page, 'design');
  await page.evaluate(() => {
    const names = ['annual report of the northern region, reviewed twice and final (2).pdf', 'photos', '季度财务报表以及全部附件（最终版，已审阅）.xlsx', 'a.txt'];
    const handles = names.map((name, index) => ({ handle: `h${index}`, name, folder: name === 'photos', size: name === 'photos' ? 0 : 48_000_000 * (index + 1) }));
    window.lanyardFake.dropped({ kind: 'drop', x: innerWidth - 40, y: 300, handles });
  });
  await page.getByTestId('confirm-send').waitFor();
}

async function chooseFiles(page: Page) {
  await room(page, 'design');
  await page.getByTestId('choose-files').first().click();
  await page.getByTestId('tree-row').nth(3).click();
}

async function settingsPeople(page: Page) {
  await page.evaluate(() => {
    const { scene, trust } = window.lanyardFake;
    trust.act(scene.peers[0]!.id, { do: 'always-accept', bytes: 1_000_000_000 });
    for (const peer of scene.peers.slice(3, 6)) trust.act(peer.id, { do: 'block' });
  });
  await list(page, 'settings');
  await page.locator('[data-section=settings-people]').click();
}

async function settingsStorage(page: Page) {
  await list(page, 'settings');
  await page.locator('[data-section=settings-history]').click();
  await page.getByTestId('storage-room').first().waitFor();
}

async function personCard(page: Page) {
  await room(page, 'design');
  await page.getByTestId('author').last().click();
  await page.getByTestId('person-card').waitFor();
}

async function networkNobody(page: Page) {
  await list(page, 'network');
  await page.getByTestId('address-qr').first().click();
  await page.getByTestId('qr').waitFor();
}

async function networkChecked(page: Page) {
  await list(page, 'network');
  await page.getByTestId('check-network').click();
  await page.getByTestId('checked').locator('summary').click();
}

async function networkOff(page: Page) {
  await page.evaluate(() => {
    const fake = window.lanyardFake;
    Object.assign(fake.scene.network, { multicast: false, clockOff: -10_800 });
    fake.scene.network.dropped.push({ reason: 'other-version', count: 4 });
    fake.emit({ event: 'network-changed', network: fake.scene.network });
  });
  await list(page, 'network');
}

async function offline(page: Page) {
  await page.evaluate(() => {
    const fake = window.lanyardFake;
    fake.scene.network.interfaces = [];
    fake.emit({ event: 'network-changed', network: fake.scene.network });
  });
  await list(page, 'network');
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

async function call(page: Page) {
  await room(page, 'design');
  await page.getByTestId('call').click();
  await page.evaluate(() => {
    const fake = window.lanyardFake;
    const call = fake.talk.of('room-design')!;
    for (const peer of fake.scene.peers.slice(0, 14)) fake.talk.answered(call, peer);
    fake.talk.speak('room-design', fake.scene.peers[1]!.id, 70);
    fake.talk.troubled('room-design', 'No microphone was found. You hear the others, and they do not hear you.');
  });
  await page.locator('[data-testid=call-member][data-speaking=true]').waitFor();
}

async function callDevices(page: Page) {
  await room(page, 'board');
  await page.getByTestId('call').click();
  await page.getByTestId('call-devices').click();
  await page.getByTestId('call-microphone').waitFor();
}

async function callRinging(page: Page) {
  await room(page, 'design');
  await page.evaluate(() => void window.lanyardFake.talk.rings(window.lanyardFake.scene.peers.find(({ name }) => name.startsWith('Jonas'))!));
  await page.getByTestId('call-ringing').waitFor();
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

async function verify(page: Page) {
  await page.locator('[data-testid=person][data-name=Bo]').click();
  await page.getByTestId('details').click();
  await page.getByTestId('verify').click();
  await page.getByTestId('compare').click();
  await page.evaluate(() => window.lanyardFake.trust.agrees('Bo'));
  await page.getByTestId('emoji').waitFor();
}

async function changed(page: Page) {
  await page.locator('[data-testid=person][data-name=Dmitri]').click();
  await page.evaluate(() => window.lanyardFake.trust.takesName('Dmitri', 'Ana'));
  await page.getByTestId('trust-bar').waitFor();
}
