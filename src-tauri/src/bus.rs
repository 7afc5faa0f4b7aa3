//! The session bus of a Linux desktop, by the D-Bus that the window's toolkit brings along: a second one would be a hundred
//! crates more.

use std::path::Path;
use std::time::Duration;

use gio::glib::{self, Variant, VariantTy};
use gio::{BusType, Cancellable, DBusCallFlags, DBusConnection};

/// Somebody on the bus.
#[derive(Clone, Copy)]
pub struct Object {
    pub service: &'static str,
    pub path: &'static str,
    pub interface: &'static str,
}

/// The bus of this session, if it has one.
pub fn session() -> Option<DBusConnection> {
    if !exists() {
        return None;
    }
    let bus = gio::bus_get_sync(BusType::Session, Cancellable::NONE);
    let bus = bus.inspect_err(|error| tracing::info!(%error, "no session bus")).ok()?;
    // A desktop that ends is no reason to.
    bus.set_exit_on_close(false);
    Some(bus)
}

/// Asks somebody on the bus, and waits for the answer for as long as [`PATIENCE`].
pub async fn ask(
    bus: &DBusConnection,
    of: Object,
    method: &'static str,
    parameters: Variant,
    reply: &'static str,
) -> Result<Variant, glib::Error> {
    let bus = bus.clone();
    let asked = tauri::async_runtime::spawn_blocking(move || {
        bus.call_sync(
            Some(of.service),
            of.path,
            of.interface,
            method,
            Some(&parameters),
            VariantTy::new(reply).ok(),
            DBusCallFlags::NONE,
            i32::try_from(PATIENCE.as_millis()).unwrap_or(i32::MAX),
            Cancellable::NONE,
        )
    });
    asked
        .await
        .unwrap_or_else(|_| Err(glib::Error::new(gio::IOErrorEnum::Failed, "the task that asked is gone")))
}

/// Without an address and without a socket in its place there is no bus, and asking for one would try to start it.
fn exists() -> bool {
    let has_socket = |folder: std::ffi::OsString| Path::new(&folder).join("bus").exists();
    std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some()
        || std::env::var_os("XDG_RUNTIME_DIR").is_some_and(has_socket)
}

/// Who does not answer by then shows nothing either.
const PATIENCE: Duration = Duration::from_secs(2);
