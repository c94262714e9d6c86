"""The PROXY protocol: believed of trusted proxies on listeners, and sent to endpoints."""

import ipaddress
import socket
import ssl
import struct
import time

import pytest

from support.http_message import read_response, request_bytes
from support.raw_backend import RawBackend, echo_websocket
from support.raw_client import blind
from support.stream import PeerClosed
from support.waiting import seconds, wait_until
from support.websocket import TEXT, open_websocket

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21
FIELDS = {"set": {"X-Client": "${client_ip}"}}


def v1(client="192.0.2.7", port=12345):
    family = "TCP6" if ":" in client else "TCP4"
    own = "::1" if ":" in client else "127.0.0.1"
    return f"PROXY {family} {client} {own} {port} 443\r\n".encode()


def v2(client="192.0.2.7", port=12345, command=PROXY, extensions=b""):
    if client is None:
        return SIGNATURE + bytes([command, 0]) + struct.pack(">H", len(extensions)) + extensions
    address = ipaddress.ip_address(client)
    own = ipaddress.ip_address("::1" if address.version == 6 else "127.0.0.1")
    block = address.packed + own.packed + struct.pack(">HH", port, 443) + extensions
    return SIGNATURE + bytes([command, 0x21 if address.version == 6 else 0x11]) + struct.pack(">H", len(block)) + block


def behind(lab, mode, trusted=("127.0.0.1",), backend=None, tls=None, **more):
    backend = backend or lab.backend()
    listener = {"name": "web", "address": "127.0.0.1:0", "proxy_protocol": mode, "trusted_proxies": list(trusted)}
    if tls:
        listener["tls"] = tls
    return lab.gateway(backend, route={"request_headers": FIELDS}, listeners=[listener], **more), backend


def told(lab, gateway, header, **options):
    client = lab.client(gateway)
    client.send(header + request_bytes(**options))
    assert read_response(client).status == 200
    return client


def is_closed(client):
    """Closed without an answer."""
    with pytest.raises(PeerClosed):
        client.read_exactly(1)
    assert not client.received
    return True


