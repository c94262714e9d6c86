"""Requests that may be repeated, and faults that come again and again; support/fault_lab.py says what is examined."""

from errno import EAGAIN, EINTR, EINVAL, EMFILE, ENOMEM, ENOSYS, EPERM

import pytest

from support.fault_lab import MODES, FaultLab
from support.fault_peers import request_then_upload, tunnel, two_requests, upload_in_chunks
from support.faults import SHORT, Fault

REPEATING = {"retries": {"attempts": 2, "on": ["connect", "reset"]}, "pool": {"max_idle": 4}}


@pytest.mark.deadline(150)
@pytest.mark.parametrize("mode", ["plain", "tls_backend"])
def test_kept_connections_and_second_attempts(lab, ca, mode):
    """What failed before it left is repeated; what may have been served already is not."""
    FaultLab(lab, ca, mode, REPEATING).run(request_then_upload)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("error", [SHORT, EAGAIN, EINTR])
def test_nothing_comes_or_goes_at_once(lab, ca, mode, error):
    """Every second read and write is one byte, or in vain."""
    made = FaultLab(lab, ca, mode)
    for scenario in [two_requests, upload_in_chunks, tunnel]:
        made.run_with(scenario, Fault("recv", error, 2, always=True), Fault("sendmsg", error, 2, always=True))
        made.run_with(scenario, Fault("recv_splice", error, 2, always=True), Fault("send_splice", error, 2, always=True))


@pytest.mark.parametrize("call", ["recv_splice", "send_splice"])
@pytest.mark.parametrize("error", [EINVAL, ENOSYS, EPERM])
@pytest.mark.parametrize("scenario", [two_requests, tunnel])
def test_a_system_that_does_not_splice(lab, ca, scenario, error, call):
    """Whatever end of the pipe it is that cannot: the bytes are copied then."""
    FaultLab(lab, ca, "plain").run_with(scenario, Fault(call, error, always=True))


@pytest.mark.parametrize("at", [1, 2])
def test_a_listener_that_paused_accepts_again(lab, ca, at):
    """Whether it is the pause or its end that cannot be told to epoll."""
    made = FaultLab(lab, ca, "plain")
    made.run_with(two_requests, Fault("epoll_ctl_mod", ENOMEM, at), Fault("accept4", EMFILE))
