"""For all tests: what the shell that started them may have changed is put back."""

from __future__ import annotations

import signal

# A shell starts background jobs with SIGINT ignored, and that is inherited through exec: no single-user server would
# end at JupyterHub's first signal, and each stop would take fifteen seconds (POSIX, "Shell Command Language", 2.11).
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
