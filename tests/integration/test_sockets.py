"""Open WebSockets, seen and closed from outside: GET and DELETE /sockets, and `sluice sockets`."""

import json
import threading

import pytest

from support import http2_websocket
from support.crowd import Crowd
from support.freeze import stopped_thread
from support.gateway import run_sluice
from support.http2_client import Http2Client
from support.http_message import request_bytes
from support.raw_backend import echo_websocket
from support.raw_client import RawClient
from support.waiting import wait_until
from support.websocket import CLOSE, TEXT, assert_carries, frame_bytes, open_websocket, upgrade_bytes
from support.websocket_way import H2, Over

OWN = ("X-Sluice-Admin", "1")
TOKEN = "open-sesame"
NOBODY = "0123456789abcdef" * 2
BEHIND_A_PROXY = [{"name": "web", "address": "127.0.0.1:0", "trusted_proxies": ["127.0.0.1"]}]


def admin(gateway):
    return f"127.0.0.1:{gateway.admin_port}"


def listed(gateway, query=""):
    response = gateway.admin("/sockets" + query)
    assert response.status == 200, response
    assert response.header("Content-Type") == "application/json"
    return json.loads(response.body)


def ids(gateway, query=""):
    return [one["id"] for one in listed(gateway, query)["sockets"]]


def closed(gateway, target, headers=(OWN,)):
    response = gateway.admin(target, headers, method="DELETE")
    assert response.status == 200, response.body
    return json.loads(response.body)


def opened(lab, gateway, target="/ws", extra=()):
    client = lab.client(gateway)
    open_websocket(client, target, extra)
    assert_carries(client)
    return client


def close_frame(peer):
    frame = peer.read_frame()
    assert frame.opcode == CLOSE
    return frame.close_code, frame.payload[2:].decode()


# seeing

def test_a_socket_tells_what_it_is(lab):
    backend = lab.backend(lambda peer: (peer.accept_websocket([("Sec-WebSocket-Protocol", "chat.v2")]), peer.hang()))
    gateway = lab.gateway(backend)
    client = lab.client(gateway)
    open_websocket(client, "/room?token=s3cret&q=1", [("User-Agent", "me/1"), ("Sec-WebSocket-Protocol", "chat.v2")])
    client.send_frame(TEXT, b"hello")
    one = wait_until(lambda: [one for one in listed(gateway)["sockets"] if one["to_upstream"]["messages"] == 1], "the message")[0]
    line = gateway.wait_log(event="tunnel_open")
    assert one["id"] == line["socket"] and len(one["id"]) == 32
    assert one["request_id"] == line["request_id"]
    assert (one["route"], one["upstream"], one["endpoint"], one["listener"]) == ("all", "app", backend.url, "web")
    assert (one["client_ip"], one["host"], one["target"]) == ("127.0.0.1", "test.example", "/room?token=***&q=1")
    assert (one["user_agent"], one["subprotocol"]) == ("me/1", "chat.v2")
    assert "tls_version" not in one and one["closing"] is False
    assert one["to_upstream"] == {"messages": 1, "bytes": 11, "messages_per_second": one["to_upstream"]["messages_per_second"]}
    assert 0 < one["to_upstream"]["messages_per_second"] <= 1
    assert one["to_client"] == {"messages": 0, "bytes": 0, "messages_per_second": 0}
    assert one["age_ms"] >= one["idle_ms"] >= 0 and one["opened"].startswith("20")
    assert listed(gateway, f"/{one['id']}")["sockets"][0]["id"] == one["id"]
    client.close()
    assert gateway.wait_log(event="tunnel_close")["socket"] == one["id"]
    assert ids(gateway) == []
    assert gateway.admin(f"/sockets/{one['id']}").status == 404


