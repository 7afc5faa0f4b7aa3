import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { check } from './axe';
import { useBrowser } from './browser';
import { lastCall, openRoom } from './page';

const { open } = useBrowser();

const bar = (page: Page, joined: boolean) => page.locator(`[data-testid=call-bar][data-joined=${joined}]`);

function begins(page: Page, room: string, name: string): Promise<void> {
  return page.evaluate(([room, name]) => {
    const fake = window.lanyardFake;
    fake.talk.comes(fake.room(room!), fake.scene.peers.find((peer) => peer.name === name)!);
  }, [room, name]);
}

function rings(page: Page, name: string): Promise<void> {
  return page.evaluate((name) => void window.lanyardFake.talk.rings(window.lanyardFake.scene.peers.find((peer) => peer.name === name)!), name);
}

describe.each([
  { language: 'en', theme: 'light' },
  { language: 'zh-CN', theme: 'dark' },
] as const)('in $language, $theme', (look) => {
  test('a call is started in a room, others come, speak and are seen, and one leaves', async () => {
    const page = await open(look);
    await openRoom(page, 'design');
    await page.getByTestId('call').click();
    await bar(page, true).waitFor();
    expect(await lastCall(page, 'call')).toEqual({ room: 'room-design' });
    expect(await page.getByTestId('call').count()).toBe(0);
    await page.locator('[data-testid=room][data-name=design]').getByTestId('call-mark').waitFor();
    await page.evaluate(() => {
      const { talk, scene } = window.lanyardFake;
      talk.answered(talk.of('room-design')!, scene.peers[0]!);
      talk.speak('room-design', scene.peers[0]!.id, 80);
    });
    await page.locator('[data-testid=call-member][data-name=Ana][data-speaking=true]').waitFor();
    expect(await page.getByTestId('call-time').innerText()).toMatch(/^\d+:\d\d$/);
    await check(page, 'in a call');
    await page.getByTestId('call-leave').click();
    await bar(page, false).waitFor();
    await check(page, 'a call of others');
    await page.getByTestId('call-join').click();
    await bar(page, true).waitFor();
  });

  test('whoever is called sees it wherever they are, and answers or declines', async () => {
    const page = await open(look);
    await openRoom(page, 'design');
    await rings(page, 'Bo');
    await page.getByTestId('call-ringing').waitFor();
    await check(page, 'it rings');
    await page.getByTestId('strip-decline').click();
    await page.getByTestId('call-ringing').waitFor({ state: 'detached' });
    expect(await lastCall(page, 'decline-call')).toEqual({ room: await page.evaluate(() => window.lanyardFake.scene.rooms.find(({ name }) => name === 'Bo')!.id) });
    await rings(page, 'Bo');
    await page.getByTestId('strip-accept').click();
    await page.getByTestId('title').getByText('Bo').waitFor();
    await bar(page, true).waitFor();
    await openRoom(page, 'design');
    await page.getByTestId('call-strip').waitFor();
    await check(page, 'a call elsewhere');
    await page.getByTestId('strip-leave').click();
    await page.getByTestId('call-strip').waitFor({ state: 'detached' });
  });
});

test('the microphone is muted by a click, and a long press speaks only while it lasts', async () => {
  const page = await open();
  await openRoom(page, 'design');
  await page.getByTestId('call').click();
  const button = page.getByTestId('call-mute');
  await button.click();
  await expect.poll(() => lastCall(page, 'mute')).toEqual({ muted: true });
  await expect.poll(() => button.getAttribute('aria-pressed')).toBe('true');
  await button.click();
  await expect.poll(() => button.getAttribute('aria-pressed')).toBe('false');
  await button.click();
  await expect.poll(() => button.getAttribute('aria-pressed')).toBe('true');
  await button.click({ delay: 600 });
  await expect.poll(() => page.evaluate(() => window.lanyardFake.calls.filter(({ method }) => method === 'mute').map(({ params }) => params))).toEqual(
    [true, false, true, false, true].map((muted) => ({ muted })),
  );
  await expect.poll(() => button.getAttribute('aria-pressed')).toBe('true');
});

