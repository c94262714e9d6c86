"""What the operator hears of HTTP/2 that does not go as it should: which client breaks a rule."""

import pytest

from support import http2_frames as h2
from support.http2_frames import FrameClient, get, headers, request_fields
from support.waiting import wait_until

LISTENERS = [{"name": "web", "address": "127.0.0.1:0", "protocols": ["h2", "http/1.1"]}]


def ended_line(reason, what="a connection"):
    return f"listener web: {what} of 127.0.0.1 was ended: it broke a rule or a bound of HTTP/2 ({reason})"


def wait_said(gateway, text):
    wait_until(lambda: text in gateway.stderr(), lambda: f"{text} in the log:\n{gateway.stderr()}")


# ---- clients --------------------------------------------------------------------------------------------------------

def gateway_for_clients(lab, **http2):
    return lab.gateway(lab.backend(lambda peer: (peer.read_request(), peer.hang())), workers=1, listeners=LISTENERS, limits={"http2": http2})


WRONG = {
    "idle_frames": h2.ping() * 2000,
    "window_updates": get(1) + h2.window_update(1, 1) * 2000,
    "protocol": h2.priority(0),
    "max_concurrent_streams": h2.frame(h2.SETTINGS, h2.ACK) + b"".join(get(number) for number in (1, 3, 5)),
    "compression": headers(1, b"\x80"),
}


@pytest.mark.parametrize("reason", WRONG)
def test_a_client_that_breaks_a_rule_is_named(lab, reason):
    gateway = gateway_for_clients(lab, max_concurrent_streams=2)
    client = FrameClient(gateway.port)
    lab.clients.append(client)
    client.wait_frame(h2.SETTINGS)
    client.send_frames(WRONG[reason])
    client.read_to_end()
    wait_said(gateway, ended_line(reason))
    assert gateway.stderr().count(" was ended: ") == 1


def test_one_that_does_not_begin_as_it_should_is_named(lab):
    gateway = gateway_for_clients(lab)
    lab.client(gateway).send(b"no method at all\r\n")
    wait_said(gateway, ended_line("preface"))


def test_one_whose_head_is_far_too_large_is_named(lab):
    gateway = gateway_for_clients(lab, max_header_list="1KiB")
    client = FrameClient(gateway.port)
    lab.clients.append(client)
    client.send_frames(headers(1, request_fields("GET", "/", ("x", "y" * 8000))))
    assert client.answer(1).reset == h2.ENHANCE_YOUR_CALM
    wait_said(gateway, ended_line("header_list", "a request"))
    client.still_answers()


def test_a_flood_of_clients_does_not_flood_the_log(lab):
    gateway = gateway_for_clients(lab)
    for _ in range(30):
        client = FrameClient(gateway.port)
        lab.clients.append(client)
        client.send_frames(WRONG["protocol"])
        client.read_to_end()
    gateway.wait_metric("sluice_http2_violations_total", 30, reason="protocol")
    assert gateway.stop() == 0
    assert gateway.stderr().count(ended_line("protocol")) == 10
    assert "and 20 more like this in the last 10 s: protocol" in gateway.stderr()
