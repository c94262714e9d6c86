"""sluice reload, drain, status and plan, and what they ask the admin listener for."""

import copy
import json
import socket
import threading

import pytest

from support.config_text import config_for, to_yaml
from support.gateway import run_sluice
from support.http2_client import Http2Client
from support.raw_backend import echo_websocket
from support.waiting import stays, wait_until
from support.websocket import open_websocket

TOKEN = "open-sesame"
OWN = ("X-Sluice-Admin", "1")


def admin(gateway):
    return f"127.0.0.1:{gateway.admin_port}"


# reload

def test_reload_waits_until_it_is_in_force(lab):
    config = config_for(lab.backend())
    gateway = lab.gateway_from(config)
    gateway.rewrite({**config, "workers": 1, "routes": [{"name": "all", "respond": {"status": 418}}]})
    result = run_sluice("reload", "--admin", admin(gateway))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"configuration 2 is in force: {gateway.config_file}\n")
    assert "warning: workers is taken over at the next restart" in result.stdout
    assert lab.request(gateway).status == 418


def test_reload_of_a_wrong_file_tells_what_is_wrong(lab):
    gateway = lab.gateway(lab.backend())
    gateway.rewrite(text="routes: [{ name: all, upstream: nowhere }]\n")
    result = run_sluice("reload", "--admin", admin(gateway))
    assert result.returncode == 1
    assert "nothing has changed" in result.stderr
    assert f"{gateway.config_file}:1: routes[0].upstream: " in result.stderr
    assert "listeners" in result.stderr, "every problem, not only the first"
    assert lab.request(gateway).status == 200


def test_reloads_that_come_together_are_one_after_the_other(lab):
    config = config_for(lab.backend())
    gateway = lab.gateway_from(config)
    clients = []
    for _ in range(5):
        client = socket.create_connection(("127.0.0.1", gateway.admin_port), timeout=10)
        client.sendall(f"POST /reload HTTP/1.1\r\nHost: {admin(gateway)}\r\nX-Sluice-Admin: 1\r\n\r\n".encode())
        clients.append(client)
    for client in clients:
        with client, client.makefile("rb") as answer:
            assert b"is in force" in answer.read()
    assert 2 <= gateway.metric("sluice_config_generation") <= 6


# who may

def test_web_pages_cannot_change_anything(lab):
    gateway = lab.gateway(lab.backend())
    assert gateway.admin("/reload", method="POST").status == 403
    assert gateway.admin("/drain", method="POST").status == 403
    assert gateway.admin("/reload", [OWN, ("Origin", "https://evil.example")], method="POST").status == 403
    assert gateway.admin("/reload", [OWN], method="POST", host="evil.example").status == 403
    response = gateway.admin("/reload", [OWN])
    assert (response.status, response.header("Allow")) == (405, "POST")
    assert gateway.admin("/reload", [OWN], method="POST").status == 200
    assert gateway.metric("sluice_config_generation") == 2


def test_the_token_is_wanted_where_there_is_one(lab):
    gateway = lab.gateway(lab.backend(), admin={"address": "127.0.0.1:0", "token": TOKEN})
    for path, method in [("/reload", "POST"), ("/drain", "POST"), ("/status", "GET")]:
        assert gateway.admin(path, [OWN], method=method).status == 401
    result = run_sluice("status", "--admin", admin(gateway))
    assert (result.returncode, result.stdout) == (3, "")
    assert "wants its admin token; set SLUICE_ADMIN_TOKEN" in result.stderr
    result = run_sluice("status", "--admin", admin(gateway), env={"SLUICE_ADMIN_TOKEN": "close-sesame"})
    assert (result.returncode, result.stdout) == (3, "")
    assert "refuses the token in SLUICE_ADMIN_TOKEN" in result.stderr and "close-sesame" not in result.stderr
    for command in ["status", "reload", "drain"]:
        assert run_sluice(command, "--admin", admin(gateway), env={"SLUICE_ADMIN_TOKEN": TOKEN}).returncode == 0
    assert gateway.wait_exit() == 0


# status

