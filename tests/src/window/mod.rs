//! The built program in a real window, seen and used as a person would: by what is on the screen.
//!
//! Every window has a display of its own (Xvfb) and a WebDriver of its own, and may stand on a [`Host`]. All of it ends
//! when the [`Window`] is dropped; by a panic, a picture of the display stays in `target/window-shots`.

mod desktop;
mod display;
mod driver;
mod group;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use fantoccini::{Client, Locator};
use serde_json::Value;
use tempfile::TempDir;

use crate::hosts::{Host, built_beside};
pub use crate::window::desktop::{Desktop, Notification};
use crate::window::display::Display;
use crate::window::driver::{Driver, Network};

/// One running window of the program.
pub struct Window {
    name: String,
    client: Client,
    // Before the driver: what is still on the screen is pictured first.
    display: Display,
    driver: Driver,
    home: PathBuf,
    /// What the program was started with, so that it can be started again.
    words: Vec<String>,
    bus: Option<String>,
    _own_home: Option<TempDir>,
}

impl Window {
    /// Opens the program on a host, as the person that the host is named after.
    ///
    /// # Panics
    /// When it does not open.
    pub async fn on(host: &Host) -> Window {
        let network = Network::Namespace(host.namespace_file());
        let driver = host.command(driver::PROGRAM);
        Window::open(host.name(), Home::of(host), None, driver, network, &[]).await
    }

    /// As [`Window::on`], as a part of a desktop.
    ///
    /// # Panics
    /// When it does not open.
    pub async fn on_desktop(host: &Host, desktop: &Desktop) -> Window {
        let network = Network::Namespace(host.namespace_file());
        let driver = host.command(driver::PROGRAM);
        Window::open(host.name(), Home::of(host), Some(desktop), driver, network, &[]).await
    }

    /// Opens the program on this machine, in a network that nobody else is in.
    ///
    /// # Panics
    /// When it does not open.
    pub async fn alone() -> Window {
        Window::alone_on(None, &[]).await
    }

    /// As [`Window::alone`], as a part of a desktop, with more words on its command line.
    ///
    /// # Panics
    /// When it does not open.
    pub async fn alone_on(desktop: Option<&Desktop>, more: &[&str]) -> Window {
        let home = tempfile::tempdir().expect("a home folder");
        let mut driver = Command::new(driver::PROGRAM);
        driver.env("HOME", home.path());
        let port = driver::free_port().to_string();
        let words = ["--port", &port, "--network", "alone", "--interface", "lo"];
        let words: Vec<&str> = words.into_iter().chain(more.iter().copied()).collect();
        let home = Home { path: home.path().to_owned(), own: Some(home) };
        Window::open("alone", home, desktop, driver, Network::Own, &words).await
    }

    /// Ends the program as the system does, and opens it anew for the same person.
    ///
    /// # Panics
    /// When it does not end, or does not open.
    pub async fn reopened(mut self) -> Window {
        self.terminate();
        self.until("the program ends", async || !self.runs()).await;
        let home = Home { path: self.home.clone(), own: self._own_home.take() };
        let words = std::mem::take(&mut self.words);
        drop(self);
        let mut driver = Command::new(driver::PROGRAM);
        driver.env("HOME", &home.path);
        // Which profile it is goes before them anyway.
        let words: Vec<&str> = words.iter().map(String::as_str).skip(2).collect();
        Window::open("alone", home, None, driver, Network::Own, &words).await
    }

    async fn open(
        name: &str,
        home: Home,
        desktop: Option<&Desktop>,
        mut driver: Command,
        network: Network,
        words: &[&str],
    ) -> Window {
        let display = Display::start();
        driver.env("DISPLAY", display.name()).env("LANG", "C.UTF-8").env("NO_AT_BRIDGE", "1");
        // Settings of the desktop are nobody's here, and asking for them starts a bus.
        driver.env("GSETTINGS_BACKEND", "memory");
        driver.env_remove("WAYLAND_DISPLAY").env_remove("DBUS_SESSION_BUS_ADDRESS");
        if let Some(desktop) = desktop {
            driver.env("DBUS_SESSION_BUS_ADDRESS", desktop.address());
        }
        let Home { path: home, own: own_home } = home;
        let profile = home.join("profile").to_string_lossy().into_owned();
        let words: Vec<&str> = ["--profile", &profile].into_iter().chain(words.iter().copied()).collect();
        let driver = Driver::start(driver, network);
        let client = driver.session(&program(), &words).await;
        let words = words.into_iter().map(str::to_owned).collect();
        let bus = desktop.map(|desktop| desktop.address().to_owned());
        Window { name: name.to_owned(), client, display, driver, home, words, bus, _own_home: own_home }
    }

