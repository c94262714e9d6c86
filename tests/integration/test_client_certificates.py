"""Clients that show certificates: who is let in, what the backend hears of them, and what a session takes along."""

import ssl

import pytest

from support.certificates import Authority
from support.http_message import request_bytes
from support.raw_backend import echo_websocket
from support.raw_client import trusting
from support.waiting import wait_until
from support.websocket import TEXT, open_websocket

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
SUBJECT = {"request_headers": {"set": {"X-Client-Subject": "[${tls_client_subject}]"}}}
HANDSHAKES = "sluice_tls_handshakes_total"


@pytest.fixture(scope="module")
def other_ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("other-ca"))


def listener(ca, mode, clients=None, name="secure", **tls):
    auth = {"mode": mode, "ca": str((clients or ca).certificate)} if mode != "off" else {"mode": "off"}
    return {"name": name, "address": "127.0.0.1:0",
            "tls": {"certificates": [ca.issue("test.example").as_config()], "client_auth": auth, **tls}}


def context_of(ca, certificate=None, version=None):
    context = trusting(ca.certificate)
    if version:
        context.minimum_version = context.maximum_version = version
    return certificate.shown_by(context) if certificate else context


def connect(lab, gateway, context, **options):
    return lab.client(gateway, tls=context, server_name="test.example", **options)


def refused(lab, gateway, context):
    """The alert that the client reads when it shows what `context` has, and sends a request at once. Under TLS 1.3 its
    handshake is over before the gateway has seen the certificate."""
    with pytest.raises(ssl.SSLError) as caught:
        client = connect(lab, gateway, context)
        client.socket.sendall(request_bytes(target="/secret"))
        assert client.socket.recv(1) == b""
        raise AssertionError("the connection ended without an alert")
    return caught.value.reason


@pytest.mark.parametrize("version", VERSIONS)
def test_require_serves_the_cas_clients_alone(lab, ca, other_ca, version):
    backend = lab.backend()
    gateway = lab.gateway(backend, listeners=[listener(ca, "require")], route=SUBJECT)
    missing = refused(lab, gateway, context_of(ca, version=version))
    assert missing == ("TLSV13_ALERT_CERTIFICATE_REQUIRED" if version == ssl.TLSVersion.TLSv1_3
                       else "SSLV3_ALERT_HANDSHAKE_FAILURE")
    gateway.wait_metric(HANDSHAKES, 1, version="none", result="certificate_missing")
    assert refused(lab, gateway, context_of(ca, other_ca.issue_client("mallory"), version)) == "TLSV1_ALERT_UNKNOWN_CA"
    gateway.wait_metric(HANDSHAKES, 1, version="none", result="certificate_rejected")
    assert backend.connections == []
    assert gateway.access_log() == []
    for reason in ("it showed no certificate",
                   "its certificate did not verify (unable to get local issuer certificate: CN=mallory)"):
        line = f"listener secure: client 127.0.0.1 was refused: {reason}"
        wait_until(lambda: line in gateway.stderr(), gateway.stderr)

    client = connect(lab, gateway, context_of(ca, ca.issue_client("alice"), version))
    assert client.request().status == 200
    assert backend.requests[0].header("X-Client-Subject") == "[CN=alice]"
    assert gateway.wait_log(status=200)["tls_client_subject"] == "CN=alice"


def test_a_refused_client_that_writes_on_can_read_why(lab, ca):
    """A connection that was closed at once would be reset by what follows."""
    gateway = lab.gateway(lab.backend(), listeners=[listener(ca, "require")])
    client = connect(lab, gateway, context_of(ca, version=ssl.TLSVersion.TLSv1_3))
    gateway.wait_metric(HANDSHAKES, 1, result="certificate_missing")
    for _ in range(3):
        client.socket.sendall(request_bytes(target="/secret"))
    with pytest.raises(ssl.SSLError) as caught:
        client.socket.recv(1)
    assert caught.value.reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED"


@pytest.mark.parametrize("version", VERSIONS)
def test_an_expired_certificate(lab, ca, version):
    gateway = lab.gateway(lab.backend(), listeners=[listener(ca, "request")])
    expired = ca.issue_client("expired-client", days=(-2, -1))
    assert refused(lab, gateway, context_of(ca, expired, version)) == "SSLV3_ALERT_CERTIFICATE_EXPIRED"
    wait_until(lambda: "certificate has expired: CN=expired-client" in gateway.stderr(), gateway.stderr)


def test_a_servers_certificate_is_no_clients(lab, ca):
    gateway = lab.gateway(lab.backend(), listeners=[listener(ca, "request")])
    assert "CERTIFICATE" in refused(lab, gateway, context_of(ca, ca.issue("app.internal")))


