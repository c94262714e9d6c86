"""Endpoints that DNS tells of: they come, go, and stay when DNS fails; nobody else notices."""

import copy
import signal
import threading

import pytest

from support import websocket
from support.config_text import config_for, to_yaml
from support.dns_server import AAAA, CNAME, NXDOMAIN, SERVFAIL, SRV, DnsServer
from support.gateway import run_sluice
from support.raw_backend import RawBackend, named
from support.waiting import wait_until
from support.websocket import assert_carries, open_websocket

NAME = "chat.internal"
SERVICE = "_chat._tcp.internal"


@pytest.fixture
def dns(lab):
    return lab.keep(DnsServer())


def pods(lab, *hosts):
    """Backends at one port and several addresses, as the pods behind a headless service."""
    first = lab.backend(named(hosts[0].encode()), host=hosts[0])
    return [first, *(lab.backend(named(host.encode()), host=host, port=first.port) for host in hosts[1:])]


def discovering(dns, *entries, timeout="300ms", **options):
    entries = [{"refresh": "100ms", "scheme": "http", **entry} if isinstance(entry, dict) else entry for entry in entries]
    config = config_for(*entries, workers=2, resolver={"nameservers": [dns.address], "timeout": timeout}, **options)
    config["timeouts"]["drain"] = "5s"
    return config


def answers(lab, gateway, times=8):
    """Who answers, of requests on connections of their own."""
    return {lab.request(gateway).body.decode() for _ in range(times)}


def wait_answers(lab, gateway, *names):
    wait_until(lambda: answers(lab, gateway) == set(names), f"answers of {names}")


def wait_endpoints(gateway, count):
    gateway.wait_metric("sluice_discovery_endpoints", count, upstream="app")


def tunnel(lab, gateway):
    client = lab.client(gateway, timeout=10)
    open_websocket(client, "/")
    assert_carries(client)
    return client


def urls_of_status(gateway):
    status = run_sluice("status", "--admin", f"127.0.0.1:{gateway.admin_port}")
    assert status.returncode == 0, status
    return status.stdout


def test_endpoints_follow_the_records(lab, dns):
    one, two = pods(lab, "127.0.0.2", "127.0.0.3")
    dns.set(NAME, "127.0.0.2")
    gateway = lab.gateway_from(discovering(dns, {"dns": f"{NAME}:{one.port}"}))
    assert answers(lab, gateway) == {"127.0.0.2"}
    dns.set(NAME, "127.0.0.3", "127.0.0.2")
    wait_answers(lab, gateway, "127.0.0.2", "127.0.0.3")
    assert {one.url, two.url} <= set(urls_of_status(gateway).split())
    dns.set(NAME, "127.0.0.3")
    wait_answers(lab, gateway, "127.0.0.3")
    assert one.url not in urls_of_status(gateway)
    assert gateway.metric("sluice_config_generation") == 1, "it is no reload"
    assert gateway.metric("sluice_config_reloads_total") == 0
    wait_endpoints(gateway, 1)
    assert gateway.metric("sluice_discovery_last_answer_timestamp_seconds", upstream="app") > 1.5e9
    assert gateway.metric("sluice_upstream_endpoints", upstream="app", state="healthy") == 1


def test_tunnels_of_an_endpoint_that_vanished_leave_and_the_others_live_on(lab, dns):
    one, two = pods(lab, "127.0.0.2", "127.0.0.3")
    dns.set(NAME, "127.0.0.2", "127.0.0.3")
    gateway = lab.gateway_from(discovering(dns, {"dns": f"{NAME}:{one.port}"}, route={"websocket": {"drain": {"over": "200ms"}}}))
    tunnels = [tunnel(lab, gateway) for _ in range(12)]
    to_one = [client for client, at in zip(tunnels, backends_of(tunnels, one, two)) if at is one]
    to_two = [client for client in tunnels if client not in to_one]
    assert to_one and to_two
    dns.set(NAME, "127.0.0.3")
    for client in to_one:
        frame = client.read_frame(timeout=5)
        assert (frame.opcode, frame.close_code) == (websocket.CLOSE, 1012)
        client.send_frame(websocket.CLOSE, websocket.close_payload(1012))
        client.expect_closed()
    for client in to_two:
        assert_carries(client)
    assert gateway.metric("sluice_websocket_tunnels_open", route="all") == len(to_two)