@pytest.mark.parametrize("mode", ["accept", "require"])
@pytest.mark.parametrize("header,expected", [
    (v1(), "192.0.2.7"), (v1("2001:db8::1"), "2001:db8::1"), (v1("::ffff:192.0.2.9"), "192.0.2.9"),
    (v2(), "192.0.2.7"), (v2("2001:db8::1"), "2001:db8::1"), (v2(extensions=b"\x04\x00\x03abc"), "192.0.2.7"),
    (v2(extensions=bytes(4096 - 28)), "192.0.2.7"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1"), (v2(None), "127.0.0.1"), (v2(None, command=LOCAL), "127.0.0.1"),
    (v2("192.0.2.7", command=LOCAL), "127.0.0.1"),
])
def test_the_client_is_whom_the_header_tells(lab, mode, header, expected):
    gateway, backend = behind(lab, mode)
    client = told(lab, gateway, header)
    request, = backend.requests
    assert request.header("X-Client") == request.header("X-Real-IP") == request.header("X-Forwarded-For") == expected
    assert gateway.wait_log()["client_ip"] == expected
    # For the connection, not for one request.
    assert client.request().status == 200
    assert backend.requests[1].header("X-Client") == expected


@pytest.mark.parametrize("header", [v1(), v2(extensions=b"\x04\x00\x03abc")])
def test_byte_by_byte(lab, header):
    gateway, backend = behind(lab, "require")
    client = lab.client(gateway)
    for byte in header + request_bytes():
        client.send(bytes([byte]))
    assert read_response(client).status == 200
    assert backend.requests[0].header("X-Client") == "192.0.2.7"


@pytest.mark.parametrize("header", [v1(), v2()])
@pytest.mark.parametrize("together", [True, False])
def test_it_comes_before_tls(lab, header, together):
    gateway, backend = behind(lab, "require", tls={"self_signed": True})
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = blind().wrap_bio(incoming, outgoing, server_hostname="localhost")
    client = lab.client(gateway)
    if not together:
        client.send(header)
        header = b""
    answer = b""
    sent_request = False
    while b"\r\n\r\nok" not in answer:
        try:
            if not sent_request:
                session.do_handshake()
                session.write(request_bytes())
                sent_request = True
            answer += session.read(65536)
        except ssl.SSLWantReadError:
            client.send(header + outgoing.read())
            header = b""
            incoming.write(client.socket.recv(65536))
    assert backend.requests[0].header("X-Client") == "192.0.2.7"
    assert gateway.wait_log()["client_ip"] == "192.0.2.7"


def test_a_tunnel_has_the_client_that_was_told(lab):
    gateway, backend = behind(lab, "require", backend=lab.backend(echo_websocket))
    client = lab.client(gateway)
    client.send(v2())
    open_websocket(client)
    client.send_frame(TEXT, b"hello")
    assert client.read_frame().payload == b"hello"
    assert backend.requests[0].header("X-Client") == "192.0.2.7"


def test_accept_serves_connections_without_a_header(lab):
    gateway, backend = behind(lab, "accept")
    client = lab.client(gateway)
    assert client.request(headers=[("X-Forwarded-For", "1.1.1.1")]).status == 200
    assert backend.requests[0].header("X-Client") == "1.1.1.1"
    # What begins like a header goes on as what it is as soon as it cannot be one.
    assert lab.request(gateway, "PROPFIND", "/").status == 200
    client = lab.client(gateway)
    for byte in request_bytes("PUT", "/"):
        client.send(bytes([byte]))
    assert read_response(client).status == 200


def test_require_closes_connections_without_a_header(lab):
    gateway, backend = behind(lab, "require")
    client = lab.client(gateway)
    client.send(request_bytes())
    assert is_closed(client)
    gateway.wait_metric("sluice_proxy_header_rejections_total", 1, reason="missing")
    wait_until(lambda: "it began without a PROXY header" in gateway.stderr(), "the reason in the log")
    # A check that only connects is no offence.
    lab.client(gateway).close()
    told(lab, gateway, v1())
    assert gateway.metric("sluice_proxy_header_rejections_total", reason="missing") == 1
    assert len(backend.requests) == 1


@pytest.mark.parametrize("mode", ["accept", "require"])
@pytest.mark.parametrize("header", [
    b"PROXY TCP4 192.0.2.7 127.0.0.1 1\r\n", b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\n", b"PROXY TCP4 x y 1 2\r\n",
    b"PROXY " + b"x" * 200, b"PROXY / HTTP/1.1\r\nHost: a\r\n\r\n",
    SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12), SIGNATURE + b"\x21\x12\x00\x0c" + bytes(12),
    SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11), SIGNATURE + b"\x21\x11\xff\xff",
])
def test_a_broken_header_closes_the_connection(lab, mode, header):
    gateway, backend = behind(lab, mode)
    client = lab.client(gateway)
    client.send(header + request_bytes())
    assert is_closed(client)
    gateway.wait_metric("sluice_proxy_header_rejections_total", 1, reason="malformed")
    assert not backend.requests


@pytest.mark.parametrize("header,status", [(v1(), 400), (v2(), 400)])
def test_an_untrusted_peer_is_not_believed_where_it_is_accepted(lab, header, status):
    gateway, backend = behind(lab, "accept", trusted=["10.0.0.0/8"])
    client = lab.client(gateway)
    client.send(header + request_bytes())
    assert read_response(client).status == status
    assert not backend.requests
    assert lab.request(gateway).status == 200
    assert backend.requests[0].header("X-Client") == "127.0.0.1"


def test_an_untrusted_peer_is_closed_where_it_is_required(lab):
    gateway, backend = behind(lab, "require", trusted=["10.0.0.0/8"])
    client = lab.client(gateway)
    assert is_closed(client)
    gateway.wait_metric("sluice_proxy_header_rejections_total", 1, reason="untrusted")
    assert not backend.requests


def test_off_takes_no_header(lab):
    gateway, _ = behind(lab, "off")
    client = lab.client(gateway)
    client.send(v1() + request_bytes())
    assert read_response(client).status == 400


