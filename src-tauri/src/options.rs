//! The command line of the window.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use lanyard_engine::Config;
use lanyard_engine::config::DEFAULT_PORT;
use lanyard_engine::control::Presented;
use tauri::Url;

use crate::openings::LINK;
use crate::tray::Start;

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
    /// Stay in the tray until the window is asked for; where there is no tray, the window opens
    #[arg(long)]
    background: bool,
    /// Write the manual page of this program, for a package
    #[arg(long, hide = true)]
    pub manual: bool,
    /// Files and folders to offer to somebody, and lanyard: links to open. A window that runs already takes them
    #[arg(value_name = "FILE|LINK")]
    open: Vec<OsString>,
}

impl Options {
    /// How the window begins.
    pub fn start(&self) -> Start {
        // Whoever names something to be opened wants to see it.
        if self.background && self.open.is_empty() { Start::Hidden } else { Start::Shown }
    }

    /// What is to be opened.
    pub fn presented(&self) -> Presented {
        let mut presented = Presented::default();
        for word in &self.open {
            let text = word.to_str().unwrap_or_default();
            if text.starts_with(LINK) {
                presented.links.push(text.to_owned());
                continue;
            }
            // File managers hand over addresses.
            let named = Url::parse(text).ok().filter(|url| url.scheme() == "file");
            let path = named.and_then(|url| url.to_file_path().ok()).unwrap_or_else(|| word.into());
            // Whoever takes it may stand in another folder.
            match std::path::absolute(&path).map(PathBuf::into_os_string).map(OsString::into_string) {
                Ok(Ok(path)) => presented.paths.push(path),
                _ => {
                    tracing::warn!(path = %path.display(), "this name is not readable text, and is left out")
                }
            }
        }
        presented
    }

    /// The words that start the program in the same way at login, in the background.
    pub fn login_words(&self) -> Vec<String> {
        let mut words = vec!["--background".to_owned()];
        let mut add = |name: &str, value: &str| words.extend([name.to_owned(), quoted(value)]);
        if let Some(profile) = self.profile.as_ref().and_then(|profile| std::path::absolute(profile).ok()) {
            add("--profile", &profile.to_string_lossy());
        }
        if self.port != DEFAULT_PORT {
            add("--port", &self.port.to_string());
        }
        self.network.iter().for_each(|network| add("--network", network));
        self.interfaces.iter().for_each(|interface| add("--interface", interface));
        self.peers.iter().for_each(|peer| add("--peer", peer));
        words
    }

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

/// One word of a command line, as it stands in what starts programs at login. What writes it there joins words with spaces.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,+@=".contains(c) || !c.is_ascii();
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if cfg!(windows) {
        // A name there holds no quotation marks; a backslash before the last one would hide it.
        return format!("\"{}\"", word.trim_end_matches('\\'));
    }
    // As the Desktop Entry Specification has it, where % stands for something, too.
    let mut quoted = String::from('"');
    for c in word.chars() {
        match c {
            '"' | '`' | '$' | '\\' => quoted.extend(['\\', c]),
            '%' => quoted.push_str("%%"),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_links_are_told_apart() {
        let options = Options::parse_from([
            "lanyard-desktop",
            "lanyard:v1:inv:abc",
            "plan.pdf",
            "file:///srv/My%20plans",
            "https://a.example",
        ]);
        let here = |name: &str| std::path::absolute(name).unwrap().to_str().unwrap().to_owned();
        let presented = options.presented();
        assert_eq!(presented.links, ["lanyard:v1:inv:abc"]);
        if cfg!(unix) {
            assert_eq!(presented.paths, [&here("plan.pdf"), "/srv/My plans", &here("https://a.example")]);
        }
    }

    #[test]
    fn whoever_names_something_to_open_sees_the_window() {
        let start = |words: &[&str]| Options::parse_from(["lanyard-desktop"].iter().chain(words)).start();
        assert_eq!(start(&[]), Start::Shown);
        assert_eq!(start(&["--background"]), Start::Hidden);
        assert_eq!(start(&["--background", "plan.pdf"]), Start::Shown);
    }

    #[cfg(unix)]
    #[test]
    fn the_same_is_started_at_login() {
        let words = |words: &[&str]| {
            Options::parse_from(["lanyard-desktop"].iter().chain(words)).login_words().join(" ")
        };
        assert_eq!(words(&["plan.pdf"]), "--background");
        assert_eq!(
            words(&["--profile", "/home/ann/my \"50%\" $x", "--network", "lab", "--peer", "10.0.0.1:24417"]),
            r#"--background --profile "/home/ann/my \"50%%\" \$x" --network lab --peer 10.0.0.1:24417"#
        );
    }

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