def backends_of(tunnels, *backends):
    """Which backend each of them leads to: told by a message of its own."""
    found = []
    for number, client in enumerate(tunnels):
        message = f"tunnel number {number}.".encode()
        client.send_frame(websocket.TEXT, message)
        assert client.read_frame().payload == message
        found.append(next(one for one in backends if any(has_frame(each, message) for each in one.connections)))
    return found


def has_frame(connection, message):
    """Frames to a server are masked."""
    received = bytes(connection.received)
    return any(websocket.apply_mask(received[at + 4:at + 4 + len(message)], received[at:at + 4]) == message
               for at in range(len(received) - len(message) - 3))


def test_kept_connections_live_through_a_change(lab, dns):
    one, two = pods(lab, "127.0.0.2", "127.0.0.3")
    dns.set(NAME, "127.0.0.2")
    gateway = lab.gateway_from({**discovering(dns, {"dns": f"{NAME}:{one.port}"}), "workers": 1})
    for _ in range(3):
        assert lab.request(gateway).body == b"127.0.0.2"
    assert len(one.connections) == 1
    for addresses in (["127.0.0.2", "127.0.0.3"], ["127.0.0.2"], ["127.0.0.2", "127.0.0.3"]):
        dns.set(NAME, *addresses)
        wait_answers(lab, gateway, *addresses)
    assert len(one.connections) == 1, "its connection went on"
    assert len(two.connections) == 2, "the idle one was closed when the endpoint vanished"
    wait_until(lambda: two.connections[0].finished.is_set(), "the idle connection to end")


def test_a_request_under_way_to_an_endpoint_that_vanishes_ends_as_it_would_have(lab, dns):
    sign = threading.Event()

    def held(connection):
        connection.read_request()
        connection.wait(sign)
        connection.respond(body=b"finished")

    slow = lab.backend(held, host="127.0.0.2")
    lab.backend(named(b"other"), host="127.0.0.3", port=slow.port)
    dns.set(NAME, "127.0.0.2")
    gateway = lab.gateway_from(discovering(dns, {"dns": f"{NAME}:{slow.port}"}))
    client = lab.client(gateway, timeout=10)
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    slow.wait_for_request()
    dns.set(NAME, "127.0.0.3")
    wait_until(lambda: slow.url not in urls_of_status(gateway), "the endpoint to vanish")
    sign.set()
    assert client.response().body == b"finished"
    assert client.request().body == b"other"


@pytest.mark.parametrize("failure, result", [(SERVFAIL, "failed"), (NXDOMAIN, "empty"), ("silence", "failed"), ("garbage", "failed"), ("empty", "empty")])
def test_the_last_answer_stays_when_dns_has_none(lab, dns, failure, result):
    (one,) = pods(lab, "127.0.0.2")
    dns.set(NAME, "127.0.0.2")
    gateway = lab.gateway_from(discovering(dns, {"dns": f"{NAME}:{one.port}"}, timeout="50ms"))
    client = tunnel(lab, gateway)
    if failure == "empty":
        dns.set(NAME)
    else:
        dns.failure = failure
    wait_until(lambda: gateway.metric("sluice_discovery_lookups_total", upstream="app", result=result) >= 3, f"three lookups that are {result}", timeout=10)
    assert answers(lab, gateway) == {"127.0.0.2"}
    assert_carries(client)
    told = "leads to no endpoint" if result == "empty" else "cannot be looked up"
    wait_until(lambda: told in gateway.stderr(), "a line about it")
    assert gateway.stderr().count(told) == 1, "once, not each time"
    assert "the last answer stays in use: 1 endpoint" in gateway.stderr()
    dns.failure = None
    dns.set(NAME, "127.0.0.2")
    wait_until(lambda: gateway.stderr().count("leads to 1 endpoint") == 2, "a line that it is found again", timeout=10)


def test_what_is_unknown_at_the_start_is_served_when_it_is_found(lab, dns):
    (one,) = pods(lab, "127.0.0.2")
    gateway = lab.gateway_from(discovering(dns, {"dns": f"{NAME}:{one.port}"}))
    assert lab.request(gateway).status == 503
    wait_until(lambda: "upstream app has no endpoints yet" in gateway.stderr(), "a line about it")
    dns.set(NAME, "127.0.0.2")
    wait_answers(lab, gateway, "127.0.0.2")


