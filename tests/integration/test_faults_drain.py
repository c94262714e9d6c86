"""System calls that fail while the gateway drains: it ends all the same, in time and with exit code 0."""

from errno import EAGAIN, ECONNRESET, EINTR, EIO, ENOBUFS, ENOMEM, ENOTCONN, EPIPE
from functools import partial

import pytest

from support import websocket
from support.config_text import config_for
from support.faults import SHORT, UNORDERED, Control, one_after_the_other
from support.raw_backend import answer_ok, echo_websocket
from support.stream import PeerClosed

FAULTS = {
    "read": [EINTR, EAGAIN],
    "accept4": [EINTR, ENOMEM],
    "epoll_wait": [EINTR, SHORT],
    "epoll_ctl_mod": [ENOMEM],
    "recv": [ECONNRESET, EAGAIN],
    "sendmsg": [EPIPE, ENOBUFS, SHORT],
    "shutdown": [ENOTCONN],
    "close": [EINTR, EIO],
}


def serve(connection):
    """A tunnel, or answers."""
    request = connection.read_request_head()
    connection.unread(request.head)
    (echo_websocket if request.header("Upgrade") else answer_ok)(connection)


def end_of(tunnel):
    """Answers the Close that a tunnel gets, as far as it can."""
    try:
        frame = tunnel.read_frame()
        assert (frame.opcode, frame.close_code) == (websocket.CLOSE, 1001)
        tunnel.send_frame(websocket.CLOSE, frame.payload)
        tunnel.expect_closed()
    except PeerClosed:
        pass


def strikes(lab, control, fault):
    config = config_for(lab.serving, workers=1, timeouts={"drain": "1s"})
    gateway = lab.gateway_from(config, wrapper=control.wrapper(), env=UNORDERED)
    tunnel, idle = lab.client(gateway), lab.client(gateway)
    websocket.open_websocket(tunnel)
    assert idle.request().status == 200
    with control.armed(fault) as outcome:
        gateway.signal()
        end_of(tunnel)
        idle.expect_closed()
        gateway.wait_exit(timeout=3)
        side = outcome()
    gateway.check()
    return side is not None


@pytest.mark.deadline(60)
@pytest.mark.parametrize("call", FAULTS)
def test_drain(lab, call):
    control = Control(lab.folder / "faults")
    lab.serving = lab.backend(serve)
    for error in FAULTS[call]:
        one_after_the_other(partial(strikes, lab, control), call, error)
