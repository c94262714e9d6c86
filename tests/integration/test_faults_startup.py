"""System calls that fail while the gateway starts: it says so and exits, or it serves."""

import re
from errno import EACCES, EADDRINUSE, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSPC
from functools import partial

import pytest

from support.config_text import config_for
from support.faults import UNORDERED, Control, one_after_the_other
from support.waiting import wait_until

FAULTS = {
    "socket": [EMFILE, ENOBUFS],
    "setsockopt": [EINVAL],
    "bind": [EADDRINUSE, EACCES],
    "listen": [EADDRINUSE],
    "getsockname": [ENOBUFS],
    "epoll_create1": [EMFILE],
    "eventfd": [ENFILE],
    "pipe2": [EMFILE],
    "epoll_ctl_add": [ENOSPC, ENOMEM],
    "ioctl": [EINVAL],
    "fcntl": [EINVAL],
}
# Asio does not look at what adding its own three descriptors gives: for other threads, for timers and for signals.
FIRST = {"epoll_ctl_add": 4}
CANNOT_START = 4


def starts(gateway):
    """Whether it came up. Nothing else but exit code 4 and a line that tells why is allowed."""
    def decided():
        return gateway.process.poll() is not None or re.search(" workers? serves? ", gateway.stderr())

    wait_until(decided, gateway.report, timeout=10)
    if gateway.process.poll() is None:
        return True
    gateway.expected_stop = CANNOT_START
    gateway.check()
    assert " error " in gateway.stderr(), gateway.report()
    return False


def strikes(lab, control, fault):
    config = config_for(lab.script_backend, workers=2)
    with control.armed(fault) as outcome:
        gateway = lab.start(config=config, wrapper=control.wrapper(), env=UNORDERED)
        started = starts(gateway)
        side = outcome()
    if started:
        gateway.wait_started(listeners=1, admin=True)
        assert lab.request(gateway).status == 200, fault
        gateway.stop()
        gateway.check()
    return side is not None


@pytest.mark.deadline(60)
@pytest.mark.parametrize("call", FAULTS)
def test_startup(lab, call):
    control = Control(lab.folder / "faults")
    lab.script_backend = lab.backend()
    for error in FAULTS[call]:
        one_after_the_other(partial(strikes, lab, control), call, error, FIRST.get(call, 1), thread=b"")
