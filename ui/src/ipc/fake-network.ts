import type { CheckedPeer, Diagnosis, InterfaceChoice, ListedInterface, Network, Peer, Sentence, Verdict } from './contract';

/** Wi-Fi and a cable that are used, a VPN that is not, and what was chosen and is gone. */
export const INTERFACES: ListedInterface[] = [
  { name: 'wlan0', kind: 'ordinary', addresses: ['192.168.1.12', 'fe80::1c2d:3eff:fe4f:5a6b'], choice: 'automatic', state: 'used' },
  { name: 'eth0', kind: 'ordinary', addresses: ['10.0.4.7'], choice: 'automatic', state: 'used' },
  { name: 'tun0', kind: 'point-to-point', addresses: ['10.8.0.6'], choice: 'automatic', state: 'tunnel' },
  { name: 'usb0', kind: null, addresses: [], choice: 'always', state: 'absent' },
];

/** Chooses as the engine does: at once, and an absent one that is left to itself is no longer listed. */
export function useInterface(network: Network, name: string, choice: InterfaceChoice): void {
  const unchosen = (one: ListedInterface) => (one.kind === 'point-to-point' ? 'tunnel' : 'used');
  network.listed = network.listed
    .map((one) => (one.name === name ? { ...one, choice } : one))
    .filter((one) => one.kind !== null || one.choice !== 'automatic')
    .map((one) => (one.kind === null ? one : { ...one, state: one.choice === 'never' ? 'excluded' : one.choice === 'always' ? 'used' : unchosen(one) }));
  network.interfaces = network.listed.filter(({ state }) => state === 'used').map(({ name, addresses }) => ({ name, addresses }));
}

/** A made-up look at the network: all is well, nobody is there, or in a crowd what is in the way. */
export function diagnosis(network: Network, peers: Peer[], crowded: boolean): Diagnosis {
  const here = peers.filter(({ online }) => online).slice(0, 3);
  const problem = (cause: Verdict['cause'], what: Sentence, evidence: Sentence[], steps: Sentence[]): Verdict => ({ cause, severity: 'problem', what, evidence, steps, peers: [] });
  const verdicts: Verdict[] = [];
  const [first] = here;
  const left = network.listed.find(({ state }) => state === 'excluded');
  if (left) {
    const { name } = left;
    const evidence = sentence('{name} ({addresses}) is up, and you chose not to use it.', { name, addresses: left.addresses.join(', ') });
    const step = sentence('Let Lanyard use the interface that leads to the others: lanyard network NAME always');
    verdicts.push(problem('wrong-interface', sentence('Nobody answers on the networks that were chosen, and this device has others.'), [evidence], [step]));
  } else if (!first) {
    verdicts.push(
      problem(
        'nobody-there',
        sentence('Nobody else answers.'),
        network.interfaces.map(({ name }) => sentence('On {name}, {sent} packets were sent and {heard} of others were heard.', { name, sent: '18', heard: '0' })),
        [
          sentence('Open Lanyard on another device that is on the same network: the same Wi-Fi or the same switch, without a VPN in between.'),
          sentence('If it is open there, let it look at the network, too: it may be the one that is cut off.'),
          sentence('Or let one of you add the other by address.'),
        ],
      ),
    );
  } else if (crowded) {
    verdicts.push({
      ...problem(
        'multicast-filtered',
        sentence('The network does not pass on multicast.'),
        [
          sentence('{name} hears the broadcasts of this device, and none of its multicast.', { name: first.name }),
          sentence('Connections to {name} pass.', { name: first.name }),
        ],
        [
          sentence('Let the switch or access point pass multicast to 224.0.0.100: look for multicast filter, IGMP snooping, or multicast enhancement in its settings.'),
          sentence('Meanwhile Lanyard connects directly to those whose broadcasts it hears. Whoever is not seen at all can be added by address; those nearby are found through them.'),
        ],
      ),
      direction: 'both',
      peers: [first.id],
    });
    verdicts.push({ ...problem('other-version', sentence('Somebody here runs a version of Lanyard that does not understand this one.'), [], [sentence('Update Lanyard on all devices.')]), severity: 'note' });
  }
  const ways = { multicast: !crowded, broadcast: true };
  const checked = (peer: Peer): CheckedPeer => ({
    id: peer.id,
    name: peer.name,
    found: 'heard',
    addresses: peer.addresses,
    interface: network.interfaces[0]?.name ?? null,
    hears: ways,
    heard: ways,
    dial: 'open',
    dials: 'open',
  });
  return {
    verdicts,
    interfaces: network.listed.flatMap(({ name, addresses, choice, kind, state }) => {
      const used = state === 'used';
      const counts = { sent: used ? 18 : 0, failed: 0, forbidden: 0, heard: used ? here.length * 9 : 0, loopsBack: used ? true : null };
      return kind === null ? [] : [{ name, addresses, used, kind, choice, ...counts }];
    }),
    peers: here.map(checked),
    port: network.port,
    tcpPort: network.tcpPort,
    at: Date.now(),
  };
}

function sentence(template: string, fillings: Record<string, string> = {}): Sentence {
  const message = template.replace(/\{(\w+)\}/g, (hole, name: string) => fillings[name] ?? hole);
  return { message, says: { template, with: fillings } };
}
