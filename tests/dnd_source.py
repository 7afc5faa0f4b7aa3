"""A window that files can be dragged out of: dnd_source.py X Y PATH..."""

import sys
from pathlib import Path

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, Gtk  # noqa: E402

x, y = int(sys.argv[1]), int(sys.argv[2])
uris = [Path(path).as_uri() for path in sys.argv[3:]]

window = Gtk.Window(type=Gtk.WindowType.POPUP)
window.set_default_size(120, 120)
window.move(x, y)
handle = Gtk.EventBox()
handle.add(Gtk.Label(label="drag me"))
window.add(handle)
handle.drag_source_set(
    Gdk.ModifierType.BUTTON1_MASK,
    [Gtk.TargetEntry.new("text/uri-list", 0, 0)],
    Gdk.DragAction.COPY,
)
handle.connect("drag-data-get", lambda _widget, _context, data, _info, _time: data.set_uris(uris))
window.show_all()
print("shown", flush=True)
Gtk.main()