def test_status_shows_what_there_is(lab):
    backend = lab.backend(echo_websocket)
    gateway = lab.gateway(backend, workers=2)
    for _ in range(3):
        open_websocket(lab.client(gateway))
    status = json.loads(run_sluice("status", "--admin", admin(gateway), "--json").stdout)
    assert (status["state"], status["pid"], status["config"]["generation"]) == ("serving", gateway.pid, 1)
    assert status["listeners"] == [{"name": "web", "address": f"127.0.0.1:{gateway.port}", "tls": False, "protocols": ["http/1.1"]}]
    assert status["upstreams"] == [{"name": "app", "endpoints": [{"url": backend.url, "state": "in", "in_flight": 3, "idle": 0, "connections": 3}]}]
    assert status["tunnels"] == [{"route": "all", "upstream": "app", "endpoint": backend.url, "open": 3}]
    assert [sum(one[what] for one in status["workers"]) for what in ["connections", "tunnels"]] == [3, 3]
    text = run_sluice("status", "--admin", admin(gateway)).stdout
    assert f"process {gateway.pid}, started {status['started']}: serving\n" in text
    assert f"route all at app {backend.url}" in text and "HTTP/2" not in text


def test_status_shows_http2(lab):
    def script(connection):
        connection.read_request()
        connection.hang()

    listener = {"name": "web", "address": "127.0.0.1:0", "protocols": ["h2", "http/1.1"]}
    gateway = lab.gateway(lab.backend(script), workers=1, listeners=[listener])
    lab.client(gateway)  # says nothing yet
    client = Http2Client.to(gateway.port)
    lab.clients.append(client)
    for _ in range(3):
        client.begin()
    gateway.wait_metric("sluice_http2_streams_open", 3)
    one, = json.loads(run_sluice("status", "--admin", admin(gateway), "--json").stdout)["workers"]
    assert one == {"connections": 2, "http2_connections": 1, "http2_streams": 3, "tunnels": 0, "answered": True}
    assert "2 connections (1 HTTP/2 with 3 streams), 0 WebSockets" in run_sluice("status", "--admin", admin(gateway)).stdout


def test_status_tells_what_listeners_speak(lab):
    """As it is now, also after a reload."""
    listeners = [{"name": "plain", "address": "127.0.0.1:0"}, {"name": "alone", "address": "127.0.0.1:0", "protocols": ["h2"]},
                 {"name": "secure", "address": "127.0.0.1:0", "tls": {"self_signed": True}}]
    config = config_for(lab.backend(), listeners=listeners)
    gateway = lab.gateway_from(config)

    def told():
        return {one["name"]: one["protocols"] for one in json.loads(gateway.admin("/status").body)["listeners"]}

    assert told() == {"plain": ["http/1.1"], "alone": ["h2"], "secure": ["h2", "http/1.1"]}
    text = run_sluice("status", "--admin", admin(gateway)).stdout
    for line in [f"127.0.0.1:{gateway.ports['plain']}  HTTP/1.1\n", f"127.0.0.1:{gateway.ports['alone']}  HTTP/2\n",
                 f"127.0.0.1:{gateway.ports['secure']}  TLS  HTTP/2 and HTTP/1.1\n"]:
        assert line in text, text
    config["listeners"][2]["protocols"] = ["http/1.1"]
    gateway.rewrite(config)
    assert gateway.admin("/reload", [OWN], method="POST").status == 200
    assert told() == {"plain": ["http/1.1"], "alone": ["h2"], "secure": ["http/1.1"]}


def test_status_tells_why_an_endpoint_is_out(lab):
    refusing = lab.refusing()
    check = {"path": "/", "interval": "50ms", "timeout": "1s"}
    gateway = lab.gateway(lab.backend(), refusing, upstream={"health_check": check})
    gateway.wait_metric("sluice_upstream_endpoints", 1, upstream="app", state="unhealthy")
    well, ill = json.loads(gateway.admin("/status").body)["upstreams"][0]["endpoints"]
    assert well["state"] == "in" and "reason" not in well
    assert (ill["url"], ill["state"], ill["reason"][:11]) == (refusing.url, "out", "unhealthy: ")
    text = run_sluice("status", "--admin", admin(gateway)).stdout
    assert f"out, {ill['reason']}" in text and "\nWebSockets\n  none\n" in text


