"""`mirror`: a copy of a request goes to another upstream, and the client notices nothing of it."""

import json
import time

import pytest

from support.config_text import config_for, to_yaml
from support.gateway import run_sluice
from support.http_message import chunked, response_bytes
from support.raw_backend import echo_websocket
from support.waiting import wait_until
from support.websocket import upgrade_bytes

MARK = "X-Sluice-Mirror"


CHUNKED = [("Transfer-Encoding", "chunked")]


def answering(body=b"main"):
    def script(connection):
        while True:
            method = connection.read_request().method
            connection.send(response_bytes(200, b"" if method == "HEAD" else body))
    return script


def mirror_config(lab, shadow, share=None, main=None, **sections):
    """`shadow`: a backend, or a URL where nobody is."""
    main = main or lab.backend(answering())
    mirror = {"upstream": "shadow", **({"share": share} if share else {})}
    config = config_for(main, route={"mirror": mirror}, workers=1, **sections)
    config["upstreams"].append({"name": "shadow", "endpoints": [getattr(shadow, "url", shadow)]})
    return config


def requests_metric(gateway, result):
    return gateway.metric("sluice_mirror_requests_total", route="all", result=result)


def skipped(gateway, reason):
    return gateway.metric("sluice_mirror_skipped_total", route="all", reason=reason)


def is_seen(gateway, result, number):
    wait_until(lambda: requests_metric(gateway, result) == number, f"{number} copies to be {result}")


@pytest.mark.parametrize("method, body, in_chunks", [
    ("GET", b"", False), ("HEAD", b"", False), ("POST", b"hello", False), ("PUT", b"x" * 65536, False), ("POST", b"chunky" * 1000, True),
    ("POST", b"", True), ("DELETE", b"", False)])
def test_the_mirror_gets_what_the_backend_gets(lab, method, body, in_chunks):
    main, shadow = lab.backend(answering()), lab.backend(answering(b"shadow"))
    gateway = lab.gateway_from(mirror_config(lab, shadow, main=main))
    fields = [("X-Own", "1")] + (CHUNKED if in_chunks else [])
    sent = chunked(*[body] if body else [], trailers=b"X-Sum: 1\r\n") if in_chunks else body
    response = lab.client(gateway).request(method, "/a%20b?c=d", headers=fields, body=sent)
    assert response.status == 200 and response.body == (b"" if method == "HEAD" else b"main")
    is_seen(gateway, "answered", 1)
    (request,), (copy,) = main.requests, shadow.requests
    assert (copy.method, copy.target, copy.body) == (request.method, request.target, request.body) == (method, "/a%20b?c=d", body)
    assert copy.headers == request.headers + [(MARK, "1")]
    assert copy.trailers == request.trailers == ([("X-Sum", "1")] if in_chunks else [])


def test_a_body_that_comes_in_pieces_is_copied_whole(lab):
    main, shadow = lab.backend(answering()), lab.backend(answering(b"shadow"))
    gateway = lab.gateway_from(mirror_config(lab, shadow, main=main))
    client = lab.client(gateway)
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\none")
    wait_until(lambda: main.connections, "the head to arrive")
    client.send(b"two")
    client.send(b"end")
    assert client.response().body == b"main"
    is_seen(gateway, "answered", 1)
    assert shadow.requests[0].body == b"onetwoend"


def test_kept_connections_serve_copies_too(lab):
    shadow = lab.backend(answering(b"shadow"))
    gateway = lab.gateway_from(mirror_config(lab, shadow))
    client = lab.client(gateway)
    for number in range(1, 6):
        assert client.request().body == b"main"
        is_seen(gateway, "answered", number)
    assert len(shadow.connections) == 1


def test_large_bodies_are_not_copied(lab):
    shadow = lab.backend(answering(b"shadow"))
    gateway = lab.gateway_from(mirror_config(lab, shadow))
    client = lab.client(gateway)
    assert client.request("POST", body=b"x" * 65537).body == b"main"
    assert client.request("POST", headers=CHUNKED, body=chunked(b"x" * 200_000)).body == b"main"
    wait_until(lambda: skipped(gateway, "body") == 2, "both to be counted")
    assert not shadow.requests


def test_the_share_holds(lab):
    gateway = lab.gateway_from(mirror_config(lab, lab.backend(answering(b"shadow")), share="25%"))
    client = lab.client(gateway)
    for _ in range(400):
        assert client.request().body == b"main"
    wait_until(lambda: gateway.metric("sluice_mirror_in_flight", route="all") == 0, "the copies to end")
    copied = requests_metric(gateway, "answered") + skipped(gateway, "busy")
    assert 50 < copied < 150  # 100 on average, with a deviation of 9