def test_srv_records_tell_ports_and_weights(lab, dns):
    light, heavy, spare = lab.backend(named(b"light")), lab.backend(named(b"heavy")), lab.backend(named(b"spare"))
    dns.set("node.internal", "127.0.0.1")
    dns.set(SERVICE, (10, 0, light.port, "node.internal"), (10, 3, heavy.port, "node.internal"),
            (20, 9, spare.port, "node.internal"), kind=SRV)
    gateway = lab.gateway_from({**discovering(dns, {"srv": SERVICE}), "workers": 1})
    seen = [lab.request(gateway).body for _ in range(40)]
    assert (seen.count(b"light"), seen.count(b"heavy")) == (10, 30)
    dns.set(SERVICE, (20, 9, spare.port, "node.internal"), kind=SRV)
    wait_answers(lab, gateway, "spare")


def test_srv_targets_come_and_go(lab, dns):
    one, two = pods(lab, "127.0.0.2", "127.0.0.3")
    dns.set("a.internal", "127.0.0.2")
    dns.set("b.internal", "127.0.0.3")
    dns.set(SERVICE, (1, 1, one.port, "a.internal"), kind=SRV)
    gateway = lab.gateway_from(discovering(dns, {"srv": SERVICE}))
    assert answers(lab, gateway) == {"127.0.0.2"}
    dns.set(SERVICE, (1, 1, one.port, "a.internal"), (1, 1, one.port, "b.internal"), (1, 1, 9, "nowhere.internal"), kind=SRV)
    wait_answers(lab, gateway, "127.0.0.2", "127.0.0.3")
    dns.set(SERVICE, (0, 0, 0, ""), kind=SRV)
    before = gateway.metric("sluice_discovery_lookups_total", upstream="app", result="empty")
    wait_until(lambda: gateway.metric("sluice_discovery_lookups_total", upstream="app", result="empty") > before, "an empty answer")
    assert answers(lab, gateway) == {"127.0.0.2", "127.0.0.3"}


def test_aliases_v6_and_answers_that_are_too_long_for_a_datagram(lab, dns):
    (one,) = pods(lab, "127.0.0.2")
    lab.backend(named(b"v6"), host="::1", port=one.port)
    dns.set(NAME, "target.internal", kind=CNAME)
    dns.set("target.internal", "127.0.0.2")
    dns.set("target.internal", "::1", kind=AAAA)
    gateway = lab.gateway_from(discovering(dns, {"dns": f"{NAME}:{one.port}"}))
    assert answers(lab, gateway) == {"127.0.0.2", "v6"}
    assert f"http://[::1]:{one.port}" in urls_of_status(gateway)
    dns.set("target.internal", *(f"127.0.{net}.{host}" for net in range(1, 4) for host in range(1, 101)))
    wait_endpoints(gateway, 256)
    assert dns.over_tcp > 0
    wait_until(lambda: "leads to more than 256 endpoints" in gateway.stderr(), "a line about those that are left out")


def test_a_reload_keeps_what_was_found_and_its_tunnels(lab, dns):
    one, two = pods(lab, "127.0.0.2", "127.0.0.3")
    dns.set(NAME, "127.0.0.2", "127.0.0.3")
    config = discovering(dns, {"dns": f"{NAME}:{one.port}"})
    gateway = lab.gateway_from(config)
    assert answers(lab, gateway) == {"127.0.0.2", "127.0.0.3"}
    tunnels = [tunnel(lab, gateway) for _ in range(4)]
    dns.failure = "silence"
    changed = copy.deepcopy(config)
    changed["routes"].append({"name": "new", "match": {"path": "/new"}, "respond": {"status": 204}})
    gateway.reload(changed)
    assert lab.request(gateway, target="/new").status == 204
    assert answers(lab, gateway) == {"127.0.0.2", "127.0.0.3"}
    changed["upstreams"][0]["endpoints"].append(lab.backend(named(b"static")).url)
    gateway.reload(changed)
    wait_answers(lab, gateway, "127.0.0.2", "127.0.0.3", "static")
    for client in tunnels:
        assert_carries(client)
    dns.failure = None
    dns.set(NAME, "127.0.0.3")
    wait_answers(lab, gateway, "127.0.0.3", "static")


