import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { build } from 'vite';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    address: string;
  }
}

/** What the program's own webview enforces; every test of the window runs under it. */
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self'; " +
  'connect-src ipc: http://ipc.localhost';

const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

/** Builds the window with the made-up engine and serves it as the program would. */
export default async function setup(project: TestProject) {
  const outDir = join(project.config.root, 'node_modules/.lanyard-fake');
  // The test runner's own NODE_ENV would build Svelte for development.
  process.env.NODE_ENV = 'production';
  await build({
    root: project.config.root,
    mode: 'fake',
    logLevel: 'warn',
    build: { outDir, emptyOutDir: true },
  });
  process.env.NODE_ENV = 'test';

  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://ui').pathname);
    const file = join(outDir, path === '/' ? 'index.html' : path);
    readFile(file).then(
      (body) => {
        response.writeHead(200, {
          'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
          'content-security-policy': CSP,
        });
        response.end(body);
      },
      // Browsers ask for a favicon on their own; the program has none to give.
      () => response.writeHead(path === '/favicon.ico' ? 204 : 404).end(),
    );
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  project.provide('address', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);

  return () => new Promise<void>((closed) => server.close(() => closed()));
}