def dead(lab):
    return lab.refusing()


def silent(lab):
    return lab.backend(lambda connection: connection.hang())


def closing(lab):
    return lab.backend(lambda connection: connection.read_request() and None)


def nonsense(lab):
    def script(connection):
        connection.read_request()
        connection.send(b"SSH-2.0-no\r\n\r\n")
    return lab.backend(script)


def endless(lab):
    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            connection.send(b"x" * 65536)
    return lab.backend(script)


@pytest.mark.parametrize("make", [dead, silent, closing, nonsense, endless])
def test_a_bad_mirror_disturbs_nobody(lab, make):
    config = mirror_config(lab, make(lab))
    gateway = lab.gateway_from(config)
    client = lab.client(gateway)
    started = time.monotonic()
    for _ in range(100):
        response = client.request("POST", body=b"hello")
        assert response.status == 200 and response.body == b"main" and MARK not in response.names()
    assert time.monotonic() - started < 20
    if make is silent:
        assert gateway.metric("sluice_mirror_in_flight", route="all") == 64
        assert skipped(gateway, "busy") == 36
    else:
        result = "answered" if make is endless else "failed"
        wait_until(lambda: requests_metric(gateway, result) + skipped(gateway, "busy") == 100, "all copies to end")
    assert gateway.metric("sluice_upstream_failures_total", upstream="app") in (0, None)


def test_a_mirror_that_is_slow_is_given_up(lab):
    gateway = lab.gateway_from(mirror_config(lab, silent(lab), timeouts={"response_head": "300ms"}))
    assert lab.request(gateway).body == b"main"
    is_seen(gateway, "failed", 1)
    assert gateway.metric("sluice_upstream_failures_total", upstream="shadow", reason="response_timeout") == 1


def test_a_drain_does_not_wait_for_copies(lab):
    gateway = lab.gateway_from(mirror_config(lab, silent(lab), timeouts={"drain": "20s"}))
    assert lab.request(gateway).body == b"main"
    wait_until(lambda: gateway.metric("sluice_mirror_in_flight", route="all") == 1, "the copy to be under way")
    started = time.monotonic()
    gateway.signal()
    assert gateway.wait_exit() == 0
    assert time.monotonic() - started < 10


def test_what_is_marked_is_not_copied_again(lab):
    shadow = lab.backend(answering(b"shadow"))
    gateway = lab.gateway_from(mirror_config(lab, shadow))
    assert lab.request(gateway, headers=[(MARK, "1")]).body == b"main"
    assert lab.request(gateway).body == b"main"
    is_seen(gateway, "answered", 1)
    assert len(shadow.requests) == 1


def test_requests_that_reach_no_backend_are_not_copied(lab):
    gateway = lab.gateway_from(mirror_config(lab, lab.backend(answering(b"shadow")), main=dead(lab)))
    assert lab.request(gateway).status == 502
    wait_until(lambda: skipped(gateway, "unsent") == 1, "it to be counted")


def test_upgrades_are_not_copied(lab):
    shadow = lab.backend(answering(b"shadow"))
    gateway = lab.gateway_from(mirror_config(lab, shadow, main=lab.backend(echo_websocket)))
    client = lab.client(gateway)
    client.send(upgrade_bytes("/ws"))
    assert client.response().status == 101
    assert not shadow.connections


def test_a_reload_takes_the_mirror_away(lab):
    config = mirror_config(lab, lab.backend(answering(b"shadow")))
    gateway = lab.gateway_from(config)
    assert lab.request(gateway).body == b"main"
    is_seen(gateway, "answered", 1)
    del config["routes"][0]["mirror"]
    gateway.reload(config)
    assert lab.request(gateway).body == b"main"
    assert requests_metric(gateway, "answered") == 1


def test_explain_names_the_mirror(tmp_path):
    config = config_for("http://127.0.0.1:1", route={"mirror": {"upstream": "shadow", "share": "10%"}})
    config["upstreams"].append({"name": "shadow", "endpoints": ["http://127.0.0.1:2"]})
    (tmp_path / "sluice.yaml").write_text(to_yaml(config) + "\n")
    arguments = ["explain", "--config", tmp_path / "sluice.yaml", "GET", "http://a/"]
    assert "shadow (10%): http://127.0.0.1:2" in run_sluice(*arguments).stdout
    told = json.loads(run_sluice(*arguments, "--json").stdout)["forwarded"]["mirror"]
    assert told["upstream"] == "shadow" and told["share"] == "10%"
