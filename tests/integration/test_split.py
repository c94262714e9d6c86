"""Routes that share their requests among several upstreams: the shares, the cookie, tunnels, reloads and `explain`."""

import copy
import json

import pytest

from support import websocket
from support.config_text import config_for, to_yaml
from support.gateway import run_sluice
from support.raw_backend import named
from support.raw_client import blind
from support.waiting import wait_until
from support.websocket import open_websocket, upgrade_bytes

COOKIE = "sluice_split_all"


def split_config(lab, main_weight, canary_weight, sticky=False, **sections):
    main, canary = lab.backend(named(b"main")), lab.backend(named(b"canary"))
    config = config_for(main, timeouts={"drain": "10s"}, **sections)
    config["upstreams"].append({"name": "canary", "endpoints": [canary.url]})
    del config["routes"][0]["upstream"]
    config["routes"][0]["split"] = {
        "to": [{"upstream": "app", "weight": main_weight}, {"upstream": "canary", "weight": canary_weight}],
        "sticky": sticky}
    return config


def with_weights(config, main, canary):
    changed = copy.deepcopy(config)
    for side, weight in zip(changed["routes"][0]["split"]["to"], [main, canary]):
        side["weight"] = weight
    return changed


def cookie_of(response, name=COOKIE):
    values = [value for value in response.all("Set-Cookie") if value.startswith(name + "=")]
    assert len(values) == 1
    return values[0].split(";")[0], values[0].split("; ")[1:]


def answers(client, number, headers=()):
    return [client.request(headers=headers).body for _ in range(number)]


def test_requests_are_shared_by_weight(lab):
    gateway = lab.gateway_from(split_config(lab, 3, 1, workers=1))
    bodies = answers(lab.client(gateway), 400)
    # 300 are expected, with a standard deviation of 8.7: nine of them are allowed for.
    assert 220 < bodies.count(b"main") < 380
    assert bodies.count(b"main") + bodies.count(b"canary") == 400
    for upstream, body in [("app", b"main"), ("canary", b"canary")]:
        count = bodies.count(body)
        assert gateway.metric("sluice_upstream_response_seconds_count", upstream=upstream) == count
        gateway.wait_log(count, upstream=upstream)


def test_a_side_of_weight_0_gets_nothing(lab):
    gateway = lab.gateway_from(split_config(lab, 0, 7))
    response = lab.request(gateway)
    assert response.body == b"canary"
    assert not response.all("Set-Cookie"), "without sticky there is no cookie"
    assert answers(lab.client(gateway), 50) == [b"canary"] * 50


def test_a_client_stays_with_its_side(lab):
    config = split_config(lab, 1, 1, sticky=True, workers=2)
    gateway = lab.gateway_from(config)
    seen = {}
    while len(seen) < 2:  # both sides give out a cookie of their own
        response = lab.request(gateway)
        seen[response.body], attributes = cookie_of(response)
        assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Lax"]
    for change in [None, with_weights(config, 1, 1000)]:
        if change:
            gateway.reload(change)
        for name, cookie in seen.items():
            for _ in range(10):  # on any worker
                response = lab.request(gateway, headers=[("Cookie", f"a=1; {cookie}; b=2")])
                assert response.body == name
                assert not response.all("Set-Cookie"), "it has its cookie"
    backend = lab.backends[0]
    assert {request.header("Cookie") for request in backend.requests} == {None, "a=1; b=2"}


def test_a_canary_of_weight_0_lets_its_clients_go(lab):
    config = split_config(lab, 0, 1, sticky=True)
    gateway = lab.gateway_from(config)
    cookie, _ = cookie_of(lab.request(gateway))
    gateway.reload(with_weights(config, 1, 0))
    response = lab.request(gateway, headers=[("Cookie", cookie)])
    assert response.body == b"main"
    assert cookie_of(response)[0] != cookie


@pytest.mark.parametrize("value", ["", "canary", "0" * 32, "x" * 5000, '"', "http://127.0.0.1:1"])
def test_forged_cookies_are_replaced(lab, value):
    gateway = lab.gateway_from(split_config(lab, 1, 0, sticky=True))
    response = lab.request(gateway, headers=[("Cookie", f"{COOKIE}={value}")])
    assert response.body == b"main"
    assert cookie_of(response)[0] != f"{COOKIE}={value}"


