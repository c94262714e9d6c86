"""Unix sockets: as listeners and as endpoints."""

import json
import os
import signal
import socket
import stat
import threading

import pytest

from support.config_text import config_for
from support.raw_backend import echo_websocket
from support.raw_client import blind
from support.stream import PeerClosed
from support.waiting import wait_until
from support.websocket import TEXT, open_websocket

CANNOT_START = 4


@pytest.fixture
def path(folder):
    return folder / "web.sock"


def listener(path, name="web", **more):
    return {"name": name, "address": f"unix:{path}", **more}


def refused(lab, path, **more):
    """A gateway that cannot have the path; what it says."""
    gateway = lab.start(config=config_for("http://127.0.0.1:1", listeners=[listener(path, **more)]))
    gateway.expected_stop = CANNOT_START
    assert gateway.wait_exit() == CANNOT_START
    return gateway.stderr()


# listeners

def test_requests_and_websockets(lab, path):
    gateway = lab.gateway(lab.backend(), listeners=[listener(path)])
    assert f"listening on unix:{path} (listener web, http and ws)" in gateway.stderr()
    client = lab.client(gateway)
    assert client.request().status == 200
    assert client.request("POST", body=b"x" * 100000).status == 200

    gateway = lab.gateway(lab.backend(echo_websocket), listeners=[listener(str(path) + "2")])
    tunnel = lab.client(gateway)
    open_websocket(tunnel)
    tunnel.send_frame(TEXT, b"hello")
    assert tunnel.read_frame().payload == b"hello"


def test_tls(lab, path):
    gateway = lab.gateway(lab.backend(), listeners=[listener(path, tls={"self_signed": True})])
    assert lab.client(gateway, tls=blind()).request().status == 200


def test_a_relative_path_is_seen_from_the_file(lab):
    gateway = lab.gateway(lab.backend(), listeners=[listener("s")])
    made = gateway.folder / "s"
    assert stat.S_ISSOCK(made.stat().st_mode)


@pytest.mark.parametrize("mode,bits", [(None, 0o660), ("0600", 0o600), ("0666", 0o666)])
def test_mode(lab, path, mode, bits):
    lab.gateway(lab.backend(), listeners=[listener(path, **({"mode": mode} if mode else {}))])
    assert stat.S_IMODE(path.stat().st_mode) == bits


def test_connections_are_spread_over_the_workers(lab, path):
    gateway = lab.gateway(lab.backend(), workers=4, listeners=[listener(path)])
    clients = [lab.client(gateway) for _ in range(12)]
    for client in clients:
        assert client.request().status == 200
    metrics = gateway.metrics()
    for worker in "0123":
        assert metrics.value("sluice_connections_accepted_total", worker=worker) == 3
        assert metrics.value("sluice_connections_open", worker=worker) == 3


def test_beside_other_listeners(lab, path, folder):
    gateway = lab.gateway(lab.backend(), workers=2, listeners=[
        listener(path), {"name": "tcp", "address": "127.0.0.1:0"}, listener(folder / "b.sock", "more")])
    for name in ("web", "tcp", "more"):
        assert lab.client(gateway, name).request().status == 200


def test_max_connections_holds_per_client_does_not(lab, path):
    gateway = lab.gateway(lab.backend(), listeners=[listener(path)], workers=2,
                          limits={"max_connections": 4, "max_connections_per_client": 1})
    clients = [lab.client(gateway) for _ in range(4)]
    for client in clients:
        assert client.request().status == 200
    with pytest.raises(PeerClosed):
        lab.client(gateway).request()
    gateway.wait_metric("sluice_connections_refused_total", 1, reason="max_connections")


# who the client is

def test_a_client_without_an_address(lab, path):
    backend = lab.backend()
    gateway = lab.gateway(backend, listeners=[listener(path)],
                          route={"request_headers": {"set": {"X-Client": "${client_ip}"}}})
    lab.client(gateway).request(headers=[("X-Forwarded-For", "9.9.9.9"), ("Forwarded", "for=9.9.9.9"),
                                         ("X-Real-IP", "9.9.9.9")])
    request, = backend.requests
    assert request.header("X-Forwarded-For") is None and request.header("X-Real-IP") is None
    assert request.header("Forwarded").startswith("for=_unix;")
    assert request.header("X-Client") == "unix"
    assert gateway.wait_log()["client_ip"] == "unix"


def test_a_trusted_peer_says_who_the_client_is(lab, path):
    backend = lab.backend()
    gateway = lab.gateway(backend, listeners=[listener(path, trusted_proxies=["unix", "10.0.0.0/8"])])
    lab.client(gateway).request(headers=[("X-Forwarded-For", "9.9.9.9, 1.1.1.1, 10.0.0.5"), ("X-Forwarded-Proto", "https")])
    request, = backend.requests
    assert request.header("X-Forwarded-For") == "9.9.9.9, 1.1.1.1, 10.0.0.5"
    assert request.header("X-Real-IP") == "1.1.1.1"
    assert request.header("X-Forwarded-Proto") == "https"
    assert gateway.wait_log()["client_ip"] == "1.1.1.1"


