import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import { emojiList } from './emoji.ts';

export default defineConfig({
  plugins: [svelte(), emojiList()],
  clearScreen: false,
  server: { port: 1420, strictPort: true },
  build: {
    target: ['es2022', 'safari16.4', 'chrome110'],
    modulePreload: { polyfill: false },
    // The content security policy forbids data: in scripts and styles, and fonts are the system's own.
    assetsInlineLimit: 0,
  },
  test: {
    projects: [
      {
        extends: true,
        resolve: { conditions: ['browser'] },
        test: { name: 'state', include: ['tests/state/*.test.ts'] },
      },
      {
        extends: true,
        test: {
          name: 'window',
          include: ['tests/window/*.test.ts'],
          globalSetup: 'tests/window/setup.ts',
          // Each file has a browser of its own, and a browser keeps most of a processor busy.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          testTimeout: 60_000,
          hookTimeout: 120_000,
          // A machine that is busy with other things is slow, not wrong.
          expect: { poll: { timeout: 10_000 } },
        },
      },
    ],
  },
});
