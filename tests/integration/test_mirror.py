"""`mirror`: a copy of a request goes to another upstream, and the client notices nothing of it. Whatever the mirror speaks; what HTTP/2
makes of it beyond that is in test_mirror_http2.py."""

import json
import threading
import time

import pytest

from support.config_text import config_for, to_yaml
from support.gateway import run_sluice
from support.http_message import chunked
from support.mirror_way import MARK, answer_copies, answering, is_seen, mirror, mirror_config, requests_metric, skipped, told  # noqa: F401
from support.raw_backend import echo_websocket
from support.waiting import wait_until
from support.websocket import upgrade_bytes

CHUNKED = [("Transfer-Encoding", "chunked")]


@pytest.mark.parametrize("method, body, in_chunks", [
    ("GET", b"", False), ("HEAD", b"", False), ("POST", b"hello", False), ("PUT", b"x" * 65536, False), ("POST", b"chunky" * 1000, True),
    ("POST", b"", True), ("DELETE", b"", False)])
def test_the_mirror_gets_what_the_backend_gets(lab, mirror, method, body, in_chunks):  # noqa: F811
    main, shadow = lab.backend(answering()), mirror.backend(answer_copies)
    gateway = lab.gateway_from(mirror_config(lab, mirror.upstream(shadow), main=main))
    fields = [("X-Own", "1")] + (CHUNKED if in_chunks else [])
    sent = chunked(*[body] if body else [], trailers=b"X-Sum: 1\r\n") if in_chunks else body
    response = lab.client(gateway).request(method, "/a%20b?c=d", headers=fields, body=sent)
    assert response.status == 200 and response.body == (b"" if method == "HEAD" else b"main")
    is_seen(gateway, "answered", 1)
    (request,), (copy,) = main.requests, shadow.requests
    assert (request.method, request.target, request.body) == (method, "/a%20b?c=d", body)
    assert request.trailers == ([("X-Sum", "1")] if in_chunks else [])
    expected = told(request)
    expected["fields"].append((MARK.lower(), "1"))
    assert told(copy) == expected
    if not mirror.shares:
        assert copy.headers == request.headers + [(MARK, "1")]


def test_a_body_that_comes_in_pieces_is_copied_whole(lab, mirror):  # noqa: F811
    main, shadow = lab.backend(answering()), mirror.backend(answer_copies)
    gateway = lab.gateway_from(mirror_config(lab, mirror.upstream(shadow), main=main))
    client = lab.client(gateway)
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\none")
    wait_until(lambda: main.connections, "the head to arrive")
    client.send(b"two")
    client.send(b"end")
    assert client.response().body == b"main"
    is_seen(gateway, "answered", 1)
    assert shadow.requests[0].body == b"onetwoend"


def test_kept_connections_serve_copies_too(lab, mirror):  # noqa: F811
    shadow = mirror.backend(answer_copies)
    gateway = lab.gateway_from(mirror_config(lab, mirror.upstream(shadow)))
    client = lab.client(gateway)
    for number in range(1, 6):
        assert client.request().body == b"main"
        is_seen(gateway, "answered", number)
    assert len(shadow.connections) == 1


def test_large_bodies_are_not_copied(lab, mirror):  # noqa: F811
    shadow = mirror.backend(answer_copies)
    gateway = lab.gateway_from(mirror_config(lab, mirror.upstream(shadow)))
    client = lab.client(gateway)
    assert client.request("POST", body=b"x" * 65537).body == b"main"
    assert client.request("POST", headers=CHUNKED, body=chunked(b"x" * 200_000)).body == b"main"
    wait_until(lambda: skipped(gateway, "body") == 2, "both to be counted")
    assert not shadow.requests


def test_the_share_holds(lab, mirror):  # noqa: F811
    gateway = lab.gateway_from(mirror_config(lab, mirror.upstream(mirror.backend(answer_copies)), share="25%"))
    client = lab.client(gateway)
    for _ in range(400):
        assert client.request().body == b"main"
    wait_until(lambda: gateway.metric("sluice_mirror_in_flight", route="all") == 0, "the copies to end")
    copied = requests_metric(gateway, "answered") + skipped(gateway, "busy")
    assert 50 < copied < 150  # 100 on average, with a deviation of 9


