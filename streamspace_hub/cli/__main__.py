"""`python -m streamspace_hub.cli`."""

import sys

from streamspace_hub.cli import main

sys.exit(main())
