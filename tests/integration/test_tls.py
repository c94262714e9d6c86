"""TLS towards clients and towards backends."""

import socket
import ssl

import pytest

from support.config_text import config_for, to_yaml
from support.gateway import run_sluice
from support.http2_client import Http2Client
from support.http_message import request_bytes
from support.raw_backend import echo_websocket
from support.raw_client import blind, trusting
from support.websocket import TEXT, open_websocket

TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def secure(*certificates, **tls):
    listed = {"certificates": [one.as_config() for one in certificates]} if certificates else {}
    return [{"name": "secure", "address": "127.0.0.1:0", "tls": {**listed, **tls}}]


@pytest.fixture
def gateway(lab, ca):
    return lab.gateway(lab.backend(), listeners=secure(ca.issue("test.example")))


@pytest.mark.parametrize("version,name", [(TLS_1_2, "TLSv1.2"), (TLS_1_3, "TLSv1.3")])
def test_versions(lab, ca, gateway, version, name):
    context = trusting(ca.certificate, minimum_version=version, maximum_version=version)
    client = lab.client(gateway, tls=context, server_name="test.example")
    assert client.socket.version() == name
    for _ in range(3):
        assert client.request("POST", body=bytes(100000)).status == 200
    gateway.wait_metric("sluice_tls_handshakes_total", 1, version=name, result="ok")


def test_min_version(lab, ca):
    gateway = lab.gateway(lab.backend(), listeners=secure(ca.issue("test.example"), min_version="1.3"))
    old = trusting(ca.certificate, maximum_version=TLS_1_2)
    with pytest.raises(ssl.SSLError):
        lab.client(gateway, tls=old, server_name="test.example")
    gateway.wait_metric("sluice_tls_handshakes_total", 1, result="failed")
    assert lab.client(gateway, tls=trusting(ca.certificate), server_name="test.example").request().status == 200


def test_old_versions_are_off(lab, ca, gateway):
    context = trusting(ca.certificate)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        lab.client(gateway, tls=context, server_name="test.example")


@pytest.mark.parametrize("name,subject", [
    ("a.test", "a.test"), ("b.test", "b.test"), ("x.wild.test", "*.wild.test"), ("A.TEST", "a.test"),
    ("unknown.test", "a.test"), (None, "a.test"),
])
def test_certificates_by_sni(lab, ca, name, subject):
    listeners = secure(ca.issue("a.test"), ca.issue("b.test"), ca.issue("*.wild.test"))
    gateway = lab.gateway(lab.backend(), listeners=listeners)
    context = trusting(ca.certificate)
    context.check_hostname = False
    client = lab.client(gateway, tls=context, server_name=name)
    names = [value for _, value in client.socket.getpeercert()["subjectAltName"]]
    assert names == [subject]


def test_rsa_and_ecdsa_side_by_side(lab, ca):
    listeners = secure(ca.issue("test.example", key="ec"), ca.issue("test.example", key="rsa"))
    gateway = lab.gateway(lab.backend(), listeners=listeners)
    for kind in ("ECDSA", "RSA"):
        context = trusting(ca.certificate, maximum_version=TLS_1_2)
        context.set_ciphers(f"ECDHE-{kind}-AES128-GCM-SHA256")
        client = lab.client(gateway, tls=context, server_name="test.example")
        assert kind in client.socket.cipher()[0]


@pytest.mark.parametrize("offered,chosen", [(["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "h2"), (["http/1.1", "h2"], "h2"), (["h2"], "h2"),
                                            (None, None)])
def test_alpn(lab, ca, gateway, offered, chosen):
    """Where nothing is configured. A client that offers nothing gets HTTP/1.1."""
    client = lab.client(gateway, tls=trusting(ca.certificate, alpn=offered), server_name="test.example")
    assert client.socket.selected_alpn_protocol() == chosen
    assert (Http2Client(client) if chosen == "h2" else client).request().status == 200


def test_self_signed(lab):
    gateway = lab.gateway(lab.backend(), listeners=secure(self_signed=True))
    client = lab.client(gateway, tls=blind(), server_name="localhost")
    assert client.request().status == 200


def test_websocket_over_tls(lab, ca):
    gateway = lab.gateway(lab.backend(echo_websocket), listeners=secure(ca.issue("test.example")))
    client = lab.client(gateway, tls=trusting(ca.certificate), server_name="test.example", timeout=15)
    open_websocket(client)
    for size in (1, 70000, 3_000_000):
        client.send_frame(TEXT, b"x" * size)
        assert client.read_frame().payload == b"x" * size


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\nHost: test.example\r\n\r\n", b"\x00" * 300, b"\xff" * 300,
                                     b"\x16\x03\x01\xff\xff" + b"\x01" * 300])
def test_garbage_instead_of_a_handshake(lab, ca, gateway, garbage):
    client = lab.client(gateway)
    client.send(garbage)
    client.read_until_closed()
    gateway.wait_metric("sluice_tls_handshakes_total", 1, result="failed")
    assert lab.client(gateway, tls=trusting(ca.certificate), server_name="test.example").request().status == 200


def test_a_cut_handshake(lab, gateway):
    client = lab.client(gateway)
    client.send(b"\x16\x03\x01\x02\x00\x01\x00")
    client.close()
    gateway.wait_metric("sluice_tls_handshakes_total", 1, result="failed")
    gateway.wait_metric("sluice_connections_open", 0)


def test_tls_on_a_plain_port(lab):
    gateway = lab.gateway(lab.backend())
    with pytest.raises(ssl.SSLError):
        lab.client(gateway, tls=blind(), server_name="test.example")