    /// Starts the program once more as it was started, with more words, and waits for that start to end. How it ended.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start_again(&self, more: &[&str]) -> std::process::ExitStatus {
        let mut again = tokio::process::Command::new(program());
        again.args(&self.words).args(more).current_dir(&self.home).env("HOME", &self.home);
        again.env("DISPLAY", self.display.name()).env("NO_AT_BRIDGE", "1").env("GSETTINGS_BACKEND", "memory");
        again.env_remove("WAYLAND_DISPLAY").env_remove("DBUS_SESSION_BUS_ADDRESS").kill_on_drop(true);
        if let Some(bus) = &self.bus {
            again.env("DBUS_SESSION_BUS_ADDRESS", bus);
        }
        let ended = tokio::time::timeout(PATIENCE, again.status()).await;
        ended.expect("a second start ends at once").expect("the program starts")
    }

    /// The home folder of whoever runs it.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The display it is on.
    pub fn display(&self) -> &Display {
        &self.display
    }

    /// Waits until something is there.
    ///
    /// # Panics
    /// When it does not appear in time.
    pub async fn see(&self, css: &str) {
        self.until(&format!("{css} appears"), async || self.client.find(Locator::Css(css)).await.is_ok())
            .await;
    }

    /// Waits until something is no longer there.
    ///
    /// # Panics
    /// When it stays.
    pub async fn see_no(&self, css: &str) {
        self.until(&format!("{css} goes"), async || self.client.find(Locator::Css(css)).await.is_err()).await;
    }

    /// Clicks on something once it can be clicked.
    ///
    /// # Panics
    /// When it cannot be clicked in time.
    pub async fn click(&self, css: &str) {
        self.until(&format!("{css} can be clicked"), async || {
            let Ok(element) = self.client.find(Locator::Css(css)).await else { return false };
            // It may have been drawn anew in between.
            element.click().await.is_ok()
        })
        .await;
    }

    /// Replaces what is written in a field.
    ///
    /// # Panics
    /// When it cannot be written in time.
    pub async fn write(&self, css: &str, text: &str) {
        self.until(&format!("{css} can be written in"), async || {
            let Ok(element) = self.client.find(Locator::Css(css)).await else { return false };
            element.clear().await.is_ok() && element.send_keys(text).await.is_ok()
        })
        .await;
    }

    /// The text of everything that fits.
    ///
    /// # Panics
    /// When the page is gone.
    pub async fn texts(&self, css: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].map((it) => it.textContent.trim())";
        let texts = self.script(script, &[Value::from(css)]).await;
        let texts = texts.as_array().expect("the script answers with a list");
        texts.iter().map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Waits until one of the things that fit has exactly this text.
    ///
    /// # Panics
    /// When it does not appear in time.
    pub async fn read(&self, css: &str, text: &str) {
        let what = format!("{css} says {text:?}");
        self.until(&what, async || self.texts(css).await.iter().any(|seen| seen == text)).await;
    }

    /// The middle of something, in pixels of the display.
    ///
    /// # Panics
    /// When it does not appear in time.
    pub async fn middle(&self, css: &str) -> (i32, i32) {
        self.see(css).await;
        let script = "const box = document.querySelector(arguments[0]).getBoundingClientRect();
            return [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)]";
        let place = self.script(script, &[Value::from(css)]).await;
        // Without a window manager the window stands at the corner of the display.
        let number = |at: usize| place[at].as_i64().and_then(|number| i32::try_from(number).ok());
        (number(0).expect("a place"), number(1).expect("a place"))
    }

    /// Runs a script in the page.
    ///
    /// # Panics
    /// When it throws.
    pub async fn script(&self, script: &str, arguments: &[Value]) -> Value {
        match self.client.execute(script, arguments.to_vec()).await {
            Ok(value) => value,
            Err(error) => panic!("{}: {script}: {error}", self.name),
        }
    }

    /// Runs a script that calls its last argument with the answer.
    ///
    /// # Panics
    /// When it throws.
    pub async fn async_script(&self, script: &str, arguments: &[Value]) -> Value {
        match self.client.execute_async(script, arguments.to_vec()).await {
            Ok(value) => value,
            Err(error) => panic!("{}: {script}: {error}", self.name),
        }
    }

    /// Waits for a condition.
    ///
    /// # Panics
    /// When it does not hold in time.
    pub async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds().await {
            assert!(Instant::now() < deadline, "{}: {what}: not within {PATIENCE:?}", self.name);
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Asks the program to end, as the system does.
    ///
    /// # Panics
    /// When it runs no more.
    pub fn terminate(&self) {
        self.driver.terminate_program(&program());
    }

    /// Whether the program runs.
    pub fn runs(&self) -> bool {
        self.driver.program(&program()).is_some()
    }
}

/// The home folder of whoever runs a window.
struct Home {
    path: PathBuf,
    /// Where it goes with the window.
    own: Option<TempDir>,
}

impl Home {
    fn of(host: &Host) -> Home {
        Home { path: host.folder().to_owned(), own: None }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/window-shots");
            let test = std::thread::current().name().unwrap_or("test").replace("::", "-");
            let path = folder.join(format!("{test}-{}.png", self.name));
            let taken = std::fs::create_dir_all(&folder).is_ok() && self.display.shoot(&path);
            eprintln!(
                "{}",
                if taken { path.display().to_string() } else { "no picture could be taken".into() }
            );
        }
    }
}

/// The program under test: what was built beside this test.
fn program() -> PathBuf {
    let program = built_beside("lanyard-desktop");
    assert!(program.is_file(), "{} is missing: cargo xtask test build makes it", program.display());
    program
}

/// How long a person would wait, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(40);

/// How often a person looks.
const GLANCE: Duration = Duration::from_millis(50);