def test_the_cookie_is_secure_on_tls(lab):
    config = split_config(lab, 1, 1, sticky=True)
    config["listeners"][0]["tls"] = {"self_signed": True}
    gateway = lab.gateway_from(config)
    assert "Secure" in cookie_of(lab.client(gateway, tls=blind()).request())[1]


def test_ticket_keys_make_the_cookie_outlive_the_process(lab):
    config = split_config(lab, 1, 1, sticky=True)
    (lab.folder / "tickets.key").write_bytes(bytes(range(80)))
    (lab.folder / "tickets.key").chmod(0o600)
    config["listeners"][0]["tls"] = {"self_signed": True, "ticket_keys": [str(lab.folder / "tickets.key")]}
    first = lab.client(lab.gateway_from(config), tls=blind()).request()
    cookie, _ = cookie_of(first)
    other = lab.client(lab.gateway_from(config), tls=blind())
    for _ in range(20):
        response = other.request(headers=[("Cookie", cookie)])
        assert response.body == first.body
        assert not response.all("Set-Cookie")


def test_upgrades_take_part_and_get_the_cookie(lab):
    gateway = lab.gateway_from(split_config(lab, 0, 1, sticky=True))
    client = lab.client(gateway)
    client.send(upgrade_bytes("/ws"))
    answer = client.response()
    assert answer.status == 101
    cookie, _ = cookie_of(answer)
    client.send_frame(websocket.TEXT, b"hello")
    assert client.read_frame().payload == b"hello"
    assert lab.request(gateway, headers=[("Cookie", cookie)]).body == b"canary"
    assert gateway.wait_log(event="tunnel_open")["upstream"] == "canary"


def test_tunnels_leave_when_their_side_is_no_longer_the_routes(lab):
    config = split_config(lab, 0, 1, workers=2)
    config["routes"][0]["websocket"] = {"drain": {"code": 1012, "over": "100ms"}}
    # The canary stays in use elsewhere: what counts is where this route leads.
    config["routes"].append({"name": "direct", "match": {"path_prefix": "/direct"}, "upstream": "canary"})
    gateway = lab.gateway_from(config)
    shared, direct = lab.client(gateway, timeout=10), lab.client(gateway, timeout=10)
    open_websocket(shared, "/ws")
    open_websocket(direct, "/direct")
    gateway.reload(with_weights(config, 1, 0))
    for client in [shared, direct]:  # weight 0 is for what comes new
        client.send_frame(websocket.TEXT, b"still here?")
        assert client.read_frame().payload == b"still here?"
    changed = with_weights(config, 1, 0)
    del changed["routes"][0]["split"]["to"][1]
    gateway.reload(changed)
    frame = shared.read_frame()
    assert (frame.opcode, frame.close_code) == (websocket.CLOSE, 1012)
    direct.send_frame(websocket.TEXT, b"still here?")
    assert direct.read_frame().payload == b"still here?"


def test_an_endpoint_that_fails_is_not_made_up_for_by_the_other_side(lab):
    config = split_config(lab, 0, 1)
    config["upstreams"][1]["endpoints"] = [lab.refusing().url]
    gateway = lab.gateway_from(config)
    assert lab.request(gateway).status == 502
    assert not lab.backends[0].requests
    wait_until(lambda: gateway.metric("sluice_upstream_failures_total", upstream="canary", reason="connect_refused") == 2,
               "the failure to be counted")


def test_explain_tells_the_shares(lab):
    config = split_config(lab, 19, 1, sticky=True)
    file = lab.folder / "explained.yaml"
    file.write_text(to_yaml(config) + "\n")
    arguments = ["explain", "--config", file, "GET", "http://test.example/", "-H", f"Cookie: {COOKIE}=1; a=1"]
    text = run_sluice(*arguments).stdout
    assert "app (95%): " in text and "canary (5%): " in text and "split.sticky" in text
    told = json.loads(run_sluice(*arguments, "--json").stdout)["forwarded"]
    assert [(side["upstream"], side["share"]) for side in told["split"]] == [("app", "95%"), ("canary", "5%")]
    assert told["sticky"] is True
    assert {"name": "Cookie", "value": "a=1"} in told["headers"]
