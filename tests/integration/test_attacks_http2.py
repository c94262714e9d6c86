"""Attacks over HTTP/2: floods of what is allowed, heads without end, readers that do not read."""

import itertools
import time

import pytest

from support import http2_frames as h2
from support.attack_lab import Fort
from support.crowd import Crowd
from support.http2_frames import PREFACE, FrameClient, continuation, data, frame, get, headers, post, request_fields, settings, u32
from support.raw_client import trusting
from support.stream import PeerClosed, PeerReset
from support.waiting import seconds, wait_until

pytestmark = pytest.mark.deadline(60)
ATTACKERS = 5
BEGIN = PREFACE + settings()
VIOLATIONS = "sluice_http2_violations_total"
TIMEOUTS = "sluice_client_timeouts_total"
MIB = 2**20


def fort_of_http2(lab, ca, **options):
    return Fort(lab, ca, protocols=("h2", "http/1.1"), **options)


def codes(received):
    """Of the GOAWAY frames in it."""
    found = []
    while len(received) >= 9:
        size = int.from_bytes(received[:3], "big")
        if received[3] == h2.GOAWAY:
            found.append(int.from_bytes(received[13:17], "big"))
        received = received[9 + size:]
    return found


def flood(crowd, make):
    """Until the gateway has ended them all: each gets what `make` gives next, as often as its socket takes it."""
    ends = time.monotonic() + seconds(10)
    while crowd.alive():
        assert time.monotonic() < ends, f"{len(crowd.alive())} go on"
        burst = make()
        for member in crowd.alive():
            left = burst
            while left and (taken := crowd.push(member, left)):
                left = left[taken:]
            if left and len(left) < len(burst):
                crowd.receive()
                finish(crowd, member, left)
        crowd.receive(0.01)


def finish(crowd, member, left):
    """Half a frame would make nonsense of what comes next."""
    while left and member.ended is None:
        left = left[crowd.push(member, left):]
        crowd.receive(0.001)


def repeated(piece):
    return lambda: piece


def counting(make, each=200):
    """Bursts of what `make` gives for one stream after another."""
    numbers = itertools.count(1, 2)
    return lambda: b"".join(make(next(numbers)) for _ in range(each))


def check_calmed(crowd):
    for member in crowd.members:
        assert codes(member.received)[-1:] == [h2.ENHANCE_YOUR_CALM], member.received[-100:]


FLOODS = {
    "pings": ("idle_frames", b"", repeated(h2.ping() * 500)),
    "acknowledgements": ("idle_frames", b"", repeated(h2.ping(flags=h2.ACK) * 500)),
    "settings": ("idle_frames", b"", repeated(settings((h2.INITIAL_WINDOW, 1000)) * 500)),
    "priorities": ("idle_frames", b"", repeated(h2.priority(3) * 500)),
    "unknown frames": ("idle_frames", b"", repeated(frame(0xBE, 0, 5, b"something") * 500)),
    "empty data": ("idle_frames", post(1), repeated(data(1) * 500)),
    "padding": ("idle_frames", post(1), repeated(data(1, pad=255) * 100)),
    "window updates": ("window_updates", post(1), repeated((h2.window_update(0, 1) + h2.window_update(1, 1)) * 300)),
    "rapid resets": ("max_resets", b"", counting(lambda at: get(at) + h2.reset(at))),
    "resets that it provokes": ("max_resets", b"",
                                counting(lambda at: post(at, "/", ("content-length", "1")) + data(at, b"more", end=True))),
    "malformed requests": ("max_resets", b"", counting(lambda at: headers(at, request_fields("GET", "/", ("UPPER", "case"))))),
    "continuations": ("continuations", headers(1, request_fields(), done=False), repeated(continuation(1, b"", done=False) * 100)),
    "heads without end": ("continuations", headers(1, request_fields(), done=False),
                          repeated(continuation(1, [("x", "y" * 1000)] * 10, done=False))),
}