def test_a_reload_waits_for_a_new_name_but_the_control_thread_does_not(lab, dns):
    (one,) = pods(lab, "127.0.0.2")
    static = lab.backend(named(b"static"))
    config = discovering(dns, static.url)
    gateway = lab.gateway_from(config)
    dns.failure = "silence"
    changed = copy.deepcopy(config)
    changed["upstreams"][0]["endpoints"] = [{"dns": f"{NAME}:{one.port}", "refresh": "100ms"}]
    gateway.rewrite(changed)
    gateway.signal(signal.SIGHUP)
    wait_until(lambda: dns.count(NAME), "the name to be asked for")
    assert gateway.admin("/healthz").status == 200
    assert lab.request(gateway).body == b"static", "the old configuration serves until the new one can"
    dns.set(NAME, "127.0.0.2")
    dns.failure = None
    gateway.wait_metric("sluice_config_reloads_total", 1, result="ok")
    assert answers(lab, gateway) == {"127.0.0.2"}, "from the first request on"


def served_by_an_answer_of_before(lab, dns):
    """A gateway with a tunnel, whose DNS has gone silent."""
    one, = pods(lab, "127.0.0.2")
    dns.set(NAME, "127.0.0.2")
    config = discovering(dns, {"dns": f"{NAME}:{one.port}"})
    gateway = lab.gateway_from(config)
    client = tunnel(lab, gateway)
    dns.failure = "silence"
    return config, gateway, client


@pytest.mark.parametrize("change", [{"refresh": "150ms"}, {"weight": 7}])
def test_an_entry_that_asks_the_same_keeps_the_answer_while_dns_is_away(lab, dns, change):
    config, gateway, client = served_by_an_answer_of_before(lab, dns)
    config["upstreams"][0]["endpoints"][0].update(change)
    gateway.reload(config)
    assert answers(lab, gateway, 4) == {"127.0.0.2"}
    assert_carries(client)
    assert "has no endpoints yet" not in gateway.stderr()


def test_a_reload_tells_of_an_upstream_that_has_no_endpoints_yet(lab, dns):
    config, gateway, _ = served_by_an_answer_of_before(lab, dns)
    config["upstreams"][0]["endpoints"] = [{"dns": "other.internal:80", "scheme": "http"}]
    gateway.rewrite(config)
    told = run_sluice("reload", "--admin", f"127.0.0.1:{gateway.admin_port}")
    assert "warning: upstream app has no endpoints yet" in told.stdout, told


def test_a_new_process_knows_what_dns_said_last(lab, dns):
    config, gateway, _ = served_by_an_answer_of_before(lab, dns)
    gateway.replace(timeout=30)
    assert answers(lab, gateway, 4) == {"127.0.0.2"}


def test_names_that_nobody_answers_for_hold_no_other_entry_up(lab, dns):
    one, two = pods(lab, "127.0.0.2", "127.0.0.3")
    dns.set(NAME, "127.0.0.2")
    targets = [f"pod{number}.internal" for number in range(200)]
    dns.set(SERVICE, *[(0, 0, 80, target) for target in targets], kind=SRV)
    dns.silent = frozenset(targets)
    config = discovering(dns, {"dns": f"{NAME}:{one.port}"}, timeout="2s")
    config["upstreams"].append({"name": "broken", "endpoints": [{"srv": SERVICE, "scheme": "http"}]})
    config["routes"].append({"name": "broken", "match": {"path": "/broken"}, "upstream": "broken"})
    gateway = lab.gateway_from(config)
    wait_until(lambda: any(dns.count(target) for target in targets), "the questions")
    dns.set(NAME, "127.0.0.3")
    wait_until(lambda: answers(lab, gateway) == {"127.0.0.3"}, "the change", 3)


def test_changes_in_the_middle_of_many_reloads_are_not_lost(lab, dns):
    one, two = pods(lab, "127.0.0.2", "127.0.0.3")
    dns.set(NAME, "127.0.0.2")
    config = discovering(dns, {"dns": f"{NAME}:{one.port}"})
    gateway = lab.gateway_from(config)
    for turn in range(12):
        host = ("127.0.0.3", "127.0.0.2")[turn % 2]
        dns.set(NAME, host)
        gateway.signal(signal.SIGHUP)
        wait_answers(lab, gateway, host)
    assert gateway.metric("sluice_config_reloads_total", result="failed") == 0


