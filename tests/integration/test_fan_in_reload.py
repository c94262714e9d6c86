"""Handshakes that are on their way to a connection of HTTP/2 to share, when a reload replaces what keeps those connections: they go on
under the configuration that they began with."""

import threading

import pytest

from support.config_text import config_for
from support.fan_in import ONE, HeldTls, h2_or_echo, handshakes_at_once, protocols_of, tls_upstream, url_of
from support.http2_backend import tls_context
from support.raw_backend import echo_websocket
from support.tunnel_backend import TunnelBackend, TunnelServer
from support.waiting import seconds

LONG = {"timeouts": {"connect": "15s"}, **ONE}


@pytest.mark.parametrize("what", ["settings", "endpoint"])
def test_nobody_waits_for_what_is_gone(lab, what):
    """The first connection says late whether it takes them: who has opened it waits for that still, the others open their own."""
    def script(connection):
        if connection.index == 0:
            connection.unread(connection.read_some())
            opened.set()
            connection.wait(go)
        TunnelServer(connection, backend).run()

    opened, go = threading.Event(), threading.Event()
    backend = lab.keep(TunnelBackend())
    backend.raw.script = script
    upstream = {"protocol": "h2", "retries": {"attempts": 1}}
    gateway = lab.gateway(backend, upstream=upstream, **LONG)
    opener, = handshakes_at_once(lab, gateway, 1)
    assert opened.wait(seconds(5))
    others = handshakes_at_once(lab, gateway, 4)
    assert len(backend.links) == 1
    next_one = lab.backend(echo_websocket) if what == "endpoint" else backend
    gateway.reload(config_for(next_one, upstream={**upstream, "pool": {"max_idle": 7}}, **LONG))
    assert [one.read_until(b"\r\n\r\n")[:13] for one in others] == [b"HTTP/1.1 101 "] * 4
    opener.expect_silence()
    go.set()
    assert opener.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")


def test_where_it_is_not_taken_they_have_http1_as_well(lab, ca):
    """Though their connection is not among those that tell others."""
    go = threading.Event()
    backend = lab.backend(h2_or_echo, tls=HeldTls(tls_context(ca, "h2", "http/1.1"), go))
    gateway = lab.gateway(url_of(backend), upstream=tls_upstream(ca), **LONG)
    client, = handshakes_at_once(lab, gateway, 1)
    backend.connection(0)
    gateway.reload(config_for(lab.backend(echo_websocket), **LONG))
    go.set()
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
    assert protocols_of(backend) == ["h2", "http/1.1"]
