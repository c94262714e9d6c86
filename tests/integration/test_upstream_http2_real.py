"""HTTP/2 on both sides, with a real server behind: Node's. What goes in at one end comes out at the other."""

import random

import pytest

from support import real_backends
from support.http2_way import digest, way  # noqa: F401  (a fixture)

BODY = random.Random(3).randbytes(1_000_000)


@pytest.fixture(params=["clear", "tls"])
def node(request, lab, ca):
    """A backend, its URL, and how an upstream reaches it."""
    return real_backends.reached_node_http2(lab, ca if request.param == "tls" else None)


def gateway_to(way, node, **config):  # noqa: F811
    _, url, upstream = node
    return way.gateway(url, upstream=upstream, workers=1, **config)


def test_bodies_and_trailers_both_ways(way, node):  # noqa: F811
    client = way.client(gateway_to(way, node))
    number = client.begin("POST", "/echo", [("te", "trailers")], end=False)
    client.send_body(number, BODY, end=False)
    client.send_trailers(number, [("x-note", "sent")])
    answer = client.answer(number)
    assert answer.status == 200 and answer.body == BODY
    assert answer.header("x-te") == "trailers"
    assert dict(answer.trailers) == {"x-sha256": digest(BODY).decode(), "x-sent": "sent"}


def test_an_answer_comes_while_the_request_goes(way, node):  # noqa: F811
    client = way.client(gateway_to(way, node))
    number = client.begin("POST", "/echo", end=False)
    for piece in (b"one", b"two"):
        client.send_body(number, piece, end=False)
        while not client.answers[number].body.endswith(piece):
            client.receive()
    client.send_body(number, b"", end=True)
    assert client.answer(number).body == b"onetwo"


def test_interim_answers(way, node):  # noqa: F811
    client = way.client(gateway_to(way, node))
    answer = client.answer(client.begin("GET", "/hints"))
    assert [status for status, _ in answer.interim] == [103] and answer.status == 200


def test_resets_go_through_both_ways(way, node):  # noqa: F811
    client = way.client(gateway_to(way, node))
    assert client.answer(client.begin("GET", "/reset")).status == 502
    number = client.begin("POST", "/echo", end=False)
    client.send_body(number, b"begun", end=False)
    while client.answers[number].status is None:
        client.receive()
    client.reset(number)
    assert client.answer(client.begin("GET", "/hello")).status == 200


def test_many_at_once_share_a_connection(lab, way, node):  # noqa: F811
    gateway = gateway_to(way, node)
    client = way.client(gateway)
    numbers = [client.begin("GET", f"/download/{10_000 + n}") for n in range(100)]
    assert [len(client.answer(number).body) for number in numbers] == [10_000 + n for n in range(100)]
    gateway.wait_metric("sluice_upstream_http2_streams_open", 0, upstream="app")


@pytest.mark.deadline(60)
def test_nodes_client_and_nodes_server(lab, node):
    _, url, upstream = node
    gateway = lab.gateway(url, upstream=upstream, listeners=[{"name": "web", "address": "127.0.0.1:0", "protocols": ["h2", "http/1.1"]}])
    client = lab.node_client("support/http2_client.mjs", f"http://127.0.0.1:{gateway.port}", 60, 60)
    done = client.wait_event("done", timeout=40)
    assert (done["right"], done["wrong"]) == (240, [])


def test_http1_clients(lab, node):
    _, url, upstream = node
    gateway = lab.gateway(url, upstream=upstream)
    client = lab.client(gateway)
    assert client.request("GET", "/hello").body == b'{"hello":"world"}'
    assert lab.request(gateway, "POST", "/echo", body=BODY).body == BODY  # the answer comes before the request has ended
    assert client.request("HEAD", "/hello").body == b""
    assert client.request("GET", "/download/400000").body == (b"download " * 50_000)[:400_000]
