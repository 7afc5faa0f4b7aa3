//! The icon's menu, as desktops read it over D-Bus (`com.canonical.dbusmenu`).

use std::collections::HashMap;
use std::sync::Arc;

use gio::glib::{self, ToVariant as _, Variant};
use gio::{DBusConnection, DBusMethodInvocation, DBusNodeInfo};

use super::system::{Item, unknown};
use super::{Asked, Face};

/// Where it is.
pub const PATH: &str = "/MenuBar";

pub const INTERFACE: &str = "com.canonical.dbusmenu";

type Properties = HashMap<&'static str, Variant>;

pub fn mount(bus: &DBusConnection, item: &Arc<Item>) -> Result<(), glib::Error> {
    let item = item.clone();
    let info = DBusNodeInfo::for_xml(XML)?.lookup_interface(INTERFACE).ok_or_else(unknown)?;
    bus.register_object(
        PATH,
        &info,
        move |_, _, _, _, method, parameters, invocation: DBusMethodInvocation| {
            let answer = answer(&item, method, &parameters);
            invocation.return_value(answer.as_ref());
        },
        |_, _, _, _, property| match property {
            "Version" => 3_u32.to_variant(),
            "Status" => "normal".to_variant(),
            "TextDirection" => "ltr".to_variant(),
            _ => Vec::<String>::new().to_variant(),
        },
        |_, _, _, _, _, _| false,
    )?;
    Ok(())
}

fn answer(item: &Item, method: &str, parameters: &Variant) -> Option<Variant> {
    let entries = entries(item.face());
    Some(match method {
        "GetLayout" => {
            let none = Vec::<Variant>::new();
            let children: Vec<Variant> =
                entries.into_iter().map(|(id, about)| (id, about, none.clone()).to_variant()).collect();
            let whole = Properties::from([("children-display", "submenu".to_variant())]);
            (item.revision(), (ROOT, whole, children)).to_variant()
        }
        "GetGroupProperties" => {
            let wanted = parameters.child_value(0).get::<Vec<i32>>().unwrap_or_default();
            let is_wanted = |id: i32| wanted.is_empty() || wanted.contains(&id);
            let found: Vec<_> = entries.into_iter().filter(|(id, _)| is_wanted(*id)).collect();
            (found,).to_variant()
        }
        "GetProperty" => {
            let (id, name) = parameters.get::<(i32, String)>()?;
            let about = entries.into_iter().find(|(known, _)| *known == id);
            let value = about.and_then(|(_, mut about)| about.remove(name.as_str()));
            (value.unwrap_or_else(|| "".to_variant()),).to_variant()
        }
        "Event" => {
            let (id, event) = (parameters.child_value(0).get::<i32>()?, parameters.child_value(1));
            happened(item, id, event.str()?);
            return None;
        }
        "EventGroup" => {
            for event in parameters.child_value(0).iter() {
                if let (Some(id), name) = (event.child_value(0).get::<i32>(), event.child_value(1)) {
                    happened(item, id, name.str().unwrap_or_default());
                }
            }
            (Vec::<i32>::new(),).to_variant()
        }
        "AboutToShowGroup" => (Vec::<i32>::new(), Vec::<i32>::new()).to_variant(),
        "AboutToShow" => (false,).to_variant(),
        _ => return None,
    })
}

fn happened(item: &Item, id: i32, event: &str) {
    if event != "clicked" {
        return;
    }
    match id {
        OPEN => item.ask(Asked::Open),
        QUIET => item.ask(Asked::DoNotDisturb(!item.face().quiet)),
        QUIT => item.ask(Asked::Quit),
        _ => {}
    }
}

fn entries(face: Face) -> Vec<(i32, Properties)> {
    let language = face.language;
    let labelled = |label: &str| Properties::from([("label", label.to_variant())]);
    let mut quiet = labelled(language.do_not_disturb());
    quiet.insert("toggle-type", "checkmark".to_variant());
    quiet.insert("toggle-state", i32::from(face.quiet).to_variant());
    let line = Properties::from([("type", "separator".to_variant())]);
    vec![(OPEN, labelled(language.open())), (QUIET, quiet), (LINE, line), (QUIT, labelled(language.quit()))]
}

/// The menu itself, and what is in it.
const ROOT: i32 = 0;
const OPEN: i32 = 1;
const QUIET: i32 = 2;
const LINE: i32 = 3;
const QUIT: i32 = 4;

const XML: &str = r#"<node><interface name="com.canonical.dbusmenu">
    <property name="Version" type="u" access="read"/>
    <property name="Status" type="s" access="read"/>
    <property name="TextDirection" type="s" access="read"/>
    <property name="IconThemePath" type="as" access="read"/>
    <method name="GetLayout"><arg type="i" direction="in"/><arg type="i" direction="in"/><arg type="as" direction="in"/>
        <arg type="u" direction="out"/><arg type="(ia{sv}av)" direction="out"/></method>
    <method name="GetGroupProperties"><arg type="ai" direction="in"/><arg type="as" direction="in"/>
        <arg type="a(ia{sv})" direction="out"/></method>
    <method name="GetProperty"><arg type="i" direction="in"/><arg type="s" direction="in"/>
        <arg type="v" direction="out"/></method>
    <method name="Event"><arg type="i" direction="in"/><arg type="s" direction="in"/><arg type="v" direction="in"/>
        <arg type="u" direction="in"/></method>
    <method name="EventGroup"><arg type="a(isvu)" direction="in"/><arg type="ai" direction="out"/></method>
    <method name="AboutToShow"><arg type="i" direction="in"/><arg type="b" direction="out"/></method>
    <method name="AboutToShowGroup"><arg type="ai" direction="in"/><arg type="ai" direction="out"/>
        <arg type="ai" direction="out"/></method>
    <signal name="LayoutUpdated"><arg type="u"/><arg type="i"/></signal>
    <signal name="ItemsPropertiesUpdated"><arg type="a(ia{sv})"/><arg type="a(ias)"/></signal>
</interface></node>"#;
