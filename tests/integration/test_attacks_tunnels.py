"""Attacks through tunnels: next to nothing sent, far too much sent, too many of them."""

import itertools
import socket
import threading
import time

import pytest

from support.attack_lab import Fort, duration
from support.crowd import Crowd
from support.raw_backend import echo_websocket
from support.waiting import seconds, wait_until
from support.websocket import CONTINUATION, PING, TEXT, frame_bytes, upgrade_bytes

pytestmark = pytest.mark.deadline(60)
CROWD = 100
CLOSES = "sluice_websocket_closes_total"
CLOSE_GOING_AWAY = b"\x88\x0e" + (1001).to_bytes(2, "big") + b"idle timeout"
LARGEST_FRAME = b"\x82\xff" + (2**63 - 1).to_bytes(8, "big") + b"mask"  # but for its payload


def accept_and_read(peer):
    """A backend that takes everything and says nothing."""
    peer.accept_websocket()
    peer.hang()


def tunnels(crowd):
    """Waits until all of them are open."""
    wait_until(lambda: crowd.receive() or all(member.received for member in crowd.members), "the upgrades")
    assert crowd.statuses() == {101: len(crowd.members)}
    for member in crowd.members:
        member.received = b""
    return crowd


def fort_of_tunnels(lab, ca, script=accept_and_read, **websocket):
    rules = {"max_message_size": "off", **websocket}
    return Fort(lab, ca, target=lab.backend(script, record=False), route={"websocket": rules})


def test_frame_headers_that_drip(lab, ca):
    """A header that is not whole is no frame, so that idle_timeout counts on. The attackers do not answer their Close: five
    seconds later they are cut."""
    fort = fort_of_tunnels(lab, ca, idle_timeout=duration(1))
    with fort.siege(memory=10) as siege, tunnels(Crowd(fort.port, CROWD, upgrade_bytes())) as crowd:
        for byte in LARGEST_FRAME[:12]:
            crowd.drip(bytes([byte]), every=seconds(0.2), duration=0.1)
        assert told_to_leave(crowd), "though bytes came without a pause"
        crowd.wait_ended(10)
        siege.wait_counted(CROWD, CLOSES, initiator="gateway", code="1001")


def told_to_leave(crowd):
    crowd.receive()
    return all(member.received.startswith(CLOSE_GOING_AWAY) for member in crowd.members)


def test_frames_that_drip(lab, ca):
    """Payload is data, however little: the tunnel stays, costs next to nothing, and ends when that ends."""
    fort = fort_of_tunnels(lab, ca, idle_timeout=duration(0.6))
    with fort.siege(memory=10) as siege:
        with tunnels(Crowd(fort.port, CROWD, upgrade_bytes())) as crowd:
            crowd.send(LARGEST_FRAME)
            siege.check_idle(lambda: crowd.drip(b"x", every=0.3, duration=seconds(1.5)))
            assert all(one.received == b"" for one in crowd.members)
            wait_until(lambda: told_to_leave(crowd), "the Closes")
        siege.wait_counted(CROWD, CLOSES, initiator="gateway", code="1001")


def test_pings_do_not_keep_a_tunnel(lab, ca):
    fort = fort_of_tunnels(lab, ca, idle_timeout=duration(0.6))
    with fort.siege(memory=10) as siege:
        with tunnels(Crowd(fort.port, CROWD, upgrade_bytes())) as crowd:
            ping = frame_bytes(PING, b"", mask=True)
            wait_until(lambda: crowd.drip(ping, every=0.1, duration=0.05) or told_to_leave(crowd), "the Closes", 10)
        siege.wait_counted(CROWD, CLOSES, initiator="gateway", code="1001")


