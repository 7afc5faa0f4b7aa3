import { expect, test } from 'vitest';
import type { ListedInterface, Network } from '../../src/ipc/contract';
import { addressesIn, healthOf, ownAddresses } from '../../src/state/network';

const network = (to: Partial<Network> = {}): Network => ({
  port: 47_110,
  tcpPort: 47_111,
  multicast: true,
  interfaces: [
    { name: 'wlan0', addresses: ['192.168.1.12', 'fe80::1c2d:3eff:fe4f:5a6b', 'fd00::12'] },
    { name: 'eth0', addresses: ['169.254.9.9', '10.0.4.7'] },
    { name: 'lo', addresses: ['127.0.0.1', '::1'] },
  ],
  listed: [],
  clockOff: null,
  dropped: [],
  ...to,
});

test('one’s own addresses are those that others can reach, as they would write them', () => {
  expect(ownAddresses(network())).toEqual(['192.168.1.12:47111', '10.0.4.7:47111', '[fd00::12]:47111']);
  expect(ownAddresses(network({ interfaces: [] }))).toEqual([]);
});

test('what was pasted may be several addresses, with whatever between them', () => {
  expect(addressesIn('  192.168.1.12:47111 ')).toEqual(['192.168.1.12:47111']);
  expect(addressesIn('10.0.4.7，host.lan; [fd00::12]:47111\n10.0.4.7')).toEqual(['10.0.4.7', 'host.lan', '[fd00::12]:47111']);
  expect(addressesIn(' , ')).toEqual([]);
});

test('how well people are found is told from the worst on', () => {
  expect(healthOf(network({ interfaces: [], multicast: false }), 3)).toBe('apart');
  expect(healthOf(network({ multicast: false }), 3)).toBe('off');
  expect(healthOf(network(), 0)).toBe('nobody');
  expect(healthOf(network(), 3)).toBe('good');
});

test('a device on a network that is not to be used is told from one on none', () => {
  const lo: ListedInterface = { name: 'lo', kind: 'loopback', addresses: ['127.0.0.1'], choice: 'automatic', state: 'used' };
  const eth0: ListedInterface = { name: 'eth0', kind: 'ordinary', addresses: ['10.0.4.7'], choice: 'never', state: 'excluded' };
  const interfaces = [{ name: 'lo', addresses: ['127.0.0.1'] }];
  expect(healthOf(network({ interfaces, listed: [lo] }), 0)).toBe('apart');
  expect(healthOf(network({ interfaces, listed: [lo, eth0] }), 0)).toBe('unused');
  expect(healthOf(network({ interfaces: [], listed: [eth0] }), 0)).toBe('unused');
  expect(healthOf(network({ interfaces, listed: [lo, eth0] }), 1)).toBe('good');
});
