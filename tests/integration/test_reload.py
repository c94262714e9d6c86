"""SIGHUP: a new configuration is taken over as a whole or not at all, and nobody is cut for it."""

import copy
import shutil
import signal
import threading
import time

import pytest

from support import websocket
from support.binary import is_sanitized
from support.config_text import config_for
from support.freeze import stopped_thread
from support.http_message import request_bytes
from support.raw_backend import named
from support.raw_client import RawClient, blind
from support.waiting import wait_until
from support.websocket import assert_carries, open_websocket


def two_routes(lab, **sections):
    one, two = lab.backend(named(b"one")), lab.backend(named(b"two"))
    config = config_for(one, workers=2, route={"match": {"path_prefix": "/one"}}, timeouts={"drain": "10s"}, **sections)
    config["upstreams"].append({"name": "other", "endpoints": [two.url]})
    config["routes"].append({"name": "two", "match": {"path_prefix": "/two"}, "upstream": "other"})
    return config


def tunnel(lab, gateway, target):
    client = lab.client(gateway, timeout=10)
    open_websocket(client, target)
    assert_carries(client)
    return client


def test_requests_go_where_the_new_configuration_says(lab):
    config = two_routes(lab)
    gateway = lab.gateway_from(config)
    kept = lab.client(gateway)
    assert kept.request("GET", "/one").body == b"one"
    assert gateway.metric("sluice_config_generation") == 1
    changed = copy.deepcopy(config)
    changed["routes"][0]["upstream"] = "other"
    changed["routes"].append({"name": "new", "match": {"path": "/new"}, "respond": {"status": 200, "body": "new"}})
    gateway.reload(changed)
    assert gateway.metric("sluice_config_generation") == 2
    assert abs(gateway.metric("sluice_config_loaded_timestamp_seconds") - time.time()) < 60
    for client in [kept, *(lab.client(gateway) for _ in range(8))]:  # on every worker, and on connections from before
        assert client.request("GET", "/one").body == b"two"
        assert client.request("GET", "/new").body == b"new"
    del changed["routes"][0]
    gateway.reload(changed)
    assert kept.request("GET", "/one").status == 404
    assert gateway.metric("sluice_requests_total", route="all", method="GET", status="2xx") == 10, "counting goes on"


def test_a_request_under_way_ends_as_it_began(lab):
    sign = threading.Event()

    def held(connection):
        connection.read_request()
        connection.wait(sign)
        connection.respond(body=b"finished")

    config = config_for(lab.backend(held), route={"response_headers": {"set": {"X-Config": "old"}}}, timeouts={"drain": "5s"})
    gateway = lab.gateway_from(config)
    client = lab.client(gateway, timeout=10)
    client.send(request_bytes())
    lab.backends[0].wait_for_request()
    gateway.reload({**config, "upstreams": [], "routes": [{"name": "all", "respond": {"status": 410}}]})
    assert lab.request(gateway).status == 410
    sign.set()
    response = client.response()
    assert (response.status, response.body, response.header("X-Config")) == (200, b"finished", "old")
    assert client.request().status == 410


def test_tunnels_live_on_unless_their_route_is_gone(lab):
    config = two_routes(lab)
    config["routes"][1]["websocket"] = {"drain": {"code": 4321, "over": "1s"}}
    gateway = lab.gateway_from(config)
    stays = [tunnel(lab, gateway, "/one") for _ in range(4)]
    goes = [tunnel(lab, gateway, "/two") for _ in range(8)]
    changed = copy.deepcopy(config)
    changed["routes"][0].update(websocket={"idle_timeout": "5m"}, match={"path": "/elsewhere"})
    del changed["routes"][1]
    began = time.monotonic()
    gateway.reload(changed)
    for client in goes:
        frame = client.read_frame(timeout=5)
        assert (frame.opcode, frame.close_code) == (websocket.CLOSE, 4321)
        client.send_frame(websocket.CLOSE, websocket.close_payload(4321))
        client.expect_closed()
    assert time.monotonic() - began < 3
    for client in stays:
        assert_carries(client)
    assert gateway.metric("sluice_websocket_closes_total", route="two", initiator="gateway", code="4xxx") == 8
    assert gateway.metric("sluice_websocket_tunnels_open", route="all") == 4


def test_tunnels_of_an_endpoint_that_is_gone_leave(lab):
    one, two = lab.backend(named(b"one")), lab.backend(named(b"two"))
    config = config_for(one, two, workers=2, timeouts={"drain": "10s"}, route={"websocket": {"drain": {"over": "500ms"}}})
    gateway = lab.gateway_from(config)
    clients = [tunnel(lab, gateway, "/") for _ in range(8)]
    gateway.wait_log(8, event="tunnel_open")
    del config["upstreams"][0]["endpoints"][1]
    gateway.reload(config)
    left = [line["endpoint"] for line in log_lines(gateway, "tunnel_open")].count(two.url)
    assert 0 < left < 8
    told = closes(clients, count=left, seconds=3)
    for client in clients:
        if client not in told:
            assert_carries(client)


