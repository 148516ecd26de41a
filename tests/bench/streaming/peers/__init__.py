"""Other programs that stream a screen, one file each: how to install it, start it, and open its page."""
