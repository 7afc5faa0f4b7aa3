import type { CheckedPeer, Diagnosis, Network, Peer, Sentence, Verdict } from './contract';

/** A made-up look at the network: all is well, nobody is there, or in a crowd what is in the way. */
export function diagnosis(network: Network, peers: Peer[], crowded: boolean): Diagnosis {
  const here = peers.filter(({ online }) => online).slice(0, 3);
  const problem = (cause: Verdict['cause'], what: Sentence, evidence: Sentence[], steps: Sentence[]): Verdict => ({ cause, severity: 'problem', what, evidence, steps, peers: [] });
  const verdicts: Verdict[] = [];
  const [first] = here;
  if (!first) {
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
    interfaces: [
      ...network.interfaces.map(({ name, addresses }) => ({ name, addresses, used: true, kind: 'ordinary' as const, sent: 18, failed: 0, forbidden: 0, heard: here.length * 9, loopsBack: true })),
      { name: 'tun0', addresses: ['10.8.0.6'], used: false, kind: 'point-to-point', sent: 0, failed: 0, forbidden: 0, heard: 0, loopsBack: null },
    ],
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
