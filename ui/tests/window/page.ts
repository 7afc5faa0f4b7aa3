import type { Locator, Page } from 'playwright-core';
import type { Command } from '../../src/ipc/contract';

/** What tests of the window do over and over. */

export async function openRoom(page: Page, name: string): Promise<void> {
  await page.locator(`[data-testid=room][data-name=${name}]`).click();
  await page.getByTestId('title').getByText(name).waitFor();
}

/** Until the list of messages stands still: rows that come into view get their real sizes, which moves it a little. */
export function settled(page: Page): Promise<void> {
  return page.evaluate(async () => {
    const list = document.querySelector('[role=log]');
    const shown = () => `${list?.scrollTop} ${list?.scrollHeight} ${document.querySelector('[data-message]')?.textContent}`;
    for (let before = '', still = 0; still < 4; before = shown()) {
      await new Promise(requestAnimationFrame);
      still = shown() === before ? still + 1 : 0;
    }
  });
}

/** The message with this very text. */
export function saying(page: Page, text: string): Locator {
  return page.getByTestId('message').filter({ has: page.getByTestId('message-text').getByText(text, { exact: true }) });
}

export async function say(page: Page, text: string): Promise<Locator> {
  await page.getByTestId('composer').fill(text);
  await page.getByTestId('composer').press('Enter');
  await saying(page, text).waitFor();
  return saying(page, text);
}

/** Opens the menu of a message and chooses from it. */
export async function choose(page: Page, message: Locator, item: string): Promise<void> {
  await message.click({ button: 'right' });
  await page.getByTestId(`menu-${item}`).click();
}

export function hear(page: Page, room: string, author: string, text: string): Promise<void> {
  return page.evaluate(([room, author, text]) => void window.lanyardFake.hear(room, author, text), [room, author, text] as const);
}

export function lastCall(page: Page, method: Command['method']): Promise<unknown> {
  return page.evaluate((method) => window.lanyardFake.calls.findLast((call) => call.method === method)?.params, method);
}

/** Offers that were accepted, one behind the other; with the one that runs from the beginning, the first three run. */
export function accepted(page: Page, count: number): Promise<string[]> {
  return page.evaluate(async (count) => {
    const fake = window.lanyardFake;
    fake.scene.me.transfersAtOnce = 4;
    const ids: string[] = [];
    for (let n = 0; n < count; n += 1) {
      const { id } = fake.offered('ops', 'Bo', `file ${n + 1}`, 100_000_000);
      await fake.call({ method: 'accept', params: { transfer: id } });
      ids.push(id);
    }
    return ids;
  }, count);
}
