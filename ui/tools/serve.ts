import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { build } from 'vite';

/** What the program's own webview enforces; whatever looks at the window in a browser looks at it under this. */
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self'; " +
  'connect-src ipc: http://ipc.localhost';

const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

export interface Served {
  address: string;
  close: () => Promise<void>;
}

/** Builds the window with the made-up engine, and the page of all components, and serves them as the program would. */
export async function serve(root: string): Promise<Served> {
  // Of its own: whoever else builds the pages at the same time would take away what is served here.
  const builds = join(root, 'node_modules/.lanyard-fake');
  await mkdir(builds, { recursive: true });
  const outDir = await mkdtemp(join(builds, 'build-'));
  // A test runner's own NODE_ENV would build Svelte for development.
  const before = process.env.NODE_ENV;
  process.env.NODE_ENV = 'production';
  await build({
    root,
    mode: 'fake',
    logLevel: 'warn',
    build: { outDir, emptyOutDir: true, rolldownOptions: { input: [join(root, 'index.html'), join(root, 'gallery.html')] } },
  });
  process.env.NODE_ENV = before;

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
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://127.0.0.1:${port}`,
    close: async () => {
      await new Promise<void>((closed) => server.close(() => closed()));
      await rm(outDir, { recursive: true });
    },
  };
}
