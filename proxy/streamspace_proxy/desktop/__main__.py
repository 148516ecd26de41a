"""`python -m streamspace_proxy.desktop`."""

import sys

from streamspace_proxy.desktop.init import main

sys.exit(main())