def test_those_of_http2_are_seen_and_closed_as_any(lab):
    gateway = lab.gateway(lab.backend(echo_websocket), listeners=H2)
    connection = Http2Client.to(gateway.port)
    lab.clients.append(connection)
    clients = [http2_websocket.open_websocket(connection, f"/{number}") for number in range(3)]
    for client in clients:
        assert_carries(client)
    seen = listed(gateway)["sockets"]
    assert [one["target"] for one in seen] == ["/0", "/1", "/2"]
    closed(gateway, f"/sockets/{seen[1]['id']}?code=4000&reason=enough")
    assert close_frame(clients[1]) == (4000, "enough")
    clients[1].send_frame(CLOSE, b"\x0f\xa0")
    clients[1].expect_closed()
    assert clients[1].ended == "fin"
    for client in (clients[0], clients[2]):
        assert_carries(client)
    assert len(ids(gateway)) == 2


@pytest.mark.parametrize("upstream", ["http/1.1", "h2"])
@pytest.mark.parametrize("client", ["http/1.1", "h2"])
def test_what_is_spoken_on_either_side_is_told(lab, client, upstream):
    over = Over(lab, client, upstream)
    gateway = over.gateway(over.backend(echo_websocket))
    websocket = over.open(gateway)
    assert_carries(websocket)
    one, = listed(gateway)["sockets"]
    versions = {"http/1.1": "HTTP/1.1", "h2": "HTTP/2.0"}
    assert (one["version"], one["upstream_version"]) == (versions[client], versions[upstream])
    head, line = run_sluice("sockets", "--admin", admin(gateway)).stdout.splitlines()
    short = {"http/1.1": "1.1", "h2": "2"}
    assert dict(zip(head.split()[-4:], line.split()[-4:]))["HTTP"] == f"{short[client]}>{short[upstream]}"
    websocket.close()
    closing = gateway.wait_log(event="tunnel_close")
    assert (closing["version"], closing["upstream_version"]) == (one["version"], one["upstream_version"])


def test_all_workers_tell_of_theirs_the_oldest_first(lab):
    gateway = lab.gateway(lab.backend(echo_websocket), workers=3)
    clients = [opened(lab, gateway, f"/{number}") for number in range(12)]
    answer = listed(gateway)
    assert (answer["matched"], answer["shown"], "silent_workers" in answer) == (12, 12, False)
    assert [one["target"] for one in answer["sockets"]] == [f"/{number}" for number in range(12)]
    some = listed(gateway, "?limit=5")
    assert (some["matched"], some["shown"]) == (12, 5)
    assert [one["target"] for one in some["sockets"]] == [f"/{number}" for number in range(5)]
    assert len({one["id"] for one in answer["sockets"]}) == 12
    for client in clients:
        assert_carries(client)


def test_filters_by_what_it_belongs_to(lab):
    first, second = lab.backend(echo_websocket), lab.backend(echo_websocket)
    gateway = lab.gateway_from({
        "listeners": BEHIND_A_PROXY, "admin": {"address": "127.0.0.1:0"}, "timeouts": {"drain": "500ms"}, "workers": 2,
        "upstreams": [{"name": "a", "endpoints": [first.url]}, {"name": "b", "endpoints": [second.url]}],
        "routes": [{"name": "one", "upstream": "a", "match": {"path_prefix": "/one"}}, {"name": "two", "upstream": "b"}]})
    opened(lab, gateway, "/one", [("X-Forwarded-For", "192.0.2.7")])
    opened(lab, gateway, "/two", [("X-Forwarded-For", "192.0.2.8")])
    opened(lab, gateway, "/2", [("X-Forwarded-For", "2001:db8::1")])

    def targets(query):
        return sorted(one["target"] for one in listed(gateway, query)["sockets"])

    assert targets("?route=one") == ["/one"]
    assert targets("?route=two") == ["/2", "/two"]
    assert targets(f"?endpoint={second.url}") == ["/2", "/two"]
    assert targets("?client=192.0.2.7") == ["/one"]
    assert targets("?client=192.0.2.0/24") == ["/one", "/two"]
    assert targets("?client=2001:db8::/32&route=two") == ["/2"]
    assert targets("?client=2001:db8::/32&route=one") == []


