//! The icon on desktops that speak `StatusNotifierItem`: KDE, and others with an extension. There may be none.
//! <https://www.freedesktop.org/wiki/Specifications/StatusNotifierItem/>

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gio::glib::variant::ObjectPath;
use gio::glib::{self, ToVariant as _, Variant};
use gio::{
    BusNameWatcherFlags, Cancellable, DBusCallFlags, DBusConnection, DBusMethodInvocation, DBusNodeInfo,
};
use tauri::AppHandle;
use tokio::sync::{mpsc, oneshot, watch};

use super::icon::{Picture, argb};
use super::menu;
use super::{Asked, Face};
use crate::bus::{self, Object};

/// The icon that is there, or would be if there were a tray.
pub struct Mounted {
    bus: DBusConnection,
    item: Arc<Item>,
}

/// What desktops see.
pub(super) struct Item {
    face: Mutex<Face>,
    /// Of the menu: it grows whenever it reads otherwise.
    revision: AtomicU32,
    plain: Variant,
    marked: Variant,
    asked: mpsc::Sender<Asked>,
}

impl Mounted {
    /// Puts the icon up, and goes on to do so whenever a tray appears; `there` is told each time whether one is there. `None`
    /// without a desktop that could have any.
    pub async fn new(
        app: &AppHandle,
        face: Face,
        [plain, marked]: [Picture; 2],
        asked: mpsc::Sender<Asked>,
        there: watch::Sender<bool>,
    ) -> Option<Mounted> {
        let bus = bus::session()?;
        let item = Arc::new(Item {
            face: Mutex::new(face),
            revision: AtomicU32::new(1),
            plain: pixels(&plain),
            marked: pixels(&marked),
            asked,
        });
        let (told, mounted) = oneshot::channel();
        let (on, of) = (bus.clone(), item.clone());
        // What is asked of it comes to the thread that has the window.
        app.run_on_main_thread(move || drop(told.send(mount(&on, &of, there)))).ok()?;
        match mounted.await {
            Ok(Ok(())) => Some(Mounted { bus, item }),
            Ok(Err(error)) => {
                tracing::warn!(%error, "no icon for the tray");
                None
            }
            Err(_) => None,
        }
    }

    pub async fn show(&self, face: Face) {
        *self.item.face.lock().unwrap_or_else(PoisonError::into_inner) = face;
        let revision = self.item.revision.fetch_add(1, Ordering::Relaxed) + 1;
        let changed = (revision, 0_i32).to_variant();
        let signals = [
            (ITEM_PATH, ITEM, "NewIcon", None),
            (ITEM_PATH, ITEM, "NewToolTip", None),
            (menu::PATH, menu::INTERFACE, "LayoutUpdated", Some(changed)),
        ];
        for (path, interface, signal, parameters) in signals {
            if let Err(error) = self.bus.emit_signal(None, path, interface, signal, parameters.as_ref()) {
                tracing::debug!(%error, signal, "the tray shows something else");
            }
        }
    }
}

/// Whether somebody shows the icon at this moment.
pub async fn is_shown() -> bool {
    let Some(bus) = bus::session() else { return false };
    let properties = Object { interface: "org.freedesktop.DBus.Properties", ..WATCHER };
    let wanted = (WATCHER.interface, "IsStatusNotifierHostRegistered").to_variant();
    let told = bus::ask(&bus, properties, "Get", wanted, "(v)").await;
    told.ok().and_then(|told| told.child_value(0).as_variant()?.get::<bool>()).unwrap_or(false)
}

