"""What runs inside a session: the Jupyter extension, the streamer and the desktop's init."""
