"""`python -m streamspace_proxy.desktop`."""

import os
import sys

from streamspace_proxy.desktop.start import main

code = main()
sys.stdout.flush()
sys.stderr.flush()
# Not by sys.exit: a thread that still compresses is not waited for, and must not see its interpreter taken apart.
os._exit(code)
