"""The desktop's init: starts X, sound, window manager and the app, and leaves nothing behind.

Standard library only: it runs in any image that has Python, as PID 1 of a container, and is put to sleep and woken
with its tree. It knows nothing of hubs, tokens, viewers or video; the streamer asks it over `desktop.sock`.
"""
