"""What a route changes about the path and the host on the way to the backend."""

import pytest

from support.config_text import config_for
from support.http_message import read_response
from support.raw_backend import echo_websocket
from support.waiting import wait_until
from support.websocket import TEXT, open_websocket, upgrade_bytes


def start(lab, backend, rewrite, **route):
    return lab.gateway(backend, route={"rewrite": rewrite, **route})


def targets(lab, rewrite, *asked):
    """What the backend is asked for."""
    backend = lab.backend()
    client = lab.client(start(lab, backend, rewrite))
    for target in asked:
        assert client.request("GET", target).status == 200
    return [request.target for request in backend.requests]


def test_strip_prefix(lab):
    assert targets(lab, {"strip_prefix": "/ws"}, "/ws/a/b?x=/ws", "/ws", "/ws?q", "/ws/", "/wsx", "/a/ws") == [
        "/a/b?x=/ws", "/", "/?q", "/", "/wsx", "/a/ws"]


def test_replace_prefix(lab):
    assert targets(lab, {"replace_prefix": {"from": "/a", "to": "/b/c"}}, "/a/d", "/a", "/ab", "/a//d/../e?q=1") == [
        "/b/c/d", "/b/c", "/ab", "/b/c/e?q=1"]


def test_path_regex(lab):
    rewrite = {"path_regex": {"match": "^/v([0-9]+)/(.*)", "to": "/\\2;v=\\1"}}
    assert targets(lab, rewrite, "/v1/a/b?x=1", "/v22/", "/other") == ["/a/b;v=1?x=1", "/;v=22", "/other"]


def test_the_normalised_path_is_rewritten_and_escapes_stay(lab):
    assert targets(lab, {"strip_prefix": "/ws"}, "/x/../ws/%61%20b%3fc%c3%a4/./d?%41", "//ws//a", "/w%73/a",
                   "http://test.example/ws/a") == ["/a%20b%3Fc%C3%A4/d?%41", "/a", "/a", "/a"]


@pytest.mark.parametrize("match,to,target", [
    ("^/v1/(.*)", "\\1", "/v1/a"), ("^/v1(.*)", "/x/\\1", "/v1/a"), ("^/files/(.*)x(.*)", "/data/\\1\\2", "/files/.x./etc"),
    ("x", "", "/.x.;a/b"), ("2(.)", "\\1", "/a%20b"), ("3B", "2F", "/a%3Bb"),
])
def test_a_result_that_is_no_normalised_path_reaches_no_backend(lab, match, to, target):
    backend = lab.backend()
    gateway = start(lab, backend, {"path_regex": {"match": match, "to": to}}, name="sloppy")
    response = lab.request(gateway, target=target)
    assert (response.status, response.header("Sluice-Error")) == (500, "bad_rewrite")
    client = lab.client(gateway)
    client.send(upgrade_bytes(target))
    assert read_response(client).status == 500
    client.expect_closed()
    assert not backend.connections
    line = gateway.wait_log(2, status=500)
    assert (line["failure"], line["route"], line["target"]) == ("bad_rewrite", "sloppy", target)
    wait_until(lambda: "failed: bad_rewrite (by the rewrite of route sloppy)" in gateway.stderr(), "the log to say why")
    assert gateway.metric("sluice_websocket_upgrades_total", result="rejected_route") == 1


def test_host(lab):
    backend = lab.backend()
    gateway = start(lab, backend, {"host": "app.internal:81"})
    assert lab.request(gateway, host="shop.example:8080").status == 200
    assert lab.request(gateway, target="http://other.example/").status == 200
    first, second = backend.requests
    assert first.all("Host") == second.all("Host") == ["app.internal:81"]
    assert first.header("X-Forwarded-Host") == "shop.example:8080"
    assert 'host="shop.example:8080"' in first.header("Forwarded")
    assert second.header("X-Forwarded-Host") == "other.example"
    assert gateway.wait_log(1, host="shop.example:8080")


def test_host_of_a_request_without_one(lab):
    backend = lab.backend()
    client = lab.client(start(lab, backend, {"host": "app.internal"}))
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    assert read_response(client).status == 200
    assert backend.requests[0].all("Host") == ["app.internal"]


def test_the_log_and_variables_keep_the_clients_path(lab):
    backend = lab.backend()
    gateway = start(lab, backend, {"strip_prefix": "/ws", "host": "app.internal"}, match={"path_prefix": "/ws"},
                    request_headers={"set": {"X-Path": "${path}", "X-Host": "${host}"}},
                    response_headers={"set": {"X-Path": "${path}"}})
    response = lab.request(gateway, target="/ws/./a?b=1")
    assert response.header("X-Path") == "/ws/a"
    request, = backend.requests
    assert (request.target, request.header("X-Path"), request.header("X-Host")) == ("/a?b=1", "/ws/a", "test.example")
    assert gateway.wait_log(1, target="/ws/./a?b=1")


def test_upgrades(lab):
    backend = lab.backend(echo_websocket)
    gateway = start(lab, backend, {"strip_prefix": "/ws", "host": "app.internal"}, match={"path_prefix": "/ws"})
    client = lab.client(gateway)
    open_websocket(client, "/ws/room?id=1")
    client.send_frame(TEXT, b"hello")
    assert client.read_frame().payload == b"hello"
    request, = backend.requests
    assert (request.target, request.header("Host")) == ("/room?id=1", "app.internal")
    assert gateway.wait_log(1, event="tunnel_open", target="/ws/room?id=1")


def test_a_repeated_attempt_asks_for_the_same(lab):
    gone, backend = lab.refusing(), lab.backend()
    config = config_for(gone, backend, route={"rewrite": {"path_regex": {"match": "^/a", "to": "/b"}}})
    gateway = lab.gateway_from(config)
    for _ in range(4):
        assert lab.request(gateway, target="/a/c").status == 200
    assert {request.target for request in backend.requests} == {"/b/c"}
    assert gateway.metric("sluice_upstream_retries_total") > 0


def test_options_asterisk_is_no_path(lab):
    backend = lab.backend()
    gateway = start(lab, backend, {"replace_prefix": {"from": "/", "to": "/app"}})
    assert lab.client(gateway).request("OPTIONS", "*").status == 200
    assert backend.requests[0].target == "*"
