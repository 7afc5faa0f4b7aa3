//! Which network interfaces are used: what a person chooses, and what follows when that or the interfaces change.

use lanyard_proto::effects::{Effects, Input};

use crate::api::{ApiError, Command, Event, InterfaceChoice, ListedInterface, Locked, Reply};
use crate::engine::commands::{Outcome, invalid};
use crate::engine::gate::Answering;
use crate::engine::run::Run;
use crate::net::interfaces::{Change, Interface, Listed};
use crate::saying;
use crate::store::StoreError;

impl Run {
    /// Carries out a choice at once, and keeps it. A run that was told which interfaces to use goes on using those.
    pub async fn use_interface(&mut self, chosen: Command) -> Result<Outcome, ApiError> {
        let Command::UseInterface { name, choice } = chosen else { unreachable!("only called for it") };
        self.config.policy.check([(Locked::Interfaces, true)])?;
        let name = name.trim().to_owned();
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(invalid(saying!("This is no name of a network interface.")));
        }
        let known = &self.watch.rule().chosen;
        if choice != InterfaceChoice::Automatic && !known.contains_key(&name) && known.len() >= MAX_CHOICES {
            return Err(invalid(saying!(
                "Too many interfaces were chosen. Leave some of them to Lanyard first."
            )));
        }
        let kept = self.store.use_interface(name.clone(), choice).await?;
        if let Some(change) = self.watch.choose(name, choice) {
            self.interfaces_changed(change).await?;
        }
        self.gate.wait_for(kept);
        let network = Reply::Network(Box::new(self.network()));
        Ok(Outcome::After(Effects::default(), Answering::Ready(Box::new(network))))
    }

    /// Sockets and connections follow, and the node looks around where it is now.
    pub async fn interfaces_changed(&mut self, change: Change) -> Result<(), StoreError> {
        self.credentials.filter().set(self.watch.current(), self.watch.listed());
        if change == Change::Used {
            self.sockets.update(self.watch.current());
            self.call_interfaces_changed();
            self.handle(Input::NetworkChanged).await?;
        }
        let network = self.network();
        self.tell(Event::NetworkChanged { network });
        Ok(())
    }
}

/// As the API has it.
pub fn listed(one: &Listed) -> ListedInterface {
    let Listed { interface, kind, choice, state } = one;
    let name = interface.name.clone();
    ListedInterface { name, kind: *kind, addresses: addresses(interface), choice: *choice, state: *state }
}

/// As they are shown.
pub fn addresses(interface: &Interface) -> Vec<String> {
    let v4 = interface.v4.iter().map(|v4| v4.address.to_string());
    v4.chain(interface.v6.iter().map(ToString::to_string)).collect()
}

/// Bytes of a name; those of Windows are the longest.
const MAX_NAME: usize = 512;
/// More than a device has, so that a program that makes names up fills nothing.
const MAX_CHOICES: usize = 256;
