import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { useBrowser } from './browser';
import { accepted, lastCall, openRoom } from './page';

const { open } = useBrowser();

test('the panel lists what runs, waits its turn, is offered and has ended, each in one line with what it says', async () => {
  const page = await open();
  const ids = await accepted(page, 4);
  await page.evaluate((id) => {
    window.lanyardFake.advance(id, 0.5);
    window.lanyardFake.files.fail('t1', 'waiting', { code: 'network', message: 'Ana is not here.' });
  }, ids[0]!);
  await page.getByTestId('transfers').click();
  await page.getByTestId('overall').getByText('94 MB/s').waitFor();
  await says(page, ids[0]!, 'From Bo · 50% · 94 MB/s · 1 sec left');
  await says(page, 't1', 'From Ana · Ana is not here.');
  await says(page, ids[3]!, 'From Bo · Next in the queue. It starts when another one ends.');
  const groups = await page.getByTestId('panel').getByRole('heading', { level: 3 }).allInnerTexts();
  expect(groups).toEqual(['Now 4', 'Queue 1', 'Waiting for an answer 1', 'History 1']);
  expect(await page.getByTestId('transfers').innerText()).toContain('5 transfers');
});

test('a transfer is paused, resumed, cancelled, tried again and forgotten', async () => {
  const page = await open();
  await page.getByTestId('transfers').click();
  const line = row(page, 't1');
  await line.getByTestId('pause').click();
  await says(page, 't1', 'From Ana · 81% · Paused');
  await line.getByTestId('resume').click();
  await page.locator('[data-transfer=t1][data-state=running]').waitFor();
  await line.getByTestId('transfer-menu').click();
  await page.getByTestId('menu-cancel').click();
  await line.getByTestId('retry').click();
  await page.locator('[data-transfer=t1][data-state=running]').waitFor();
  await page.evaluate(() => window.lanyardFake.files.fail('t1', 'failed', { code: 'storage', message: 'The disk is full.' }));
  await says(page, 't1', 'From Ana · The disk is full.');
  await line.getByTestId('retry').click();
  await page.evaluate(() => window.lanyardFake.advance('t1', 1));
  await line.getByTestId('open-file').click();
  await line.getByTestId('transfer-menu').click();
  await page.getByTestId('menu-reveal').click();
  expect(await page.evaluate(() => window.lanyardFake.opened)).toEqual(['file of t1', 't1']);
  await line.getByTestId('transfer-menu').click();
  await page.getByTestId('menu-forget').click();
  await line.waitFor({ state: 'detached' });
  await page.getByTestId('forget-all').click();
  await expect.poll(() => page.locator('[data-testid=transfer][data-state=done]').count()).toBe(0);
});

test('the queue is put in order by the keyboard, by a menu, and by dragging', async () => {
  const page = await open();
  const ids = await accepted(page, 6);
  await page.getByTestId('transfers').click();
  const queue = () => page.locator('[data-testid=transfer][data-state=queued]').evaluateAll((rows) => rows.map((row) => row.dataset.transfer));
  const [a, b, c] = [ids[3]!, ids[4]!, ids[5]!];
  await expect.poll(queue).toEqual([a, b, c]);
  await row(page, c).getByTestId('transfer-grip').focus();
  await page.keyboard.press('ArrowUp');
  await expect.poll(queue).toEqual([a, c, b]);
  await page.getByText('file 6 is now number 2 of 3 in the queue').waitFor({ state: 'attached' });
  await page.keyboard.press('ArrowUp');
  await expect.poll(queue).toEqual([c, a, b]);
  await row(page, c).getByTestId('transfer-menu').click();
  await page.getByTestId('menu-last').click();
  await expect.poll(queue).toEqual([a, b, c]);

  const grip = (await row(page, c).getByTestId('transfer-grip').boundingBox())!;
  const target = (await row(page, a).boundingBox())!;
  await page.mouse.move(grip.x + 8, grip.y + 8);
  await page.mouse.down();
  await page.mouse.move(grip.x + 8, target.y + 30, { steps: 4 });
  await page.mouse.move(grip.x + 8, target.y + 6);
  await page.mouse.up();
  await expect.poll(queue).toEqual([c, a, b]);
  expect(await lastCall(page, 'reorder')).toEqual({ transfer: c, before: a });
});

