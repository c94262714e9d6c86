"""Health checks over HTTP/2: those of gRPC, and those of kind http where the upstream speaks nothing else."""

import pytest

from support import real_backends
from support.config_text import config_for
from support.http2_backend import speaking
from support.http2_client import Http2Client
from support.http2_frames import GOAWAY, REFUSED_STREAM, data, goaway, headers, reset
from support.waiting import wait_until

CHECK = {"kind": "grpc", "interval": "50ms", "timeout": "1s", "healthy_after": 1, "unhealthy_after": 1}
GRPC = ("content-type", "application/grpc")
SERVING, NOT_SERVING = b"\0\0\0\0\2\x08\x01", b"\0\0\0\0\2\x08\x02"
DONE = [("grpc-status", "0")]
LISTENERS = [{"name": "web", "address": "127.0.0.1:0", "protocols": ["h2", "http/1.1"]}]


def checked_by(lab, *endpoints, check=None, **upstream):
    return lab.gateway(*endpoints, workers=1, listeners=LISTENERS,
                       upstream={"protocol": "h2", "health_check": {**CHECK, **(check or {})}, **upstream})


def passes(gateway):
    wait_until(lambda: gateway.metric("sluice_upstream_health_checks_total", upstream="app", result="passed") >= 2, "checks that pass")
    assert gateway.metric("sluice_upstream_health_checks_total", upstream="app", result="failed") == 0


def fails(gateway, reason):
    wait_until(lambda: f"the last one: {reason}" in gateway.stderr(), lambda: f"{reason}:\n{gateway.stderr()}")


def answering(body, *fields, trailers=DONE, status=200, content_type=GRPC):
    def script(server):
        server.respond(server.request(), status, body, content_type, *fields, trailers=trailers)
        server.wait_frame(GOAWAY)
    return speaking(script)


def test_what_is_asked(lab):
    backend = lab.backend(answering(SERVING))
    gateway = checked_by(lab, backend)
    passes(gateway)
    asked = backend.wait_for_request()
    assert (asked.method, asked.path, asked.scheme) == ("POST", "/grpc.health.v1.Health/Check", "http")
    assert asked.authority == backend.authority
    assert (asked.header("content-type"), asked.header("te")) == ("application/grpc", "trailers")
    assert asked.header("user-agent") == "sluice-health-check"
    assert asked.body == bytes(5), "an empty HealthCheckRequest: the server as a whole"
    assert asked.ended


@pytest.mark.parametrize("kind", ["application/grpc+proto", "application/grpc; charset=x", "Application/gRPC"])
def test_kinds_of_grpc(lab, kind):
    passes(checked_by(lab, lab.backend(answering(SERVING, content_type=("content-type", kind)))))


@pytest.mark.parametrize("body, options, reason", [
    (NOT_SERVING, {}, "NOT_SERVING (2)"),
    (b"\0\0\0\0\2\x08\x03", {}, "SERVICE_UNKNOWN (3)"),
    (bytes(5), {}, "UNKNOWN (0)"),
    (b"\0\0\0\0\2\x08\x09", {}, "an unknown status (9)"),
    (SERVING[:-1], {}, "no valid HealthCheckResponse"),
    (b"", {}, "no valid HealthCheckResponse"),
    (b"\1" + SERVING[1:], {}, "no valid HealthCheckResponse"),
    (SERVING + SERVING, {}, "no valid HealthCheckResponse"),
    (SERVING, {"trailers": ()}, "no grpc-status"),
    (SERVING, {"trailers": [("grpc-status", "13"), ("grpc-message", "it broke")]}, 'grpc-status "13": "it broke"'),
    (SERVING, {"content_type": ("content-type", "text/html")}, 'no answer of gRPC: content-type "text/html"'),
    (SERVING, {"content_type": ("content-type", "application/grpc-web")}, 'no answer of gRPC: content-type "application/grpc-web"'),
    (SERVING, {"status": 404}, "status 404"),
])
def test_what_is_no_good_answer(lab, body, options, reason):
    fails(checked_by(lab, lab.backend(answering(body, **options))), reason)


def test_an_answer_that_is_too_large(lab):
    fails(checked_by(lab, lab.backend(answering(bytes(70_000)))), "more than 65536 bytes")


def test_an_error_that_is_fields_alone(lab):
    def script(server):
        server.send(headers(server.request().stream, [(":status", "200"), GRPC, ("grpc-status", "12"), ("grpc-message", "no such method")]))
        server.wait_frame(GOAWAY)
    fails(checked_by(lab, lab.backend(speaking(script))), 'grpc-status "12": "no such method"')


def test_1xx_come_before_the_answer(lab):
    def script(server):
        asked = server.request()
        server.send(headers(asked.stream, [(":status", "103")], end=False))
        server.respond(asked, 200, SERVING, GRPC, trailers=DONE)
        server.wait_frame(GOAWAY)
    passes(checked_by(lab, lab.backend(speaking(script))))