def silent(session):
    session.hang()


def closing(session):
    session.request()


def nonsense(session):
    session.request()
    session.send_nonsense()


def endless(session):
    while True:
        request = session.request()
        session.begin_answer(request)
        while session.go_on(request, b"x" * 65536):
            pass


@pytest.mark.parametrize("script", [None, silent, closing, nonsense, endless])
def test_a_bad_mirror_disturbs_nobody(lab, mirror, script):  # noqa: F811
    """None: nobody is there."""
    gateway = lab.gateway_from(mirror_config(lab, mirror.upstream(mirror.backend(script) if script else lab.refusing())))
    client = lab.client(gateway)
    started = time.monotonic()
    for _ in range(100):
        response = client.request("POST", body=b"hello")
        assert response.status == 200 and response.body == b"main" and MARK not in response.names()
    assert time.monotonic() - started < 20
    if script is silent:
        assert gateway.metric("sluice_mirror_in_flight", route="all") == 64
        assert skipped(gateway, "busy") == 36
    else:
        result = "answered" if script is endless else "failed"
        wait_until(lambda: requests_metric(gateway, result) + skipped(gateway, "busy") == 100, "all copies to end", timeout=20)
    assert gateway.metric("sluice_upstream_failures_total", upstream="app") == 0


def test_copies_that_wait_for_a_connection_count_as_held(lab, mirror):  # noqa: F811
    """Their heads, too. What there is no room for is not copied, and all is given back in the end."""
    config = mirror_config(lab, mirror.upstream(lab.black_hole()), limits={"max_held_bytes": "100KiB"}, timeouts={"connect": "2s"})
    gateway = lab.gateway_from(config)
    client = lab.client(gateway)
    for _ in range(2):
        assert client.request("POST", headers=[("X-Long", "h" * 10_000)], body=b"b" * 40_000).body == b"main"
    assert 50_000 < gateway.metric("sluice_held_bytes") < 55_000
    assert skipped(gateway, "memory") == 1
    is_seen(gateway, "failed", 1)
    gateway.wait_metric("sluice_held_bytes", 0)


def test_a_mirror_that_is_slow_is_given_up(lab, mirror):  # noqa: F811
    gateway = lab.gateway_from(mirror_config(lab, mirror.upstream(mirror.backend(silent)), timeouts={"response_head": "300ms"}))
    assert lab.request(gateway).body == b"main"
    is_seen(gateway, "failed", 1)
    assert gateway.metric("sluice_upstream_failures_total", upstream="shadow", reason="response_timeout") == 1


def test_a_mirror_that_stops_in_its_answer_is_given_up(lab, mirror):  # noqa: F811
    def stopping(session):
        session.begin_answer(session.request())
        session.hang()
    gateway = lab.gateway_from(mirror_config(lab, mirror.upstream(mirror.backend(stopping)), timeouts={"response_head": "300ms"}))
    assert lab.request(gateway).body == b"main"
    is_seen(gateway, "failed", 1)
    assert gateway.metric("sluice_upstream_failures_total", upstream="shadow", reason="body_timeout") == 1


def test_a_drain_does_not_wait_for_copies(lab, mirror):  # noqa: F811
    shadow = mirror.backend(silent)
    gateway = lab.gateway_from(mirror_config(lab, mirror.upstream(shadow), timeouts={"drain": "20s"}))
    assert lab.request(gateway).body == b"main"
    wait_until(lambda: gateway.metric("sluice_mirror_in_flight", route="all") == 1 and shadow.connections, "the copy to be under way")
    started = time.monotonic()
    gateway.signal()
    assert gateway.wait_exit() == 0
    assert time.monotonic() - started < 10


