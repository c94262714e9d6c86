"""What the operator hears of HTTP/2 that does not go as it should: which client breaks a rule, and which backend speaks something else."""

import pytest

from support import http2_frames as h2
from support import real_backends
from support.fan_in import tls_upstream, url_of
from support.http2_backend import speaking, tls_context
from support.http2_client import Http2Client
from support.http2_frames import FrameClient, get, headers, request_fields, settings
from support.waiting import wait_until
from support.websocket import upgrade_fields

LISTENERS = [{"name": "web", "address": "127.0.0.1:0", "protocols": ["h2", "http/1.1"]}]
H2 = {"protocol": "h2"}
DOES_IT = "; does it speak HTTP/2, as protocol: h2 says?"
IN_HTTP1 = "it answered in HTTP/1.1 when HTTP/2 was begun" + DOES_IT
ENDED = "it ended the connection before its SETTINGS" + DOES_IT
IN_HTTP2 = "it answered in HTTP/2; set protocol: h2"


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


# ---- backends -------------------------------------------------------------------------------------------------------

def failed(lab, gateway, failure, detail):
    """Of one request: the word is what it always was, the detail explains it."""
    response = lab.request(gateway)
    assert (response.status, response.header("sluice-error")) == (502, failure)
    wait_said(gateway, f" failed: {failure} ({detail})")
    assert gateway.metric("sluice_upstream_failures_total", upstream="app", reason=failure) >= 1


def says_400(connection):
    """As servers of HTTP/1.1 do to what HTTP/2 begins with."""
    connection.read_until(b"SM\r\n\r\n")
    connection.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


def test_node_that_speaks_http1_where_http2_is_said(lab):
    failed(lab, lab.gateway(lab.real(real_backends.node_echo), upstream=H2, workers=1), "reset", IN_HTTP1)


def test_a_backend_that_answers_http1_and_stays(lab):
    def script(connection):
        says_400(connection)
        connection.hang()

    failed(lab, lab.gateway(lab.backend(script), upstream=H2, workers=1), "reset", IN_HTTP1)


def test_a_backend_that_leaves_when_http2_begins(lab):
    failed(lab, lab.gateway(lab.backend(lambda connection: connection.read_until(b"SM\r\n\r\n")), upstream=H2, workers=1), "reset", ENDED)


def test_a_websocket_to_one(lab):
    gateway = lab.gateway(lab.backend(says_400), upstream=H2, workers=1)
    response = lab.request(gateway, "GET", "/ws", headers=upgrade_fields())
    assert (response.status, response.header("sluice-error")) == (502, "reset")
    wait_said(gateway, f" failed: reset ({IN_HTTP1})")


@pytest.mark.parametrize("server", ["node_http2", "grpc"])
def test_real_servers_of_http2_where_http1_is_spoken(lab, server):
    failed(lab, lab.gateway(lab.real(getattr(real_backends, server)), workers=1), "bad_response", IN_HTTP2)


def test_who_has_sent_settings_is_not_doubted(lab):
    gateway = lab.gateway(lab.backend(speaking(lambda server: server.request())), upstream=H2, workers=1)
    assert lab.request(gateway).header("sluice-error") == "reset"
    wait_said(gateway, " failed: reset (")
    assert "does it speak" not in gateway.stderr()


def test_who_has_agreed_on_it_is_not_doubted(lab, ca):
    backend = lab.backend(lambda connection: connection.read_until(b"SM\r\n\r\n"), tls=tls_context(ca, "h2"))
    gateway = lab.gateway(url_of(backend), upstream=tls_upstream(ca, **H2), workers=1)
    assert lab.request(gateway).header("sluice-error") == "reset"
    wait_said(gateway, " failed: reset (")
    assert "does it speak" not in gateway.stderr()


def test_health_checks_explain_it_too(lab):
    check = {"path": "/", "interval": "50ms", "timeout": "2s"}

    def begins_http2(connection):
        connection.read_request()
        connection.send(settings())

    gateway = lab.gateway(lab.backend(begins_http2), workers=1, upstream={"health_check": check})
    wait_said(gateway, f"the last one: {IN_HTTP2}")
    gateway = lab.gateway(lab.backend(lambda connection: connection.read_until(b"SM\r\n\r\n")), workers=1, upstream={**H2, "health_check": check})
    wait_said(gateway, "does it speak HTTP/2?")


def test_a_caller_of_grpc_to_one_is_told_as_before(lab):
    gateway = lab.gateway(lab.backend(says_400), upstream=H2, listeners=LISTENERS, workers=1)
    client = Http2Client(lab.client(gateway))
    answer = client.answer(client.begin("POST", "/a.B/C", [("content-type", "application/grpc"), ("te", "trailers")]))
    assert (answer.status, answer.header("grpc-status")) == (200, "14")
    wait_said(gateway, f"({IN_HTTP1})")
