import { clearMocks, mockIPC, mockWindows } from '@tauri-apps/api/mocks';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { asApiError, type Event } from '../../src/ipc/contract';
import { tauriBackend } from '../../src/ipc/tauri';

beforeEach(() => {
  vi.stubGlobal('window', globalThis);
  mockWindows('main');
});
afterEach(() => {
  clearMocks();
  vi.unstubAllGlobals();
});

test('every wish of the window is one command of the shell', async () => {
  const asked: [string, unknown][] = [];
  mockIPC((command, payload) => {
    asked.push([command, payload]);
    return command === 'pick_files' ? [] : null;
  });
  const backend = tauriBackend();
  const say = { method: 'say', params: { to: 'r', text: 'hello' } } as const;
  await backend.call(say);
  await backend.pickFiles(true);
  await backend.pickFolder();
  await backend.pasteFiles();
  await backend.pastePicture('图片 1', new Uint8Array([137, 80]).buffer);
  await backend.reveal('t1');
  await backend.openFile('t1');
  await backend.openLink('https://a.lan/');
  await backend.preview('t1', 'picture');
  await backend.takeOpenings();
  await backend.lookAt('r');
  await backend.speak('zh-CN');
  await backend.desktop();
  await backend.setDesktop({ closeToTray: false });
  expect(asked).toEqual([
    ['call', { command: say }],
    ['pick_files', { folders: true }],
    ['pick_folder', {}],
    ['paste_files', {}],
    ['paste_picture', new Uint8Array([137, 80]).buffer],
    ['reveal', { transfer: 't1' }],
    ['open_file', { transfer: 't1' }],
    ['open_link', { url: 'https://a.lan/' }],
    ['preview', { transfer: 't1', shown: 'picture' }],
    ['take_openings', {}],
    ['look_at', { room: 'r' }],
    ['speak', { language: 'zh-CN' }],
    ['desktop', {}],
    ['set_desktop', { choice: { closeToTray: false } }],
  ]);
});

test('events come in batches over a channel', async () => {
  let id = -1;
  mockIPC((command, payload) => {
    if (command === 'subscribe') id = (payload as { channel: { id: number } }).channel.id;
  });
  const seen: Event[] = [];
  await tauriBackend().subscribe((events) => seen.push(...events));
  const batch: Event[] = [
    { event: 'room-left', room: 'r' },
    { event: 'lagged', missed: 2 },
  ];
  const { __TAURI_INTERNALS__: internals } = globalThis as unknown as {
    __TAURI_INTERNALS__: { runCallback: (id: number, data: unknown) => void };
  };
  internals.runCallback(id, { index: 0, message: batch });
  expect(seen).toEqual(batch);
});

test('a refusal keeps its code', async () => {
  mockIPC(() => {
    throw { code: 'refused', message: 'no' };
  });
  const refused = await tauriBackend()
    .call({ method: 'peers', params: {} })
    .catch(asApiError);
  expect(refused).toEqual({ code: 'refused', message: 'no' });
  expect(asApiError(new Error('torn'))).toEqual({ code: 'internal', message: 'Error: torn' });
});