def log_lines(gateway, event):
    return [line for line in gateway.access_log() if line["event"] == event]


def closes(clients, count, seconds):
    """Those that get a Close, with the moment; `count` of them are waited for."""
    began, told = time.monotonic(), {}
    while len(told) < count:
        assert time.monotonic() - began < seconds, f"{len(told)} of {count} were told"
        for client in clients:
            if client in told:
                continue
            try:
                frame = client.read_frame(timeout=0.01)
            except AssertionError:  # nothing yet
                continue
            assert frame.opcode == websocket.CLOSE
            told[client] = time.monotonic() - began
    return told


def test_leaving_is_spread(lab):
    config = two_routes(lab)
    config["routes"][1]["websocket"] = {"drain": {"over": "2s"}}
    gateway = lab.gateway_from(config)
    clients = [tunnel(lab, gateway, "/two") for _ in range(20)]
    del config["routes"][1]
    gateway.reload(config)
    times = closes(clients, count=20, seconds=4).values()
    assert max(times) - min(times) > 0.5, times  # by chance alone, less happens once in 10^9 times


@pytest.mark.parametrize("break_it, says", [
    (lambda config: config["routes"][0].update(upstream="nowhere"), 'routes[0].upstream: '),
    (lambda config: config.update(listeners=[{"name": "web", "address": "127.0.0.1:0", "tls": {"certificates": [
        {"certificate": "missing.pem", "private_key": "missing.pem"}]}}]), "missing.pem"),
    (lambda config: config["listeners"].extend([{"name": "more", "address": "127.0.0.1:0"},
                                                {"name": "lost", "address": "unix:/nowhere/at/all.sock"}]),
     "cannot listen on unix:/nowhere/at/all.sock"),
])
def test_a_wrong_one_changes_nothing_and_says_why(lab, break_it, says):
    config = two_routes(lab)
    gateway = lab.gateway_from(config)
    client = tunnel(lab, gateway, "/one")
    changed = copy.deepcopy(config)
    changed["routes"][1]["upstream"] = "app"
    break_it(changed)
    gateway.reload(changed, result="failed")
    wait_until(lambda: "nothing has changed" in gateway.stderr(), "the error to be written")
    assert says in gateway.stderr()
    assert lab.request(gateway, target="/two").body == b"two"
    assert gateway.metric("sluice_config_generation") == 1
    assert_carries(client)
    gateway.reload(config)
    assert gateway.metric("sluice_config_generation") == 2


def test_a_file_that_is_no_yaml_or_not_there_changes_nothing(lab):
    config = two_routes(lab)
    gateway = lab.gateway_from(config)
    gateway.reload(text="routes: [", result="failed")
    gateway.config_file.unlink()
    gateway.reload(result="failed")
    assert lab.request(gateway, target="/two").body == b"two"


def test_what_waits_for_a_restart_is_told(lab):
    config = two_routes(lab)
    gateway = lab.gateway_from(config)
    gateway.reload({**config, "workers": 1, "limits": {"max_connections": 17}})
    for key in ["workers", "limits.max_connections"]:
        wait_until(lambda key=key: f" {key} is taken over at the next restart" in gateway.stderr(), key)
    gateway.wait_metric("sluice_config_generation", 2)


def test_idle_connections_to_an_unchanged_upstream_are_kept(lab):
    config = two_routes(lab)
    config["workers"] = 1
    gateway = lab.gateway_from(config)
    lab.request(gateway, target="/one")
    lab.request(gateway, target="/two")
    changed = copy.deepcopy(config)
    changed["upstreams"][1]["pool"] = {"max_idle": 3}
    changed["routes"][0]["max_request_body"] = "1MiB"
    gateway.reload(changed)
    lab.request(gateway, target="/one")
    lab.request(gateway, target="/two")
    assert len(lab.backends[0].connections) == 1
    wait_until(lambda: len(lab.backends[1].connections) == 2, "another connection to the upstream that changed")


def test_renewed_certificates_are_shown_to_new_connections(lab, ca):
    live = {"certificate": str(lab.folder / "live.pem"), "private_key": str(lab.folder / "live.key")}

    def renew(certificate):
        for key, source in certificate.as_config().items():
            shutil.copy(source, live[key])

    renew(ca.issue("localhost"))
    config = config_for(lab.backend())
    config["listeners"][0]["tls"] = {"certificates": [live]}
    gateway = lab.gateway_from(config)
    before = lab.client(gateway, tls=blind())
    shown = before.socket.getpeercert(binary_form=True)
    renew(ca.issue("test.example"))
    gateway.reload()
    assert before.request().status == 200
    after = lab.client(gateway, tls=blind())
    assert after.socket.getpeercert(binary_form=True) != shown
    assert after.request().status == 200


def test_sessions_resume_across_a_reload(lab):
    config = config_for(lab.backend(), workers=2)
    config["listeners"][0]["tls"] = {"self_signed": True}
    gateway = lab.gateway_from(config)
    context = blind()
    before = lab.client(gateway, tls=context)
    before.request()
    gateway.reload()
    after = lab.client(gateway, tls=context, session=before.socket.session)
    assert after.socket.session_reused