def test_filters_by_what_it_does(lab):
    gateway = lab.gateway(lab.backend(echo_websocket))
    quiet = opened(lab, gateway, "/quiet")
    wait_until(lambda: len(ids(gateway, "?older_than=300ms&idle_for=300ms")) == 1, "its age")
    busy = opened(lab, gateway, "/busy")
    for _ in range(300):
        busy.send_frame(TEXT, b"x")
    for _ in range(300):
        busy.read_frame()
    answer = listed(gateway, "?faster_than=20")
    assert [one["target"] for one in answer["sockets"]] == ["/busy"]
    assert answer["sockets"][0]["to_client"]["messages"] == 301
    assert ids(gateway, "?faster_than=100000") == []
    assert [one["target"] for one in listed(gateway, "?idle_for=250ms&older_than=250ms&route=all")["sockets"]][:1] == ["/quiet"]
    assert ids(gateway, "?older_than=1h") == ids(gateway, "?idle_for=1h") == []
    assert_carries(quiet)


@pytest.mark.parametrize("query,told", [
    ("?rout=a", 'unknown parameter "rout"; did you mean route?'), ("?client=me", "expected an IP address or a block"),
    ("?older_than=1", "expected a duration such as 1h"), ("?limit=0", "expected a number from 1 to 10000"),
    ("?faster_than=x", "expected a number of messages a second"), ("?route=a&route=b", "route is given twice")])
def test_wrong_parameters_are_told(lab, query, told):
    gateway = lab.gateway(lab.backend())
    response = gateway.admin("/sockets" + query)
    assert response.status == 400 and told in response.body.decode()


@pytest.mark.deadline(60)
def test_many_are_listed_while_they_talk(lab):
    gateway = lab.gateway(lab.node_echo(), workers=2, upstream={"circuit_breaker": {"max_connections": 3000, "max_pending": 3000}})
    with Crowd(gateway.port, 2000, upgrade_bytes()) as crowd:
        gateway.wait_metric("sluice_websocket_tunnels_open", 2000, timeout=20)
        ending = threading.Event()

        def talk():
            while not ending.is_set():
                crowd.send(frame_bytes(TEXT, b"x", mask=True))
                crowd.receive(0.01)

        talking = threading.Thread(target=talk)
        talking.start()
        try:
            for limit in (1, 100, 10000):
                answer = listed(gateway, f"?limit={limit}")
                assert (answer["matched"], answer["shown"]) == (2000, min(limit, 2000))
            assert len({one["id"] for one in answer["sockets"]}) == 2000
            assert closed(gateway, "/sockets?all=true&code=1012&over=300ms") == {"matched": 2000, "told": 2000}
            wait_until(lambda: len(ids(gateway, "?limit=10000")) == 0, "all of them to close", timeout=20)
        finally:
            ending.set()
            talking.join()
    assert gateway.metric("sluice_websocket_closes_total", initiator="gateway", code="1012") == 2000


@pytest.mark.slow
@pytest.mark.deadline(60)
def test_a_worker_that_hangs_is_told_of_and_not_waited_for(lab):
    gateway = lab.gateway(lab.backend(echo_websocket), workers=2)
    for _ in range(8):
        opened(lab, gateway)
    with stopped_thread(gateway, "worker-1"):
        client = RawClient(gateway.admin_port, timeout=20)
        lab.clients.append(client)
        answer = json.loads(client.request("GET", "/sockets", host="localhost").body)
        assert answer["silent_workers"] == [1]
        tunnels = json.loads(gateway.admin("/status").body)["workers"][0]["tunnels"]
        assert answer["matched"] == answer["shown"] == tunnels
    answer = listed(gateway)
    assert (answer["matched"], "silent_workers" in answer) == (8, False)


# closing

