//! The command line of the window.

use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use lanyard_engine::Config;
use lanyard_engine::config::DEFAULT_PORT;

/// Everyone on your network in one window: chat and files without a server.
#[derive(Clone, Debug, Parser)]
#[command(name = "lanyard-desktop", version)]
pub struct Options {
    /// Folder of the profile: one person on one device. Made if missing
    #[arg(long, value_name = "DIR")]
    profile: Option<PathBuf>,
    /// Port of discovery, rooms and files, the same for everyone on the network
    #[arg(long, value_name = "N", default_value_t = DEFAULT_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// See only the devices that name the same network; a filter, not a secret
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
    /// Use only this network interface; may be given more than once
    #[arg(long = "interface", value_name = "IF")]
    interfaces: Vec<String>,
    /// Reach a device by its address too, where multicast does not pass; may be given more than once
    #[arg(long = "peer", value_name = "ADDR")]
    peers: Vec<String>,
}

impl Options {
    /// What the engine is told.
    ///
    /// # Errors
    /// When no profile is named and the system does not say where one belongs.
    pub fn config(self) -> anyhow::Result<Config> {
        let profile = match self.profile {
            // The working folder may be another one by the time the profile is used.
            Some(profile) => std::path::absolute(profile).context("the profile folder cannot be found")?,
            None => Config::default_profile()
                .context("this account has no home folder: name a profile folder with --profile")?,
        };
        let mut config = Config::new(profile);
        config.port = self.port;
        if let Some(network) = self.network {
            config.network = network;
        }
        if !self.interfaces.is_empty() {
            config.interfaces = Some(self.interfaces);
        }
        config.peers = self.peers;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_reaches_the_engine() {
        let options = Options::parse_from([
            "lanyard-desktop",
            "--profile",
            "/p",
            "--port",
            "5000",
            "--network",
            "lab",
            "--interface",
            "eth0",
            "--interface",
            "eth1",
            "--peer",
            "10.0.0.1",
        ]);
        let config = options.config().unwrap();
        assert_eq!(config.profile, std::path::absolute("/p").unwrap());
        assert_eq!(config.port, 5000);
        assert_eq!(config.network, "lab");
        assert_eq!(config.interfaces, Some(vec!["eth0".to_owned(), "eth1".to_owned()]));
        assert_eq!(config.peers, ["10.0.0.1"]);
    }

    #[test]
    fn no_interface_means_all_suitable_ones() {
        let config = Options::parse_from(["lanyard-desktop", "--profile", "/p"]).config().unwrap();
        assert_eq!(config.interfaces, None);
        assert_eq!(config.port, DEFAULT_PORT);
    }
}
