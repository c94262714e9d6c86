"""TLS sessions with https backends: new connections resume them, within what they were verified under."""

import ssl

import pytest

from support.certificates import Authority
from support.config_text import config_for
from support.raw_backend import echo_websocket
from support.waiting import wait_until
from support.websocket import TEXT, open_websocket

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture
def other_ca(tmp_path):
    folder = tmp_path / "other-ca"
    folder.mkdir()
    return Authority(folder)


def server(certificate, version=ssl.TLSVersion.TLSv1_3, tickets=True, **options):
    context = certificate.server_context(**options)
    context.minimum_version = context.maximum_version = version
    if not tickets:
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    return context


def tell(connection):
    """Answers whether the connection resumed a session, and ends."""
    connection.read_request()
    connection.respond(headers=[("X-Resumed", str(connection.socket.session_reused)), ("Connection", "close")])


def upstream(ca, **tls):
    return {"tls": {"ca": str(ca.certificate), "server_name": "app.internal", **tls}}


def resumed(lab, gateway, number=1):
    """Of so many requests, each over a new connection to the backend."""
    answers = [lab.request(gateway) for _ in range(number)]
    assert [answer.status for answer in answers] == [200] * number
    return [answer.header("X-Resumed") == "True" for answer in answers]


def handshakes(gateway):
    return [gateway.metric("sluice_upstream_tls_handshakes_total", upstream="app", resumed=word) for word in ["no", "yes"]]


@pytest.mark.parametrize("version", VERSIONS)
def test_new_connections_resume(lab, ca, version):
    gateway = lab.gateway(lab.backend(tell, tls=server(ca.issue("app.internal"), version)), workers=1, upstream=upstream(ca))
    assert resumed(lab, gateway, 6) == [False] + [True] * 5
    assert handshakes(gateway) == [1, 5]


@pytest.mark.parametrize("version", VERSIONS)
def test_each_endpoint_has_its_own(lab, ca, version):
    certificate = ca.issue("app.internal")
    backends = [lab.backend(tell, tls=server(certificate, version)) for _ in range(2)]
    gateway = lab.gateway(*backends, workers=1, upstream=upstream(ca))
    assert resumed(lab, gateway, 6) == [False, False] + [True] * 4


@pytest.mark.parametrize("version", VERSIONS)
def test_a_backend_with_other_keys_is_met_anew(lab, ca, version):
    certificate = ca.issue("app.internal")
    first = lab.backend(tell, tls=server(certificate, version))
    gateway = lab.gateway(first, workers=1, upstream=upstream(ca))
    assert resumed(lab, gateway, 3) == [False, True, True]
    first.close()
    lab.backend(tell, tls=server(certificate, version), port=first.port)
    assert resumed(lab, gateway, 3) == [False, True, True]


def test_a_backend_without_tickets(lab, ca):
    backend = lab.backend(tell, tls=server(ca.issue("app.internal"), tickets=False))
    gateway = lab.gateway(backend, workers=1, upstream=upstream(ca))
    assert resumed(lab, gateway, 4) == [False] * 4
    assert handshakes(gateway) == [4, 0]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_backend_that_shows_another_certificate_is_verified(lab, ca, other_ca, version):
    first = lab.backend(tell, tls=server(ca.issue("app.internal"), version))
    gateway = lab.gateway(first, workers=1, upstream=upstream(ca))
    assert resumed(lab, gateway, 2) == [False, True]
    first.close()
    lab.backend(tell, tls=server(other_ca.issue("app.internal"), version), port=first.port)
    for _ in range(2):
        response = lab.request(gateway)
        assert (response.status, response.header("Sluice-Error")) == (502, "certificate_rejected")


@pytest.mark.parametrize("version", VERSIONS)
def test_other_settings_resume_nothing(lab, ca, other_ca, version):
    backend = lab.backend(tell, tls=server(ca.issue("app.internal", "other.internal"), version))
    config = config_for(backend, workers=1, upstream=upstream(ca))
    gateway = lab.gateway_from(config)
    assert resumed(lab, gateway, 2) == [False, True]
    gateway.reload({**config, "routes": [{"name": "another", "upstream": "app"}]})
    assert resumed(lab, gateway) == [True], "the upstream is the same"
    config["upstreams"][0]["tls"]["server_name"] = "other.internal"
    gateway.reload(config)
    assert resumed(lab, gateway, 2) == [False, True]
    config["upstreams"][0]["tls"]["ca"] = str(other_ca.certificate)
    gateway.reload(config)
    assert lab.request(gateway).header("Sluice-Error") == "certificate_rejected"
    config["upstreams"][0]["tls"]["verify"] = False
    gateway.reload(config)
    assert resumed(lab, gateway, 2) == [False, True]


@pytest.mark.parametrize("version", VERSIONS)
def test_two_upstreams_to_one_backend_share_nothing(lab, ca, version):
    backend = lab.backend(tell, tls=server(ca.issue("app.internal"), version))
    config = config_for(backend, workers=1, upstream=upstream(ca))
    config["upstreams"].append({**config["upstreams"][0], "name": "strict"})
    config["routes"].append({"name": "strict", "match": {"path_prefix": "/strict"}, "upstream": "strict"})
    gateway = lab.gateway_from(config)
    assert resumed(lab, gateway, 2) == [False, True]
    answers = [lab.request(gateway, target="/strict").header("X-Resumed") for _ in range(2)]
    assert answers == ["False", "True"]


@pytest.mark.parametrize("version", VERSIONS)
def test_with_a_client_certificate(lab, ca, version):
    context = server(ca.issue("app.internal"), version, verify_mode=ssl.CERT_REQUIRED)
    context.load_verify_locations(ca.certificate)
    gateway = lab.gateway(lab.backend(tell, tls=context), workers=1,
                          upstream=upstream(ca, **ca.issue_client("gateway").as_config()))
    assert resumed(lab, gateway, 3) == [False, True, True]


def test_checks_of_health_verify_each_time(lab, ca):
    reused = []

    def script(connection):
        reused.append(connection.socket.session_reused)
        tell(connection)

    backend = lab.backend(script, tls=server(ca.issue("app.internal")))
    lab.gateway(backend, upstream={**upstream(ca), "health_check": {"path": "/", "interval": "50ms"}})
    wait_until(lambda: len(reused) >= 4, "checks")
    assert not any(reused)


def test_websockets_resume_too(lab, ca):
    seen = []

    def script(connection):
        seen.append(connection.socket.session_reused)
        echo_websocket(connection)

    backend = lab.backend(script, tls=server(ca.issue("app.internal")))
    gateway = lab.gateway(backend, workers=1, upstream=upstream(ca))
    for _ in range(4):
        client = lab.client(gateway)
        open_websocket(client)
        client.send_frame(TEXT, b"hello")
        assert client.read_frame().payload == b"hello"
    assert seen == [False, True, True, True]


def test_many_at_once(lab, ca):
    """More new connections at a time than there are sessions: the others begin anew, none waits."""
    backend = lab.backend(tell, tls=server(ca.issue("app.internal")))
    gateway = lab.gateway(backend, workers=2, upstream=upstream(ca))
    for _ in range(3):
        clients = [lab.client(gateway, timeout=20) for _ in range(20)]
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nHost: test.example\r\n\r\n")
        assert [client.response().status for client in clients] == [200] * 20
    assert sum(handshakes(gateway)) == 60 and handshakes(gateway)[1] > 0