def test_one_is_closed_by_its_id(lab):
    seen = []

    def script(peer):
        peer.accept_websocket()
        seen.append(close_frame(peer))
        peer.send_frame(CLOSE, b"\x03\xf0")
        peer.hang()

    gateway = lab.gateway(lab.backend(script), workers=2)
    clients = [lab.client(gateway) for _ in range(3)]
    for number, client in enumerate(clients):
        open_websocket(client, f"/{number}")
    by_target = {one["target"]: one["id"] for one in listed(gateway)["sockets"]}
    assert closed(gateway, f"/sockets/{by_target['/1']}?code=1008&reason=too+loud%21") == {"matched": 1, "told": 1}
    assert close_frame(clients[1]) == (1008, "too loud!")
    wait_until(lambda: seen, "the Close at the backend")
    assert seen == [(1008, "too loud!")]
    clients[1].send_frame(CLOSE, b"\x03\xf0")
    clients[1].expect_closed()
    line = gateway.wait_log(event="tunnel_close")
    assert (line["socket"], line["tunnel"]["close_code"], line["tunnel"]["close_initiator"]) == (by_target["/1"], 1008, "gateway")
    assert line["tunnel"]["close_reason"] == "too loud!"
    assert sorted(ids(gateway)) == sorted([by_target["/0"], by_target["/2"]])
    wait_until(lambda: "1 WebSocket told to close with 1008" in gateway.stderr(), "the line in the log")
    clients[0].expect_silence(0.1)


def test_one_that_is_closing_is_not_told_again(lab):
    gateway = lab.gateway(lab.backend(lambda peer: (peer.accept_websocket(), peer.hang())))
    client = lab.client(gateway)
    open_websocket(client)
    target = f"/sockets/{ids(gateway)[0]}"
    assert closed(gateway, target) == {"matched": 1, "told": 1}
    assert close_frame(client) == (1001, "closed by the operator")
    assert closed(gateway, target + "?code=1008") == {"matched": 1, "told": 0}
    assert listed(gateway)["sockets"][0]["closing"] is True
    client.expect_silence(0.1)


def test_they_are_closed_by_filter(lab):
    gateway = lab.gateway(lab.backend(echo_websocket), workers=2, listeners=BEHIND_A_PROXY)
    loud = [opened(lab, gateway, extra=[("X-Forwarded-For", f"192.0.2.{number}")]) for number in range(6)]
    other = opened(lab, gateway, extra=[("X-Forwarded-For", "198.51.100.1")])
    assert closed(gateway, "/sockets?client=192.0.2.0/24&code=1008&over=200ms") == {"matched": 6, "told": 6}
    for client in loud:
        assert close_frame(client)[0] == 1008
    assert_carries(other)
    assert closed(gateway, "/sockets?route=nowhere") == {"matched": 0, "told": 0}
    assert closed(gateway, "/sockets?all=true") == {"matched": wait_until(lambda: len(ids(gateway)), "the rest"), "told": 1}


def test_who_is_unknown_or_not_named_is_not_closed(lab):
    gateway = lab.gateway(lab.backend(echo_websocket))
    client = opened(lab, gateway)
    for target, status in [(f"/sockets/{NOBODY}", 404), ("/sockets/1", 404), ("/sockets", 400), ("/sockets?code=1008", 400),
                           ("/sockets?all=true&route=all", 400), ("/sockets?all=true&code=1002", 400), ("/sockets?all=yes", 400)]:
        assert gateway.admin(target, [OWN], method="DELETE").status == status, target
    assert gateway.admin(f"/sockets/{NOBODY}").status == 404
    assert_carries(client)


def test_head_tells_of_a_list_without_it(lab):
    gateway = lab.gateway(lab.backend(echo_websocket))
    opened(lab, gateway)
    client = RawClient(gateway.admin_port)
    client.send(request_bytes("HEAD", "/sockets", [], host=admin(gateway)))
    answer = client.read_until_closed()
    client.close()
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\n"), answer


def test_closing_is_for_those_who_may(lab):
    gateway = lab.gateway(lab.backend(echo_websocket))
    client = opened(lab, gateway)
    target = f"/sockets/{ids(gateway)[0]}"
    assert gateway.admin(target, method="DELETE").status == 403
    assert gateway.admin(target, [OWN, ("Origin", "https://evil.example")], method="DELETE").status == 403
    assert gateway.admin("/sockets", [OWN], host="evil.example").status == 403
    response = gateway.admin("/sockets", [OWN], method="POST")
    assert (response.status, response.header("Allow")) == (405, "GET, HEAD, DELETE")
    assert_carries(client)


