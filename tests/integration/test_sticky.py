"""`sticky`: a client comes back to its endpoint by a cookie that the gateway signs."""

import copy
import os

import pytest

from support.config_text import config_for
from support.raw_backend import named
from support.raw_client import blind
from support.waiting import wait_until
from support.websocket import upgrade_bytes


APP_COOKIE = [("Set-Cookie", "app=1")]


def sticky_config(lab, number=3, sticky=None, **sections):
    backends = [lab.backend(named(b"%d" % index, APP_COOKIE)) for index in range(number)]
    return config_for(*backends, upstream={"sticky": sticky or {"ttl": "1h"}}, **sections)


def cookies_in(response, name="sluice_node"):
    return [value for value in response.all("Set-Cookie") if value.startswith(name + "=")]


def cookie_of(response, name="sluice_node"):
    (value,) = cookies_in(response, name)
    return value.split(";")[0], value.split("; ")[1:]


def ask(lab, gateway, cookie=None):
    return lab.request(gateway, headers=[("Cookie", cookie)] if cookie else [])


def test_a_client_comes_back_to_its_endpoint(lab):
    config = sticky_config(lab, workers=2)
    gateway = lab.gateway_from(config)
    seen = {}
    while len(seen) < 3:  # without the cookie requests are balanced
        response = ask(lab, gateway)
        seen[response.body], attributes = cookie_of(response)
        assert sorted(attributes) == ["HttpOnly", "Max-Age=3600", "Path=/", "SameSite=Lax"]
        assert "app=1" in response.all("Set-Cookie"), "the application's own stays"
    ports = [backend.url.rsplit(":", 1)[1] for backend in lab.backends]
    assert not any(port in cookie for port in ports for cookie in seen.values())
    changed = copy.deepcopy(config)
    changed["upstreams"][0]["pool"] = {"max_idle": 3}
    for reloaded in [None, changed]:
        if reloaded:
            gateway.reload(reloaded)
        for name, cookie in seen.items():
            for _ in range(6):  # on any worker
                response = ask(lab, gateway, f"a=1; {cookie}")
                assert response.body == name
                assert not cookies_in(response), "it has its cookie"
    received = {request.header("Cookie") for backend in lab.backends for request in backend.requests}
    assert received == {None, "a=1"}, "backends have no use for it"


def test_an_endpoint_that_is_gone_is_replaced(lab):
    config = sticky_config(lab)
    gateway = lab.gateway_from(config)
    first = ask(lab, gateway)
    cookie, _ = cookie_of(first)
    changed = copy.deepcopy(config)
    del changed["upstreams"][0]["endpoints"][int(first.body)]
    gateway.reload(changed)
    second = ask(lab, gateway, cookie)
    assert second.body != first.body
    renewed, _ = cookie_of(second)
    assert renewed != cookie
    assert ask(lab, gateway, renewed).body == second.body


def test_an_endpoint_that_refuses_is_left(lab):
    gateway = lab.gateway_from(sticky_config(lab))
    first = ask(lab, gateway)
    cookie, _ = cookie_of(first)
    lab.backends[int(first.body)].close()
    second = ask(lab, gateway, cookie)
    assert second.status == 200 and second.body != first.body
    renewed, _ = cookie_of(second)
    assert ask(lab, gateway, renewed).body == second.body


def forgeries(cookie):
    name, value = cookie.split("=", 1)
    code, expiry, seal = value.split(".")
    turned = seal[:-1] + ("0" if seal[-1] != "0" else "1")
    for forged in ["", ".", "..", "1", code, f"{code}.{expiry}", f"{code}.{expiry}.", f"{code}.{int(expiry) + 1}.{seal}",
                   f"{code}..{seal}", f"{code}.{expiry}.{turned}", f"{code}.{expiry}.{seal}.", f"{code[::-1]}.{expiry}.{seal}",
                   f"{value}x", f'"{value}"', "9" * 5000]:
        yield f"{name}={forged}"


def test_forged_cookies_are_replaced(lab):
    gateway = lab.gateway_from(sticky_config(lab, workers=1))
    cookie, _ = cookie_of(ask(lab, gateway))
    for forged in forgeries(cookie):
        response = ask(lab, gateway, forged)
        assert response.status == 200
        assert cookie_of(response)[0] != forged


def test_a_cookie_is_renewed_and_expires(lab):
    gateway = lab.gateway_from(sticky_config(lab, sticky={"cookie": "node", "ttl": "2s"}))
    first = ask(lab, gateway)
    cookie, attributes = cookie_of(first, "node")
    assert "Max-Age=2" in attributes
    renewed = []

    def is_renewed():
        response = ask(lab, gateway, cookie)
        renewed[:] = cookies_in(response, "node")
        return bool(renewed) and response

    response = wait_until(is_renewed, "half of the time to be over")
    assert renewed[0].split(";")[0] != cookie
    # Then it runs out: three different endpoints show that the old one is no longer believed.
    bodies = set()
    wait_until(lambda: len(bodies) == 3 or bodies.add(ask(lab, gateway, cookie).body), "the cookie to expire", timeout=10)
    assert response.status == 200


def test_the_cookie_is_secure_on_tls(lab):
    config = sticky_config(lab)
    config["listeners"][0]["tls"] = {"self_signed": True}
    assert "Secure" in cookie_of(lab.client(lab.gateway_from(config), tls=blind()).request())[1]