def test_forwarding_fields_count_by_the_client_that_was_told(lab):
    gateway, backend = behind(lab, "require", trusted=["127.0.0.1", "10.0.0.0/8"])
    claim = [("X-Forwarded-For", "1.1.1.1")]
    told(lab, gateway, v1("192.0.2.7"), headers=claim)    # a client
    told(lab, gateway, v1("10.0.0.5"), headers=claim)     # a proxy behind the load balancer
    told(lab, gateway, v2(None), headers=claim)           # somebody unknown
    told(lab, gateway, v2(None, command=LOCAL), headers=claim)   # the load balancer itself
    assert [request.header("X-Client") for request in backend.requests] == ["192.0.2.7", "1.1.1.1", "127.0.0.1", "1.1.1.1"]


def test_max_connections_per_client_counts_the_client_that_was_told(lab):
    gateway, _ = behind(lab, "require", limits={"max_connections_per_client": 2})
    first, second = told(lab, gateway, v1("192.0.2.7")), told(lab, gateway, v2("192.0.2.7"))
    third = lab.client(gateway)
    third.send(v1("192.0.2.7") + request_bytes())
    assert is_closed(third)
    gateway.wait_metric("sluice_connections_refused_total", 1, reason="max_connections_per_client")
    told(lab, gateway, v1("192.0.2.8"))
    first.close()
    gateway.wait_metric("sluice_connections_open", 2)
    told(lab, gateway, v1("192.0.2.7"))
    assert second.request().status == 200


@pytest.mark.parametrize("tls", [None, {"self_signed": True}])
def test_its_time_is_part_of_the_limit(lab, tls):
    gateway, _ = behind(lab, "require", tls=tls, timeouts={"request_head": "600ms", "tls_handshake": "600ms"})
    client = lab.client(gateway)
    client.send(v1()[:10])
    assert is_closed(client)
    gateway.wait_metric("sluice_client_timeouts_total", 1, phase="proxy_header")


def test_the_head_has_what_the_header_left_of_the_time(lab):
    gateway, _ = behind(lab, "require", timeouts={"request_head": "1500ms"})
    client = lab.client(gateway)
    start = time.monotonic()
    client.send(v1()[:10])
    client.expect_silence(1.0)
    client.send(v1()[10:])
    with pytest.raises(PeerClosed):
        client.read_exactly(1)
    assert 1.4 < time.monotonic() - start < 1.5 + seconds(0.9), "a head of its own would have 1.5 s more"


def test_a_drain_does_not_wait_for_a_header(lab):
    gateway, _ = behind(lab, "require", timeouts={"drain": "20s"})
    client = lab.client(gateway)
    client.send(b"PROXY ")
    gateway.wait_metric("sluice_connections_open", 1)
    start = time.monotonic()
    gateway.signal()
    assert gateway.wait_exit() == 0
    assert time.monotonic() - start < 8


# sent

class Telling(RawBackend):
    """Reads a header first; `headers` are those of all connections."""

    def __init__(self, version, tls=None):
        self.version = version
        self.headers = []
        self.tls_after = tls
        super().__init__(self._script)

    def _script(self, connection):
        if self.tls_after:
            header = b""
            while len(header) < 28:  # no byte of what comes behind
                header += connection.socket.recv(28 - len(header))
        elif self.version == "v1":
            header = connection.read_until(b"\r\n")
        else:
            header = connection.read_exactly(16)
            header += connection.read_exactly(struct.unpack(">H", header[14:])[0])
        self.headers.append(bytes(header))
        if self.tls_after:
            connection.socket = self.tls_after.wrap_socket(connection.socket, server_side=True)
        while True:
            connection.read_request()
            connection.respond()


