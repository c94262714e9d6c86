"""Which calls fail with what, and what the client may see then."""

from errno import (EADDRNOTAVAIL, EAGAIN, ECONNABORTED, ECONNREFUSED, ECONNRESET, EHOSTUNREACH, EINTR, EINVAL, EIO, EMFILE,
                   ENETUNREACH, ENFILE, ENOBUFS, ENOMEM, ENOSPC, ENOTCONN, EPIPE, EPROTO, ETIMEDOUT)

from support.faults import BACKEND, CLIENT, SHORT, Fault

SENDING = [EPIPE, ECONNRESET, ENOBUFS, EINTR, EAGAIN, SHORT]
# What a worker calls while it serves. A scenario that never makes a call is through with it at once.
FAULTS = {
    "accept4": [EMFILE, ENFILE, ENOMEM, ENOBUFS, ECONNABORTED, EINTR, EPROTO],
    "socket": [EMFILE, ENFILE, ENOBUFS],
    "setsockopt": [EINVAL],
    "connect": [ECONNREFUSED, EADDRNOTAVAIL, ETIMEDOUT, ENETUNREACH, EAGAIN],
    "connect_result": [ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH],
    "getsockopt": [ENOBUFS],
    "epoll_ctl_add": [ENOSPC, ENOMEM],
    "epoll_ctl_mod": [ENOMEM],
    "epoll_wait": [EINTR, SHORT],
    "recv": [ECONNRESET, ETIMEDOUT, ENOMEM, EINTR, EAGAIN, SHORT],
    "sendmsg": SENDING,
    "send": SENDING,
    "recv_splice": [ECONNRESET, ETIMEDOUT, ENOMEM, EINTR, EAGAIN, SHORT],
    "send_splice": SENDING,
    "shutdown": [ENOTCONN],
    "ioctl": [EINVAL],
    "close": [EINTR, EIO],
    "read": [EINTR, EAGAIN],
}
# An eventfd's counter cannot become so high that a write fails.
NEVER_FAIL = {"write"}
# Makes sockets full, whatever the system's buffers are: without it, no bytes would be kept and sent later.
FULL_SOCKETS = Fault("send*", EAGAIN, at=2, always=True)
BACKGROUND = {"send": [FULL_SOCKETS], "epoll_ctl_mod": [FULL_SOCKETS]}

PEER_IS_GONE = {EPIPE, ECONNRESET, ETIMEDOUT, ENOTCONN}
CONNECTING = {"socket", "connect", "connect_result", "getsockopt", "epoll_ctl_add"}
RETRIED_LATER = {"recv", "send", "sendmsg", "recv_splice", "send_splice"}
REFUSED = {"connect_refused"}
UNREACHABLE = {"connect_failed"}
BROKEN = {"reset", "tls_failed", "connect_failed", "bad_response", "body_truncated"}


def is_harmless(fault, unix):
    """Whether nobody may notice. A unix socket's queue that is full will not be so for long."""
    if unix and fault.call == "connect" and fault.error == EAGAIN:
        return True
    if fault.call in ("accept4", "setsockopt", "close", "epoll_wait", "read", "ioctl"):
        return True
    return fault.error in (EINTR, SHORT) or (fault.error == EAGAIN and fault.call in RETRIED_LATER)


def reasons(fault):
    """What the gateway may say when a backend's socket failed like this."""
    if fault.call not in CONNECTING:
        return BROKEN
    return REFUSED if fault.error == ECONNREFUSED else UNREACHABLE


def judge(fault, harmless, side, ending, retried):
    """Fails unless the scenario may end so when that call failed on that side's socket (None: it did not fail).
    `retried`: a second attempt is made where that is allowed."""
    if ending.right:
        if side == BACKEND and fault.call in CONNECTING and not harmless:
            assert retried, "answered without a connection?"
        return
    assert side is not None, f"nothing failed, but {ending}"
    assert not harmless, ending
    assert side in (CLIENT, BACKEND), ending
    assert not ending.seems_whole or (side == CLIENT and fault.error in PEER_IS_GONE), ending
    if side == CLIENT:
        assert ending.status is None, f"the client's own socket failed, but {ending}"
        return
    assert not (retried and fault.call in CONNECTING), f"another attempt was allowed, but {ending}"
    if ending.status is None:
        assert ending.begun, f"the response had not begun, but {ending}"
        return
    assert ending.status == 502 and ending.reason in reasons(fault), ending