def test_the_token_is_wanted_where_there_is_one(lab):
    gateway = lab.gateway(lab.backend(echo_websocket), admin={"address": "127.0.0.1:0", "token": TOKEN})
    client = opened(lab, gateway)
    for method, target in [("GET", "/sockets"), ("DELETE", "/sockets?all=true"), ("GET", f"/sockets/{NOBODY}")]:
        assert gateway.admin(target, [OWN], method=method).status == 401
    assert_carries(client)
    assert closed(gateway, "/sockets?all=true", [("Authorization", f"Bearer {TOKEN}")])["told"] == 1
    result = run_sluice("sockets", "--admin", admin(gateway))
    assert result.returncode == 3 and "set SLUICE_ADMIN_TOKEN" in result.stderr
    assert run_sluice("sockets", "--admin", admin(gateway), env={"SLUICE_ADMIN_TOKEN": TOKEN}).returncode == 0


# sluice sockets

def test_the_command_shows_a_table(lab):
    backend = lab.backend(echo_websocket)
    gateway = lab.gateway(backend, workers=2)
    result = run_sluice("sockets", "--admin", admin(gateway))
    assert (result.returncode, result.stdout) == (0, "no WebSocket matches\n")
    for number in range(3):
        opened(lab, gateway, f"/{number}")
    lines = run_sluice("sockets", "--admin", admin(gateway)).stdout.splitlines()
    assert lines[0].split()[:5] == ["ID", "ROUTE", "CLIENT", "AGE", "IDLE"]
    assert [line.split()[0] for line in lines[1:]] == ids(gateway)
    for line in lines[1:]:
        assert line.split()[1:3] == ["all", "127.0.0.1"] and backend.url in line
    result = run_sluice("sockets", "--admin", admin(gateway), "--limit", 2)
    assert result.stdout.splitlines()[-1] == "the 2 oldest of 3; --limit shows more"
    only = ids(gateway)[0]
    assert len(run_sluice("sockets", only, "--admin", admin(gateway)).stdout.splitlines()) == 2
    answer = json.loads(run_sluice("sockets", "--admin", admin(gateway), "--json", "--route", "all", "--client", "127.0.0.0/8").stdout)
    assert [one["id"] for one in answer["sockets"]] == ids(gateway)


def test_the_command_closes(lab):
    gateway = lab.gateway(lab.backend(echo_websocket))
    first, second = opened(lab, gateway), opened(lab, gateway)
    one = ids(gateway)[0]
    result = run_sluice("sockets", one, "--admin", admin(gateway), "--close", "--code", 1008, "--reason", "50% too loud & rude")
    assert (result.returncode, result.stdout) == (0, "1 WebSocket told to close\n")
    assert close_frame(first) == (1008, "50% too loud & rude")
    result = run_sluice("sockets", "--admin", admin(gateway), "--close", "--all")
    assert result.returncode == 0 and result.stdout.startswith("1 WebSocket told to close")
    assert close_frame(second)[0] == 1001


@pytest.mark.parametrize("arguments,code,told", [
    (["--older-than", "soon"], 1, 'older_than is "soon"; expected a duration such as 1h'),
    (["--close"], 1, "nothing says which are meant"),
    (["--close", "--all", "--code", "1006"], 1, "expected 1000, 1001, 1008, 1012, 1013 or 3000 to 4999"),
    ([NOBODY], 1, "No such WebSocket is open"),
    (["12"], 1, "An id has 32 hex digits"),
    (["--code", "1008"], 2, "--code requires --close"),
    (["a", "b"], 2, 'does not take "b"'),
])
def test_the_command_refuses_what_is_wrong(lab, arguments, code, told):
    gateway = lab.gateway(lab.backend(echo_websocket))
    result = run_sluice("sockets", "--admin", admin(gateway), *arguments)
    assert result.returncode == code, result
    assert told in result.stderr and result.stdout == ""


def test_the_command_needs_a_gateway(lab):
    result = run_sluice("sockets", "--admin", lab.refusing().url.removeprefix("http://"))
    assert result.returncode == 3 and "cannot reach the gateway's admin listener" in result.stderr
