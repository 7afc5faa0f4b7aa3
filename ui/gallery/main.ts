/**
 * Every component in every state, for whoever works on the window: `npm run dev`, then `/gallery.html`. The program's
 * bundle has only `index.html` for an entry, so nothing of this is in it.
 */
import '../src/tokens.css';
import { mount } from 'svelte';
import { fakeBackend } from '../src/ipc/fake';
import { Session } from '../src/state/session.svelte';
import { Settings } from '../src/state/settings.svelte';
import Gallery from './Gallery.svelte';

const target = document.getElementById('app');
if (!target) throw new Error('gallery.html has an element #app');

const backend = fakeBackend('?world=crowded&messages=0');
const session = new Session(backend);
await session.start();
// Rows of messages ask the open conversation.
await session.openRoom(backend.room('design').id);
mount(Gallery, { target, props: { session, settings: new Settings(), fake: backend } });