def address_of(header):
    if header.startswith(b"PROXY TCP"):
        _, _, source, own, port, own_port = header.decode().split()
        return source, int(port), own, int(own_port)
    assert header[:14] == SIGNATURE + b"\x21\x11"
    source, own, port, own_port = struct.unpack(">4s4sHH", header[16:28])
    return socket.inet_ntoa(source), port, socket.inet_ntoa(own), own_port


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_an_endpoint_is_told_the_client(lab, version):
    backend = lab.keep(Telling(version))
    gateway = lab.gateway(backend, upstream={"proxy_protocol": version})
    client = lab.client(gateway)
    own_port = client.socket.getsockname()[1]
    assert client.request().status == 200
    assert client.request("POST", body=b"x" * 100000).status == 200
    assert [address_of(header) for header in backend.headers] == [("127.0.0.1", own_port, "127.0.0.1", gateway.port)]


def test_each_client_has_connections_of_its_own(lab):
    backend = lab.keep(Telling("v1"))
    gateway = lab.gateway(backend, upstream={"proxy_protocol": "v1"}, workers=1)
    clients = [lab.client(gateway) for _ in range(3)]
    for _ in range(3):
        for client in clients:
            assert client.request().status == 200
    ports = [client.socket.getsockname()[1] for client in clients]
    assert [address_of(header)[1] for header in backend.headers] == ports
    assert gateway.metric("sluice_upstream_pool_hits_total", upstream="app") == 6


def test_clients_that_left_give_their_place_in_the_pool(lab):
    backend = lab.keep(Telling("v1"))
    gateway = lab.gateway(backend, upstream={"proxy_protocol": "v1", "pool": {"max_idle": 2}}, workers=1)
    for _ in range(5):
        client = lab.client(gateway)
        assert client.request().status == 200
        assert client.request().status == 200
        client.close()
    assert len(backend.headers) == 5
    gateway.wait_metric("sluice_upstream_connections_idle", 2, upstream="app")


def test_the_client_of_forwarding_fields_is_told(lab):
    backend = lab.keep(Telling("v2"))
    gateway = lab.gateway(backend, upstream={"proxy_protocol": "v2"},
                          listeners=[{"name": "web", "address": "127.0.0.1:0", "trusted_proxies": ["127.0.0.1"]}])
    client = lab.client(gateway)
    assert client.request(headers=[("X-Forwarded-For", "192.0.2.7")]).status == 200
    assert client.request(headers=[("X-Forwarded-For", "192.0.2.8")]).status == 200
    assert [address_of(header)[:2] for header in backend.headers] == [("192.0.2.7", 0), ("192.0.2.8", 0)]


def test_it_is_sent_before_tls(lab, ca):
    certificate = ca.issue("localhost")
    backend = lab.keep(Telling("v2", tls=certificate.server_context()))
    port = backend.authority.rsplit(":", 1)[1]
    gateway = lab.gateway(f"https://localhost:{port}", upstream={"proxy_protocol": "v2", "tls": {"ca": str(ca.certificate)}})
    assert lab.request(gateway).status == 200
    assert address_of(backend.headers[0])[0] == "127.0.0.1"


@pytest.mark.parametrize("version,header", [("v1", b"PROXY UNKNOWN\r\n"), ("v2", SIGNATURE + b"\x20\0\0\0")])
def test_a_client_without_an_address(lab, version, header, tmp_path_factory):
    backend = lab.keep(Telling(version))
    path = tmp_path_factory.mktemp("s") / "s"
    gateway = lab.gateway(backend, upstream={"proxy_protocol": version}, listeners=[{"name": "web", "address": f"unix:{path}"}])
    assert lab.request(gateway).status == 200
    assert backend.headers == [header]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_one_gateway_tells_the_next(lab, version):
    inner, backend = behind(lab, "require")
    outer = lab.gateway(f"http://127.0.0.1:{inner.port}", upstream={"proxy_protocol": version},
                        listeners=[{"name": "web", "address": "127.0.0.1:0", "trusted_proxies": ["127.0.0.1"]}])
    assert lab.request(outer, headers=[("X-Forwarded-For", "192.0.2.7")]).status == 200
    assert backend.requests[0].header("X-Client") == "192.0.2.7"
    assert inner.wait_log()["client_ip"] == "192.0.2.7"