def test_status_while_draining(lab):
    gateway = lab.gateway(lab.backend(echo_websocket), timeouts={"drain": "10s"}, route={"websocket": {"drain": {"over": "9s"}}})
    clients = [lab.client(gateway) for _ in range(10)]
    for client in clients:
        open_websocket(client)
    assert run_sluice("drain", "--admin", admin(gateway)).stdout == "draining\n"
    assert json.loads(gateway.admin("/status").body)["state"] == "draining"
    assert f"started {json.loads(gateway.admin('/status').body)['started']}: draining\n" in run_sluice("status", "--admin", admin(gateway)).stdout
    assert gateway.metric("sluice_draining") == 1
    assert gateway.admin("/readyz").status == 503
    assert gateway.admin("/drain", [OWN], method="POST").body == b"draining already\n"
    for client in clients:
        client.close()
    assert gateway.wait_exit() == 0


def test_drain_can_wait_for_the_end(lab):
    gateway = lab.gateway(lab.backend(echo_websocket), timeouts={"drain": "10s"}, route={"websocket": {"drain": {"over": "9s"}}})
    client = lab.client(gateway)
    open_websocket(client)
    done = []
    waiting = threading.Thread(target=lambda: done.append(run_sluice("drain", "--admin", admin(gateway), "--wait")))
    waiting.start()
    wait_until(lambda: gateway.admin("/readyz").status == 503, "the drain to begin")
    stays(lambda: not done, "waiting", 0.5)
    client.close()
    assert gateway.wait_exit() == 0
    waiting.join(10)
    assert (done[0].returncode, done[0].stdout, done[0].stderr) == (0, "draining\nthe gateway has ended\n", "")


def test_drain_cannot_wait_for_nobody():
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
    result = run_sluice("drain", "--admin", address, "--wait")
    assert (result.returncode, result.stdout) == (3, "")


@pytest.mark.parametrize("command", ["status", "reload", "drain"])
def test_no_gateway_there(command):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
    result = run_sluice(command, "--admin", address)
    assert result.returncode == 3
    assert f"cannot reach the gateway's admin listener at {address}: Connection refused" in result.stderr


def test_something_else_there(lab):
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(10)
        def talk():
            connection, _ = other.accept()
            connection.recv(1000)
            connection.sendall(b"220 mail.example ESMTP\r\n")
            connection.close()

        thread = threading.Thread(target=talk)
        thread.start()
        result = run_sluice("status", "--admin", f"127.0.0.1:{other.getsockname()[1]}")
        thread.join()
    assert result.returncode == 3
    assert "does not speak HTTP" in result.stderr


def test_an_address_that_is_none():
    result = run_sluice("status", "--admin", "nonsense")
    assert result.returncode == 1
    assert "--admin " in result.stderr


# plan

@pytest.fixture
def two(lab):
    one, other = lab.backend(echo_websocket), lab.backend(echo_websocket)
    config = config_for(one, workers=2, route={"match": {"path_prefix": "/one"}})
    config["upstreams"].append({"name": "other", "endpoints": [other.url]})
    config["routes"].append({"name": "two", "match": {"path_prefix": "/two"}, "upstream": "other"})
    return config, one, other


