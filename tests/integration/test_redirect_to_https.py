"""`redirect_to_https`: a plain listener that only sends people to the listener with TLS."""

import pytest

from support.raw_client import blind


def listeners(**plain):
    return [{"name": "plain", "address": "127.0.0.1:0", "redirect_to_https": True, **plain},
            {"name": "secure", "address": "127.0.0.1:0", "tls": {"self_signed": True}}]


@pytest.fixture
def backend(lab):
    return lab.backend()


@pytest.fixture
def gateway(lab, backend):
    return lab.gateway(backend, listeners=listeners())


def test_every_request_is_sent_to_https(lab, gateway, backend):
    client = lab.client(gateway, "plain")
    for method in ("GET", "HEAD", "DELETE"):
        answer = client.request(method, "/a/b?c=d&e", host="shop.example:8080")
        assert answer.status == 308
        assert answer.header("Location") == f"https://shop.example:{gateway.ports['secure']}/a/b?c=d&e"
    assert not backend.requests
    assert gateway.wait_log(3)["status"] == 308


def test_what_is_said_there_is_served_by_the_other_listener(lab, gateway, backend):
    location = lab.request(gateway, target="/a?b", host="127.0.0.1").header("Location")
    authority, _, target = location.removeprefix("https://").partition("/")
    port = int(authority.rpartition(":")[2])
    assert port == gateway.ports["secure"]
    assert lab.client(gateway, "secure", tls=blind()).request(target="/" + target, host=authority).status == 200
    assert backend.requests[0].target == "/a?b"


def test_a_websocket_is_not_served_in_plain(lab, gateway, backend):
    answer = lab.client(gateway, "plain").request(
        target="/ws", headers=[("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
                               ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")])
    assert answer.status == 308
    assert not backend.requests


def test_a_body_is_not_waited_for(lab, gateway):
    client = lab.client(gateway, "plain")
    client.send(b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1000\r\n\r\nabc")
    assert client.response().status == 308
    client.expect_closed()


@pytest.mark.parametrize("host", ["user@evil.example", "a b", "a.example/x", "a.example:99999"])
def test_a_host_that_is_none_is_refused(lab, gateway, host):
    assert lab.client(gateway, "plain").request(host=host).status == 400


def test_http_1_0_without_a_host(lab, gateway):
    client = lab.client(gateway, "plain")
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    answer = client.response()
    assert answer.status == 400 and answer.header("Sluice-Error") == "no_host"


def test_behind_a_proxy_that_speaks_https_requests_are_served(lab, backend):
    """A trusted proxy that ended TLS would be sent round in circles."""
    gateway = lab.gateway(backend, listeners=listeners(trusted_proxies=["127.0.0.1"]))
    client = lab.client(gateway, "plain")
    assert client.request(headers=[("X-Forwarded-Proto", "https")]).status == 200
    answer = client.request(headers=[("X-Forwarded-Proto", "http"), ("X-Forwarded-Host", "shop.example")])
    assert answer.status == 308
    assert answer.header("Location") == f"https://shop.example:{gateway.ports['secure']}/"


def test_a_stranger_cannot_pretend_to_have_spoken_https(lab, gateway):
    assert lab.client(gateway, "plain").request(headers=[("X-Forwarded-Proto", "https")]).status == 308