fn mount(bus: &DBusConnection, item: &Arc<Item>, there: watch::Sender<bool>) -> Result<(), glib::Error> {
    let (asked, seen) = (item.clone(), item.clone());
    let item_info = DBusNodeInfo::for_xml(ITEM_XML)?.lookup_interface(ITEM).ok_or_else(unknown)?;
    bus.register_object(
        ITEM_PATH,
        &item_info,
        move |_, _, _, _, method, _, invocation: DBusMethodInvocation| {
            if method == "Activate" {
                asked.ask(Asked::Open);
            }
            invocation.return_value(None);
        },
        move |_, _, _, _, property| seen.property(property),
        |_, _, _, _, _, _| false,
    )?;
    menu::mount(bus, item)?;
    let gone = there.clone();
    let name = bus.unique_name().map(|name| name.to_string()).unwrap_or_default();
    gio::bus_watch_name_on_connection(
        bus,
        WATCHER.service,
        BusNameWatcherFlags::NONE,
        move |bus, _, _| {
            there.send_replace(true);
            bus.call(
                Some(WATCHER.service),
                WATCHER.path,
                WATCHER.interface,
                "RegisterStatusNotifierItem",
                Some(&(&name,).to_variant()),
                None,
                DBusCallFlags::NONE,
                -1,
                Cancellable::NONE,
                |answer| {
                    if let Err(error) = answer {
                        tracing::warn!(%error, "the tray does not take the icon");
                    }
                },
            );
        },
        move |_, _| {
            gone.send_replace(false);
        },
    );
    Ok(())
}

impl Item {
    pub(super) fn face(&self) -> Face {
        *self.face.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn revision(&self) -> u32 {
        self.revision.load(Ordering::Relaxed)
    }

    /// A person who asks faster than is answered asks for the same.
    pub(super) fn ask(&self, asked: Asked) {
        if self.asked.try_send(asked).is_err() {
            tracing::debug!("the tray was not heard");
        }
    }

    fn property(&self, name: &str) -> Variant {
        let face = self.face();
        match name {
            "Category" => "Communications".to_variant(),
            "Id" => "lanyard".to_variant(),
            "Title" => "Lanyard".to_variant(),
            "Status" => "Active".to_variant(),
            "WindowId" => 0_i32.to_variant(),
            "ItemIsMenu" => false.to_variant(),
            "Menu" => ObjectPath::try_from(menu::PATH.to_owned())
                .map_or_else(|_| "".to_variant(), |path| path.to_variant()),
            "IconPixmap" if face.unread > 0 => self.marked.clone(),
            "IconPixmap" => self.plain.clone(),
            "ToolTip" => {
                let no_icon = Vec::<(i32, i32, Vec<u8>)>::new();
                ("", no_icon, face.language.unread(face.unread), "").to_variant()
            }
            // IconName is the only one left: the pixels are the icon.
            _ => "".to_variant(),
        }
    }
}

fn pixels(picture: &Picture) -> Variant {
    let side = |pixels: u32| i32::try_from(pixels).unwrap_or(0);
    vec![(side(picture.width), side(picture.height), argb(picture))].to_variant()
}

pub(super) fn unknown() -> glib::Error {
    glib::Error::new(gio::IOErrorEnum::InvalidData, "the interface is not in its own description")
}

/// Who knows all icons.
const WATCHER: Object = Object {
    service: "org.kde.StatusNotifierWatcher",
    path: "/StatusNotifierWatcher",
    interface: "org.kde.StatusNotifierWatcher",
};

const ITEM: &str = "org.kde.StatusNotifierItem";

/// Where desktops look for it.
const ITEM_PATH: &str = "/StatusNotifierItem";

const ITEM_XML: &str = r#"<node><interface name="org.kde.StatusNotifierItem">
    <property name="Category" type="s" access="read"/>
    <property name="Id" type="s" access="read"/>
    <property name="Title" type="s" access="read"/>
    <property name="Status" type="s" access="read"/>
    <property name="WindowId" type="i" access="read"/>
    <property name="IconName" type="s" access="read"/>
    <property name="IconPixmap" type="a(iiay)" access="read"/>
    <property name="ToolTip" type="(sa(iiay)ss)" access="read"/>
    <property name="ItemIsMenu" type="b" access="read"/>
    <property name="Menu" type="o" access="read"/>
    <method name="Activate"><arg type="i" direction="in"/><arg type="i" direction="in"/></method>
    <method name="SecondaryActivate"><arg type="i" direction="in"/><arg type="i" direction="in"/></method>
    <method name="ContextMenu"><arg type="i" direction="in"/><arg type="i" direction="in"/></method>
    <method name="Scroll"><arg type="i" direction="in"/><arg type="s" direction="in"/></method>
    <signal name="NewIcon"/>
    <signal name="NewToolTip"/>
</interface></node>"#;
