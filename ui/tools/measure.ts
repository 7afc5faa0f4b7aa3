import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { launch } from './browser';
import { builtProgram, sizeOfFile, Stage, type Memory, type Program } from './program';
import { serve } from './serve';

const STARTS = 5;
/** Of a display at 60 Hz. */
const FRAME_MS = 1000 / 60;
const MESSAGES = 100_000;
/** Pixels per frame: a page in about a tenth of a second, as fast as a wheel is turned. */
const SPEED = 120;
const FRAMES = 600;
/** What is said in the program itself. */
const SAID = 10_000;
/** So many at a time: the socket is read line by line. */
const AT_ONCE = 100;
/** After so long nothing that was begun goes on. */
const REST_MS = 5_000;

/** Prints what the window costs. These are figures to be looked at, on whatever machine; no check depends on them. */
export default async function measure() {
  await size();
  const served = await serve('.');
  const browser = await launch();
  try {
    await starts(browser, served.address, 'twelve people', 'world=quiet&messages=240&people=12');
    await starts(browser, served.address, '1,000 people, 200 rooms, 50 transfers', 'world=crowded&messages=240&people=1000');
    await scrolling(browser, served.address);
  } finally {
    await browser.close();
    await served.close();
  }
  await theProgram();
}

/** The program with its webview, as it is built: its start, and what it needs of memory. */
async function theProgram() {
  const built = builtProgram();
  if ('lacking' in built) return print('the program itself', `not measured: ${built.lacking}`);
  print('the program', `${built.path}, ${megabytes(await sizeOfFile(built.path))}`);
  const stage = await Stage.set(built.path);
  try {
    // A first run asks for a name, which is no part of a start.
    await stage.play(async (program) => {
      await program.since('[data-testid=first-run]');
      await program.command('configure', { name: 'Mei' });
    });
    const times: number[] = [];
    for (let turn = 0; turn < STARTS; turn += 1) {
      await stage.play(async (program) => {
        times.push(await program.since('[data-testid=room]'));
        if (turn === STARTS - 1) await memoryOf(program);
      });
    }
    times.sort((a, b) => a - b);
    print('from its start to a usable window', `${times[STARTS >> 1]?.toFixed(0)} ms (median of ${STARTS}), ${times.at(-1)?.toFixed(0)} ms at most`);
  } finally {
    await stage.strike();
  }
}

async function memoryOf(program: Program) {
  const rest = () => new Promise((done) => setTimeout(done, REST_MS));
  await rest();
  print('memory at rest', told(await program.memory()));
  await program.run(() => document.querySelector<HTMLElement>('[data-testid=room]')?.click());
  for (let said = 0; said < SAID; said += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => program.command('say', { to: '#lobby', text: `Line ${said + index + 1} of ${SAID}` })));
  }
  await rest();
  print(`memory after ${SAID.toLocaleString('en')} messages in the open room`, told(await program.memory()));
  report('scrolling up in its webview, drawn in software', await program.run(moved, [-SPEED, FRAMES] as const));
}

const megabytes = (bytes: number) => `${(bytes / 1_000_000).toFixed(0)} MB`;
const told = ({ program, webview }: Memory) => `${megabytes(program)} of the program, ${megabytes(webview)} of its webview`;

/** The program's own pages, as they are embedded in it. */
async function size() {
  const outDir = 'node_modules/.lanyard-size';
  process.env.NODE_ENV = 'production';
  await build({ root: '.', logLevel: 'warn', build: { outDir, emptyOutDir: true } });
  const entry = await readFile(join(outDir, 'index.html'), 'utf8');
  const files = await readdir(outDir, { recursive: true, withFileTypes: true });
  const sum = { all: [0, 0], first: [0, 0] };
  for (const file of files.filter((file) => file.isFile())) {
    const bytes = await readFile(join(file.parentPath, file.name));
    const both = [bytes.length, gzipSync(bytes).length];
    sum.all = sum.all.map((total, index) => total + (both[index] ?? 0));
    if (entry.includes(file.name) || file.name === 'index.html') sum.first = sum.first.map((total, index) => total + (both[index] ?? 0));
  }
  const kilobytes = ([raw = 0, zipped = 0]: number[]) => `${(raw / 1000).toFixed(0)} kB, ${(zipped / 1000).toFixed(0)} kB gzip`;
  print('pages, all', kilobytes(sum.all));
  print('pages, before the first is shown', kilobytes(sum.first));
}

