"""Looking at what passes through one WebSocket: GET /sockets/ID/tap and `sluice tap`."""

import base64
import json
import subprocess
import threading
from pathlib import Path

import pytest

from support import binary
from support.gateway import environment, run_sluice
from support.http_message import request_bytes
from support.raw_backend import echo_websocket
from support.raw_client import RawClient, blind
from support.stream import PeerClosed
from support.waiting import seconds, wait_until
from support.websocket import BINARY, CLOSE, PING, TEXT, assert_carries, close_payload, frame_bytes, open_websocket

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy/examples/watched_sockets.yaml"
OWN = ("X-Sluice-Admin", "1")
NOBODY = "0123456789abcdef" * 2
MIB = 2**20


def tunnel(lab, tap=None, script=echo_websocket, **config):
    rules = {} if tap is None else {"route": {"websocket": {"tap": tap}}}
    gateway = lab.gateway(lab.backend(script, record=False), **rules, **config)
    client = lab.client(gateway, record=False)
    open_websocket(client)
    return gateway, client


def only_id(gateway):
    one, = json.loads(gateway.admin("/sockets").body)["sockets"]
    return one["id"]


class Tap:
    """A reader of a tap, which has begun."""

    def __init__(self, lab, gateway, query="", socket_id=None, receive_buffer=None):
        self.client = RawClient(gateway.admin_port, receive_buffer=receive_buffer, timeout=15)
        lab.clients.append(self.client)
        target = f"/sockets/{socket_id or only_id(gateway)}/tap{query}"
        self.client.send(request_bytes("GET", target, [OWN], host=f"127.0.0.1:{gateway.admin_port}"))
        head = self.client.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ") and b"application/x-ndjson" in head, head
        self.begun = self.next()
        assert self.begun["event"] == "begin"

    def next(self):
        self.line = self.client.read_until(b"\n")
        return json.loads(self.line)

    def until_end(self):
        events = []
        while not events or events[-1]["event"] != "end":
            events.append(self.next())
        self.client.expect_closed()
        return events


def refused(gateway, target, headers=(OWN,), method="GET"):
    return gateway.admin(target, headers, method=method)


def test_headers_are_shown_and_never_what_is_in_them(lab):
    gateway, client = tunnel(lab)
    tap = Tap(lab, gateway)
    assert (tap.begun["shows"], tap.begun["route"], tap.begun["client_ip"]) == ("headers", "all", "127.0.0.1")
    client.send_frame(TEXT, b"a secret text")
    client.send_frame(PING, b"a secret ping")
    client.send_frame(BINARY, b"a secret" * 1000, fin=False)
    client.send_frame(CLOSE, close_payload(1000, b"a secret reason"))
    lines = []
    while (event := tap.next())["event"] == "frame":
        lines.append(tap.line)
        assert set(event) == {"event", "time", "from", "opcode", "fin", "rsv", "masked", "length"}
    assert event == {"event": "end", "why": "the WebSocket has ended"}
    text = b"".join(lines)
    for secret in (b"secret", base64.b64encode(b"a secret")[:8], b"03e8", b"1000,\"", b"reason"):
        assert secret not in text
    frames = [json.loads(line) for line in lines]
    assert [(one["opcode"], one["fin"], one["length"]) for one in frames if one["from"] == "client"] == [
        ("text", True, 13), ("ping", True, 13), ("binary", False, 8000), ("close", True, 17)]
    assert [one["opcode"] for one in frames if one["from"] == "upstream"] == ["text", "pong", "binary", "close"]
    assert all(one["masked"] == (one["from"] == "client") for one in frames)


def test_payload_is_shown_where_the_route_says_so(lab):
    gateway, client = tunnel(lab, "payload")
    tap = Tap(lab, gateway)
    assert tap.begun["shows"] == "payload"
    for opcode, payload in [(TEXT, "grüße".encode()), (BINARY, b"\0\xff"), (TEXT, b"x" * 5000)]:
        client.send_frame(opcode, payload)
        for sender in ("client", "upstream"):
            frame = tap.next()
            assert (frame["from"], frame["length"]) == (sender, len(payload))
            shown = frame["text"].encode() if "text" in frame else base64.b64decode(frame["base64"])
            assert shown == payload[:4096]
            assert frame.get("shown") == (4096 if len(payload) > 4096 else None)
            assert ("text" in frame) == (opcode == TEXT)


