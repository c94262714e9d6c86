"""`sluice explain` of HTTP/2: what it tells is what backends get over it, and what its clients are answered."""

import pytest

from support.config_text import config_for, to_yaml
from support.explained import explain, explained_fields, flags, without
from support.gateway import run_sluice
from support.http2_backend import answer_all, speaking, tls_context
from support.http2_client import Http2Client
from support.tunnel_backend import TunnelBackend
from support.websocket_way import H2 as BOTH
from support.websocket_way import Over

ALONE = [{"name": "web", "address": "127.0.0.1:0", "protocols": ["h2"]}]
URL = "http://test.example"
GRPC = [("te", "trailers"), ("content-type", "application/grpc")]


def connected(lab, gateway):
    client = Http2Client.to(gateway.port)
    lab.clients.append(client)
    return client


def file_of(folder, config):
    file = folder / "sluice.yaml"
    file.write_text(to_yaml(config) + "\n")
    return file


def told_of_http2(asked):
    """As `explain` writes it: method and path in the line, the other pseudo fields and all others below it."""
    return f"{asked.method} {asked.path} HTTP/2", without(asked.fields, ":method", ":path", "x-request-id")


@pytest.mark.parametrize("method,path,headers", [("GET", "/a?b=c", [("x-kept", "1"), ("cookie", "a=b")]), ("POST", "/pkg.S/M", GRPC)])
@pytest.mark.parametrize("protocol", ["h2", "http/1.1"])
def test_a_request_to_a_backend_of_http2(lab, protocol, method, path, headers):
    backend = lab.backend(speaking(answer_all))
    gateway = lab.gateway(backend, listeners=BOTH, upstream={"protocol": "h2"}, route={"rewrite": {"host": "inner.example"}})
    told = explain(gateway.config_file, method, URL + path, "--protocol", protocol, *flags(headers))
    if protocol == "h2":
        assert connected(lab, gateway).request(method, path, headers).status == 200
    else:
        assert lab.request(gateway, method, path, headers=headers).status == 200
    asked = backend.wait_for_request()
    assert told["forwarded"]["protocols"] == ["h2"] and "over_http2" not in told["forwarded"]
    assert (told["forwarded"]["request_line"], explained_fields(told["forwarded"], "x-request-id")) == told_of_http2(asked)
    assert asked.header("te") == ("trailers" if headers == GRPC else None)
    assert told["client"]["protocol"] == protocol and asked.header("via") == ("2.0" if protocol == "h2" else "1.1") + " sluice"


@pytest.mark.parametrize("protocol", ["h2", "http/1.1"])
def test_a_websocket_to_a_backend_of_http2(lab, protocol):
    over = Over(lab, protocol, "h2")
    backend = lab.keep(TunnelBackend())
    gateway = over.gateway(backend, listeners=BOTH)
    extra = [("Origin", "https://a.example"), ("X-Kept", "1")]
    told = explain(gateway.config_file, "GET", "ws://test.example/ws?t=1", "--protocol", protocol, *flags(extra))
    over.open(gateway, "/ws?t=1", extra)
    asked = backend.connection().asked
    line, fields = told_of_http2(asked)
    assert told["forwarded"]["request_line"] == line == "CONNECT /ws?t=1 HTTP/2"
    assert sorted(explained_fields(told["forwarded"], "x-request-id")) == sorted(fields), "clients differ in their order"
    assert asked.header("via") == ("2.0" if protocol == "h2" else "1.1") + " sluice"