/** From the first byte asked for to rooms on the screen that can be clicked. */
async function starts(browser: Browser, address: string, what: string, query: string) {
  const times: number[] = [];
  for (let turn = 0; turn < STARTS; turn += 1) {
    const page = await (await browser.newContext()).newPage();
    await page.addInitScript(() => {
      const look = () => {
        if (document.querySelector('[data-testid=room]')) requestAnimationFrame(() => requestAnimationFrame(() => performance.mark('usable')));
        else requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    });
    await page.goto(`${address}/?${query}`);
    await page.waitForFunction(() => performance.getEntriesByName('usable').length > 0);
    times.push(await page.evaluate(() => performance.getEntriesByName('usable')[0]?.startTime ?? 0));
    await page.context().close();
  }
  times.sort((a, b) => a - b);
  print(`usable, ${what}`, `${times[STARTS >> 1]?.toFixed(0)} ms (median of ${STARTS}), ${times.at(-1)?.toFixed(0)} ms at most`);
}

async function scrolling(browser: Browser, address: string) {
  const page = await (await browser.newContext({ viewport: { width: 1200, height: 760 } })).newPage();
  page.setDefaultTimeout(300_000);
  await page.goto(`${address}/?world=crowded&messages=${MESSAGES}&people=1000`);
  await page.locator('[data-testid=room][data-name=lobby]').click();
  await page.getByTestId('message').first().waitFor();
  report('scrolling up, older messages coming in', await scroll(page, -SPEED));
  report(`back to the first of ${MESSAGES.toLocaleString('en')} messages`, await loadAll(page));
  report('scrolling down among all of them', await scroll(page, SPEED));
  report('and up', await scroll(page, -SPEED));
  await page.evaluate((far) => document.querySelector('[role=log]')?.scrollTo(0, far), 1_000_000);
  report('and down from the middle', await scroll(page, SPEED));
  print('nodes in the page', String(await page.evaluate(() => document.querySelectorAll('*').length)));
  print('nodes in the list', String(await page.evaluate(() => document.querySelectorAll('[role=log] *').length)));
  await page.context().close();
}

/** Scrolls to the very first message, as fast as pages come. */
function loadAll(page: Page): Promise<Frames> {
  return page.evaluate(async () => {
    const list = document.querySelector('[role=log]');
    const asked = () => window.lanyardFake.calls.filter(({ method }) => method === 'log').length;
    const intervals: number[] = [];
    let last = await new Promise(requestAnimationFrame);
    for (let still = 0, before = -1; still < 60 && list; ) {
      list.scrollTop = 0;
      const now = await new Promise<number>(requestAnimationFrame);
      intervals.push(now - last);
      last = now;
      still = asked() === before ? still + 1 : 0;
      before = asked();
    }
    return { intervals, work: [] };
  });
}

interface Frames {
  intervals: number[];
  work: number[];
}

const scroll = (page: Page, step: number) => page.evaluate(moved, [step, FRAMES] as const);

/** Runs in a page: moves the list by so much in each frame, and takes the time between frames and of the work in each. */
async function moved([step, frames]: readonly [number, number]): Promise<Frames> {
  const list = document.querySelector('[role=log]');
  const intervals: number[] = [];
  const work: number[] = [];
  const channel = new MessageChannel();
  // The message comes when scripts, styles, layout and paint of this frame are done.
  const rest = () =>
    new Promise<number>((done) => {
      channel.port1.onmessage = () => done(performance.now());
      channel.port2.postMessage(null);
    });
  let last = await new Promise<number>(requestAnimationFrame);
  for (let frame = 0; frame < frames && list; frame += 1) {
    const now = await new Promise<number>(requestAnimationFrame);
    const begun = performance.now();
    list.scrollTop += step;
    intervals.push(now - last);
    last = now;
    work.push((await rest()) - begun);
  }
  return { intervals, work };
}

function report(what: string, { intervals, work }: Frames) {
  // A frame is missed when the next comes two refreshes later; less is the jitter of a timer.
  const missed = intervals.filter((time) => time > FRAME_MS * 1.5).length;
  const over = work.filter((time) => time > FRAME_MS).length;
  const sorted = [...work].sort((a, b) => a - b);
  const late = `${intervals.length} frames, ${share(missed, intervals.length)} late, longest ${Math.max(...intervals).toFixed(0)} ms`;
  const worked = `work over 16.7 ms in ${share(over, work.length)}, median ${sorted[sorted.length >> 1]?.toFixed(1)} ms, longest ${sorted.at(-1)?.toFixed(0)} ms`;
  print(what, work.length > 0 ? `${late}; ${worked}` : late);
}

const share = (part: number, whole: number) => `${((100 * part) / whole).toFixed(1)} %`;

function print(what: string, figure: string) {
  console.log(`${what.padEnd(52)} ${figure}`);
}