def test_a_tap_is_told_in_the_log(lab):
    gateway, _ = tunnel(lab)
    tap = Tap(lab, gateway, "?for=2m")
    told = f"looks at WebSocket {tap.begun['id']} of client 127.0.0.1 (route all): headers, for 2m"
    wait_until(lambda: told in gateway.stderr(), told)


def test_off_is_off(lab):
    gateway, client = tunnel(lab, "off")
    response = refused(gateway, f"/sockets/{only_id(gateway)}/tap")
    assert response.status == 403 and b"websocket.tap is off" in response.body
    assert_carries(client)


def test_who_may_not_sees_nothing(lab):
    gateway, client = tunnel(lab)
    target = f"/sockets/{only_id(gateway)}/tap"
    assert refused(gateway, target, headers=()).status == 403
    assert refused(gateway, target, [OWN, ("Origin", "https://evil.example")]).status == 403
    assert refused(gateway, target, method="HEAD").status == 405
    assert refused(gateway, f"/sockets/{NOBODY}/tap").status == 404
    assert refused(gateway, target + "?for=11m").status == 400
    assert "looks at" not in gateway.stderr()
    assert_carries(client)


def test_the_token_is_wanted_where_there_is_one(lab):
    gateway = lab.gateway(lab.backend(echo_websocket), admin={"address": "127.0.0.1:0", "token": "open-sesame"})
    open_websocket(lab.client(gateway))
    assert refused(gateway, f"/sockets/{NOBODY}/tap").status == 401
    assert refused(gateway, f"/sockets/{NOBODY}/tap", [("Authorization", "Bearer open-sesame")]).status == 404


