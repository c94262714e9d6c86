"""System calls of the gateway that fail when a test says so: the other half of tests/support/fault_injection.cpp."""

import contextlib
import errno
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

from support import binary

SHORT = 0  # in place of an errno: one byte, or one event
CLIENT, BACKEND = 1, 2  # whose socket it was; others: a listener's, and what is waited for beside sockets
WORKER, CONTROL = b"worker", b"sluice"  # how the names of their threads begin
MOST_CALLS = 400  # more than any scenario makes of a kind
# A sanitizer's library wants to be the first, and need not be.
UNORDERED = {"ASAN_OPTIONS": "verify_asan_link_order=0"}

_FAULT = struct.Struct("24s16siiiii")
_WAITS = struct.Struct("Q")
_FAULTS = 2


@dataclass(frozen=True)
class Fault:
    """The `at`-th of these calls (of several kinds, as "send*"), or every `at`-th, fails with that errno."""

    call: str
    error: int
    at: int = 1
    always: bool = False
    thread: bytes = WORKER

    def __str__(self):
        what = errno.errorcode[self.error] if self.error else "short"
        return f"{self.call} {'every' if self.always else '#'}{self.at} {what}"


def library():
    return Path(binary.path()).parent / "tests" / "libsluice_faults.so"


class Control:
    """The file that a gateway has mapped."""

    def __init__(self, file):
        self.file = Path(file)
        self.file.write_bytes(bytes(_FAULTS * _FAULT.size + _WAITS.size))
        with open(self.file, "r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), 0)

    def wrapper(self):
        """What the gateway must be started through."""
        return ["env", f"LD_PRELOAD={library()}", f"SLUICE_FAULT_CONTROL={self.file}"]

    @contextlib.contextmanager
    def armed(self, *faults):
        """Inside, these calls fail. Yields a function that tells on whose socket the first one failed; None: its turn has not
        come."""
        for slot, fault in enumerate(faults):
            self._write(slot, fault)
        try:
            yield self._side
        finally:
            for slot in range(_FAULTS):
                _FAULT.pack_into(self._memory, slot * _FAULT.size, b"", b"", 0, 0, 0, 0, 0)

    def _write(self, slot, fault):
        at = slot * _FAULT.size
        _FAULT.pack_into(self._memory, at, fault.call.encode(), fault.thread, fault.error, 0, int(fault.always), 0, -1)
        struct.pack_into("i", self._memory, at + 44, fault.at)

    def _side(self):
        side = _FAULT.unpack_from(self._memory, 0)[-1]
        return None if side < 0 else side

    @property
    def waits(self):
        """How often the gateway has waited for events: what spins waits thousands of times a second."""
        return _WAITS.unpack_from(self._memory, _FAULTS * _FAULT.size)[0]


def one_after_the_other(strikes, call, error, first=1, thread=WORKER):
    """Lets the first of these calls fail, then the second, and so on, until `strikes(fault)` says that the turn of that one
    did not come. Gives how many there were."""
    for at in range(first, MOST_CALLS):
        fault = Fault(call, error, at, thread=thread)
        try:
            if not strikes(fault):
                return at - first
        except AssertionError as problem:
            raise AssertionError(f"{fault}: {problem}") from problem
    raise AssertionError(f"{call} is called without end")
