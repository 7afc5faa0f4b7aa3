import { chromium, type Browser } from 'playwright-core';
import type { FakeBackend } from '../src/ipc/fake';

declare global {
  interface Window {
    lanyardFake: FakeBackend;
  }
}

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The system's Chromium, or whichever `CHROMIUM` names. */
export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
}