def test_large_frames_are_shown_too(lab):
    """Without a tap they are spliced, and a tap may begin in the middle of one."""
    gateway, client = tunnel(lab, "payload")
    large = frame_bytes(BINARY, b"z" * MIB, mask=True)
    client.send(large)
    assert client.read_frame().payload == b"z" * MIB
    client.send(large[:MIB // 2])
    gateway.wait_metric("sluice_websocket_bytes_total", len(large) + MIB // 2, direction="to_upstream", timeout=10)
    tap = Tap(lab, gateway)
    client.send(large[MIB // 2:] + frame_bytes(TEXT, b"between", mask=True) + large)
    assert client.read_frame().payload == b"z" * MIB
    assert client.read_frame().payload == b"between"
    assert client.read_frame().payload == b"z" * MIB
    seen = [tap.next() for _ in range(5)]
    assert [(one["opcode"], one["length"]) for one in seen if one["from"] == "client"] == [("text", 7), ("binary", MIB)]
    assert [one["length"] for one in seen if one["from"] == "upstream"] == [MIB, 7, MIB]
    assert base64.b64decode(seen[-1]["base64"]) == b"z" * 4096


@pytest.mark.deadline(60)
def test_a_reader_that_does_not_read_slows_nobody(lab):
    gateway, client = tunnel(lab, "payload")
    tap = Tap(lab, gateway, receive_buffer=4096)
    before = gateway.rss_mib()
    frames, rounds = 200, 30
    burst = frame_bytes(TEXT, b"y" * 4000, mask=True) * frames
    for _ in range(rounds):
        sending = threading.Thread(target=client.send, args=(burst,))
        sending.start()
        for _ in range(frames):
            assert len(client.read_frame().payload) == 4000
        sending.join()
    assert gateway.rss_mib() - before < (200 if binary.is_sanitized() else 40)
    client.close()
    events = tap.until_end()
    missed = sum(one["frames"] for one in events if one["event"] == "missed")
    shown = sum(one["event"] == "frame" for one in events)
    assert missed > 0
    assert shown + missed == 2 * frames * rounds, "every frame is shown or counted"
    assert events[-1]["why"] == "the WebSocket has ended"


def test_it_ends_with_the_tunnel(lab):
    gateway, client = tunnel(lab)
    tap = Tap(lab, gateway)
    client.reset()
    assert tap.until_end() == [{"event": "end", "why": "the WebSocket has ended"}]


def test_it_ends_in_time(lab):
    gateway, client = tunnel(lab)
    tap = Tap(lab, gateway, "?for=1s")
    assert tap.until_end() == [{"event": "end", "why": "the time is over"}]
    assert_carries(client)


def test_one_looks_at_one_and_four_in_all(lab):
    gateway, client = tunnel(lab)
    for _ in range(5):
        open_websocket(lab.client(gateway))
    ids = [one["id"] for one in json.loads(gateway.admin("/sockets").body)["sockets"]]
    taps = [Tap(lab, gateway, socket_id=ids[0])]
    response = refused(gateway, f"/sockets/{ids[0]}/tap")
    assert response.status == 409 and b"already" in response.body
    taps += [Tap(lab, gateway, socket_id=one) for one in ids[1:4]]
    assert refused(gateway, f"/sockets/{ids[4]}/tap").status == 503
    taps.pop().client.close()  # its place is free as soon as the gateway has seen that
    wait_until(lambda: not lookers_full(lab, gateway, ids[4]), "a place")
    taps[0].client.close()
    wait_until(lambda: not lookers_full(lab, gateway, ids[0]), "the first one to be free")
    assert_carries(client)


def lookers_full(lab, gateway, socket_id):
    try:
        Tap(lab, gateway, socket_id=socket_id).client.close()
        return False
    except AssertionError:
        return True


def test_it_is_not_in_the_way_of_the_end(lab):
    gateway, _ = tunnel(lab)
    tap = Tap(lab, gateway)
    gateway.signal()
    assert gateway.wait_exit() == 0
    try:
        assert tap.until_end()[-1]["event"] == "end"
    except PeerClosed:
        pass  # the process may be gone before it has told


# sluice tap

def tap_process(gateway, *arguments):
    return subprocess.Popen([binary.path(), "tap", only_id(gateway), "--admin", f"127.0.0.1:{gateway.admin_port}", *arguments],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())


def test_the_command_prints_what_passes(lab):
    gateway, client = tunnel(lab, "payload")
    with tap_process(gateway) as process:
        assert process.stdout.readline().endswith(" of 127.0.0.1, route all: payload\n")
        client.send_frame(TEXT, b"hello \x1b[2J")
        assert process.stdout.readline().endswith("  from client  text  10 B  hello \\x1b[2J\n")
        assert "  from upstream  text  10 B" in process.stdout.readline()
        client.close()
        assert process.stdout.readline() == "end: the WebSocket has ended\n"
        assert process.wait(seconds(5)) == 0


def test_the_command_speaks_json(lab):
    gateway, client = tunnel(lab)
    with tap_process(gateway, "--json", "--for", "1s") as process:
        lines = [json.loads(line) for line in process.stdout]
        assert process.wait(seconds(5)) == 0
    assert [one["event"] for one in lines] == ["begin", "end"]
    assert_carries(client)


@pytest.mark.parametrize("arguments,code,told", [
    ([NOBODY], 1, "No such WebSocket is open"), (["1"], 1, "An id has 32 hex digits"), ([NOBODY, "--for", "1h"], 1, "expected a duration from 1s to 10m"),
    ([], 2, "ID is required"),
])
def test_the_command_refuses_what_is_wrong(lab, arguments, code, told):
    gateway = lab.gateway(lab.backend())
    result = run_sluice("tap", "--admin", f"127.0.0.1:{gateway.admin_port}", *arguments)
    assert result.returncode == code, result
    assert told in result.stderr and result.stdout == ""


def test_the_command_tells_of_a_tap_that_is_off(lab):
    gateway, _ = tunnel(lab, "off")
    with tap_process(gateway) as process:
        assert process.wait(seconds(5)) == 3
        assert "websocket.tap is off" in process.stderr.read()


# the example

def test_the_example(lab):
    text = EXAMPLE.read_text().replace("0.0.0.0:8443", "127.0.0.1:0").replace("127.0.0.1:9901", "127.0.0.1:0")
    gateway = lab.start(text=text.replace("http://127.0.0.1:8001", lab.backend(echo_websocket).url)).wait_started(1, True)
    shows = {}
    for path in ("/telemetry", "/counselling", "/others"):
        open_websocket(lab.client(gateway, tls=blind()), path)
    for one in json.loads(gateway.admin("/sockets").body)["sockets"]:
        answer = refused(gateway, f"/sockets/{one['id']}/tap") if one["route"] == "counselling" else None
        shows[one["route"]] = answer.status if answer else Tap(lab, gateway, socket_id=one["id"]).begun["shows"]
    assert shows == {"telemetry": "payload", "counselling": 403, "others": "headers"}
