"""Backends that ask the gateway for a certificate."""

import ssl

import pytest

from support.gateway import run_sluice
from support.config_text import to_yaml
from support.raw_backend import echo_websocket
from support.waiting import wait_until
from support.websocket import TEXT, open_websocket

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def asking(ca, version=None):
    """A backend's context that requires certificates of `ca`."""
    context = ca.issue("app.internal").server_context(verify_mode=ssl.CERT_REQUIRED)
    context.load_verify_locations(ca.certificate)
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def upstream(ca, shown=None, **tls):
    return {"tls": {"ca": str(ca.certificate), "server_name": "app.internal", **(shown.as_config() if shown else {}), **tls}}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_certificate_is_shown(lab, ca, version):
    def script(connection):
        subject = dict(pair for part in connection.socket.getpeercert()["subject"] for pair in part)
        while True:
            connection.read_request()
            connection.respond(headers=[("X-Subject", subject["commonName"])])

    backend = lab.backend(script, tls=asking(ca, version))
    gateway = lab.gateway(backend, upstream=upstream(ca, ca.issue_client("gateway")), workers=2)
    for _ in range(8):
        response = lab.request(gateway)
        assert (response.status, response.header("X-Subject")) == (200, "gateway")


def test_a_websocket(lab, ca):
    backend = lab.backend(echo_websocket, tls=asking(ca))
    gateway = lab.gateway(backend, upstream=upstream(ca, ca.issue_client("gateway")))
    client = lab.client(gateway)
    open_websocket(client)
    client.send_frame(TEXT, b"hello")
    assert client.read_frame().payload == b"hello"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", ["none", "expired"])
def test_a_backend_that_refuses_us_is_502(lab, ca, version, case):
    """Under TLS 1.3 we hear of it only when we read the response."""
    shown = ca.issue_client("expired-client", days=(-2, -1)) if case == "expired" else None
    backend = lab.backend(tls=asking(ca, version))
    gateway = lab.gateway(backend, upstream=upstream(ca, shown))
    response = lab.request(gateway)
    assert (response.status, response.header("Sluice-Error")) == (502, "tls_failed")
    assert backend.requests == []
    alert = {"expired": "alert certificate expired",
             "none": "alert certificate required" if version == ssl.TLSVersion.TLSv1_3 else "alert handshake failure"}[case]
    wait_until(lambda: alert in gateway.stderr(), gateway.stderr)
    assert ("backends will refuse it" in gateway.stderr()) == (case == "expired")


@pytest.mark.parametrize("case,key,wrong", [
    ("key of another", "certificate", "does not belong to the certificate"),
    ("no key", "private_key", "holds no private key"),
    ("no certificate", "certificate", "holds no certificate"),
])
def test_wrong_files(lab, ca, tmp_path, case, key, wrong):
    shown, other = ca.issue_client("gateway"), ca.issue_client("alice")
    files = {"key of another": (shown.certificate, other.private_key), "no key": (shown.certificate, shown.certificate),
             "no certificate": (shown.private_key, shown.private_key)}[case]
    config = {"listeners": [{"name": "web", "address": "127.0.0.1:0"}],
              "upstreams": [{"name": "app", "endpoints": ["https://127.0.0.1:1"],
                             "tls": {"certificate": str(files[0]), "private_key": str(files[1])}}],
              "routes": [{"name": "all", "upstream": "app"}]}
    file = tmp_path / "sluice.yaml"
    file.write_text(to_yaml(config) + "\n")
    checked = run_sluice("check", "--config", file)
    assert checked.returncode == 1
    gateway = lab.start(config=config)
    gateway.expected_stop = 1
    assert gateway.wait_exit() == 1
    for text in (checked.stderr, gateway.stderr()):
        assert f"upstreams[0].tls.{key}: " in text
        assert wrong in text
