"""RFC 9113 and RFC 7541 as a server has to keep them, case by case, over TLS and with prior knowledge: the table is http2_cases.py."""

import pytest

from conftest import Lab
from http2_cases import CASES, HELD, MOST_WINDOW
from support import http2_frames as h2
from support.http2_frames import FrameClient
from support.raw_client import trusting
from support.stream import PeerClosed

MODES = ["plain", "tls"]
LAST = MOST_WINDOW - 2  # a number above all others


class Stage:
    """One gateway for all cases: that it serves on after each is part of what is shown."""

    def __init__(self, lab, ca):
        self.lab = lab
        protocols = ["h2", "http/1.1"]
        secure = {"certificates": [ca.issue("test.example").as_config()]}
        self.tls = trusting(ca.certificate, alpn=["h2"])
        routes = [{"name": "held", "match": {"path_prefix": HELD}, "upstream": "app"}, {"name": "all", "respond": {"status": 200, "body": "ok"}}]
        self.gateway = lab.gateway(
            lab.backend(lambda peer: peer.hang(), record=False), workers=1, routes=routes, listeners=[
                {"name": "plain", "address": "127.0.0.1:0", "protocols": protocols},
                {"name": "tls", "address": "127.0.0.1:0", "protocols": protocols, "tls": secure}])

    def client(self, mode, **options):
        return self.lab.client_of(FrameClient(self.gateway.ports[mode], tls=self.tls if mode == "tls" else None, **options))


class KeepingLab(Lab):
    def client_of(self, client):
        self.clients.append(client)
        return client


@pytest.fixture(scope="module")
def stage(tmp_path_factory, ca):
    lab = KeepingLab(tmp_path_factory.mktemp("http2"))
    yield Stage(lab, ca)
    lab.close()


@pytest.fixture(params=MODES)
def connect(request, stage):
    opened = []

    def make(**options):
        opened.append(stage.client(request.param, **options))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


def resets(client, stream=None):
    return [one.code for one in client.frames if one.kind == h2.RST_STREAM and stream in (None, one.stream)]


def serves_on(client):
    """A PING and a further request are answered; unless the case has used up the numbers."""
    client.still_answers()
    assert not [one for one in client.frames if one.kind == h2.GOAWAY], client.frames
    if MOST_WINDOW in client.answers:
        return
    client.send(h2.get(LAST))
    assert client.answer(LAST).status == 200


def ended_with(client, codes):
    last = client.read_to_end()
    assert last is not None, f"the connection ended ({client.ended}) without GOAWAY: {client.frames}"
    assert last.code in codes, last
    assert client.ended == "fin", "a reset may overtake the GOAWAY"


def ended_in_peace(client):
    last = client.read_to_end()
    assert last is None or last.code == h2.NO_ERROR, last
    assert client.ended == "fin"


def overtaken(connect, case):
    """The request is answered, and what follows is there before the gateway gives it up: a busy machine may be too slow for that."""
    for _ in range(10):
        client = connect()
        client.send(case.overtaken)
        assert client.answer(1).ended, client.frames
        client.send(case.frames)
        try:
            client.still_answers()
        except PeerClosed:
            return client
        if resets(client, 1)[:1] != [h2.NO_ERROR]:
            return client
    raise AssertionError(f"the request was given up at once: {client.frames}")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rules(connect, case):
    if case.overtaken:
        client = overtaken(connect, case)
    else:
        client = connect()
        client.send(case.frames)
    if case.goaway and not case.reset:
        return ended_with(client, case.goaway)
    if case.leaves:
        return ended_in_peace(client)
    if case.goaway:  # or a reset: both are right
        try:
            client.still_answers()
        except PeerClosed:
            return ended_with(client, case.goaway)
    if case.reset:
        client.answer(1)
        client.still_answers()
        assert resets(client, 1) and resets(client, 1)[0] in case.reset, client.frames
    elif case.refused:
        client.answer(257 + 2 * (case.refused - 1))
        refused = [one.stream for one in client.frames if one.kind == h2.RST_STREAM and one.code == h2.REFUSED_STREAM]
        assert refused == [257 + 2 * at for at in range(case.refused)], client.frames
    elif case.status:
        assert client.answer(1).status == case.status, client.answers
    if case.refused:  # there is room again; a client may give up all that it has at once
        client.send(b"".join(h2.reset(1 + 2 * at) for at in range(128)))
    serves_on(client)