test('by key, too: Space held on the button speaks, Enter turns it over', async () => {
  const page = await open();
  await openRoom(page, 'design');
  await page.getByTestId('call').click();
  const button = page.getByTestId('call-mute');
  await button.press('Enter');
  await expect.poll(() => button.getAttribute('aria-pressed')).toBe('true');
  await button.press('Space', { delay: 600 });
  await expect.poll(() => page.evaluate(() => window.lanyardFake.calls.filter(({ method }) => method === 'mute').length)).toBe(3);
  await expect.poll(() => button.getAttribute('aria-pressed')).toBe('true');
});

test('another microphone is chosen in the middle of a call, and is there in the settings', async () => {
  const page = await open();
  await openRoom(page, 'board');
  await page.getByTestId('call').click();
  await page.getByTestId('call-devices').click();
  await page.getByTestId('call-microphone').selectOption({ label: 'USB Headset' });
  await expect.poll(() => lastCall(page, 'choose-call-devices')).toEqual({ microphone: 'headset' });
  await page.getByTestId('call-speaker').selectOption({ label: 'USB Headset' });
  await expect.poll(() => lastCall(page, 'choose-call-devices')).toEqual({ microphone: 'headset', speaker: 'headset' });
  await check(page, 'the devices of a call');
  await page.keyboard.press('Escape');
  await page.getByTestId('call-device-choice').waitFor({ state: 'detached' });
  await page.getByTestId('settings').click();
  const chosen = () => page.getByTestId('panel').getByTestId('call-microphone').evaluate((select: HTMLSelectElement) => select.selectedOptions[0]?.text);
  await expect.poll(chosen).toBe('USB Headset');
  await page.getByTestId('panel').getByTestId('call-microphone').selectOption({ index: 0 });
  await expect.poll(() => lastCall(page, 'choose-call-devices')).toEqual({ speaker: 'headset' });
});

test('what does not work is said, and how a call ended that came to nothing', async () => {
  const page = await open();
  await page.getByTestId('person').filter({ hasText: 'Bo' }).first().click();
  await page.getByTestId('call').click();
  await bar(page, true).getByText('Calling').waitFor();
  await page.evaluate(() => {
    const fake = window.lanyardFake;
    const room = fake.scene.rooms.find(({ name }) => name === 'Bo')!.id;
    fake.talk.troubled(room, 'No microphone was found.');
  });
  await page.getByTestId('call-trouble').getByText('No microphone was found.').waitFor();
  await page.evaluate(() => {
    const fake = window.lanyardFake;
    fake.talk.end(fake.talk.of(fake.scene.rooms.find(({ name }) => name === 'Bo')!.id)!, 'declined');
  });
  await page.getByTestId('notice').getByText('does not want to talk').waitFor();
  await rings(page, 'Ana');
  await page.getByTestId('call-ringing').waitFor();
  await page.evaluate(() => {
    const fake = window.lanyardFake;
    fake.talk.end(fake.scene.calls[0]!, 'unanswered');
  });
  await page.getByTestId('notice').getByText('nobody answered').waitFor();
  await page.getByTestId('call-ringing').waitFor({ state: 'detached' });
});

test('in a narrow window a call shows above the list, too', async () => {
  const page = await open({ size: { width: 360, height: 760 } });
  await openRoom(page, 'design');
  await page.getByTestId('call').click();
  await bar(page, true).waitFor();
  expect(await page.getByTestId('call-strip').count()).toBe(0);
  await page.getByTestId('back').click();
  await page.getByTestId('call-strip').waitFor();
  await page.getByTestId('call-show').click();
  await bar(page, true).waitFor();
});

test('who is away, blocked or put out is not called', async () => {
  const page = await open();
  await page.getByTestId('person').filter({ hasText: 'Cai' }).first().click();
  await page.getByTestId('composer').waitFor();
  expect(await page.getByTestId('call').count()).toBe(0);
  await begins(page, 'design', 'Ana');
  await openRoom(page, 'design');
  await bar(page, false).waitFor();
});
