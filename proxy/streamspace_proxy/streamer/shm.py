"""One System V shared memory segment, as the MIT-SHM extension wants it. libc only; knows nothing of X."""

from __future__ import annotations

import ctypes
import os
from typing import Any, Final

_IPC_PRIVATE: Final = 0
_IPC_CREAT: Final = 0o1000
_IPC_RMID: Final = 0
_libc = ctypes.CDLL(None, use_errno=True)
_libc.shmget.argtypes = (ctypes.c_int, ctypes.c_size_t, ctypes.c_int)
_libc.shmat.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_libc.shmat.restype = ctypes.c_void_p
_libc.shmdt.argtypes = (ctypes.c_void_p,)
_libc.shmctl.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p)


class SharedSegment:
    """A segment for this user, or for its group as well, attached to this process.

    Call `unlink` as soon as the other side has attached: from then on the kernel frees it when both have let go,
    whatever becomes of this process.
    """

    def __init__(self, size: int, *, for_group: bool = False) -> None:
        self.id: int = _libc.shmget(_IPC_PRIVATE, size, _IPC_CREAT | (0o660 if for_group else 0o600))
        if self.id < 0:
            raise _failed("shmget")
        address = _libc.shmat(self.id, None, 0)
        if address is None or address == ctypes.c_void_p(-1).value:
            error = _failed("shmat")
            self.unlink()
            raise error
        self._address: int | None = address
        self.buffer: Any = (ctypes.c_uint8 * size).from_address(address)

    def unlink(self) -> None:
        """Mark the segment for removal."""
        _libc.shmctl(self.id, _IPC_RMID, None)

    def close(self) -> None:
        """Detach; no array over `buffer` may be used afterwards."""
        if self._address is not None:
            _libc.shmdt(self._address)
            self._address = None


def _failed(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)}")
