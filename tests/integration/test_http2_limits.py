"""limits.http2: what clients are told, what happens over it, and reloads."""

import threading

import hpack
import pytest

from support import http2_frames as h2
from support.http2_frames import FrameClient, block, continuation, frame, get, headers, request_fields
from support.raw_backend import answer_ok
from support.stream import PeerClosed

LISTENER = {"name": "web", "address": "127.0.0.1:0", "protocols": ["h2", "http/1.1"]}


@pytest.fixture
def gateway_with(lab):
    return lambda **http2: lab.gateway(lab.backend(answer_ok), workers=1, listeners=[LISTENER], limits={"http2": http2, "max_headers": 1000})


@pytest.fixture
def connect(lab):
    def make(gateway):
        client = FrameClient(gateway.port)
        lab.clients.append(client)
        return client
    return make


def announced(client):
    return client.wait_frame(h2.SETTINGS).settings


def test_clients_are_told(gateway_with, connect):
    told = announced(connect(gateway_with(max_concurrent_streams=7, max_header_list="20KiB")))
    assert (told[h2.MAX_STREAMS], told[h2.MAX_HEADER_LIST]) == (7, 20 * 1024)


def large_get(stream, size, each=8000):
    """A request whose fields have so many bytes, in frames of 16 KiB."""
    count, rest = divmod(size - 200, each + 33)
    whole = block(*request_fields(), *[("x", "y" * each)] * count, ("z", "y" * max(0, rest - 33)))
    pieces = [whole[at:at + h2.FRAME_SIZE] for at in range(0, len(whole), h2.FRAME_SIZE)]
    return b"".join([headers(stream, pieces[0], done=len(pieces) == 1),
                     *(continuation(stream, piece, done=piece is pieces[-1]) for piece in pieces[1:])])


@pytest.mark.parametrize("kib", [1, 20, 64, 500, 1024])
def test_heads_up_to_the_bound(gateway_with, connect, kib):
    gateway = gateway_with(max_header_list=f"{kib}KiB")
    client = connect(gateway)
    client.send_frames(large_get(1, kib * 1024))
    assert client.answer(1).status == 200
    client.send_frames(large_get(3, kib * 1024 + 2000))
    assert client.answer(3).status == 431
    client.still_answers()


def test_large_heads_count_as_held_until_their_requests_end(lab, connect):
    """By HPACK, each but the first costs its client a byte a field."""
    sign = threading.Event()

    def script(connection):
        connection.read_request()
        connection.wait(sign)
        connection.respond()

    gateway = lab.gateway(lab.backend(script), workers=1, listeners=[LISTENER], limits={"max_held_bytes": "64KiB"})
    client = connect(gateway)
    large = [("x-large", "y" * 3900)] * 4
    encoder = hpack.Encoder()
    numbers = range(1, 21, 2)
    client.send_frames(*(headers(number, encoder.encode(request_fields() + large)) for number in numbers))
    refused = [client.answer(number) for number in numbers[4:]]
    assert [answer.status for answer in refused] == [503] * 6
    assert gateway.metric("sluice_held_bytes") > 4 * 15_000
    client.send_frames(get(21))  # a small one costs nothing
    sign.set()
    assert [client.answer(number).status for number in [*numbers[:4], 21]] == [200] * 5
    gateway.wait_metric("sluice_held_bytes", 0)


def test_a_head_far_over_it_is_reset(gateway_with, connect):
    gateway = gateway_with(max_header_list="4KiB")
    client = connect(gateway)
    client.send_frames(large_get(1, 20_000))
    assert client.answer(1).reset == h2.ENHANCE_YOUR_CALM
    client.send_frames(get(3))
    assert client.answer(3).status == 200
    assert gateway.metric("sluice_http2_violations_total", reason="header_list") == 1