def test_a_handshake_that_drips(lab, ca, gateway):
    """The client's hello in single bytes, by way of a memory BIO."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    engine = trusting(ca.certificate).wrap_bio(incoming, outgoing, server_hostname="test.example")
    client = lab.client(gateway)

    def step(action):
        while True:
            try:
                return action()
            except ssl.SSLWantReadError:
                flush()
                incoming.write(client.read_some())

    def flush():
        for byte in outgoing.read():
            client.send(bytes([byte]))

    step(engine.do_handshake)
    engine.write(request_bytes(headers=[("Connection", "close")]))
    flush()
    assert step(lambda: engine.read(15)) == b"HTTP/1.1 200 OK"


def test_the_end_is_announced(lab, ca, gateway):
    """close_notify comes before the FIN, so that a cut can be told from an end."""
    context = trusting(ca.certificate)
    raw = socket.create_connection(("127.0.0.1", gateway.port))
    with context.wrap_socket(raw, server_hostname="test.example", suppress_ragged_eofs=False) as client:
        client.sendall(request_bytes(headers=[("Connection", "close")]))
        received = b""
        while data := client.recv(4096):
            received += data
    assert received.startswith(b"HTTP/1.1 200 OK")


def test_https_backend(lab, ca):
    backend = lab.backend(tls=ca.issue("app.internal").server_context())
    gateway = lab.gateway(backend, upstream={"tls": {"ca": str(ca.certificate), "server_name": "app.internal"}})
    client = lab.client(gateway)
    for _ in range(3):
        assert client.request("POST", body=bytes(200000)).status == 200
    assert len(backend.connections) == 1
    assert backend.requests[0].header("X-Forwarded-Proto") == "http"


def test_https_backend_by_its_address(lab, ca):
    backend = lab.backend(tls=ca.issue("127.0.0.1").server_context())
    gateway = lab.gateway(backend, upstream={"tls": {"ca": str(ca.certificate)}})
    assert lab.request(gateway).status == 200


def test_the_server_name_is_sent(lab, ca):
    names = []
    context = ca.issue("app.internal").server_context()
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    gateway = lab.gateway(lab.backend(tls=context),
                          upstream={"tls": {"ca": str(ca.certificate), "server_name": "app.internal"}})
    assert lab.request(gateway).status == 200
    assert names == ["app.internal"]


@pytest.mark.parametrize("case", ["wrong name", "unknown authority"])
def test_a_certificate_that_does_not_verify_is_502(lab, ca, case):
    backend = lab.backend(tls=ca.issue("app.internal").server_context())
    name = "other.internal" if case == "wrong name" else "app.internal"
    authority = {"ca": str(ca.certificate)} if case == "wrong name" else {}
    gateway = lab.gateway(backend, upstream={"tls": {"server_name": name, **authority}})
    response = lab.request(gateway)
    assert response.status == 502
    assert response.header("Sluice-Error") == "certificate_rejected"
    assert backend.requests == []
    gateway.wait_metric("sluice_upstream_failures_total", 2, upstream="app", reason="certificate_rejected")


def test_verification_can_be_turned_off(lab, ca):
    backend = lab.backend(tls=ca.issue("app.internal").server_context())
    gateway = lab.gateway(backend, upstream={"tls": {"verify": False}})
    assert lab.request(gateway).status == 200


def test_a_plain_backend_behind_https(lab):
    plain = lab.backend(lambda connection: connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    gateway = lab.gateway(plain.url.replace("http:", "https:"), upstream={"tls": {"verify": False}})
    response = lab.request(gateway)
    assert (response.status, response.header("Sluice-Error")) == (502, "tls_failed")


def test_websocket_to_an_https_backend(lab, ca):
    backend = lab.backend(echo_websocket, tls=ca.issue("127.0.0.1").server_context())
    gateway = lab.gateway(backend, upstream={"tls": {"ca": str(ca.certificate)}})
    client = lab.client(gateway)
    open_websocket(client)
    client.send_frame(TEXT, b"x" * 100000)
    assert client.read_frame().payload == b"x" * 100000


def test_a_tls_body_that_is_cut_is_no_whole_body(lab, ca):
    """Ends by TCP's FIN without close_notify: an attacker could do that as well."""
    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
        connection.abort()

    backend = lab.backend(script, tls=ca.issue("127.0.0.1").server_context())
    gateway = lab.gateway(backend, upstream={"tls": {"ca": str(ca.certificate)}})
    client = lab.client(gateway)
    client.send(request_bytes())
    assert b"0\r\n\r\n" not in client.read_until_closed()


def test_a_private_key_that_others_may_read_is_warned_of(lab, ca, tmp_path):
    pair = ca.issue("test.example")
    key = tmp_path / "open.key"
    key.write_bytes(pair.private_key.read_bytes())
    config = config_for(lab.backend(), listeners=secure(pair))
    config["listeners"][0]["tls"]["certificates"][0]["private_key"] = str(key)
    file = tmp_path / "sluice.yaml"
    file.write_text(to_yaml(config) + "\n")
    key.chmod(0o644)
    result = run_sluice("check", "--config", file)
    assert result.returncode == 0
    assert f"the private key {key} is open to every user of this machine" in result.stderr
    gateway = lab.gateway_from(config)
    assert f"the private key {key} is open" in gateway.stderr()
    for mode in (0o600, 0o640):  # a group is the administrator's choice
        key.chmod(mode)
        assert "open to every user" not in run_sluice("check", "--config", file).stderr