def test_a_gateway_that_drains_while_a_name_is_waited_for_ends(lab, dns):
    config = discovering(dns, lab.backend().url)
    gateway = lab.gateway_from(config)
    dns.failure = "silence"
    config["upstreams"][0]["endpoints"] = [{"dns": f"{NAME}:1", "refresh": "100ms"}]
    gateway.rewrite(config)
    gateway.signal(signal.SIGHUP)
    wait_until(lambda: dns.count(NAME), "the name to be asked for")
    gateway.signal(signal.SIGTERM)
    assert gateway.wait_exit() == 0


def test_https_endpoints_are_verified_as_the_name_that_was_asked(lab, dns, ca):
    backend = lab.backend(named(b"secure"), tls=ca.issue(NAME).server_context(), host="127.0.0.2")
    dns.set(NAME, "127.0.0.2")
    dns.set("other.internal", "127.0.0.2")
    config = discovering(dns, {"dns": f"{NAME}:{backend.port}", "scheme": "https"}, upstream={"tls": {"ca": str(ca.certificate)}})
    gateway = lab.gateway_from(config)
    assert lab.request(gateway).body == b"secure"
    config["upstreams"][0]["endpoints"][0]["dns"] = f"other.internal:{backend.port}"
    gateway.reload(config)
    assert lab.request(gateway).status == 502
    config["upstreams"][0]["tls"]["server_name"] = NAME
    gateway.reload(config)
    assert lab.request(gateway).body == b"secure"


def test_health_checks_follow_and_say_the_name_as_host(lab, dns):
    one, two = pods(lab, "127.0.0.2", "127.0.0.3")
    dns.set(NAME, "127.0.0.2")
    gateway = lab.gateway_from(discovering(dns, {"dns": f"{NAME}:{one.port}"},
                                           upstream={"health_check": {"path": "/healthz", "interval": "100ms"}}))
    one.wait_for_request()
    assert one.requests[0].header("Host") == f"{NAME}:{one.port}"
    dns.set(NAME, "127.0.0.2", "127.0.0.3")
    two.wait_for_request()
    dns.set(NAME, "127.0.0.3")
    gateway.wait_metric("sluice_upstream_endpoints", 1, upstream="app", state="healthy")


def test_plan_and_explain_know_entries(lab, dns):
    one, two = pods(lab, "127.0.0.2", "127.0.0.3")
    dns.set(NAME, "127.0.0.2")
    config = discovering(dns, {"dns": f"{NAME}:{one.port}"})
    gateway = lab.gateway_from(config)
    tunnel(lab, gateway)
    explained = run_sluice("explain", "--config", gateway.config_file, "GET", "http://127.0.0.1/")
    assert f"what http dns {NAME}:{one.port} leads to" in explained.stdout, explained
    kept, other = lab.folder / "kept.yaml", lab.folder / "other.yaml"
    changed = copy.deepcopy(config)
    changed["upstreams"][0]["endpoints"].append(two.url)
    changed["resolver"]["timeout"] = "1s"
    kept.write_text(to_yaml(changed))
    changed["upstreams"][0]["endpoints"] = [{"srv": SERVICE}]
    other.write_text(to_yaml(changed))
    admin = ("--admin", f"127.0.0.1:{gateway.admin_port}")
    told = run_sluice("plan", gateway.config_file, kept, *admin).stdout
    assert f"+ app {two.url}" in told and "~ resolver" in told and "0 of 1 open WebSockets would be let go" in told
    told = run_sluice("plan", gateway.config_file, other, *admin).stdout
    assert f"+ app http srv {SERVICE}" in told and f"- app http dns {NAME}:{one.port}; the WebSockets" in told
    assert "1 of 1 open WebSockets would be let go" in told


def test_another_name_server_after_a_reload(lab, dns):
    one, two = pods(lab, "127.0.0.2", "127.0.0.3")
    other = lab.keep(DnsServer())
    dns.set(NAME, "127.0.0.2")
    other.set(NAME, "127.0.0.3")
    config = discovering(dns, {"dns": f"{NAME}:{one.port}"})
    gateway = lab.gateway_from(config)
    assert answers(lab, gateway) == {"127.0.0.2"}
    config["resolver"]["nameservers"] = [other.address]
    gateway.reload(config)
    wait_answers(lab, gateway, "127.0.0.3")
