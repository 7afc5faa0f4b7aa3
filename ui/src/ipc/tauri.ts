import { Channel, invoke, isTauri } from '@tauri-apps/api/core';
import { listen } from '@tauri-apps/api/event';
import type { Backend, DropSignal } from './client';
import type { Event } from './contract';

export const inTauri = isTauri;

export function tauriBackend(): Backend {
  return {
    call: (command) => invoke('call', { command }),
    async subscribe(onEvents) {
      const channel = new Channel<Event[]>();
      channel.onmessage = onEvents;
      await invoke('subscribe', { channel });
      return () => {
        channel.onmessage = () => undefined;
      };
    },
    pickFiles: (folders) => invoke('pick_files', { folders }),
    pickFolder: () => invoke('pick_folder'),
    onDrop: (onSignal) => listen<DropSignal>('drop', ({ payload }) => onSignal(payload)),
    pasteFiles: () => invoke('paste_files'),
    // As bytes: a picture as JSON would be four times as long and slow to read.
    pastePicture: (name, png) => invoke('paste_picture', png, { headers: { 'picture-name': encodeURIComponent(name) } }),
    reveal: (transfer) => invoke('reveal', { transfer }),
    openFile: (transfer) => invoke('open_file', { transfer }),
    openLink: (url) => invoke('open_link', { url }),
    preview: (transfer, shown) => invoke('preview', { transfer, shown }),
    onOpening: (onOpening) => listen('opening', onOpening),
    takeOpenings: () => invoke('take_openings'),
    lookAt: (room) => invoke('look_at', { room }),
    speak: (language) => invoke('speak', { language }),
    desktop: () => invoke('desktop'),
    setDesktop: (choice) => invoke('set_desktop', { choice }),
  };
}
