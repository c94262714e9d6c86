"""`trusted_proxies`: whom the gateway believes about the client, and what follows from it."""

import pytest

from support.raw_backend import echo_websocket
from support.websocket import open_websocket

FIELDS = {"set": {"X-Client": "${client_ip}", "X-Scheme": "${scheme}"}}


def behind(lab, *trusted, address="127.0.0.1:0", backend=None):
    backend = backend or lab.backend()
    gateway = lab.gateway(backend, route={"request_headers": FIELDS},
                          listeners=[{"name": "web", "address": address, "trusted_proxies": list(trusted)}])
    return gateway, backend


@pytest.mark.parametrize("chain,client", [
    (["1.1.1.1"], "1.1.1.1"),
    (["6.6.6.6, 1.1.1.1, 10.0.0.5"], "1.1.1.1"),
    (["6.6.6.6", "1.1.1.1", "10.0.0.5,10.0.0.6"], "1.1.1.1"),
    (["10.0.0.7, 10.0.0.6"], "10.0.0.7"),
    (["6.6.6.6, garbage, 10.0.0.6"], "10.0.0.6"),
    (["garbage"], "127.0.0.1"),
    (["2001:DB8:0::1"], "2001:db8::1"),
    (["1.1.1.1, ::ffff:10.0.0.5"], "1.1.1.1"),
    (["::ffff:1.1.1.1"], "1.1.1.1"),
    (["[2001:db8::1]:443"], "2001:db8::1"),
])
def test_the_client_is_the_rightmost_untrusted_address(lab, chain, client):
    gateway, backend = behind(lab, "127.0.0.1", "10.0.0.0/8")
    assert lab.request(gateway, headers=[("X-Forwarded-For", line) for line in chain]).status == 200
    request, = backend.requests
    assert request.header("X-Client") == client
    assert request.header("X-Real-IP") == client
    assert gateway.wait_log()["client_ip"] == client


def test_forwarded_is_read_when_it_stands_alone(lab):
    gateway, backend = behind(lab, "127.0.0.1", "10.0.0.0/8")
    lab.request(gateway, headers=[
        ("Forwarded", 'for=6.6.6.6;proto=http;host=evil.example, for="[2001:db8::1]:99";proto=https;host=shop.example'),
        ("Forwarded", "for=10.0.0.5;proto=http")])
    request, = backend.requests
    assert request.header("X-Client") == "2001:db8::1"
    assert request.header("X-Scheme") == "https"
    assert request.header("X-Forwarded-Proto") == "https"
    assert request.header("X-Forwarded-Host") == "shop.example"


def test_forwarded_does_not_count_beside_x_forwarded_for(lab):
    """A proxy that writes the one may pass on what its client wrote into the other."""
    gateway, backend = behind(lab, "127.0.0.1")
    lab.request(gateway, headers=[("X-Forwarded-For", "1.1.1.1"), ("Forwarded", "for=6.6.6.6;proto=https;host=evil.example")])
    request, = backend.requests
    assert request.header("X-Client") == "1.1.1.1"
    assert request.header("X-Scheme") == "http"
    assert request.header("X-Forwarded-Host") == "test.example"


@pytest.mark.parametrize("trusted", [[], ["10.0.0.0/8", "::/0"]])
def test_a_peer_outside_the_blocks_is_believed_nothing(lab, trusted):
    gateway, backend = behind(lab, *trusted)
    lab.request(gateway, headers=[("X-Forwarded-For", "1.1.1.1"), ("Forwarded", "for=1.1.1.1;proto=https"),
                                  ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.example")])
    request, = backend.requests
    assert request.header("X-Client") == "127.0.0.1"
    assert request.header("X-Scheme") == "http"
    assert request.header("X-Forwarded-Host") == "test.example"
    assert b"1.1.1.1" not in request.head


def test_a_v6_proxy(lab):
    gateway, backend = behind(lab, "::1", address="[::1]:0")
    lab.request(gateway, headers=[("X-Forwarded-For", "1.1.1.1")])
    assert backend.requests[0].header("X-Client") == "1.1.1.1"


def test_the_blocks_of_another_listener_do_not_count(lab):
    backend = lab.backend()
    gateway = lab.gateway(backend, route={"request_headers": FIELDS}, listeners=[
        {"name": "inner", "address": "127.0.0.1:0", "trusted_proxies": ["127.0.0.1"]},
        {"name": "outer", "address": "127.0.0.1:0"}])
    for name in ("inner", "outer"):
        lab.client(gateway, name).request(headers=[("X-Forwarded-For", "1.1.1.1")])
    assert [request.header("X-Client") for request in backend.requests] == ["1.1.1.1", "127.0.0.1"]


def test_every_request_of_a_proxys_connection_has_its_own_client(lab):
    gateway, backend = behind(lab, "127.0.0.1")
    client = lab.client(gateway)
    for address in ("1.1.1.1", "2.2.2.2"):
        client.request(headers=[("X-Forwarded-For", address)])
    client.request()
    assert [request.header("X-Client") for request in backend.requests] == ["1.1.1.1", "2.2.2.2", "127.0.0.1"]


def test_websockets_too(lab):
    gateway, backend = behind(lab, "127.0.0.1", backend=lab.backend(echo_websocket))
    open_websocket(lab.client(gateway), extra=[("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-Proto", "wss")])
    request = backend.wait_for_request()
    assert request.header("X-Client") == "1.1.1.1"
    assert request.header("X-Forwarded-Proto") == "https"
    assert gateway.wait_log()["client_ip"] == "1.1.1.1"