@pytest.mark.parametrize("name", FLOODS)
def test_floods(lab, ca, name):
    reason, before, make = FLOODS[name]
    fort = fort_of_http2(lab, ca, target=lab.backend(record=False) if name == "rapid resets" else None)
    with fort.siege(memory=20) as siege:
        with Crowd(fort.port, ATTACKERS, BEGIN + before, kept=MIB) as crowd:
            flood(crowd, make)
            check_calmed(crowd)
        siege.wait_counted(ATTACKERS, VIOLATIONS, reason=reason)
        siege.wait_counted(ATTACKERS, "sluice_http2_goaways_total", reason="violation")
    check_nothing_left(fort.gateway)


def check_nothing_left(gateway):
    gateway.wait_metric("sluice_http2_connections_open", 0)
    gateway.wait_metric("sluice_http2_streams_open", 0)


def test_a_flood_over_tls(lab, ca):
    fort = fort_of_http2(lab, ca)
    with fort.siege(memory=20) as siege:
        with Crowd(fort.secure_port, ATTACKERS, BEGIN, tls=trusting(ca.certificate, alpn=["h2"]), kept=MIB) as crowd:
            flood(crowd, repeated(h2.ping() * 500))
            check_calmed(crowd)
        siege.wait_counted(ATTACKERS, VIOLATIONS, reason="idle_frames")


def test_resets_of_requests_that_have_reached_the_backend(lab, ca):
    """All that it may have open at once, and then no more: nobody makes a backend work for nothing without end."""
    backend = lab.backend(lambda peer: (peer.read_request(), peer.hang()), record=False)
    fort = fort_of_http2(lab, ca, target=backend, limits={"http2": {"max_resets": "1/s"}})
    with fort.siege(memory=20) as siege:
        client = FrameClient(fort.port)
        asked = 0
        with pytest.raises((PeerClosed, PeerReset)):
            for number in range(1, 2001, 2):
                client.send_frames(get(number))
                client.still_answers()
                asked += 1
                client.send_frames(h2.reset(number))
        assert 130 <= asked <= 130 + seconds(20), "as many as it may have open, and one a second"
        assert [one.code for one in client.frames if one.kind == h2.GOAWAY] == [h2.ENHANCE_YOUR_CALM]
        client.close()
        siege.wait_counted(1, VIOLATIONS, reason="max_resets")
        assert siege.counted("sluice_http2_streams_reset_total", by="client") == asked - 1


def test_resets_may_be_unlimited(lab, ca):
    fort = fort_of_http2(lab, ca, limits={"http2": {"max_resets": "off"}})
    with fort.siege(memory=20) as siege:
        client = FrameClient(fort.port)
        for first in range(1, 10_001, 500):
            client.send(b"".join(get(number) + h2.reset(number) for number in range(first, first + 500, 2)))
            client.still_answers()
        client.close()
        assert siege.counted("sluice_http2_streams_total") == 5000
        assert siege.counted(VIOLATIONS) == 0


def test_heads_that_unfold(lab, ca):
    """A field of 4,000 bytes is said once and meant thousands of times."""
    bomb = h2.block(*request_fields()) + b"\x40\x01x\x7f\xa1\x1e" + b"a" * 4000 + b"\xbe" * 12_000
    fort = fort_of_http2(lab, ca)
    with fort.siege(memory=20) as siege:
        with Crowd(fort.port, ATTACKERS, BEGIN, kept=MIB) as crowd:
            flood(crowd, counting(lambda at: headers(at, bomb), each=1))
            check_calmed(crowd)
        siege.wait_counted(ATTACKERS, VIOLATIONS, reason="max_resets")
        assert siege.counted(VIOLATIONS, reason="header_list") >= 228 * ATTACKERS


