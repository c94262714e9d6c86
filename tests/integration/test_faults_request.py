"""Requests while system calls fail: support/fault_lab.py says what is examined."""

import pytest

from support.fault_lab import MODES, FaultLab
from support.fault_peers import old_client, two_requests

# Made in every mode; a count of none would mean that nothing was tested.
NEEDED = {"accept4", "socket", "connect", "epoll_ctl_add", "epoll_ctl_mod", "epoll_wait", "recv", "send", "close"}


SPLICING = {"recv_splice", "send_splice"}  # from one plain socket to another


@pytest.mark.deadline(150)
@pytest.mark.parametrize("mode", MODES)
def test_requests(lab, ca, mode):
    counts = FaultLab(lab, ca, mode).run(two_requests)
    assert all(counts[call] for call in NEEDED), counts
    assert all(bool(counts[call]) == (mode in ("plain", "unix")) for call in SPLICING), counts


@pytest.mark.deadline(150)
@pytest.mark.parametrize("mode", ["plain", "tls"])
def test_a_body_that_ends_with_the_connection(lab, ca, mode):
    """A part of it must not look like all of it."""
    FaultLab(lab, ca, mode).run(old_client, ["recv", "sendmsg", "send", "epoll_ctl_mod", "setsockopt"])
