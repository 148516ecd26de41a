"""`python -m streamspace_proxy.desktop`."""

import sys

from streamspace_proxy.desktop.start import main

sys.exit(main())
