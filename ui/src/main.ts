import './tokens.css';
import { mount } from 'svelte';
import type { Backend } from './ipc/client';
import { inTauri, tauriBackend } from './ipc/tauri';
import { Session } from './state/session.svelte';
import { Settings } from './state/settings.svelte';
import Window from './views/Window.svelte';

/** In a browser there is no engine, so development and tests make one up; the program's own bundle has no such branch. */
async function choose(): Promise<Backend> {
  if (import.meta.env.MODE !== 'production' && !inTauri()) {
    return (await import('./ipc/fake')).fakeBackend(location.search);
  }
  return tauriBackend();
}

const target = document.getElementById('app');
if (!target) throw new Error('index.html has an element #app');

const backend = await choose();
const session = new Session(backend);
mount(Window, { target, props: { session, settings: new Settings(), backend } });
await session.start();
