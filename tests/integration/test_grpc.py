"""gRPC through the gateway: calls of all kinds between @grpc/grpc-js on both sides, and failures as its clients know them."""

import pytest

from support import real_backends
from support.http2_backend import answer_all, speaking
from support.http2_client import Http2Client
from support.http2_frames import REFUSED_STREAM, reset

OK, DEADLINE_EXCEEDED, NOT_FOUND, UNIMPLEMENTED, UNAVAILABLE = 0, 4, 5, 12, 14
LISTENERS = [{"name": "web", "address": "127.0.0.1:0", "protocols": ["h2", "http/1.1"]}]
H2 = {"protocol": "h2"}


@pytest.fixture
def backend(lab):
    return lab.real(real_backends.grpc)


def gateway_to(lab, *endpoints, **config):
    return lab.gateway(*endpoints, upstream=H2, listeners=LISTENERS, workers=1, **config)


def call(lab, gateway, kind):
    client = lab.node_client("support/grpc_client.mjs", gateway.port, kind)
    return client.wait_event("done", timeout=20)


def test_a_call(lab, backend):
    said = call(lab, gateway_to(lab, backend), "unary")
    assert (said["code"], said["answer"], said["note"]) == (OK, "hello!", "behind")


def test_an_error_of_the_server(lab, backend):
    """It comes as fields alone (trailers-only)."""
    said = call(lab, gateway_to(lab, backend), "missing")
    assert (said["code"], said["details"], said["note"]) == (NOT_FOUND, "no such thing", "behind")


def test_streams(lab, backend):
    gateway = gateway_to(lab, backend)
    download = call(lab, gateway, "download")
    assert (download["code"], download["messages"], download["size"]) == (OK, 100, 1_000_000)
    upload = call(lab, gateway, "upload")
    assert (upload["code"], upload["answer"]) == (OK, "1000000")
    talk = call(lab, gateway, "talk")
    assert (talk["code"], talk["messages"]) == (OK, [f"m{n}?" for n in range(5)])


def test_many_calls(lab, backend):
    assert call(lab, gateway_to(lab, backend), "many")["right"] == 200


def test_a_deadline_of_the_client_cancels_the_call_at_the_server(lab, backend):
    gateway = gateway_to(lab, backend)
    assert call(lab, gateway, "never")["code"] == DEADLINE_EXCEEDED
    gateway.wait_metric("sluice_upstream_http2_streams_open", 0, upstream="app")


def test_failures_of_the_gateway(lab, backend):
    """Its clients get a code that they know."""
    unreachable = call(lab, gateway_to(lab, lab.refusing()), "unary")
    assert (unreachable["code"], unreachable["details"]) == (UNAVAILABLE, "The backend refused the connection.")
    slow = call(lab, gateway_to(lab, backend, route={"timeouts": {"response_head": "200ms"}}), "patient")
    assert (slow["code"], slow["details"]) == (DEADLINE_EXCEEDED, "The backend did not answer in time.")
    nowhere = call(lab, gateway_to(lab, backend, route={"match": {"path_prefix": "/other"}}), "unary")
    assert nowhere["code"] == UNIMPLEMENTED


def asked_by_hand(lab, gateway, kind):
    client = Http2Client.to(gateway.port)
    lab.clients.append(client)
    number = client.begin("POST", "/test.Bytes/Unary", [("content-type", kind), ("te", "trailers"), ("grpc-timeout", "100m")], end=False)
    client.send_body(number, bytes(5))
    return client.answer(number)


@pytest.mark.parametrize("kind", ["application/grpc", "application/grpc+proto", "Application/gRPC;x=y"])
def test_such_a_failure_is_fields_alone(lab, kind):
    gateway = gateway_to(lab, lab.refusing())
    answer = asked_by_hand(lab, gateway, kind)
    assert (answer.status, answer.body, answer.trailers) == (200, b"", [])
    assert answer.header("content-type") == "application/grpc" and answer.header("content-length") is None
    assert (answer.header("grpc-status"), answer.header("sluice-error")) == (str(UNAVAILABLE), "connect_refused")
    assert gateway.wait_log(1)["status"] == 502


@pytest.mark.parametrize("kind", ["application/grpc-web", "application/json"])
def test_others_get_an_answer_of_http(lab, kind):
    answer = asked_by_hand(lab, gateway_to(lab, lab.refusing()), kind)
    assert answer.status == 502 and answer.header("grpc-status") is None


def test_what_the_backend_gets(lab):
    backend = lab.backend(speaking(answer_all))
    asked_by_hand(lab, gateway_to(lab, backend), "application/grpc")
    asked = backend.wait_for_request()
    assert (asked.header("te"), asked.header("grpc-timeout"), asked.header("content-type")) == ("trailers", "100m", "application/grpc")
    assert asked.body == bytes(5)


def test_a_call_that_was_not_looked_at_is_repeated(lab):
    def script(server):
        if server.connection.index == 0:
            server.send(reset(server.request().stream, REFUSED_STREAM))
        answer_all(server)
    backend = lab.backend(speaking(script))
    assert asked_by_hand(lab, gateway_to(lab, backend), "application/grpc").body == b"/test.Bytes/Unary"