def test_frames_of_impossible_length(lab, ca):
    """Nothing is set aside for those that there may be. The others are refused before a byte of them is passed on."""
    fort = fort_of_tunnels(lab, ca)
    with fort.siege(memory=10) as siege:
        with tunnels(Crowd(fort.port, CROWD, upgrade_bytes())) as crowd:
            lengths = [2**63 - 1, 2**63, 2**64 - 1]
            for member, length in zip(crowd.members, itertools.cycle(lengths)):
                crowd.push(member, b"\x82\xff" + length.to_bytes(8, "big") + b"mask" + bytes(1000))
            impossible = sum(1 for index in range(CROWD) if lengths[index % 3] >= 2**63)
            siege.wait_counted(CROWD - impossible, "sluice_websocket_frames_total", route="attacked", direction="to_upstream")
            siege.wait_counted(impossible, "sluice_websocket_violations_total", sender="client", rule="impossible_length")
            crowd.drip(bytes(1000), every=0.05, duration=0.5)
            assert len(crowd.alive()) == CROWD, "their Close is not answered"
        siege.wait_counted(CROWD - impossible, CLOSES, initiator="client", code="none")
        siege.wait_counted(impossible, CLOSES, initiator="gateway", code="1002")


@pytest.mark.parametrize("name,flood", [
    ("pings", frame_bytes(PING, b"", mask=True) * 500),
    ("tiny frames", frame_bytes(TEXT, b"x", mask=True) * 500),
    ("empty fragments", frame_bytes(CONTINUATION, b"", fin=False, mask=True) * 500),
], ids=["pings", "tiny frames", "empty fragments"])
def test_floods_of_small_frames(lab, ca, name, flood):
    """As fast as the backend takes them, from a few: the others keep their share."""
    fort = fort_of_tunnels(lab, ca)
    with fort.siege(memory=20) as siege:
        with tunnels(Crowd(fort.port, 5, upgrade_bytes())) as crowd:
            if name == "empty fragments":
                crowd.send(frame_bytes(TEXT, b"", fin=False, mask=True))
            ends = time.monotonic() + 1
            while time.monotonic() < ends:
                crowd.send(flood)
                crowd.receive(0.005)
            assert siege.counted("sluice_websocket_frames_total", route="attacked", direction="to_upstream") > 20_000
        siege.wait_counted(5, CLOSES, initiator="client", code="none")


def test_echoes_that_are_not_read(lab, ca):
    fort = fort_of_tunnels(lab, ca, echo_websocket)
    message = frame_bytes(TEXT, b"x" * 60_000, mask=True)
    with fort.siege(memory=30) as siege:
        with Crowd(fort.port, 20, upgrade_bytes(), receive_buffer=1) as crowd:
            wait_until(lambda: siege.counted("sluice_websocket_upgrades_total", route="attacked", result="accepted") == 20,
                       "the upgrades")

            def cut():
                crowd.send(message)
                return siege.counted("sluice_client_timeouts_total", phase="client_write") == 20
            wait_until(cut, "all to be cut", 15)


def test_more_tunnels_than_the_route_may_have(lab, ca):
    fort = fort_of_tunnels(lab, ca, max_tunnels=1000)
    with fort.siege(memory=30) as siege:
        with Crowd(fort.port, 2000, upgrade_bytes()) as crowd:
            wait_until(lambda: crowd.receive() or all(member.received for member in crowd.members), "the answers", 20)
            assert crowd.statuses() == {101: 1000, 503: 1000}
            siege.wait_counted(1000, "sluice_websocket_upgrades_total", route="attacked", result="rejected_limit")
            assert fort.gateway.metric("sluice_websocket_tunnels_open", route="attacked") == 1000
            siege.check_idle()
        wait_until(lambda: fort.gateway.metric("sluice_websocket_tunnels_open", route="attacked") == 0, "them to end")
        with tunnels(Crowd(fort.port, 1, upgrade_bytes())):
            pass


@pytest.mark.parametrize("how", ["half-close", "reset"])
def test_leaving_without_a_close(lab, ca, how):
    """After a half-close the backend may go on, but not be silent for longer than idle_timeout."""
    over = threading.Event()

    def stay(peer):
        accept_and_read(peer)
        peer.wait(over, 50)

    fort = fort_of_tunnels(lab, ca, stay, idle_timeout=duration(0.7))
    with fort.siege(memory=10) as siege, tunnels(Crowd(fort.port, CROWD, upgrade_bytes())) as crowd:
        if how == "reset":
            crowd.close()
        else:
            for member in crowd.members:
                member.socket.shutdown(socket.SHUT_WR)
            crowd.wait_ended(5)
        over.set()
        siege.wait_counted(CROWD, CLOSES, initiator="client", code="none")