# ---- 3.4 ------------------------------------------------------------------------------------------------------------

def test_the_gateway_begins_with_settings(connect):
    """Before it has seen anything but the preface."""
    client = connect(begin=h2.PREFACE)
    first = client.next_frame()
    assert (first.kind, first.flags, first.stream) == (h2.SETTINGS, 0, 0)
    assert first.settings[h2.MAX_STREAMS] == 128 and first.settings[h2.NO_RFC7540_PRIORITIES] == 1
    assert first.settings[h2.MAX_HEADER_LIST] == 65536
    client.send(h2.settings())
    client.still_answers()


def test_settings_are_acknowledged(connect):
    client = connect(begin=h2.PREFACE + h2.settings((h2.INITIAL_WINDOW, 100)) + h2.settings())
    client.still_answers()
    assert len([one for one in client.frames if one.kind == h2.SETTINGS and one.acknowledges]) == 2


def test_something_else_in_place_of_settings(connect):
    client = connect(begin=h2.PREFACE + h2.ping())
    ended_with(client, [h2.PROTOCOL_ERROR])


@pytest.mark.parametrize("preface", [b"INVALID CONNECTION PREFACE\r\n\r\n", h2.PREFACE[:-1] + b"\r", b"\x00" * 24])
def test_something_else_in_place_of_the_preface(connect, preface):
    """On a plain listener it may look like HTTP/1.1, and is answered so; nothing goes on."""
    client = connect(begin=preface + h2.settings() + h2.get())
    came = client.read_until_closed()
    assert b"200" not in came and b":status" not in came


def test_what_is_no_request_of_any_version(connect):
    """A first line that names no version: it was meant to be the preface, wherever that may come."""
    ended_with(connect(begin=b"INVALID CONNECTION PREFACE\r\n\r\n"), [h2.PROTOCOL_ERROR])


@pytest.mark.parametrize("size", [1, 7])
def test_in_small_pieces(connect, size):
    client = connect(begin=b"")
    frames = h2.PREFACE + h2.settings((h2.INITIAL_WINDOW, 70000)) + h2.post(1, "/", ("x", "y" * 50)) + h2.data(1, b"body", end=True) + h2.get(3)
    for at in range(0, len(frames), size):
        client.send(frames[at:at + size])
    assert (client.answer(1).status, client.answer(3).status) == (200, 200)
    serves_on(client)


# ---- 6.9 ------------------------------------------------------------------------------------------------------------

def body_is(client, expected, stream=1):
    """That much of it comes, and then no more."""
    while client.answers.setdefault(stream, h2.Answer()).body != expected:
        client.next_frame()
    client.still_answers()
    assert client.answers[stream].body == expected


def test_a_window_of_one_byte(connect):
    client = connect(begin=h2.PREFACE + h2.settings((h2.INITIAL_WINDOW, 1)))
    client.send(h2.get())
    body_is(client, b"o")
    client.send(h2.window_update(1, 1))
    answer = client.answer()
    assert answer.body == b"ok" and answer.ended


def test_a_window_that_opens_by_settings(connect):
    client = connect(begin=h2.PREFACE + h2.settings((h2.INITIAL_WINDOW, 0)))
    client.send(h2.get())
    client.wait_frame(h2.HEADERS)
    body_is(client, b"")
    client.send(h2.settings((h2.INITIAL_WINDOW, 1)))
    body_is(client, b"o")
    client.send(h2.settings((h2.INITIAL_WINDOW, 2)))
    assert client.answer().body == b"ok"


def test_a_window_below_zero(connect):
    client = connect(begin=h2.PREFACE + h2.settings((h2.INITIAL_WINDOW, 1)))
    client.send(h2.get())
    body_is(client, b"o")
    client.send(h2.settings((h2.INITIAL_WINDOW, 0)))  # now it is -1
    client.send(h2.window_update(1, 1))
    body_is(client, b"o")
    client.send(h2.window_update(1, 1))
    assert client.answer().body == b"ok"


def test_larger_frames_need_not_be_used(connect):
    """Larger frames are allowed to the gateway; it makes no use of that."""
    client = connect(begin=h2.PREFACE + h2.settings((h2.MAX_FRAME, 2**24 - 1)))
    client.send(h2.get())
    assert client.answer().body == b"ok"