def test_a_listener_of_http2_alone_has_no_other_clients(lab):
    """Its requests and WebSockets, to a backend of HTTP/1.1."""
    backend = lab.backend()
    gateway = lab.gateway(backend, listeners=ALONE)
    headers = [("x-kept", "1"), ("cookie", "a=b")]
    told = explain(gateway.config_file, "GET", URL + "/a", *flags(headers))
    assert connected(lab, gateway).request("GET", "/a", headers).status == 200
    request = backend.wait_for_request()
    assert told["client"]["protocol"] == "h2" and told["forwarded"]["protocols"] == ["http/1.1"]
    assert told["forwarded"]["request_line"] == "GET /a HTTP/1.1"
    assert explained_fields(told["forwarded"], "X-Request-Id") == without(request.headers, "X-Request-Id")
    assert request.header("Via") == "2.0 sluice"
    handshake = dict(explained_fields(explain(gateway.config_file, "GET", "ws://test.example/ws")["forwarded"]))
    assert (handshake["Via"], handshake["Upgrade"], "Sec-WebSocket-Key" in handshake) == ("2.0 sluice", "websocket", True)


def test_answers_to_clients_of_http2(lab):
    """An answer of the gateway's own is no consent to a WebSocket, and calls of gRPC are answered as such."""
    gateway = lab.gateway(listeners=BOTH, routes=[{"name": "own", "match": {"path": "/ws"}, "respond": {"status": 200, "body": "ok"}}])
    asked = [("GET", "ws://test.example/ws", [], 200, 403), ("POST", URL + "/pkg.S/M", GRPC, 404, 200)]
    for method, url, headers, over_http1, over_http2 in asked:
        for protocol, status in [("http/1.1", over_http1), ("h2", over_http2)]:
            told = explain(gateway.config_file, method, url, "--protocol", protocol, *flags(headers))
            assert told["answer"]["status"] == status, (url, protocol)
    real = connected(lab, gateway).request("POST", "/pkg.S/M", GRPC)
    assert (real.status, real.header("grpc-status")) == (200, "12")
    assert ("grpc-status", "12") in [(name.lower(), value) for name, value in explained_fields(told["answer"])]


def test_the_head_is_bounded_as_that_of_http2(tmp_path):
    file = file_of(tmp_path, config_for("http://127.0.0.1:1", listeners=BOTH, limits={"http2": {"max_header_list": "4KiB"}}))
    large = ["-H", "X-Large: " + "x" * 5000]
    assert explain(file, "GET", URL + "/", *large)["answer"] is None
    assert explain(file, "GET", URL + "/", "--protocol", "h2", *large)["answer"]["status"] == 431


H1, H2, EITHER = ["http/1.1"], ["h2"], ["h2", "http/1.1"]


@pytest.mark.parametrize("endpoint,protocol,requests,websockets", [
    ("http://127.0.0.1:1", "auto", H1, H1), ("http://127.0.0.1:1", "http/1.1", H1, H1), ("http://127.0.0.1:1", "h2", H2, H2),
    ("https://127.0.0.1:1", "auto", EITHER, EITHER), ("https://127.0.0.1:1", "http/1.1", H1, H1), ("https://127.0.0.1:1", "h2", H2, EITHER),
])
def test_what_is_spoken_to_which_endpoint(tmp_path, endpoint, protocol, requests, websockets):
    file = file_of(tmp_path, config_for(endpoint, upstream={"protocol": protocol}))
    for url, protocols in [(URL + "/", requests), ("ws://test.example/", websockets)]:
        forwarded = explain(file, "GET", url)["forwarded"]
        assert forwarded["protocols"] == protocols, url
        assert forwarded["request_line"].endswith(" HTTP/2" if protocols == H2 else " HTTP/1.1")
        assert ("over_http2" in forwarded) == (protocols == EITHER)


def test_what_is_told_where_the_endpoint_decides_is_what_it_gets(lab, ca):
    """One that agrees on HTTP/2, and one that does not."""
    for alpn in EITHER:
        script = speaking(answer_all) if alpn == "h2" else None
        backend = lab.backend(*([script] if script else []), tls=tls_context(ca, alpn))
        gateway = lab.gateway(f"https://localhost:{backend.port}", upstream={"tls": {"ca": str(ca.certificate)}})
        forwarded = explain(gateway.config_file, "GET", URL + "/a", "-H", "TE: trailers")["forwarded"]
        assert lab.request(gateway, "GET", "/a", headers=[("TE", "trailers"), ("Connection", "TE")]).status == 200
        request = backend.wait_for_request()
        if alpn == "h2":
            over_http2 = forwarded["over_http2"]
            assert (over_http2["request_line"], explained_fields(over_http2, "x-request-id")) == told_of_http2(request)
        else:
            assert forwarded["request_line"] == "GET /a HTTP/1.1"
            assert explained_fields(forwarded, "X-Request-Id") == without(request.headers, "X-Request-Id")