def test_many_reloads_leave_nothing_behind(lab):
    config = two_routes(lab)
    gateway = lab.gateway_from(config)
    client = tunnel(lab, gateway, "/one")
    resident = descriptors = None
    for number in range(120):
        config["routes"][1]["response_headers"] = {"set": {"X-Number": str(number)}}
        gateway.reload(config)
        assert lab.request(gateway, target="/two").header("X-Number") == str(number)
        if number == 40:
            resident, descriptors = gateway.rss_mib(), gateway.descriptors()
    assert is_sanitized() or gateway.rss_mib() - resident < 1
    wait_until(lambda: gateway.descriptors() <= descriptors, "descriptors to be given back")
    assert_carries(client)


def test_reloads_leave_nothing_behind_because_of_secure_tunnels(lab, ca):
    """Each keeps the TLS context that it was opened with: those of an unchanged listener go on."""
    config = two_routes(lab)
    config["listeners"][0]["tls"] = {"certificates": [ca.issue("localhost").as_config()]}
    gateway = lab.gateway_from(config)
    tunnels = []
    resident = None
    for number in range(100):
        client = lab.client(gateway, timeout=10, tls=blind())
        open_websocket(client, "/one")
        tunnels.append(client)
        config["routes"][1]["response_headers"] = {"set": {"X-Number": str(number)}}
        gateway.reload(config)
        if number == 30:
            resident = gateway.rss_mib()
    assert is_sanitized() or gateway.rss_mib() - resident < 70 * 0.025 + 1  # of a tunnel 16 KiB; a context has 40 on each worker
    for client in tunnels:
        assert_carries(client)


def test_kept_connections_to_an_unchanged_https_upstream_stay(lab, ca):
    certificate = ca.issue("localhost", "127.0.0.1")
    backend = lab.backend(named(b"one"), tls=certificate.server_context())
    config = config_for(backend, workers=1, upstream={"tls": {"ca": str(ca.certificate)}})
    gateway = lab.gateway_from(config)
    lab.request(gateway)
    gateway.reload({**config, "routes": [{"name": "another", "upstream": "app"}]})
    lab.request(gateway)
    assert len(backend.connections) == 1


def test_watched_files_are_taken_over_by_themselves(lab, ca):
    live = {"certificate": str(lab.folder / "live.pem"), "private_key": str(lab.folder / "live.key")}

    def renew(certificate):
        for key, source in certificate.as_config().items():
            shutil.copy(source, live[key])

    renew(ca.issue("localhost"))
    config = config_for(lab.backend(), watch=True)
    config["listeners"][0]["tls"] = {"certificates": [live]}
    gateway = lab.gateway_from(config)
    shown = lab.client(gateway, tls=blind()).socket.getpeercert(binary_form=True)
    renew(ca.issue("test.example"))
    gateway.wait_metric("sluice_config_generation", 2, timeout=10)
    assert lab.client(gateway, tls=blind()).socket.getpeercert(binary_form=True) != shown
    gateway.rewrite(text="routes: [")
    gateway.wait_metric("sluice_config_reloads_total", 1, timeout=10, result="failed")
    gateway.rewrite({**config, "routes": [{"name": "all", "respond": {"status": 418}}]})
    gateway.wait_metric("sluice_config_generation", 3, timeout=10)
    assert lab.client(gateway, tls=blind()).request().status == 418


@pytest.mark.slow
def test_a_worker_that_hangs_fails_a_reload_and_not_those_after_it(lab):
    config = two_routes(lab)
    gateway = lab.gateway_from(config)
    more = {**config, "listeners": [*config["listeners"], {"name": "more", "address": "127.0.0.1:0"}]}
    with stopped_thread(gateway, "worker-1"):
        gateway.rewrite(more)
        gateway.signal(signal.SIGHUP)
        wait_until(lambda: "worker 1 does not answer: the configuration is in force in part" in gateway.stderr(), "the line", timeout=10)
        client = RawClient(gateway.admin_port, timeout=10)
        lab.clients.append(client)
        response = client.request("POST", "/reload", [("X-Sluice-Admin", "1")], host="localhost")
        assert (response.status, b"worker 1 does not answer" in response.body) == (500, True)
    gateway.wait_metric("sluice_config_generation", 2)
    wait_until(lambda: "every worker has answered by now" in gateway.stderr(), "the line")
    gateway.wait_started(2, admin=True)
    assert lab.client(gateway, "more").request("GET", "/one").status == 200, "new listeners accept by now"
    gateway.reload(config)
    assert gateway.metric("sluice_config_generation") == 3


def test_proxy_has_no_file(lab):
    backend = lab.backend()
    gateway = lab.start(arguments=["proxy", "--to", backend.url, "--http", "127.0.0.1:0", "--https", "off", "--admin", "127.0.0.1:0"])
    gateway.wait_started(listeners=1, admin=True)
    gateway.signal(signal.SIGHUP)
    wait_until(lambda: "no configuration file to reload" in gateway.stderr(), "the warning")
    assert lab.request(gateway).status == 200