def plan(lab, old, new, *arguments):
    for name, config in [("old.yaml", old), ("new.yaml", new)]:
        (lab.folder / name).write_text(to_yaml(config) + "\n")
    result = run_sluice("plan", lab.folder / "old.yaml", lab.folder / "new.yaml", *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_plan_tells_what_changes(lab, two):
    config, one, other = two
    new = copy.deepcopy(config)
    new["workers"] = 3
    new["listeners"] = [{"name": "renamed", "address": "127.0.0.1:0"}, {"name": "more", "address": "127.0.0.1:9999"}]
    new["upstreams"][0]["endpoints"] = ["http://127.0.0.9:1"]
    new["routes"][0]["maintenance"] = True
    new["routes"][1] = {"name": "three", "match": {"path_prefix": "/three"}, "upstream": "other"}
    assert plan(lab, config, new) == (
        "listeners\n"
        "  ~ renamed on 127.0.0.1:0 keeps its sockets, and changes for new connections: name\n"
        "  + more on 127.0.0.1:9999 is opened\n"
        "routes\n"
        "  ~ all: maintenance\n"
        "  + three\n"
        "  - two; its WebSockets are let go\n"
        "upstreams\n"
        "  ~ app: endpoints\n"
        "  + app http://127.0.0.9:1\n"
        f"  - app {one.url}; its WebSockets are let go\n"
        "workers is taken over at the next restart\n")
    assert plan(lab, config, config).startswith("nothing changes")


def test_plan_counts_the_tunnels_that_would_go(lab, two):
    config, one, other = two
    gateway = lab.gateway_from(config)
    for path, count in [("/one", 3), ("/two", 2)]:
        for _ in range(count):
            open_websocket(lab.client(gateway), path)
    new = copy.deepcopy(config)
    del new["routes"][1]
    told = plan(lab, config, new, "--admin", admin(gateway))
    assert f"- 2 of route two at other {other.url}: Close 1012, spread over 20s\n" in told
    assert told.endswith("2 of 5 open WebSockets would be let go\n")
    new["upstreams"][0]["endpoints"] = ["http://127.0.0.9:1"]
    assert plan(lab, config, new, "--admin", admin(gateway)).endswith("5 of 5 open WebSockets would be let go\n")
    assert plan(lab, config, config, "--admin", admin(gateway)).endswith("\n0 of 5 open WebSockets would be let go\n")


def test_plan_names_what_changes(lab, two):
    config, one, other = two
    config["upstreams"][0]["health_check"] = {"path": "/"}
    new = copy.deepcopy(config)
    del new["upstreams"][0]["health_check"]
    new["upstreams"][0]["retries"] = {"attempts": 3}
    new["upstreams"][1]["pool"] = {"max_idle": 1}
    new["limits"] = {"max_headers": 10}
    new["timeouts"] = {"connect": "1s", "drain": "40s"}
    assert plan(lab, config, new) == (
        "upstreams\n"
        "  ~ app: retries, health_check\n"
        "  ~ other: pool; new connections to its endpoints\n"
        "settings\n"
        "  ~ timeouts: connect, drain\n"
        "  ~ limits: max_headers\n")


def test_plan_counts_what_rebalance_would_move(lab, two):
    config, one, other = two
    config["upstreams"][0]["rebalance"] = {"over": "10m"}
    gateway = lab.gateway_from(config)
    for path, count in [("/one", 6), ("/two", 2)]:
        for _ in range(count):
            open_websocket(lab.client(gateway), path)
    new = copy.deepcopy(config)
    new["upstreams"][0]["endpoints"].append("http://127.0.0.9:1")
    new["upstreams"][1]["endpoints"].append("http://127.0.0.9:1")
    told = plan(lab, config, new, "--admin", admin(gateway))
    assert told.endswith("WebSockets that move\n  ~ about 3 of upstream app move to endpoints that join, spread over 10m (rebalance)\n"
                         "0 of 8 open WebSockets would be let go, about 3 moved\n")
    new["upstreams"][0]["endpoints"] = [one.url, {"dns": "localhost:1", "scheme": "http"}]
    assert "some of upstream app move to what" in plan(lab, config, new, "--admin", admin(gateway))
    del new["upstreams"][0]["rebalance"]
    assert plan(lab, config, new, "--admin", admin(gateway)).endswith("\n0 of 8 open WebSockets would be let go\n")


def test_plan_of_a_wrong_file(lab, two):
    (lab.folder / "wrong.yaml").write_text("routes: [{ name: all, upstream: nowhere }]\n")
    result = run_sluice("plan", lab.folder / "wrong.yaml", lab.folder / "wrong.yaml")
    assert result.returncode == 1
    assert "wrong.yaml:1: routes[0].upstream: " in result.stderr
