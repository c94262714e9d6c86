"""Which hosts may be asked for on one HTTP/2 connection over TLS (RFC 9110 15.5.20, RFC 9113 9.1.1)."""

import ssl
import subprocess

import pytest

from support.http2_client import Http2Client
from support.raw_client import RawClient, blind, trusting

CERTIFICATES = [["a.example"], ["b.example"], ["both.example", "c.example"], ["*.wild.example"], ["one.wild.example"]]


def gateway_with(lab, tls):
    listener = {"name": "web", "address": "127.0.0.1:0", "protocols": ["h2", "http/1.1"], "tls": tls}
    return lab.gateway(lab.backend(), listeners=[listener])


@pytest.fixture
def gateway(lab, ca):
    return gateway_with(lab, {"certificates": [ca.issue(*names).as_config() for names in CERTIFICATES]})


def connect(lab, gateway, server_name, context=None):
    if context is None:
        context = blind()
    context.set_alpn_protocols(["h2"])
    client = Http2Client(RawClient(gateway.port, tls=context, server_name=server_name))
    lab.clients.append(client)
    return client


def status(client, host):
    return client.request(authority=host, scheme="https").status


@pytest.mark.parametrize("server_name,host,expected", [
    ("a.example", "a.example", 200),
    ("a.example", "A.EXAMPLE:443", 200),
    ("a.example", "b.example", 421),
    ("a.example", "b.example:8443", 421),
    ("a.example", "B.Example", 421),
    ("a.example", "b.example.", 421),
    ("a.example", "one.wild.example", 421),
    ("a.example", "elsewhere.example", 200),  # no certificate is for it: there is nowhere better to ask
    ("a.example", "127.0.0.1", 200),
    ("a.example", "[::1]:443", 200),
    ("both.example", "c.example", 200),
    ("c.example", "both.example", 200),
    ("two.wild.example", "three.wild.example", 200),
    ("two.wild.example", "one.wild.example", 200),  # covered by the wildcard, though another certificate names it
    ("one.wild.example", "two.wild.example", 421),
    ("unknown.example", "b.example", 421),  # it named a host, and was shown the first certificate
    (None, "b.example", 200),  # it did not say whom it wanted
    (None, "127.0.0.1", 200),
])
def test_who_is_asked_for_on_whose_connection(lab, gateway, server_name, host, expected):
    client = connect(lab, gateway, server_name)
    assert status(client, host) == expected


def test_a_refusal_costs_that_request_alone(lab, gateway):
    client = connect(lab, gateway, "a.example")
    answer = client.request(authority="b.example", scheme="https")
    assert (answer.status, answer.header("sluice-error")) == (421, "misdirected_request")
    assert status(client, "a.example") == 200
    gateway.wait_metric("sluice_requests_by_protocol_total", 2, protocol="2")
    assert status(connect(lab, gateway, "b.example"), "b.example") == 200


def test_a_body_is_not_waited_for(lab, gateway):
    client = connect(lab, gateway, "a.example")
    number = client.begin("POST", authority="b.example", scheme="https", end=False)
    assert client.answer(number).status == 421


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_after_a_session_is_resumed(lab, ca, gateway, version):
    context = trusting(ca.certificate, minimum_version=getattr(ssl.TLSVersion, version), maximum_version=getattr(ssl.TLSVersion, version))
    context.set_alpn_protocols(["h2"])
    first = RawClient(gateway.port, tls=context, server_name="b.example")
    client = Http2Client(first)
    assert status(client, "b.example") == 200  # the ticket has come by then
    session = first.socket.session
    client.close()
    second = RawClient(gateway.port, tls=context, server_name="b.example", session=session)
    client = Http2Client(second)
    lab.clients.append(client)
    assert second.socket.session_reused
    assert (status(client, "b.example"), status(client, "a.example")) == (200, 421)


def test_a_self_signed_certificate_is_for_any_host(lab):
    gateway = gateway_with(lab, {"self_signed": True})
    client = connect(lab, gateway, "localhost")
    assert [status(client, host) for host in ["localhost", "127.0.0.1", "app.test", "a.example:8443"]] == [200] * 4


def test_curl_at_an_address(gateway):
    def curl(*options):
        command = ["curl", "-sk", "--http2", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout

    assert curl(f"https://127.0.0.1:{gateway.port}/") == "2 200"
    assert curl("-H", "Host: b.example", f"https://127.0.0.1:{gateway.port}/") == "2 200"
    to = ["--connect-to", f"::127.0.0.1:{gateway.port}"]
    assert curl(*to, "https://b.example/") == "2 200"
    assert curl(*to, "-H", "Host: b.example", "https://a.example/") == "2 421"


def test_http_1_is_not_concerned(lab, gateway):
    context = blind()
    context.set_alpn_protocols(["http/1.1"])
    client = RawClient(gateway.port, tls=context, server_name="a.example")
    lab.clients.append(client)
    assert client.request(host="b.example").status == 200
