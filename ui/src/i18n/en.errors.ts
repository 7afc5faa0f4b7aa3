import type { Sentences } from './said';

/** What the engine says with a command of the terminal program in it: in the window a button does that, or the place is at hand. */
export const enErrors: Sentences = {
  'It was not accepted yet, so there is nothing to go on with. To fetch it: lanyard accept {id}':
    'It was not accepted yet, so there is nothing to go on with. Accept it first.',
  'Let Lanyard in through the firewall: sudo firewall-cmd --permanent --add-port={udp}/udp --add-port={tcp}/tcp && sudo firewall-cmd --reload':
    'Let Lanyard in, in the settings of the firewall of this device: UDP port {udp} and TCP port {tcp}.',
  'Let Lanyard in through the firewall: sudo ufw allow {udp}/udp && sudo ufw allow {tcp}/tcp': 'Let Lanyard in, in the settings of the firewall of this device: UDP port {udp} and TCP port {tcp}.',
  'Lanyard was started for certain interfaces only. Start it without --interface, or with the one that leads to the others.':
    'Lanyard was started for certain interfaces only. Start it without that choice.',
  'Let Lanyard use the interface that leads to the others: lanyard network NAME always': 'Let Lanyard use the interface that leads to the others, under “Interfaces” below.',
  'Nobody here is called “{wanted}”. See who is: lanyard peers': 'Nobody here is called “{wanted}”.',
  'Nothing was sent: this device ({short}) is called {name} like somebody you verified, but has another key. Compare it, or say that it is somebody else: lanyard verify @{short}':
    'Nothing was sent: this device ({short}) is called {name} like somebody you verified, but has another key. Compare the keys, or say that it is somebody else.',
  'See which program has the port: netstat -abnp UDP | findstr /C:":{port}"': 'Find out which program uses UDP port {port}.',
  'See which program has the port: sudo lsof -nP -iUDP:{port}': 'Find out which program uses UDP port {port}.',
  "See which program has the port: sudo ss -lnup 'sport = :{port}'": 'Find out which program uses UDP port {port}.',
  "The profile {profile} is in use by {by}. Use another with --profile, or talk to that one: lanyard --profile '{profile}' status":
    'The profile {profile} is in use by {by}. End that program first.',
  'Then say so here: lanyard status --settled': 'Then confirm here that the copy was ended.',
  'There is no comparison with {name}. Begin one: lanyard verify --emoji': 'The comparison with {name} is over. Begin a new one.',
  'There is no message “{wanted}” here. See ids: lanyard log TO --ids': 'There is no message “{wanted}” here. It may be gone from this device.',
  'There is no open transfer “{wanted}”. See them: lanyard transfers': 'There is no open transfer “{wanted}”.',
  'There is no such transfer. See them: lanyard transfers': 'There is no such transfer.',
  'There is no transfer “{wanted}”. See them: lanyard transfers': 'There is no transfer “{wanted}”.',
  'This is your own device. Whoever goes leaves: lanyard room leave': 'This is your own device. To go, leave the room.',
  'To find people by themselves, start Lanyard without --no-multicast.': 'To find people by themselves, start Lanyard so that it may use multicast.',
  'To see each other, start Lanyard on all devices with the same --network.': 'To see each other, start Lanyard on all devices with the same name of a network.',
  'You are not in #{name}. Join it first: lanyard room join {name}': 'You are not in #{name}. Join it first.',
  'You blocked {name}. To write to each other again: lanyard unblock @{short}': 'You blocked {name}. To write to each other again, unblock them.',
  'You share {path} as “{name}”. Choose another name: --name': 'You share {path} as “{name}” already. Choose another name.',
  'You share no folder “{wanted}”. See which: lanyard share --list': 'You share no folder “{wanted}”.',
  '{name} no longer shares “{called}” with you. See what is shared: lanyard browse @{name}': '{name} no longer shares “{called}” with you.',
  '{name} shares no “{wanted}” with you. See what is shared: lanyard browse @{name}': '{name} shares no “{wanted}” with you.',
  '{what} {name} was verified before, and still is. To take that back: lanyard verify @{short} --undo':
    '{what} {name} was verified before, and still is.',
  '“{wanted}” is no id of a message. See ids: lanyard log TO --ids': '“{wanted}” is no id of a message.',
};
