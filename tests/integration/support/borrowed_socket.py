"""The gateway's own end of a connection, to ask the kernel about it (pidfd_getfd(2))."""

import ctypes
import os
import socket
from pathlib import Path

PIDFD_GETFD = 438  # on every architecture
_libc = ctypes.CDLL(None, use_errno=True)


def _borrow(pidfd, number):
    descriptor = _libc.syscall(PIDFD_GETFD, pidfd, number, 0)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return socket.socket(fileno=descriptor)


def _peer_port(sock):
    try:
        return sock.getpeername()[1]
    except (OSError, IndexError):  # it listens, or is a unix socket
        return None


def gateway_end(gateway, remote):
    """A copy of the descriptor of its connection to that port; for a `with`."""
    pidfd = os.pidfd_open(gateway.pid)
    try:
        for file in Path(f"/proc/{gateway.pid}/fd").iterdir():
            if os.readlink(file).startswith("socket:"):
                sock = _borrow(pidfd, int(file.name))
                if _peer_port(sock) == remote:
                    return sock
                sock.close()
    finally:
        os.close(pidfd)
    raise AssertionError(f"no connection to port {remote}")
