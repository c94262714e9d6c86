"""Stopping the gateway's process, so that several things have happened by the time it looks: races made certain."""

import contextlib
import ctypes
import fcntl
import os
import signal
import struct
import termios
from pathlib import Path

from support.waiting import wait_until

ESTABLISHED, LISTENING = "01", "0A"  # in /proc/net/tcp


def _states(pid):
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return {(task / "stat").read_text().rsplit(")", 1)[1].split()[0] for task in tasks}


@contextlib.contextmanager
def stopped(gateway):
    """No thread of the gateway runs inside."""
    gateway.signal(signal.SIGSTOP)
    try:
        wait_until(lambda: _states(gateway.pid) == {"T"}, "every thread to be stopped")
        yield
    finally:
        gateway.signal(signal.SIGCONT)


PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 17, 0x4206, 0x4207, 0x40000000


def _ptrace(request, thread):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def stopped_thread(gateway, name):
    """That thread of the gateway does not run inside, as if it hung; the others do. PermissionError where processes may not be traced."""
    def named():
        tasks = Path(f"/proc/{gateway.pid}/task").iterdir()
        return [int(task.name) for task in tasks if (task / "comm").read_text().strip() == name]

    thread = wait_until(named, f"a thread {name}")[0]
    _ptrace(PTRACE_SEIZE, thread)
    _ptrace(PTRACE_INTERRUPT, thread)
    os.waitpid(thread, WALL)
    try:
        yield
    finally:
        _ptrace(PTRACE_DETACH, thread)


def _unacknowledged(sock):
    return struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))[0]


def wait_delivered(stream):
    """Waits until the peer's kernel has everything that was sent."""
    wait_until(lambda: _unacknowledged(stream.socket) == 0, "the peer's kernel to acknowledge what was sent")


def _tcp_table(pid, port=None):
    """Local port, remote port, state, inode and unread bytes of every TCP socket that the process could see, or of
    those that have to do with that port: there may be thousands of others."""
    mark = "" if port is None else f":{port:04X} "
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        if mark not in line:
            continue
        fields = line.split()
        local, remote = (int(address.rsplit(":", 1)[1], 16) for address in fields[1:3])
        yield local, remote, fields[3], int(fields[9]), int(fields[4].split(":")[1], 16)


def wait_read(gateway, port):
    """Waits until the gateway has read everything that came to its connections at that port."""
    wait_until(lambda: not any(unread for here, _, state, _, unread in _tcp_table(gateway.pid, port)
                               if here == port and state == ESTABLISHED), "what was sent to be read")


def wait_reset_arrived(gateway, local=None, remote=None):
    """Waits until the gateway's kernel no longer holds a connection at that local or to that remote port for open."""
    wait_until(lambda: not any(state == ESTABLISHED and (here == local or there == remote)
                               for here, there, state, *_ in _tcp_table(gateway.pid, local or remote)),
               "the reset to arrive")


def listening_ports(pid):
    """The TCP ports at which a process listens, whatever it has said about them."""
    links = []
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            links.append(os.readlink(file))
    inodes = {int(link[len("socket:["):-1]) for link in links if link.startswith("socket:[")}
    return [local for local, _, state, inode, _ in _tcp_table(pid) if state == LISTENING and inode in inodes]