test('fifty transfers and one of a hundred thousand files are few elements, with details on demand', async () => {
  const page = await open();
  const id = await page.evaluate(async () => {
    const fake = window.lanyardFake;
    for (let n = 0; n < 50; n += 1) {
      const { id } = fake.offered('ops', 'Bo', `file ${n}`, 1_000_000);
      await fake.call({ method: 'accept', params: { transfer: id } });
    }
    const { id } = fake.offered('ops', 'Bo', 'photos', 100_000_000_000, 100_000);
    fake.scene.me.transfersAtOnce = 60;
    await fake.call({ method: 'accept', params: { transfer: id } });
    fake.advance(id, 0.1);
    return id;
  });
  await page.getByTestId('transfers').click();
  await row(page, id).waitFor();
  expect(await page.getByTestId('transfer').count()).toBeLessThan(30);
  await row(page, id).getByTestId('transfer-open').click();
  await page.getByTestId('transfer-file').first().waitFor();
  const region = page.getByTestId('panel').getByRole('region', { name: 'Files and details' });
  for (let turn = 0; turn < 12; turn += 1) {
    await region.evaluate((list) => list.scrollTo(0, list.scrollHeight));
    await page.waitForFunction(() => document.querySelectorAll('[data-testid=transfer-file]').length > 0);
  }
  await expect.poll(() => page.evaluate(() => window.lanyardFake.calls.filter(({ method }) => method === 'transfer-files').length)).toBeGreaterThan(3);
  expect(await page.getByTestId('transfer-file').count()).toBeLessThan(80);
  await page.getByTestId('panel-back').click();
  await row(page, id).waitFor();
});

test('a list of files that nobody can give now is asked for again', async () => {
  const page = await open();
  await page.getByTestId('transfers').click();
  await page.evaluate(() => (window.lanyardFake.failNext = { code: 'timed-out', message: 'Nobody answered.' }));
  await row(page, 't1').getByTestId('transfer-open').click();
  await page.getByTestId('files-unknown').waitFor();
  await page.getByTestId('files-again').click();
  await page.getByTestId('transfer-file').waitFor();
  await page.keyboard.press('Escape');
  await row(page, 't1').waitFor();
});

test('who has what was offered is counted, and for whom it waits is said', async () => {
  const page = await open();
  await openRoom(page, 'design');
  await page.evaluate(() => {
    const fake = window.lanyardFake;
    const room = fake.room('design');
    const transfer = fake.files.offer(room, ['x']);
    transfer.receivers = ['Ana', 'Bo', '小美', 'Dmitri', 'Grace'].map((name, index) => ({
      peer: fake.peer(name).id,
      short: fake.peer(name).short,
      name,
      state: (['done', 'done', 'running', 'waiting', 'paused'] as const)[index]!,
      moved: 0,
      chosen: null,
      chosenFiles: null,
      full: index === 3,
    }));
    transfer.audience = 9;
    transfer.awaited = ['Fatima'];
    const message = fake.log.write(room, null, { text: 'x', time: Date.now(), transfer: transfer.id });
    fake.emit({ event: 'transfer-changed', transfer }, { event: 'message', message });
  });
  const card = page.getByTestId('offer').last();
  await card.getByText('Verified by 2 of 9, waiting for 小美, Dmitri, and 2 others').waitFor();
  const states = await card.locator('li').allInnerTexts();
  expect(states.map((text) => text.replace(/\s+/g, ' '))).toEqual(['Ana Verified', 'Bo Verified', '小美 0%', 'Dmitri No space there', 'Grace Paused']);
});