def test_request_serves_clients_without(lab, ca):
    backend = lab.backend()
    gateway = lab.gateway(backend, listeners=[listener(ca, "request")], route=SUBJECT)
    assert connect(lab, gateway, context_of(ca)).request().status == 200
    assert backend.requests[0].header("X-Client-Subject") == "[]"
    assert "tls_client_subject" not in gateway.wait_log(status=200)
    assert connect(lab, gateway, context_of(ca, ca.issue_client("alice"))).request().status == 200
    assert backend.requests[1].header("X-Client-Subject") == "[CN=alice]"


@pytest.mark.parametrize("name", ["X-Client-Subject", "x-client-subject", "X_Client_Subject"])
def test_the_header_cannot_be_faked(lab, ca, name):
    backend = lab.backend()
    plain = {"name": "web", "address": "127.0.0.1:0"}
    route = {"request_headers": {"set": {"X-Client-Subject": "${tls_client_subject}"}}}
    gateway = lab.gateway(backend, listeners=[plain, listener(ca, "request"), listener(ca, "off", name="open")], route=route)
    forged = [(name, "CN=root"), (name, "CN=admin")]
    clients = [lab.client(gateway), connect(lab, gateway, context_of(ca), listener="secure"),
               connect(lab, gateway, context_of(ca, ca.issue_client("alice")), listener="open"),
               connect(lab, gateway, context_of(ca, ca.issue_client("alice")), listener="secure")]
    for client in clients:
        assert client.request(headers=forged).status == 200
    heard = [[value for field, value in request.headers if field.lower().replace("_", "-") == "x-client-subject"]
             for request in backend.requests]
    assert heard == [[""], [""], [""], ["CN=alice"]]


def test_the_subject_in_answers_and_redirects(lab, ca):
    routes = [{"name": "hello", "match": {"path": "/hello"},
               "respond": {"status": 200, "headers": {"X-You": "${tls_client_subject}"}}},
              {"name": "away", "match": {"path": "/away"}, "redirect": {"to": "https://a.test/${tls_client_subject}"}}]
    gateway = lab.gateway(listeners=[listener(ca, "require")], routes=routes)
    client = connect(lab, gateway, context_of(ca, ca.issue_client("alice")))
    assert client.request(target="/hello").header("X-You") == "CN=alice"
    assert client.request(target="/away").header("Location") == "https://a.test/CN=alice"


def test_a_websocket_of_a_known_client(lab, ca):
    backend = lab.backend(echo_websocket)
    gateway = lab.gateway(backend, listeners=[listener(ca, "require")], route=SUBJECT)
    client = connect(lab, gateway, context_of(ca, ca.issue_client("alice")))
    open_websocket(client)
    client.send_frame(TEXT, b"hello")
    assert client.read_frame().payload == b"hello"
    assert backend.requests[0].header("X-Client-Subject") == "[CN=alice]"
    client.close()
    for event in ("tunnel_open", "tunnel_close"):
        assert gateway.wait_log(event=event)["tls_client_subject"] == "CN=alice"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_resumed_session_keeps_its_subject(lab, ca, version):
    backend = lab.backend()
    gateway = lab.gateway(backend, workers=4, listeners=[listener(ca, "require")], route=SUBJECT)
    context = context_of(ca, ca.issue_client("alice"), version)
    client = connect(lab, gateway, context)
    assert client.request().status == 200
    for _ in range(8):  # whichever worker takes it
        client = connect(lab, gateway, context, session=client.socket.session)
        assert client.socket.session_reused
        assert client.request().status == 200
    assert {request.header("X-Client-Subject") for request in backend.requests} == {"[CN=alice]"}
    gateway.wait_metric("sluice_tls_resumed_total", 8)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_slow_refused_client_does_not_stay(lab, ca, version):
    """Refused, it gets the time to read why, and no more."""
    gateway = lab.gateway(lab.backend(), listeners=[listener(ca, "require")])
    context = context_of(ca, version=version)
    if version == ssl.TLSVersion.TLSv1_3:
        connect(lab, gateway, context)  # neither reads nor closes
        gateway.wait_metric(HANDSHAKES, 1, result="certificate_missing")
        gateway.wait_metric("sluice_connections_open", 0, timeout=10)
    else:
        with pytest.raises(ssl.SSLError):
            connect(lab, gateway, context)
        gateway.wait_metric("sluice_connections_open", 0)


@pytest.mark.parametrize("content,wrong", [
    ("", "holds no certificate"),
    ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be parsed"),
    (None, "holds no certificate"),  # a private key
])
def test_a_ca_file_without_a_ca(lab, ca, tmp_path, content, wrong):
    file = tmp_path / "clients-ca.pem"
    file.write_text(ca.issue_client("alice").private_key.read_text() if content is None else content)
    broken = listener(ca, "require")
    broken["tls"]["client_auth"]["ca"] = str(file)
    gateway = lab.start(config={"listeners": [broken], "routes": [{"name": "all", "respond": {"status": 200}}]})
    gateway.expected_stop = 1
    assert gateway.wait_exit() == 1
    assert "listeners[0].tls.client_auth.ca: " in gateway.stderr()
    assert wrong in gateway.stderr()
