"""RFC 6455 and RFC 7692, case by case, through the gateway: the tables are rfc6455_cases.py and rfc7692_cases.py.

In forward mode what is right passes byte for byte, of what is wrong nothing does, and no verdict is worse than what the same
client gets from the backend itself."""

import sys
from collections import Counter

import pytest

import rfc6455_cases
import rfc7692_cases
from conftest import Lab
from rfc6455_cases import close
from support import conformance, real_backends
from support.stream import PeerClosed
from support.waiting import wait_until
from support.websocket import CLOSE, frame_bytes
from support.websocket_way import H2

# The routes' `websocket`, by mode: another mode is another line here. What differs by mode: Case.gateway_judges() tells who sees a fault,
# conformance.too_bad() what is asked for. Exact bytes are promised by forward alone.
MODES = {"forward": {"mode": "forward"}, "terminate": {"mode": "terminate", "compression": "offload"}}
TABLES = {"rfc6455": rfc6455_cases.CASES, "rfc7692": rfc7692_cases.CASES}
ALL = rfc6455_cases.CASES + rfc7692_cases.CASES
ECHOES = ("websockets", "ws")
SMALL = 300  # bytes: smaller cases are sent byte by byte as well


class Stage:
    """The backends of the whole file, each with a gateway for each mode."""

    def __init__(self, lab, folder):
        self.lab = lab
        echo = [sys.executable, real_backends.APP_FOLDER / "websockets_echo.py"]
        self.backends = {
            "raw": lab.backend(conformance.echo_frames),
            "websockets": lab.keep(real_backends.Process(echo, r"^(\d+)\s*$", folder, "websockets")),
            "ws": lab.node_echo(),
        }
        self.gateways = {}

    def gateway(self, backend, mode="forward"):
        if (backend, mode) not in self.gateways:
            # An HTTP/2 connection waits for its turn while the others' cases are played, which a sanitizer makes long.
            self.gateways[backend, mode] = self.lab.gateway(self.backends[backend], route={"websocket": MODES[mode]}, listeners=H2,
                                                            timeouts={"keepalive_idle": "30m"})
        return self.gateways[backend, mode]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rfc6455")
    lab = Lab(folder)
    yield Stage(lab, folder)
    lab.close()


def test_every_case_has_a_name_of_its_own():
    names = Counter(map(str, ALL))
    assert max(names.values()) == 1, names.most_common(3)
    assert len(ALL) >= 500


def play_raw(gateway, backend, case, pieces, over):
    """Sends the pieces, and waits for the whole echo where one is None; what the client and the backend got."""
    client, _ = conformance.opened(gateway.port, case, over)
    peer = backend.connections[-1]
    echo, head = conformance.echo_of(case.good), len(client.received)
    seen = b""
    try:
        for piece in pieces:
            if piece is None:
                seen = client.read_exactly(len(echo))
                assert seen == echo
            else:
                conformance.try_to_send(client, piece)
        while not ends_with_close(seen):
            more = client.read_some()
            if not more:
                break
            seen += more
        if case.gateway_judges("forward"):
            conformance.try_to_send(client, close(case.close))
        client.read_until_closed()
    except PeerClosed:
        pass
    finally:
        client.close()
    assert bytes(client.received[head:]) == seen, "nothing may follow a Close"
    wait_until(peer.finished.is_set, "the backend's end")
    return seen, bytes(peer.received[peer.head_size:])


def ends_with_close(data):
    try:
        return any(one.opcode == CLOSE for one in conformance.frames_of(data))
    except PeerClosed:
        return False


def check_raw(case, seen, received):
    passes = case.good if case.gateway_judges("forward") or not case.rule else case.good + case.fault
    assert received.startswith(passes), f"the backend got {received[:200]!r}"
    behind = list(conformance.frames_of(received[len(passes):]))
    echo = conformance.echo_of(passes)
    if case.gateway_judges("forward"):
        *answers, last = conformance.frames_of(seen)
        assert (last.opcode, last.close_code, last.masked) == (CLOSE, case.close, False)
        assert echo.startswith(b"".join(frame_bytes(one.opcode, one.payload, one.fin, rsv=one.rsv) for one in answers))
        assert [(one.opcode, one.close_code) for one in behind] == [(CLOSE, 1001)]
    elif ends_with_close(echo):
        assert (seen, behind) == (echo, [])
    else:
        assert seen == echo + frame_bytes(CLOSE, b"\x03\xe8")
        assert [one.payload for one in behind] == [b"\x03\xe8"]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("how", ["whole", "with the echo awaited", "byte by byte"])