test('a transfer that goes through a third device says so', async () => {
  const page = await open();
  await openRoom(page, 'design');
  await page.evaluate(() => {
    const fake = window.lanyardFake;
    const room = fake.room('design');
    const transfer = fake.files.offer(room, ['x']);
    transfer.state = 'running';
    transfer.via = 'Cara';
    const message = fake.log.write(room, null, { text: 'x', time: Date.now(), transfer: transfer.id });
    fake.emit({ event: 'transfer-changed', transfer }, { event: 'message', message });
  });
  await page.getByTestId('offer').last().getByText('through Cara').waitFor();
});

test('some of what is offered is chosen in a tree, by mouse and by keyboard, and saved where one says', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await page.evaluate(() => void window.lanyardFake.offered('ops', 'Bo', 'photos', 250_000_000, 250));
  await page.getByTestId('choose-files').click();
  const dialog = page.getByTestId('choose-dialog');
  await dialog.getByText('250 of 250 files chosen').waitFor();
  await dialog.locator('[data-path="photos/part 1"]').click();
  await dialog.getByText('150 of 250 files chosen').waitFor();
  expect(await dialog.locator('[data-path=photos]').getAttribute('aria-checked')).toBe('mixed');
  await page.getByTestId('file-tree').focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowRight');
  await dialog.locator('[data-path="photos/part 2/picture 0101.jpg"]').waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press(' ');
  await dialog.getByText('149 of 250 files chosen').waitFor();
  expect(await page.getByTestId('tree-row').count()).toBeLessThan(40);
  await dialog.getByTestId('choose-folder').click();
  await dialog.getByTestId('choose-accept').getByText('Accept 149 MB').click();
  await dialog.waitFor({ state: 'detached' });
  const params = (await lastCall(page, 'accept')) as { only: string[]; into: string };
  expect(params.only).toHaveLength(100);
  expect(params.only.at(-1)).toBe('photos/part 3');
  expect(params.into).toBeDefined();
  await page.getByTestId('offer').getByText('149 MB · 149 files of 250 MB').waitFor();
});

test('a pasted picture is offered at once, copied files only after a question, and text goes where the caret is', async () => {
  const page = await open();
  await openRoom(page, 'ops');
  await paste(page, { picture: true });
  await page.getByTestId('offer').last().getByTestId('offer-name').getByText(/^Picture \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\.png$/).waitFor();
  await page.evaluate(() => {
    window.lanyardFake.copied = ['a', 'b'].map((name) => ({ handle: name, name: `${name}.txt`, folder: false, size: 500_000 }));
  });
  await paste(page, { files: true });
  await page.getByTestId('confirm-send').getByText('2 items, 1 MB').waitFor();
  await page.getByTestId('confirm-send-yes').click();
  await page.getByTestId('offer').last().getByText('a.txt, b.txt').waitFor();
  const before = await page.evaluate(() => window.lanyardFake.calls.filter(({ method }) => method === 'offer').length);
  await paste(page, { text: 'hello' });
  await page.evaluate(() => (window.lanyardFake.copied = []));
  await paste(page, {});
  await page.getByTestId('notice').getByText('Nothing was pasted').waitFor();
  expect(await page.evaluate(() => window.lanyardFake.calls.filter(({ method }) => method === 'offer').length)).toBe(before);
});

function row(page: Page, id: string) {
  return page.locator(`[data-testid=transfer][data-transfer=${id}]`);
}

async function says(page: Page, id: string, text: string): Promise<void> {
  const words = async () => (await row(page, id).getByTestId('transfer-says').locator('span').allInnerTexts()).join(' · ');
  await expect.poll(words).toBe(text);
}

function paste(page: Page, what: { text?: string; files?: boolean; picture?: boolean }): Promise<void> {
  return page.evaluate(({ text, files, picture }) => {
    const data = new DataTransfer();
    if (text !== undefined) data.setData('text/plain', text);
    if (picture) data.items.add(new File([new Uint8Array([137, 80, 78, 71])], 'image.png', { type: 'image/png' }));
    if (files) data.items.add(new File(['x'], 'a.txt', { type: 'text/plain' }));
    const event = new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true });
    document.querySelector('[data-testid=composer]')?.dispatchEvent(event);
  }, what);
}
