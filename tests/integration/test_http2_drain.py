"""A gateway that leaves its HTTP/2 clients: first it says so, then which request was the last; nothing under way is lost."""

import signal
import threading

import pytest

from support import http2_frames as h2
from support.http2_frames import FrameClient, data, get, ping, post
from support.http2_way import BODY, answer_by_path, digest, way  # noqa: F401 (a fixture)
from support.raw_client import trusting
from support.stream import PeerClosed

NOT_YET = 2**31 - 1
GOAWAYS = "sluice_http2_goaways_total"


def frame_client(way, gateway):
    tls = trusting(way.ca.certificate, alpn=["h2"]) if way.mode == "tls" else None
    client = FrameClient(gateway.ports[way.mode], tls=tls)
    way.lab.clients.append(client)
    return client


def held(sign):
    def script(connection):
        while True:
            request = connection.read_request(timeout=20)
            connection.wait(sign)
            connection.respond(body=request.target.encode())

    return script


def announced(client):
    """The first step; gives the PING with which the gateway asks whether the client has heard."""
    assert client.wait_frame(h2.GOAWAY).last == NOT_YET
    return client.wait_frame(h2.PING)


def pong(asked):
    return ping(asked.payload, h2.ACK)


def test_what_was_sent_in_between_is_answered(way):
    sign = threading.Event()
    backend = way.lab.backend(held(sign))
    gateway = way.gateway(backend, timeouts={"drain": "20s"}, workers=1)
    client = frame_client(way, gateway)
    client.send_frames(get(1, "/first"))
    backend.wait_for_request()
    gateway.signal(signal.SIGTERM)
    asked = announced(client)
    client.send_frames(get(3, "/between"), pong(asked), get(5, "/behind"))
    last = client.wait_frame(h2.GOAWAY)
    # What came in one piece with the answer may still count.
    assert last.code == h2.NO_ERROR and last.last in (3, 5)
    client.send_frames(get(7, "/late"))
    sign.set()
    assert client.answer(1).body == b"/first" and client.answer(3).body == b"/between"
    assert client.read_to_end().last == last.last
    assert 7 not in client.answers
    assert gateway.wait_exit() == 0
    assert b"/late" not in backend.received()


def test_priorities_of_requests_that_come_too_late(way):
    """Of such streams the library would make idle ones, and abort the process when it leaves one out that has begun since."""
    sign = threading.Event()
    backend = way.lab.backend(held(sign))
    gateway = way.gateway(backend, timeouts={"drain": "20s"}, workers=1)
    other, client = frame_client(way, gateway), frame_client(way, gateway)
    other.send_frames(get(1, "/kept"))
    backend.wait_for_request()
    client.still_answers()
    gateway.signal(signal.SIGTERM)
    asked = announced(client)
    updates = [h2.frame(0x10, payload=h2.u32(number) + b"u=1") for number in (3, 5, 7)]
    client.send_frames(pong(asked), *updates, get(3, "/late"))
    assert client.read_to_end().code == h2.NO_ERROR
    sign.set()
    assert other.answer(1).body == b"/kept"
    other.close()
    assert gateway.wait_exit() == 0


def test_who_does_not_answer_the_ping_is_left_all_the_same(way):
    gateway = way.gateway(way.lab.backend(), timeouts={"drain": "20s"}, workers=1)
    client = frame_client(way, gateway)
    client.send_frames(get(1))
    assert client.answer(1).status == 200
    gateway.signal(signal.SIGTERM)
    announced(client)
    client.send_frames(get(3))
    assert client.answer(3).status == 200
    assert client.read_to_end().last == 3
    assert gateway.wait_exit(timeout=5) == 0


def test_a_client_that_answers_is_left_at_once(way):
    """The end of a second is for those that do not."""
    gateway = way.gateway(way.lab.backend(), timeouts={"drain": "20s"}, workers=1)
    clients = [way.client(gateway) for _ in range(3)]
    for client in clients:
        assert client.request().status == 200
    gateway.signal(signal.SIGTERM)
    for client in clients:
        client.read_to_end(timeout=0.8)
        assert client.goaway == h2.NO_ERROR
    assert gateway.wait_exit(timeout=5) == 0
    assert " cut" not in gateway.stderr()


def test_bodies_under_way_come_to_their_end(way):
    backend = way.lab.backend(answer_by_path)
    gateway = way.gateway(backend, timeouts={"drain": "20s"}, workers=1)
    client = way.client(gateway)
    down = client.begin(path="/1000000")
    client.stalled.add(down)
    up = client.begin("POST", "/up", end=False)
    client.send_now(up, BODY[:1000])
    client.head(down)
    gateway.signal(signal.SIGTERM)
    client.wait(lambda: client.goaway is not None)
    client.open_windows(down)
    client.send_body(up, BODY[1000:])
    assert client.answer(up).body == digest(BODY)
    assert client.answer(down).body == BODY
    with pytest.raises(PeerClosed):
        client.receive()
    assert gateway.wait_exit() == 0
    assert "drained" in gateway.stderr() and " cut" not in gateway.stderr()


def test_what_takes_too_long_is_cut(way):
    sign = threading.Event()
    gateway = way.gateway(way.lab.backend(held(sign)), timeouts={"drain": "1s"}, workers=1)
    client = way.client(gateway)
    client.begin()
    gateway.wait_metric("sluice_http2_streams_open", 1)
    gateway.signal(signal.SIGTERM)
    client.read_to_end()
    assert gateway.wait_exit(timeout=5) == 0
    sign.set()


def test_it_is_counted_once(lab, way):
    sign = threading.Event()
    gateway = way.gateway(way.lab.backend(held(sign)), timeouts={"drain": "20s"}, workers=1)
    client = frame_client(way, gateway)
    client.send_frames(post(1))
    client.still_answers()
    gateway.signal(signal.SIGTERM)
    client.send_frames(pong(announced(client)))
    client.wait_frame(h2.GOAWAY)
    assert gateway.metric(GOAWAYS, reason="drain") == 1
    client.send_frames(data(1, b"body", end=True))
    sign.set()
    assert client.answer(1).status == 200
    assert gateway.wait_exit() == 0


def test_a_successor_takes_over(way):
    """The old process ends what it has under way, the new one serves those who come."""
    sign = threading.Event()
    backend = way.lab.backend(held(sign))
    gateway = way.gateway(backend, timeouts={"drain": "20s"}, workers=1)
    client = way.client(gateway)
    number = client.begin(path="/old")
    backend.wait_for_request()
    gateway.replace()
    client.wait(lambda: client.goaway is not None, timeout=20)
    sign.set()
    assert client.answer(number).body == b"/old"
    client.read_to_end()
    assert gateway.predecessors[-1].wait(timeout=20) == 0
    another = way.client(gateway)
    assert another.request(path="/new").body == b"/new"
