//! What to do about each cause, on this system.

use std::path::Path;

use crate::api::{Cause, Sentence};
use crate::saying;
use crate::saying::Saying;

/// What the steps depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    Linux(LinuxFirewall),
    Macos,
    Windows,
    Other,
}

/// The program by which people rule their firewall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinuxFirewall {
    Firewalld,
    Ufw,
    Unknown,
}

/// What to do where another interface leads to the others: `named` where this run was told which to use.
pub(super) fn interface(named: bool) -> Vec<Sentence> {
    let step = match named {
        true => saying!(
            "Lanyard was started for certain interfaces only. Start it without --interface, or with the one that leads to the others."
        ),
        false => {
            saying!("Let Lanyard use the interface that leads to the others: lanyard network NAME always")
        }
    };
    vec![step.into()]
}

impl System {
    /// The one that this is.
    pub fn here() -> System {
        match std::env::consts::OS {
            "linux" if Path::new("/usr/bin/firewall-cmd").exists() => System::Linux(LinuxFirewall::Firewalld),
            "linux" if Path::new("/usr/sbin/ufw").exists() => System::Linux(LinuxFirewall::Ufw),
            "linux" => System::Linux(LinuxFirewall::Unknown),
            "macos" => System::Macos,
            "windows" => System::Windows,
            _ => System::Other,
        }
    }

    pub(super) fn steps(self, cause: Cause, port: u16, tcp: u16) -> Vec<Sentence> {
        let steps = match cause {
            Cause::NoNetwork => {
                vec![saying!("Connect to Wi-Fi, or plug in a cable. Lanyard notices by itself.")]
            }
            Cause::PortTaken => {
                vec![self.who_has(port), saying!("End that program, then start Lanyard again.")]
            }
            Cause::Firewall => self.firewall(port, tcp),
            Cause::Isolation => vec![
                saying!(
                    "Switch off client isolation (also called AP isolation) at the access point, or ask whoever runs it. Guest networks mostly have it."
                ),
                saying!("Or connect one of the devices by cable, or both to another network."),
                saying!(
                    "Meanwhile a device that both can reach passes on messages and files, if its Lanyard stays open."
                ),
            ],
            Cause::MulticastFiltered => vec![
                saying!(
                    "Let the switch or access point pass multicast to 224.0.0.100: look for multicast filter, IGMP snooping, or multicast enhancement in its settings."
                ),
                saying!(
                    "Meanwhile Lanyard connects directly to those whose broadcasts it hears. Whoever is not seen at all can be added by address; those nearby are found through them."
                ),
            ],
            Cause::ClonedIdentity => vec![
                saying!(
                    "End Lanyard on one of the two devices, and let it begin there with a profile of its own."
                ),
                saying!("Then say so here: lanyard status --settled"),
            ],
            Cause::ClockOff => vec![saying!("Set date, time and time zone of this device.")],
            Cause::NobodyThere => vec![
                saying!(
                    "Open Lanyard on another device that is on the same network: the same Wi-Fi or the same switch, without a VPN in between."
                ),
                saying!(
                    "If it is open there, let it look at the network, too: it may be the one that is cut off."
                ),
                saying!("Or let one of you add the other by address."),
            ],
            Cause::OtherVersion => vec![saying!("Update Lanyard on all devices.")],
            Cause::OtherNetwork => {
                vec![saying!("To see each other, start Lanyard on all devices with the same --network.")]
            }
            Cause::OtherSubnet | Cause::WrongInterface => Vec::new(),
            Cause::MulticastOff => {
                vec![saying!("To find people by themselves, start Lanyard without --no-multicast.")]
            }
        };
        steps.into_iter().map(Sentence::from).collect()
    }

    /// What others whose firewall lets nothing in are to do.
    pub(super) fn firewall_of_others(self, port: u16) -> Vec<Sentence> {
        vec![
            saying!("Let Lanyard in through the firewall there: UDP port {port} and the TCP port that its Network page shows.", port).into(),
            saying!("Until then files and messages take a longer way, and arrive all the same.").into(),
        ]
    }

    fn firewall(self, udp: u16, tcp: u16) -> Vec<Saying> {
        match self {
            System::Linux(LinuxFirewall::Firewalld) => vec![saying!(
                "Let Lanyard in through the firewall: sudo firewall-cmd --permanent --add-port={udp}/udp --add-port={tcp}/tcp && sudo firewall-cmd --reload",
                udp,
                tcp
            )],
            System::Linux(LinuxFirewall::Ufw) => vec![saying!(
                "Let Lanyard in through the firewall: sudo ufw allow {udp}/udp && sudo ufw allow {tcp}/tcp",
                udp,
                tcp
            )],
            System::Windows => vec![
                saying!(
                    "Open Windows Security, “Firewall & network protection”, “Allow an app through firewall”, and tick Lanyard for private networks."
                ),
                saying!("In the settings of this network choose “Private network”."),
            ],
            System::Macos => vec![
                saying!(
                    "Open System Settings, “Network”, “Firewall”, “Options”, and let Lanyard accept incoming connections."
                ),
                saying!("Under “Privacy & Security”, “Local Network”, switch on Lanyard."),
            ],
            System::Linux(LinuxFirewall::Unknown) | System::Other => {
                vec![saying!(
                    "Let Lanyard in through the firewall of this device: UDP port {udp} and TCP port {tcp}.",
                    udp,
                    tcp
                )]
            }
        }
    }

    fn who_has(self, port: u16) -> Saying {
        match self {
            System::Linux(_) => {
                saying!("See which program has the port: sudo ss -lnup 'sport = :{port}'", port)
            }
            System::Macos => saying!("See which program has the port: sudo lsof -nP -iUDP:{port}", port),
            System::Windows => {
                saying!("See which program has the port: netstat -abnp UDP | findstr /C:\":{port}\"", port)
            }
            System::Other => saying!("Find out which program uses UDP port {port}.", port),
        }
    }
}