def test_a_drain_does_not_wait_for_copies_without_a_connection(lab, mirror):  # noqa: F811
    """Be they those that open one, or those that wait for it."""
    gateway = lab.gateway_from(mirror_config(lab, mirror.upstream(lab.black_hole()), timeouts={"drain": "20s", "connect": "30s"}))
    for _ in range(5):
        assert lab.request(gateway).body == b"main"
    assert gateway.metric("sluice_mirror_in_flight", route="all") == 5
    started = time.monotonic()
    gateway.signal()
    assert gateway.wait_exit() == 0
    assert time.monotonic() - started < 10


def test_what_is_marked_is_not_copied_again(lab, mirror):  # noqa: F811
    shadow = mirror.backend(answer_copies)
    gateway = lab.gateway_from(mirror_config(lab, mirror.upstream(shadow)))
    assert lab.request(gateway, headers=[(MARK, "1")]).body == b"main"
    assert lab.request(gateway).body == b"main"
    is_seen(gateway, "answered", 1)
    assert len(shadow.requests) == 1


def test_requests_that_reach_no_backend_are_not_copied(lab):
    gateway = lab.gateway_from(mirror_config(lab, lab.backend(answering(b"shadow")), main=lab.refusing()))
    assert lab.request(gateway).status == 502
    wait_until(lambda: skipped(gateway, "unsent") == 1, "it to be counted")


def test_upgrades_are_not_copied(lab):
    shadow = lab.backend(answering(b"shadow"))
    gateway = lab.gateway_from(mirror_config(lab, shadow, main=lab.backend(echo_websocket)))
    client = lab.client(gateway)
    client.send(upgrade_bytes("/ws"))
    assert client.response().status == 101
    assert not shadow.connections


def test_a_reload_takes_the_mirror_away(lab, mirror):  # noqa: F811
    config = mirror_config(lab, mirror.upstream(mirror.backend(answer_copies)))
    gateway = lab.gateway_from(config)
    assert lab.request(gateway).body == b"main"
    is_seen(gateway, "answered", 1)
    del config["routes"][0]["mirror"]
    gateway.reload(config)
    assert lab.request(gateway).body == b"main"
    assert requests_metric(gateway, "answered") == 1


@pytest.mark.parametrize("stays", [True, False])
def test_copies_that_are_under_way_go_on_through_a_reload(lab, mirror, stays):  # noqa: F811
    """Also when the mirror is not there any more. Where it is, the next one has their connection."""
    go = threading.Event()

    def script(session):
        request = session.request()
        session.connection.wait(go)
        session.respond(request)
        answer_copies(session)
    shadow = mirror.backend(script)
    config = mirror_config(lab, mirror.upstream(shadow))
    gateway = lab.gateway_from(config)
    assert lab.request(gateway).body == b"main"
    shadow.wait_for_request()
    if not stays:
        del config["routes"][0]["mirror"], config["upstreams"][1]
    gateway.reload({**config, "limits": {"max_headers": 99}})
    assert gateway.metric("sluice_mirror_in_flight", route="all") == 1
    go.set()
    is_seen(gateway, "answered", 1)
    assert lab.request(gateway).body == b"main"
    if stays:
        is_seen(gateway, "answered", 2)
        assert len(shadow.connections) == 1
    else:
        assert shadow.connection().finished.wait(10)


def test_explain_names_the_mirror(tmp_path):
    config = config_for("http://127.0.0.1:1", route={"mirror": {"upstream": "shadow", "share": "10%"}})
    config["upstreams"].append({"name": "shadow", "endpoints": ["http://127.0.0.1:2"]})
    (tmp_path / "sluice.yaml").write_text(to_yaml(config) + "\n")
    arguments = ["explain", "--config", tmp_path / "sluice.yaml", "GET", "http://a/"]
    assert "shadow (10%): http://127.0.0.1:2" in run_sluice(*arguments).stdout
    told = json.loads(run_sluice(*arguments, "--json").stdout)["forwarded"]["mirror"]
    assert told["upstream"] == "shadow" and told["share"] == "10%"