def test_a_101_carries_the_cookie(lab):
    gateway = lab.gateway_from(sticky_config(lab))
    client = lab.client(gateway)
    client.send(upgrade_bytes("/ws"))
    answer = client.response()
    assert answer.status == 101
    cookie, _ = cookie_of(answer)
    name = ask(lab, gateway, cookie).body
    assert len(lab.backends[int(name)].connections) == 2, "the request went where the tunnel is"
    back = lab.client(gateway)
    back.send(upgrade_bytes("/ws", extra=[("Cookie", cookie)]))
    answer = back.response()
    assert answer.status == 101 and not cookies_in(answer)
    assert len(lab.backends[int(name)].connections) == 3


@pytest.mark.parametrize("balance", ["least_connections", "random_two_choices", "hash"])
def test_the_cookie_goes_before_the_balance(lab, balance):
    config = sticky_config(lab, workers=1)
    config["upstreams"][0]["balance"] = balance
    gateway = lab.gateway_from(config)
    first = ask(lab, gateway)
    cookie, _ = cookie_of(first)
    assert [ask(lab, gateway, cookie).body for _ in range(12)] == [first.body] * 12


def test_it_keeps_clients_within_the_sides_of_a_split(lab):
    config = sticky_config(lab, 2, workers=1)
    canaries = [lab.backend(named(b"canary%d" % index, APP_COOKIE)) for index in range(2)]
    config["upstreams"].append({"name": "canary", "endpoints": [one.url for one in canaries], "sticky": {"cookie": "canary_node"}})
    del config["routes"][0]["upstream"]
    config["routes"][0]["split"] = {"to": [{"upstream": "app", "weight": 1}, {"upstream": "canary", "weight": 1}]}
    gateway = lab.gateway_from(config)
    mine = {}
    while len(mine) < 2:  # a client with both cookies
        response = ask(lab, gateway)
        side = "canary_node" if response.body.startswith(b"canary") else "sluice_node"
        mine.setdefault(side, (cookie_of(response, side)[0], response.body))
    cookie = "; ".join(pair for pair, _ in mine.values())
    seen = set()
    wait_until(lambda: len(seen) == 2 or seen.add(ask(lab, gateway, cookie).body), "both sides to be chosen")
    assert seen == {body for _, body in mine.values()}
    for backend in lab.backends:
        assert all(request.header("Cookie") is None for request in backend.requests), "neither side gets either cookie"


def test_a_cookie_holds_whatever_order_the_endpoints_have(lab):
    """Also over a restart, where the key is made of files."""
    (lab.folder / "tickets.key").write_bytes(os.urandom(80))
    (lab.folder / "tickets.key").chmod(0o600)
    config = sticky_config(lab)
    config["listeners"][0]["tls"] = {"self_signed": True, "ticket_keys": [str(lab.folder / "tickets.key")]}
    first = lab.gateway_from(config)
    seen = {}
    while len(seen) < 3:
        response = lab.client(first, tls=blind()).request()
        seen[response.body] = cookie_of(response)[0]
    config["upstreams"][0]["endpoints"].reverse()
    first.reload(config)
    second = lab.gateway_from(config)
    for gateway in (first, second):
        for name, cookie in seen.items():
            assert lab.client(gateway, tls=blind()).request(headers=[("Cookie", cookie)]).body == name


def test_cookies_of_an_earlier_ticket_key_are_known_and_kept(lab):
    keys = [lab.folder / "new.key", lab.folder / "old.key"]
    for key in keys:
        key.write_bytes(os.urandom(80))
        key.chmod(0o600)
    config = sticky_config(lab)
    def gateway_with(*files):
        config["listeners"][0]["tls"] = {"self_signed": True, "ticket_keys": [str(file) for file in files]}
        return lab.gateway_from(config)
    old, both = gateway_with(keys[1]), gateway_with(*keys)
    first = lab.client(old, tls=blind()).request()
    cookie, _ = cookie_of(first)
    for _ in range(4):
        again = lab.client(both, tls=blind()).request(headers=[("Cookie", cookie)])
        assert again.body == first.body and not cookies_in(again), "it is not replaced"
    fresh, _ = cookie_of(lab.client(both, tls=blind()).request())
    assert cookies_in(lab.client(old, tls=blind()).request(headers=[("Cookie", fresh)])), "the first key seals"


def test_an_endpoint_that_is_out_is_left(lab):
    config = sticky_config(lab, 2, workers=1)
    config["upstreams"][0]["health_check"] = {"kind": "tcp", "interval": "50ms", "unhealthy_after": 1}
    gateway = lab.gateway_from(config)
    first = ask(lab, gateway)
    cookie, _ = cookie_of(first)
    lab.backends[int(first.body)].close()
    wait_until(lambda: gateway.metric("sluice_upstream_endpoints", upstream="app", state="unhealthy") == 1, "the check to fail")
    before = gateway.metric("sluice_upstream_retries_total", upstream="app")
    second = ask(lab, gateway, cookie)
    assert second.body != first.body and cookie_of(second)[0] != cookie
    assert gateway.metric("sluice_upstream_retries_total", upstream="app") == before, "it was not even tried"
