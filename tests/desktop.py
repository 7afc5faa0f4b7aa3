"""The rest of a desktop, on the session bus: shows notifications, and a tray if it is asked to: desktop.py [--tray]

Tells what is seen as one JSON object a line, whenever that changes. Reads what a person does: one JSON list a line.
"""

import json
import sys
import threading

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

NOTIFICATIONS = """<node><interface name="org.freedesktop.Notifications">
    <method name="GetCapabilities"><arg type="as" direction="out"/></method>
    <method name="Notify"><arg type="s" direction="in"/><arg type="u" direction="in"/><arg type="s" direction="in"/>
        <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="as" direction="in"/>
        <arg type="a{sv}" direction="in"/><arg type="i" direction="in"/><arg type="u" direction="out"/></method>
    <method name="CloseNotification"><arg type="u" direction="in"/></method>
    <signal name="NotificationClosed"><arg type="u"/><arg type="u"/></signal>
    <signal name="ActionInvoked"><arg type="u"/><arg type="s"/></signal>
</interface></node>"""
NOTIFICATIONS_PATH = "/org/freedesktop/Notifications"

WATCHER = """<node><interface name="org.kde.StatusNotifierWatcher">
    <method name="RegisterStatusNotifierItem"><arg type="s" direction="in"/></method>
    <property name="IsStatusNotifierHostRegistered" type="b" access="read"/>
</interface></node>"""

bus = Gio.bus_get_sync(Gio.BusType.SESSION)
standing = []
counts = {"last": 0, "shown": 0}
item = None
tray = None


def tell():
    seen = {"notifications": standing, "shown": counts["shown"], "icon": item is not None}
    print(json.dumps(seen), flush=True)


def plain(markup):
    for sign, mark in (("<", "&lt;"), (">", "&gt;"), ("&", "&amp;")):
        markup = markup.replace(mark, sign)
    return markup


def closed(number, reason):
    standing[:] = [one for one in standing if one["id"] != number]
    told = GLib.Variant("(uu)", (number, reason))
    bus.emit_signal(None, NOTIFICATIONS_PATH, "org.freedesktop.Notifications", "NotificationClosed", told)
    tell()


def notifications(_bus, _sender, _path, _interface, method, parameters, invocation):
    if method == "GetCapabilities":
        invocation.return_value(GLib.Variant("(as)", (["actions", "body", "body-markup"],)))
    elif method == "Notify":
        _, replaces, _, title, body, actions, _, _ = parameters.unpack()
        assert actions[0] == "default", "a click opens something"
        counts["shown"] += 1
        known = next((one for one in standing if one["id"] == replaces), None)
        if known is None:
            counts["last"] += 1
            known = {"id": counts["last"]}
            standing.append(known)
        known.update(title=title, body=plain(body))
        invocation.return_value(GLib.Variant("(u)", (known["id"],)))
        tell()
    else:
        invocation.return_value(None)
        closed(parameters.unpack()[0], 3)


def watcher(_bus, _sender, _path, _interface, _method, parameters, invocation):
    global item
    item = parameters.unpack()[0]
    invocation.return_value(None)
    tell()


def ask(path, interface, method, parameters):
    return bus.call_sync(item, path, interface, method, parameters, None, Gio.DBusCallFlags.NONE, 5000, None).unpack()


def of_icon(name):
    wanted = GLib.Variant("(ss)", ("org.kde.StatusNotifierItem", name))
    return ask("/StatusNotifierItem", "org.freedesktop.DBus.Properties", "Get", wanted)[0]


def menu():
    _, (_, _, entries) = ask("/MenuBar", "com.canonical.dbusmenu", "GetLayout", GLib.Variant("(iias)", (0, -1, [])))
    return {about["label"]: number for number, about, _ in entries if "label" in about}


def act(word, *about):
    global item
    if word == "click":
        told = GLib.Variant("(us)", (about[0], "default"))
        bus.emit_signal(None, NOTIFICATIONS_PATH, "org.freedesktop.Notifications", "ActionInvoked", told)
        closed(about[0], 2)
    elif word == "choose":
        number = menu()[about[0]]
        clicked = GLib.Variant("(isvu)", (number, "clicked", GLib.Variant("i", 0), 0))
        bus.call(item, "/MenuBar", "com.canonical.dbusmenu", "Event", clicked, None, Gio.DBusCallFlags.NONE, -1)
    elif word == "lose-tray":
        Gio.bus_unown_name(tray)
        item = None
        tell()
    else:
        answers = {
            "menu": lambda: list(menu()),
            "tip": lambda: of_icon("ToolTip")[2],
            "icon": lambda: bytes(of_icon("IconPixmap")[0][2]).hex(),
        }
        print(json.dumps({"answer": answers[word]()}), flush=True)
    return GLib.SOURCE_REMOVE


def listen():
    for line in sys.stdin:
        GLib.idle_add(act, *json.loads(line))


def serve(xml, path, method, prop=None):
    info = Gio.DBusNodeInfo.new_for_xml(xml).interfaces[0]
    bus.register_object(path, info, method, prop, None)


serve(NOTIFICATIONS, NOTIFICATIONS_PATH, notifications)
if "--tray" in sys.argv:
    serve(WATCHER, "/StatusNotifierWatcher", watcher, lambda *_: GLib.Variant("b", True))
    name = "org.kde.StatusNotifierWatcher"
    tray = Gio.bus_own_name_on_connection(bus, name, Gio.BusNameOwnerFlags.NONE, None, None)
Gio.bus_own_name_on_connection(
    bus, "org.freedesktop.Notifications", Gio.BusNameOwnerFlags.NONE, lambda *_: tell(), None
)
threading.Thread(target=listen, daemon=True).start()
GLib.MainLoop().run()