@pytest.mark.parametrize("frames, reason", [
    (lambda stream: reset(stream, REFUSED_STREAM), "reset by the endpoint: REFUSED_STREAM"),
    (lambda stream: goaway(0), "reset by the endpoint: REFUSED_STREAM"),
    (lambda stream: headers(stream, [(":status", "200"), GRPC], end=False) + data(stream, SERVING) + reset(stream, 2),
     "reset by the endpoint: INTERNAL_ERROR"),
    (lambda stream: headers(stream, [(":status", "103")], end=False) * 40, "too many 1xx"),
    (lambda stream: headers(stream, [(":status", "200"), *((f"x-{n}", "v") for n in range(150))]), "no valid answer: too_many_headers"),
    (lambda stream: data(stream, SERVING), "no valid answer: PROTOCOL_ERROR"),
    (lambda stream: b"\0\0\4\6\0\0\0\0\0ping", "no valid answer: FRAME_SIZE_ERROR"),
])
def test_how_a_call_can_end(lab, frames, reason):
    def script(server):
        server.send(frames(server.request().stream))
        server.connection.hang()
    fails(checked_by(lab, lab.backend(speaking(script))), reason)


def test_a_backend_that_does_not_answer(lab):
    def script(server):
        server.request()
        server.connection.hang()
    fails(checked_by(lab, lab.backend(speaking(script)), check={"timeout": "200ms"}), "no answer in 200ms")


def test_a_backend_that_closes(lab):
    fails(checked_by(lab, lab.backend(speaking(lambda server: server.request()))), "closed without an answer")


def test_a_backend_of_http1(lab):
    def script(connection):
        connection.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        connection.hang()
    fails(checked_by(lab, lab.backend(script)), "does not speak HTTP/2")


def test_over_tls_h2_is_agreed_on(lab, ca):
    certificate = ca.issue("localhost")
    agrees, does_not = certificate.server_context(), certificate.server_context()
    agrees.set_alpn_protocols(["h2"])
    tls = {"tls": {"ca": str(ca.certificate)}, "protocol": "auto"}
    backend = lab.backend(answering(SERVING), tls=agrees)
    passes(checked_by(lab, f"https://localhost:{backend.port}", **tls))
    assert backend.wait_for_request().scheme == "https"
    other = lab.backend(answering(SERVING), tls=does_not)
    fails(checked_by(lab, f"https://localhost:{other.port}", **tls), "did not agree on h2 (ALPN)")


def test_a_real_server_that_changes_its_mind(lab):
    backend = lab.real(real_backends.grpc)
    gateway = checked_by(lab, backend)

    def tell(serving):
        client = Http2Client.to(gateway.port)
        lab.clients.append(client)
        text = f"serving {serving}".encode()
        number = client.begin("POST", "/test.Bytes/Unary", [GRPC, ("te", "trailers")], end=False)
        client.send_body(number, b"\0" + len(text).to_bytes(4, "big") + text)
        assert dict(client.answer(number).trailers)["grpc-status"] == "0"

    passes(gateway)
    tell(2)
    gateway.wait_metric("sluice_upstream_endpoints", 1, upstream="app", state="unhealthy")
    assert "the last one: NOT_SERVING (2)" in gateway.stderr()
    tell(1)  # one that is ill gets it all the same where there is no other
    gateway.wait_metric("sluice_upstream_endpoints", 1, upstream="app", state="healthy")
    assert "checked \n" in backend.output()


def http_check(status, seen=None):
    def script(server):
        asked = server.request()
        server.respond(asked, status, b"x", end=False)  # its body has no end
        if seen is not None:
            seen.append(asked)
        server.wait_frame(GOAWAY)
    return speaking(script)


def test_of_kind_http_over_http2(lab):
    check = {"kind": "http", "path": "/healthz?full=1", "expect": 201}
    seen = []
    backend = lab.backend(http_check(201, seen))
    passes(checked_by(lab, backend, check=check))
    assert (seen[0].method, seen[0].path, seen[0].authority) == ("GET", "/healthz?full=1", backend.authority)
    assert seen[0].header("user-agent") == "sluice-health-check" and seen[0].ended
    fails(checked_by(lab, lab.backend(http_check(200)), check=check), "status 200")


def test_a_reload_that_changes_the_protocol_changes_what_is_asked(lab):
    def script(connection):
        connection.read_until(b"\r\n\r\n")
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        connection.hang()
    backend = lab.backend(script)
    config = config_for(backend, workers=1, upstream={"protocol": "http/1.1", "health_check": {
        **CHECK, "kind": "http", "path": "/"}})
    gateway = lab.gateway_from(config)
    wait_until(lambda: gateway.metric("sluice_upstream_health_checks_total", upstream="app", result="passed") >= 1, "a check")
    config["upstreams"][0]["protocol"] = "h2"
    gateway.reload(config)
    gateway.wait_metric("sluice_upstream_endpoints", 1, upstream="app", state="unhealthy")
