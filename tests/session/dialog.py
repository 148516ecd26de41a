"""An X client with one dialog, for test_desktop: `_NET_WM_WINDOW_TYPE_DIALOG` as toolkits set it."""

import os

import xcffib
import xcffib.xproto

connection = xcffib.connect(display=os.environ["DISPLAY"])
core = connection.core
screen = connection.get_setup().roots[0]


def atom(name: str) -> int:
    number: int = core.InternAtom(False, len(name), name).reply().atom
    return number


window = connection.generate_id()
core.CreateWindow(
    screen.root_depth, window, screen.root, 0, 0, 300, 200, 0,
    xcffib.xproto.WindowClass.InputOutput, screen.root_visual, 0, [],
)  # fmt: skip
kind, dialog = atom("_NET_WM_WINDOW_TYPE"), atom("_NET_WM_WINDOW_TYPE_DIALOG")
core.ChangeProperty(xcffib.xproto.PropMode.Replace, window, kind, xcffib.xproto.Atom.ATOM, 32, 1, [dialog])
core.ChangeProperty(
    xcffib.xproto.PropMode.Replace, window, xcffib.xproto.Atom.WM_NAME, xcffib.xproto.Atom.STRING, 8, 8, "a dialog"
)
core.MapWindow(window)
connection.flush()
while connection.wait_for_event():
    pass