def test_heads_over_a_bound_are_in_the_access_log(lab, connect):
    gateway = lab.gateway(lab.backend(), workers=1, listeners=[LISTENER], limits={"max_request_line": "8KiB"})
    client = connect(gateway)
    many = [(f"x-{number}", "") for number in range(101)]
    client.send_frames(large_get(1, 70_000), headers(3, request_fields("HEAD", "/many?token=s3cret", *many)),
                       headers(5, request_fields("GET", "/" + "a" * 9000)))
    assert [client.answer(number).status for number in (1, 3, 5)] == [431, 431, 414]
    assert client.answer(3).body == b"", "of a HEAD"
    for failure, *known in (("head_too_large", "GET", "/"), ("too_many_headers", "HEAD", "/many?token=***"),
                            ("request_line_too_long", "GET", None)):
        line = gateway.wait_log(failure=failure)
        assert [line.get(name) for name in ("method", "target", "host", "version")] == [*known, "test.example", "HTTP/2.0"]


def test_requests_are_counted_by_protocol(lab, gateway_with, connect):
    gateway = gateway_with(max_header_list="1KiB")
    client = connect(gateway)
    client.send_frames(get(1), large_get(3, 2000))
    assert (client.answer(1).status, client.answer(3).status) == (200, 431)
    for version in ("1.0", "1.1"):
        assert lab.client(gateway).request(version=version).status == 200
    lab.client(gateway).request()
    for version, count in ("1.0", 1), ("1.1", 2), ("2", 2):
        gateway.wait_metric("sluice_requests_by_protocol_total", count, protocol=version)


def test_more_streams_than_announced(lab, connect):
    gateway = lab.gateway(lab.backend(lambda peer: (peer.read_request(), peer.hang())), workers=1, listeners=[LISTENER],
                          limits={"http2": {"max_concurrent_streams": 2}})
    client = connect(gateway)
    client.wait_frame(h2.SETTINGS)
    client.send_frames(frame(h2.SETTINGS, h2.ACK), *(get(number) for number in (1, 3, 5)))
    assert client.read_to_end().code == h2.PROTOCOL_ERROR
    gateway.wait_metric("sluice_http2_violations_total", 1, reason="max_concurrent_streams")


def test_a_reload_is_for_connections_that_begin_after_it(lab, connect):
    def config(**http2):
        return {"listeners": [LISTENER], "upstreams": [{"name": "app", "endpoints": [backend.url]}], "workers": 1,
                "routes": [{"name": "all", "upstream": "app"}], "admin": {"address": "127.0.0.1:0"}, "limits": {"http2": http2}}

    backend = lab.backend()
    gateway = lab.gateway_from(config(max_header_list="4KiB", max_resets="1/s", max_concurrent_streams=1))
    before = connect(gateway)
    assert announced(before)[h2.MAX_STREAMS] == 1
    gateway.reload(config(max_header_list="30KiB", max_resets="off", max_concurrent_streams=9))
    after = connect(gateway)
    assert announced(after)[h2.MAX_STREAMS] == 9
    for client, status in (before, 431), (after, 200):
        client.send_frames(large_get(1, 8000, each=1000))
        assert client.answer(1).status == status
    after.send(b"".join(get(number) + h2.reset(number) for number in range(3, 1003, 2)))
    after.still_answers()
    with pytest.raises(PeerClosed):
        for number in range(3, 1003, 2):
            before.send_frames(get(number) + h2.reset(number))
            before.still_answers()
    gateway.wait_metric("sluice_http2_violations_total", 1, reason="max_resets")


def test_windows_that_open_with_each_request(lab, connect):
    """Some clients do that whether or not there will be DATA, and say how urgent the request is: no flood, however fast it goes."""
    gateway = lab.gateway(workers=1, listeners=[LISTENER], routes=[{"name": "all", "respond": {"status": 200, "body": "ok"}}])
    client = connect(gateway)
    most, count = 100, 3000
    for first in range(0, count, most):
        streams = [2 * at + 1 for at in range(first, first + most)]
        client.send_frames(*(headers(stream, request_fields("HEAD")) + h2.window_update(stream, 12_000_000) + h2.priority(stream)
                             for stream in streams))
        assert {client.answer(stream).status for stream in streams} == {200}
    client.still_answers()
