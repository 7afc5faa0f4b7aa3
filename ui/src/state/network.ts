import type { Diagnosis, Network } from '../ipc/contract';

/** How well people are found: all is well, a check found something in the way, nobody was heard yet, only by address, networks are not to be used, or there is none. */
export type Health = 'good' | 'hindered' | 'nobody' | 'off' | 'unused' | 'apart';

export function healthOf({ interfaces, listed, multicast }: Network, online: number, found: Diagnosis | null = null): Health {
  const leadsNowhere = (name: string) => listed.some((one) => one.name === name && one.kind === 'loopback');
  // Others on this device are reached without a network.
  const apart = online === 0 ? interfaces.every(({ name }) => leadsNowhere(name)) : interfaces.length === 0;
  if (apart) return listed.some(({ state }) => state === 'excluded' || state === 'not-named') ? 'unused' : 'apart';
  if (!multicast) return 'off';
  if (online === 0) return 'nobody';
  return found?.verdicts.some(({ severity }) => severity === 'problem') ? 'hindered' : 'good';
}

/** Where this device can be dialled, as somebody else would write it. Addresses of one cable alone lead nobody here. */
export function ownAddresses({ interfaces, tcpPort }: Network): string[] {
  const all = interfaces.flatMap(({ addresses }) => addresses).filter((address) => !/^(?:fe[89ab]|169\.254\.|127\.|::1$)/i.test(address));
  const v6 = (address: string) => address.includes(':');
  return [...all.filter((address) => !v6(address)), ...all.filter(v6)].map((address) => `${v6(address) ? `[${address}]` : address}:${tcpPort}`);
}

/** What was typed or pasted into one field: one address, or several with something between them. */
export function addressesIn(text: string): string[] {
  return [...new Set(text.split(/[\s,;，；、]+/).filter((part) => part !== ''))];
}
