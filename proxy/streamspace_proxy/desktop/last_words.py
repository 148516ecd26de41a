"""What a desktop's container tells whoever started it, since it may be ended without having been asked anything.

Kubernetes keeps what a container has written into a file (its termination message) with the pod's state.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def leave(path: Path | None, **words: Any) -> None:
    """Write `words` into the file, in the place of those before; where there is none, nobody is told."""
    if path is None:
        return
    try:
        path.write_text(json.dumps(words))
    except OSError as error:
        print(f"streamspace desktop: {path}: {error.strerror}", file=sys.stderr)
