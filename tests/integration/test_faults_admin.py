"""The admin listener while its system calls fail. It has a thread of its own and Asio's calls."""

from errno import EAGAIN, ECONNABORTED, ECONNRESET, EINTR, EINVAL, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, ENOTCONN, EPIPE
from functools import partial

import pytest

from support.config_text import config_for
from support.fault_lab import MOST_WAITS, descriptors_at_rest
from support.faults import CLIENT, CONTROL, SHORT, UNORDERED, Control, one_after_the_other
from support.http_message import read_response, request_bytes
from support.raw_client import RawClient
from support.stream import PeerClosed
from support.waiting import wait_until

FAULTS = {
    "accept": [EMFILE, ENFILE, ENOMEM, ECONNABORTED, EINTR],
    "ioctl": [EINVAL],
    "epoll_ctl_add": [ENOSPC, ENOMEM],
    "epoll_ctl_mod": [ENOMEM],
    "epoll_wait": [EINTR, SHORT],
    "recv": [ECONNRESET, ENOMEM, EINTR, EAGAIN, SHORT],
    "send": [EPIPE, ECONNRESET, EINTR, EAGAIN, SHORT],
    "sendmsg": [EPIPE, ECONNRESET, EINTR, EAGAIN, SHORT],
    "shutdown": [ENOTCONN],
    "close": [EINTR, EIO],
}


def ask(gateway):
    """True: answered rightly. False: the connection ended before that."""
    client = None
    try:
        client = RawClient(gateway.admin_port)
        client.send(request_bytes("GET", "/healthz", host=f"127.0.0.1:{gateway.admin_port}"))
        assert read_response(client).status == 200
        return True
    except (PeerClosed, ConnectionError):
        return False
    finally:
        if client:
            client.close()


def strikes(gateway, control, at_rest, fault):
    waits = control.waits
    with control.armed(fault) as outcome:
        answered = ask(gateway)
        wait_until(lambda: gateway.descriptors() == at_rest, lambda: f"{gateway.descriptors()} descriptors, {at_rest} before")
        side = outcome()
    harmless = fault.error in (EINTR, EAGAIN, SHORT) or fault.call in ("accept", "close", "epoll_wait")
    assert answered or (side == CLIENT and not harmless)
    assert control.waits - waits < MOST_WAITS, "the gateway spins"
    assert gateway.admin("/readyz").status == 200
    wait_until(lambda: gateway.descriptors() == at_rest, lambda: f"{gateway.descriptors()} descriptors, {at_rest} before")
    return side is not None


@pytest.mark.deadline(60)
@pytest.mark.parametrize("call", FAULTS)
def test_admin(lab, call):
    control = Control(lab.folder / "faults")
    gateway = lab.gateway_from(config_for(lab.backend()), wrapper=control.wrapper(), env=UNORDERED)
    at_rest = descriptors_at_rest(gateway)
    for error in FAULTS[call]:
        one_after_the_other(partial(strikes, gateway, control, at_rest), call, error, thread=CONTROL)
