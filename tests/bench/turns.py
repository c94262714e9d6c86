"""How long a process may run before another one on the same core has its turn."""

import ctypes
import os
import platform

NUMBERS = {"x86_64": 314, "aarch64": 274}  # of sched_setattr(2), which the C library of Debian 12 does not have


class _Attributes(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("policy", ctypes.c_uint32), ("flags", ctypes.c_uint64),
                ("nice", ctypes.c_int32), ("priority", ctypes.c_uint32), ("runtime", ctypes.c_uint64),
                ("deadline", ctypes.c_uint64), ("period", ctypes.c_uint64)]


def set_turn(pid, microseconds):
    """Of a process under the usual policy (Linux 6.12 and later; before, it has no effect); 0: as by default.
    Children inherit it. False: the system does not allow it, or how to ask on this machine is not known."""
    number = NUMBERS.get(platform.machine())
    if number is None:
        return False
    attributes = _Attributes(size=ctypes.sizeof(_Attributes), nice=os.getpriority(os.PRIO_PROCESS, pid),
                             runtime=microseconds * 1000)
    return ctypes.CDLL(None).syscall(number, pid, ctypes.byref(attributes), 0) == 0