@pytest.mark.parametrize("over", conformance.WAYS)
def test_what_is_right_passes_byte_for_byte(stage, table, how, over):
    """And of what is wrong nothing does: before a scripted backend that judges nothing."""
    gateway, backend = stage.gateway("raw"), stage.backends["raw"]
    before = gateway.metrics()
    broken, problems = Counter(), []
    for case in TABLES[table]:
        fault_passes = case.rule and not case.gateway_judges("forward")
        sent = case.good + case.fault
        if not case.gateway_judges("forward") and not ends_with_close(sent):
            sent += close(1000)
        if how == "byte by byte":
            if len(sent) > SMALL:
                continue
            pieces = [bytes([byte]) for byte in sent]
        elif how == "whole":
            pieces = [sent]
        elif fault_passes or not case.good or not case.fault:
            continue  # there is nothing to wait for
        else:
            pieces = [case.good, None, case.fault]
        try:
            check_raw(case, *play_raw(gateway, backend, case, pieces, over))
        except AssertionError as problem:
            problems.append(f"{case}: {problem}")
        broken[case.rule] += case.gateway_judges("forward")
    assert not problems, "\n".join([f"{len(problems)} cases", *problems[:20]])
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)
    after = gateway.metrics()
    for rule in filter(broken.get, broken):
        counted = [metrics.value("sluice_websocket_violations_total", sender="client", rule=rule) for metrics in (before, after)]
        assert counted[1] - counted[0] == broken[rule], rule


class Sender:
    """A scripted backend that sends what a case says, a backend's way, and answers a Close."""

    def __init__(self, lab, over):
        self.over = over
        self.backend = lab.backend(self.play)
        self.gateway = lab.gateway(self.backend, listeners=H2)
        self.case = None

    def play(self, peer):
        case = self.case
        peer.accept_websocket([("Sec-WebSocket-Extensions", case.answer)] if case.answer else [])
        peer.send(conformance.as_server(case.good + case.fault))
        peer.answer = peer.read_frame()
        if not ends_with_close(case.good):
            peer.send_frame(CLOSE, peer.answer.payload)

    def check(self, case):
        self.case = case
        judges = case.gateway_judges("forward")
        right = conformance.as_server(case.good if judges or not case.rule else case.good + case.fault)
        client, _ = conformance.opened(self.gateway.port, case, self.over)
        try:
            assert client.read_exactly(len(right)) == right
            answer = close(1000)
            if judges:
                told = client.read_frame()
                assert (told.opcode, told.close_code) == (CLOSE, 1011)
            elif ends_with_close(right):
                answer = close(1001)
            client.send(answer)
            rest = client.read_until_closed()
            assert rest == (b"" if judges or ends_with_close(right) else frame_bytes(CLOSE, b"\x03\xe8"))
        finally:
            client.close()
        peer = self.backend.connections[-1]
        wait_until(peer.finished.is_set, "the backend's end")
        wanted = case.close if judges else 1001 if ends_with_close(right) else 1000
        assert (peer.answer.opcode, peer.answer.close_code) == (CLOSE, wanted)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("over", conformance.WAYS)
def test_the_same_from_a_backend(stage, table, over):
    """A backend's frames are not masked; its faults cost the client a Close that says so."""
    sender, problems = Sender(stage.lab, over), []
    for case in TABLES[table]:
        try:
            sender.check(case)
        except (AssertionError, PeerClosed) as problem:
            problems.append(f"{case}: {problem!r}")
    assert not problems, "\n".join([f"{len(problems)} cases", *problems[:20]])
    sender.gateway.wait_metric("sluice_websocket_tunnels_open", 0)


def is_overtaken(case, mode):
    """Whether there are answers under way when the gateway sees the fault."""
    messages, pongs, _ = conformance.expected_of(case)
    return mode == "forward" and case.gateway_judges(mode) and bool(messages or pongs)


def assert_verdicts(stage, mode, echo, cases, over="http/1.1"):
    direct, gateway = stage.backends[echo], stage.gateway(echo, mode)
    problems = [problem for case in cases if (problem := conformance.too_bad(case, mode, direct.port, gateway.port, over))]
    assert not problems, "\n".join([f"{len(problems)} of {len(cases)} cases", *problems[:20]])
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("table", TABLES)
def test_no_verdict_is_worse_than_the_backends_own(stage, mode, echo, table):
    assert_verdicts(stage, mode, echo, [case for case in TABLES[table] if not is_overtaken(case, mode)])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("table", TABLES)
def test_nor_over_http2(stage, mode, table):
    assert_verdicts(stage, mode, "websockets", [case for case in TABLES[table] if not is_overtaken(case, mode)], "h2")


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("over", conformance.WAYS)
def test_answers_under_way_when_a_rule_is_broken(stage, echo, over):
    """A backend by itself answers what came before the fault, and closes then."""
    assert_verdicts(stage, "forward", echo, [case for case in ALL if is_overtaken(case, "forward")], over)