def test_sides_of_a_split_and_mirrors_are_told_apart(tmp_path):
    config = config_for("http://127.0.0.1:1", listeners=BOTH)
    config["upstreams"] += [{"name": "new", "endpoints": ["http://127.0.0.1:2"], "protocol": "h2"}]
    config["routes"] = [{"name": "all", "split": {"to": [{"upstream": "app", "weight": 9}, {"upstream": "new", "weight": 1}]},
                         "mirror": {"upstream": "new"}}]
    forwarded = explain(file_of(tmp_path, config), "GET", URL + "/")["forwarded"]
    assert [side["protocols"] for side in forwarded["split"]] == [H1, H2] and forwarded["mirror"]["protocols"] == H2
    assert (forwarded["request_line"], forwarded["over_http2"]["request_line"]) == ("GET / HTTP/1.1", "GET / HTTP/2")


def text_of(file, *arguments):
    result = run_sluice("explain", "--config", file, "GET", *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_text(tmp_path):
    file = file_of(tmp_path, config_for("https://127.0.0.1:1", listeners=BOTH))
    text = text_of(file, URL + "/a")
    for said in ["speaks HTTP/1.1 (--protocol h2: HTTP/2)", "over HTTP/2 if the endpoint agrees (ALPN), else HTTP/1.1\n",
                 "The backend gets, over HTTP/2 (HTTP/1.1: the same)\n  GET /a HTTP/2\n  :scheme: https\n  :authority: test.example\n"]:
        assert said in text, text
    assert "GET /a HTTP/1.1" not in text, "it is told once"
    assert "(HTTP/1.1: the same without te)\n" in text_of(file, URL + "/a", "-H", "TE: trailers")
    text = text_of(file, "ws://test.example/a", "--protocol", "h2")
    for said in ["speaks HTTP/2 (--protocol http/1.1: the other)",
                 "over HTTP/2 if the endpoint takes WebSockets there (RFC 8441), else HTTP/1.1\n",
                 "The backend gets, over HTTP/2\n  CONNECT /a HTTP/2\n  :protocol: websocket\n", "or, over HTTP/1.1\n  GET /a HTTP/1.1\n",
                 "  Upgrade: websocket\n", "  Via: 2.0 sluice\n"]:
        assert said in text, text
    config = config_for("http://127.0.0.1:1", listeners=ALONE, upstream={"protocol": "h2"})
    alone = text_of(file_of(tmp_path, config), "ws://test.example/a")
    assert "speaks HTTP/2\n" in alone and "502 if the endpoint takes no WebSockets there" in alone and "HTTP/1.1" not in alone


@pytest.mark.parametrize("listeners,arguments,said", [
    (ALONE, ["--protocol", "http/1.1"], 'does not speak "http/1.1"; its protocols are [h2]'),
    (BOTH, ["--protocol", "h3"], 'does not speak "h3"; its protocols are [h2, http/1.1]'),
    (ALONE, ["-H", "Connection: close"], '-H "Connection" is of HTTP/1.1 alone, and the client speaks HTTP/2'),
])
def test_what_such_a_client_cannot_say_exits_1(tmp_path, listeners, arguments, said):
    file = file_of(tmp_path, config_for("http://127.0.0.1:1", listeners=listeners))
    result = run_sluice("explain", "--config", file, "GET", URL + "/", *arguments)
    assert (result.returncode, result.stdout) == (1, "") and said in result.stderr