def test_blocks_alone_do_not_trust_a_unix_peer(lab, path):
    backend = lab.backend()
    gateway = lab.gateway(backend, listeners=[listener(path, trusted_proxies=["0.0.0.0/0", "::/0"])])
    lab.client(gateway).request(headers=[("X-Forwarded-For", "9.9.9.9")])
    assert backend.requests[0].header("X-Forwarded-For") is None


# the file

def test_the_file_is_removed_at_exit(lab, path):
    gateway = lab.gateway(lab.backend(), listeners=[listener(path)], workers=2)
    assert lab.request(gateway).status == 200
    assert gateway.stop() == 0
    assert not path.exists()


def test_a_drain_removes_the_file_and_serves_who_came_before(lab, path):
    release = threading.Event()
    backend = lab.backend(lambda connection: (connection.read_request(), connection.wait(release), connection.respond()))
    gateway = lab.gateway(backend, listeners=[listener(path)], workers=2, timeouts={"drain": "10s"})
    clients = [lab.client(gateway) for _ in range(4)]
    for client in clients:
        client.send(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
    backend.wait_for_request(4)
    gateway.signal(signal.SIGTERM)
    wait_until(lambda: not path.exists(), "the file to go")
    release.set()
    for client in clients:
        assert client.response().status == 200
    assert gateway.wait_exit() == 0


def test_a_killed_gateways_file_is_taken_over(lab, path):
    first = lab.gateway(lab.backend(), listeners=[listener(path)])
    first.signal(signal.SIGKILL)
    first.expected_stop = first.wait_exit()
    assert path.exists()
    second = lab.gateway(lab.backend(), listeners=[listener(path)])
    assert lab.request(second).status == 200


def test_a_living_gateways_socket_is_not_taken(lab, path):
    first = lab.gateway(lab.backend(), listeners=[listener(path)])
    said = refused(lab, path)
    assert f"cannot listen on unix:{path} (bind)" in said and "another Sluice" in said
    assert lab.request(first).status == 200
    assert first.stop() == 0
    assert not path.exists()


def test_another_programs_socket_is_not_taken(lab, path):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        refused(lab, path)
        assert path.exists()


def test_a_file_that_is_no_socket_stays(lab, path):
    path.write_text("precious")
    assert "no socket" in refused(lab, path)
    assert path.read_text() == "precious"


def test_a_folder_that_is_not_there(lab, folder):
    assert "must exist" in refused(lab, folder / "none" / "web.sock")


def test_a_start_that_fails_later_leaves_no_file(lab, path):
    taken = lab.gateway(lab.backend())
    gateway = lab.start(config=config_for("http://127.0.0.1:1", listeners=[
        listener(path), {"name": "taken", "address": f"127.0.0.1:{taken.port}"}]))
    gateway.expected_stop = CANNOT_START
    assert gateway.wait_exit() == CANNOT_START
    assert not path.exists()


# endpoints

def test_a_unix_endpoint(lab, folder):
    backend = lab.backend(host=str(folder / "app.sock"))
    gateway = lab.gateway(backend)
    client = lab.client(gateway)
    for _ in range(3):
        assert client.request(host="shop.example").status == 200
    assert len(backend.connections) == 1, "connections are kept"
    assert backend.requests[0].header("Host") == "shop.example"
    assert gateway.metric("sluice_upstream_pool_hits_total", upstream="app") == 2
    assert gateway.wait_log()["endpoint"] == f"unix:{folder}/app.sock"


def test_websockets_to_a_unix_endpoint(lab, folder):
    gateway = lab.gateway(lab.backend(echo_websocket, host=str(folder / "app.sock")))
    tunnel = lab.client(gateway)
    open_websocket(tunnel)
    tunnel.send_frame(TEXT, b"x" * 70000)
    assert tunnel.read_frame().payload == b"x" * 70000


def test_http_1_0_without_a_host_goes_on_with_an_empty_one(lab, folder):
    """RFC 9112 3.2: what a request without an authority has."""
    backend = lab.backend(host=str(folder / "app.sock"))
    client = lab.client(lab.gateway(backend))
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    assert client.response().status == 200
    assert backend.requests[0].header("Host") == ""


def test_a_relative_endpoint_is_seen_from_the_file(lab):
    config = config_for("unix:app.sock")
    (lab.folder / "gateway-0").mkdir()
    lab.backend(host=str(lab.folder / "gateway-0" / "app.sock"))
    assert lab.request(lab.gateway_from(config)).status == 200


@pytest.mark.parametrize("stale", [False, True])
def test_an_endpoint_that_is_not_there(lab, folder, stale):
    path = folder / "app.sock"
    if stale:
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
    gateway = lab.gateway(f"unix:{path}")
    answer = lab.request(gateway)
    assert answer.status == 502
    assert answer.header("Sluice-Error") == ("connect_refused" if stale else "connect_failed")


def test_a_failed_connect_is_tried_at_another_endpoint(lab, folder):
    backend = lab.backend()
    gateway = lab.gateway(f"unix:{folder}/none.sock", backend)
    for _ in range(4):
        assert lab.request(gateway).status == 200
    assert gateway.metric("sluice_upstream_failures_total", upstream="app", reason="connect_failed") >= 1


def test_a_full_queue_is_waited_for(lab, folder):
    """connect() fails at once where TCP would wait for the backend to accept."""
    path = str(folder / "app.sock")
    with socket.socket(socket.AF_UNIX) as slow:
        slow.bind(path)
        slow.listen(0)
        filler = socket.socket(socket.AF_UNIX)
        filler.connect(path)
        client = lab.client(lab.gateway(f"unix:{path}"))
        client.send(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        client.expect_silence()
        slow.accept()[0].close()
        filler.close()
        accepted, _ = slow.accept()
        accepted.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        assert client.response().status == 200
        accepted.close()


def test_a_queue_that_stays_full_is_a_connect_timeout(lab, folder):
    path = str(folder / "app.sock")
    with socket.socket(socket.AF_UNIX) as slow, socket.socket(socket.AF_UNIX) as filler:
        slow.bind(path)
        slow.listen(0)
        filler.connect(path)
        gateway = lab.gateway(f"unix:{path}", timeouts={"connect": "200ms", "drain": "500ms"})
        assert lab.request(gateway).status == 504


def test_clients_leave_and_checks_time_out_while_a_queue_is_full(lab, folder):
    """Both call off a connect() that waits to be tried again, which may end whoever calls it off: sanitizers see to the rest."""
    path = str(folder / "app.sock")
    with socket.socket(socket.AF_UNIX) as slow, socket.socket(socket.AF_UNIX) as filler:
        slow.bind(path)
        slow.listen(0)
        filler.connect(path)
        check = {"kind": "tcp", "interval": "50ms", "timeout": "60ms"}
        gateway = lab.gateway(f"unix:{path}", workers=1, upstream={"health_check": check})
        for _ in range(3):
            # More than the store of coroutine frames keeps, so that what is given back is given back indeed.
            clients = [lab.client(gateway) for _ in range(100)]
            for client in clients:
                client.send(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
            wait_until(lambda: json.loads(gateway.admin("/status").body)["upstreams"][0]["endpoints"][0]["in_flight"] == 100, "all to wait")
            for client in clients:
                client.close()
            gateway.wait_metric("sluice_connections_open", 0)
        wait_until(lambda: gateway.metric("sluice_upstream_health_checks_total", upstream="app", result="failed") >= 5, "checks")


def test_proxy_command(lab, folder):
    lab.backend(host=str(folder / "app.sock"))
    gateway = lab.start(arguments=["proxy", "--to", f"unix:{folder}/app.sock", "--http", f"unix:{folder}/web.sock",
                                   "--https", "off", "--admin", "off"])
    gateway.wait_started(1, admin=False)
    assert lab.request(gateway).status == 200
    assert gateway.stop() == 0
    assert os.listdir(folder) == ["app.sock"]


# descriptors that peers pass

SO_PASSRIGHTS = 83  # Python's socket has no name for it


def knows_passrights():
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.setsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS, 1)
        except OSError:
            return False
    return True


@pytest.mark.skipif(not knows_passrights(), reason="Linux before 6.16")
@pytest.mark.parametrize("opened_by", ["gateway", "service manager"])
def test_nobody_can_pass_descriptors(lab, path, opened_by):
    """A worker would close them, which takes as long as whoever passed them likes: a connection with SO_LINGER and a stalled peer."""
    config = config_for(lab.backend(), listeners=[listener(path)])
    if opened_by == "gateway":
        lab.gateway_from(config)
    else:
        with socket.socket(socket.AF_UNIX) as inherited:
            inherited.bind(str(path))
            inherited.listen(8)
            script = f'exec 98<&{inherited.fileno()}; exec 3<&98; exec env LISTEN_FDS=1 LISTEN_PID=$$ "$@"'
            started = lab.start(config=config, pass_fds=[inherited.fileno()], wrapper=["bash", "-c", script, "bash"])
            started.wait_started(1, admin=True)
    with socket.socket(socket.AF_UNIX) as client, socket.socket() as passed:
        client.connect(str(path))
        with pytest.raises(PermissionError):
            socket.send_fds(client, [b"G"], [passed.fileno()])
        client.settimeout(5)
        client.sendall(b"GET / HTTP/1.1\r\nHost: test.example\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