@pytest.mark.parametrize("where", ["head", "refused head", "trailers", "header of a frame"])
def test_heads_that_drip(lab, ca, where):
    """Each byte is in time, and the whole is not."""
    half = headers(3, request_fields(), done=False)
    begin = {"head": get(1) + half, "header of a frame": get(1) + half[:5], "trailers": get(1) + post(3) + headers(3, [], done=False),
             # More than there may be: the head of the last one is read, and nobody waits for it.
             "refused head": b"".join(post(at) for at in range(1, 9, 2)) + headers(9, request_fields(), done=False)}[where]
    fort = fort_of_http2(lab, ca, limits={"http2": {"max_concurrent_streams": 4}})
    with fort.siege(memory=20) as siege:
        with Crowd(fort.port, 100, BEGIN + begin) as crowd:
            if where == "header of a frame":  # nothing of a request is there: it is idle
                crowd.wait_ended(10)
                return siege.wait_counted(100, TIMEOUTS, phase="keepalive")
            crowd.send(frame(h2.CONTINUATION, 0, 9 if where == "refused head" else 3, b"", length=16_000))
            crowd.drip(b"\0", every=0.05, duration=seconds(4))
            crowd.wait_ended()
            siege.wait_counted(100, TIMEOUTS, phase="request_head")
            assert siege.counted("sluice_http2_goaways_total", reason="timeout") == 100


def big_answers(peer):
    while True:
        peer.read_request()
        peer.respond(body=bytes(MIB))


def test_streams_without_a_window(lab, ca):
    """128 large answers that may not be sent: each holds little, and is reset when its client has taken nothing for too long."""
    fort = fort_of_http2(lab, ca, target=lab.backend(big_answers, record=False))
    with fort.siege(memory=60) as siege:
        client = FrameClient(fort.port, begin=PREFACE + settings((h2.INITIAL_WINDOW, 0)))
        numbers = range(1, 256, 2)
        client.send_frames(*(get(number) for number in numbers))
        assert [client.answer(number, timeout=10).reset for number in numbers] == [h2.CANCEL] * 128
        siege.wait_counted(128, TIMEOUTS, phase="client_write")
        client.still_answers()
        client.close()
    check_nothing_left(fort.gateway)


def test_readers_that_ask_and_do_not_read(lab, ca):
    fort = fort_of_http2(lab, ca, target=lab.backend(big_answers, record=False))
    numbers = itertools.count(1, 2)
    with fort.siege(memory=60) as siege:
        wide = PREFACE + settings((h2.INITIAL_WINDOW, 2**31 - 1)) + h2.window_update(0, 2**31 - 1 - 65535)
        with Crowd(fort.port, 20, wide, receive_buffer=1) as crowd:
            def cut():
                number = next(numbers)
                if number < 200:
                    crowd.send(get(number))
                return siege.counted(TIMEOUTS, phase="client_write") >= 20 and not fort.gateway.metric("sluice_http2_connections_open")
            wait_until(cut, "all to be cut", 20)
    check_nothing_left(fort.gateway)


def test_pings_of_a_client_that_does_not_read(lab, ca):
    """The answers wait for it, and then nothing more is read of it."""
    fort = fort_of_http2(lab, ca, target=lab.backend(big_answers, record=False))
    wide = PREFACE + settings((h2.INITIAL_WINDOW, 2**31 - 1)) + h2.window_update(0, 2**31 - 1 - 65535)
    with fort.siege(memory=60) as siege:
        with Crowd(fort.port, 20, wide + b"".join(get(at) for at in range(1, 21, 2)), receive_buffer=1) as crowd:
            fort.gateway.wait_metric("sluice_http2_connections_open", 20)
            ends = time.monotonic() + seconds(10)
            while crowd.alive() and time.monotonic() < ends:
                crowd.send(h2.ping() * 100)
                for member in crowd.alive():
                    member.sip()
                if fort.gateway.metric("sluice_http2_connections_open") == 0:
                    break
                time.sleep(0.02)
        assert siege.counted(TIMEOUTS, phase="client_write") + siege.counted(VIOLATIONS, reason="idle_frames") >= 20
    check_nothing_left(fort.gateway)
