"""Which route a request takes, and what a route does to it."""

import pytest

from support.config_text import config_for
from support.http_message import read_response
from support.raw_backend import echo_websocket
from support.websocket import open_websocket, upgrade_bytes


def named(name, **match):
    """A route that answers with its own name."""
    return {"name": name, "match": match, "respond": {"status": 200, "body": name}} if match else {
        "name": name, "respond": {"status": 200, "body": name}}


def start(lab, *routes, **sections):
    config = config_for(**sections)
    config["routes"] = list(routes)
    return lab.gateway_from(config)


def taken(lab, gateway, method="GET", target="/", host="test.example", listener=None):
    response = lab.client(gateway, listener).request(method, target, host=host)
    return response.body.decode() if response.status == 200 else response.status


@pytest.mark.parametrize("host,expected", [
    ("exact.test", "exact"), ("EXACT.test", "exact"), ("exact.test:8080", "exact"), ("a.wild.test", "wild"),
    ("a.b.wild.test", "wild"), ("wild.test", "any"), ("special.wild.test", "special"), ("a.deep.wild.test", "deep"),
    ("other.test", "any"), ("notexact.test", "any"),
])
def test_hosts(lab, host, expected):
    gateway = start(lab, named("any"), named("wild", hosts=["*.wild.test"]), named("deep", hosts=["*.deep.wild.test"]),
                    named("special", hosts=["special.wild.test"]), named("exact", hosts=["exact.test", "also.test"]))
    assert taken(lab, gateway, host=host) == expected


@pytest.mark.parametrize("target,expected", [
    ("/", 404), ("/api", "api"), ("/api/", "api"), ("/api/x", "api"), ("/apix", 404), ("/api/v2/x", "v2"),
    ("/api/exact", "exact"), ("/api/exact/", "api"), ("/api/exact?q=1", "exact"), ("/API", 404),
    ("//api//x", "api"), ("/./api", "api"), ("/x/../api/x", "api"), ("/%61pi", "api"), ("/api/v2/../x", "api"),
    ("/api/%2e%2e/x", 404), ("/api/x/%2E./v2", "v2"),
])
def test_paths(lab, target, expected):
    gateway = start(lab, named("api", path_prefix="/api"), named("v2", path_prefix="/api/v2"),
                    named("exact", path="/api/exact"))
    assert taken(lab, gateway, target=target) == expected


@pytest.mark.parametrize("target", ["/a%2fb", "/a%00", "/a\\b", "/a%5cb", "/..",
                                    "/a/../../b", "/%2e%2e/b", "/a%", "/a%g0"])
def test_paths_that_cannot_be_normalised_are_400(lab, target):
    response = lab.request(start(lab, named("any")), target=target)
    assert response.status == 400 and response.header("Sluice-Error")


def test_the_backend_gets_the_normalised_path(lab):
    backend = lab.backend()
    client = lab.client(lab.gateway(backend))
    for target in ("/a/./b/../c//d?x=/../", "/%7euser/%41%2d?%41", "/a%3fb%c3%a4", "/a/..", "/a/"):
        assert client.request("GET", target).status == 200
    assert [request.target for request in backend.requests] == [
        "/a/c/d?x=/../", "/~user/A-?%41", "/a%3Fb%C3%A4", "/", "/a/"]


def test_methods(lab):
    gateway = start(lab, named("any"), named("write", methods=["POST", "PUT"]))
    for method, expected in (("GET", "any"), ("POST", "write"), ("PUT", "write"), ("DELETE", "any")):
        assert taken(lab, gateway, method) == expected


def test_the_most_specific_wins_not_the_first(lab):
    gateway = start(lab, named("all"), named("prefix", path_prefix="/a"),
                    named("method", path_prefix="/a", methods=["GET"]),
                    named("first", path="/same"), named("second", path="/same"),
                    named("host", hosts=["test.example"], path_prefix="/h"), named("path", path="/h"))
    assert taken(lab, gateway, "POST", "/a/b") == "prefix"
    assert taken(lab, gateway, "GET", "/a/b") == "method"
    assert taken(lab, gateway, target="/same") == "first"
    assert taken(lab, gateway, target="/h") == "host", "the host counts before the path"
    assert taken(lab, gateway, target="/h", host="other.test") == "path"


def test_regexes_in_file_order_between_exact_and_prefix(lab):
    gateway = start(lab, named("prefix", path_prefix="/api"), named("versions", path_regex="^/api/v[0-9]+(/|$)"),
                    named("numbers", path_regex="[0-9]"), named("exact", path="/api/v1/exact"), named("any"))
    for target, expected in (("/api/v1", "versions"), ("/api/v1/x", "versions"), ("/api/v1/exact", "exact"), ("/api/x7", "numbers"),
                             ("/api/x", "prefix"), ("/x", "any"), ("/api/%76%31", "versions"), ("/x/../api/v2", "versions")):
        assert taken(lab, gateway, target=target) == expected, target


def test_headers_and_query(lab):
    gateway = start(lab, named("any"), named("beta", headers=[{"name": "X-Beta", "equals": "1"}]),
                    named("browser", headers=[{"name": "User-Agent", "regex": "Mozilla"}]),
                    named("version", query=[{"name": "v", "equals": "2"}]),
                    named("both", headers=[{"name": "X-Beta", "present": True}], query=[{"name": "v", "regex": "^[0-9]+$"}]))

    def asked(target, *headers):
        return lab.client(gateway).request("GET", target, headers=list(headers)).body.decode()

    assert asked("/") == "any"
    assert asked("/", ("x-beta", "1")) == "beta"
    assert asked("/", ("X-Beta", "2")) == "any"
    assert asked("/", ("User-Agent", "Mozilla/5.0")) == "browser"
    assert asked("/?a=1&v=%32") == "version"
    assert asked("/?v=7", ("X-Beta", "0")) == "both"


def test_the_host_of_an_absolute_target_counts_for_header_matches_too(lab):
    """The received Host says nothing then (RFC 9112 3.2.2): it must not hide the real one from a rule."""
    gateway = start(lab, named("any"), named("admin", headers=[{"name": "Host", "regex": "^admin"}]))
    assert taken(lab, gateway, host="admin.internal") == "admin"
    assert taken(lab, gateway, target="http://admin.internal/x", host="public.example") == "admin"
    assert taken(lab, gateway, target="http://public.example/x", host="admin.internal") == "any"
    assert taken(lab, gateway, method="OPTIONS", target="http://admin.internal", host="public.example") == "admin"


def test_what_the_backend_does_not_get_chooses_no_route(lab):
    headers = [{"name": "X-Real-IP", "regex": "^10[.]"}]
    gateway = start(lab, named("any"), named("inside", headers=headers), named("tenant", headers=[{"name": "X-Tenant", "present": True}]))

    def asked(*headers):
        return lab.client(gateway).request(headers=list(headers)).body.decode()

    assert asked(("X-Real-IP", "10.0.0.1")) == "any"
    assert asked(("X-Tenant", "a")) == "tenant"
    assert asked(("X-Tenant", "a"), ("Connection", "x-tenant")) == "any"


def test_redirects_name_the_host_that_the_client_asked_for(lab):
    gateway = lab.gateway(listeners=[{"name": "web", "address": "127.0.0.1:0", "trusted_proxies": ["127.0.0.1"]}], routes=[
        {"name": "all", "redirect": {"to": "https://${host}${path}"}},
        {"name": "fixed", "match": {"hosts": ["old.example"]}, "redirect": {"to": "https://new.example${path}"}}])

    def location(text):
        client = lab.client(gateway)
        client.send(text)
        answer = client.response()
        return answer.status, answer.header("Location") or answer.header("Sluice-Error")

    assert location(b"GET /a HTTP/1.1\r\nHost: inside:8080\r\nX-Forwarded-Host: shop.example\r\n\r\n") == (308, "https://shop.example/a")
    assert location(b"GET /a HTTP/1.1\r\nHost: inside:8080\r\n\r\n") == (308, "https://inside/a")
    # A path right behind "https://" would be read as a host.
    assert location(b"GET /evil.example/x HTTP/1.0\r\n\r\n") == (400, "no_host")
    assert location(b"OPTIONS * HTTP/1.1\r\nHost: old.example\r\n\r\n") == (308, "https://new.example/")


def test_subprotocols(lab):
    gateway = start(lab, named("any"), named("second", subprotocols=["chat.v2"]), named("plain", websocket=False))

    def asked(*headers):
        client = lab.client(gateway)
        client.send(upgrade_bytes(extra=headers))
        return read_response(client).body.decode()

    assert asked(("Sec-WebSocket-Protocol", "chat.v1, chat.v2")) == "second"
    assert asked(("Sec-WebSocket-Protocol", "chat.v1")) == "any"
    assert asked() == "any"
    assert lab.client(gateway).request("GET", "/", headers=[("Sec-WebSocket-Protocol", "chat.v2")]).body == b"plain"


def test_listeners(lab):
    listeners = [{"name": name, "address": "127.0.0.1:0"} for name in ("inner", "outer")]
    gateway = start(lab, named("any"), named("private", listeners=["inner"]), listeners=listeners)
    assert taken(lab, gateway, listener="inner") == "private"
    assert taken(lab, gateway, listener="outer") == "any"


def test_websocket_upgrades_may_have_a_route_of_their_own(lab):
    sockets, pages = lab.backend(echo_websocket), lab.backend()
    config = config_for(pages)
    config["upstreams"].append({"name": "sockets", "endpoints": [sockets.url]})
    config["routes"] = [{"name": "sockets", "match": {"websocket": True}, "upstream": "sockets"},
                        {"name": "pages", "match": {"websocket": False}, "upstream": "app"}]
    gateway = lab.gateway_from(config)
    open_websocket(lab.client(gateway), "/")
    assert lab.request(gateway).status == 200
    assert len(sockets.connections) == len(pages.connections) == 1


def test_no_route_is_404(lab):
    gateway = start(lab, named("one", path="/one"))
    response = lab.request(gateway, target="/two")
    assert (response.status, response.header("Sluice-Error")) == (404, "no_route")
    gateway.wait_metric("sluice_requests_total", 1, route="none", status="4xx")


def test_redirect(lab):
    gateway = start(
        lab, {"name": "moved", "redirect": {"to": "https://${host}${path}${query}"}},
        {"name": "old", "match": {"path": "/old"}, "redirect": {"to": "https://new.example/", "status": 301}})
    response = lab.request(gateway, target="/a%20b/../c?d=e&f", host="test.example:8080")
    assert response.status == 308
    assert response.header("Location") in ("https://test.example/c?d=e&f", "https://test.example:8080/c?d=e&f")
    response = lab.request(gateway, target="/old")
    assert (response.status, response.header("Location")) == (301, "https://new.example/")


def test_a_redirect_cannot_be_split_by_its_variables(lab):
    gateway = start(lab, {"name": "moved", "redirect": {"to": "https://${host}${path}${query}"}})
    response = lab.request(gateway, target="/%0d%0aSet-Cookie:%20a=b?%0d%0a")
    assert response.header("Location").lower().endswith("/%0d%0aset-cookie:%20a=b?%0d%0a")
    assert response.header("Set-Cookie") is None


def test_respond(lab):
    gateway = start(lab, {"name": "teapot", "respond": {
        "status": 418, "body": "short & stout", "headers": {"Content-Type": "text/tea", "X-Own": "${method} ${path}"}}})
    client = lab.client(gateway)
    response = client.request("GET", "/pot")
    assert (response.status, response.body) == (418, b"short & stout")
    assert response.header("Content-Type") == "text/tea" and response.header("X-Own") == "GET /pot"
    assert client.request("HEAD", "/pot").header("Content-Length") == "13"
    assert client.request("POST", "/pot", body=b"milk").body == b"short & stout"


def test_an_upgrade_on_a_route_without_upstream(lab):
    client = lab.client(start(lab, named("any")))
    client.send(upgrade_bytes("/"))
    assert read_response(client).status == 200


def test_header_operations(lab):
    operations = {
        "request_headers": {
            "set": {"X-Client": "${client_ip}", "X-What": "${method} ${scheme}://${host}${path}${query} by ${route}",
                    "X-Id": "${request_id}"},
            "add": {"X-Twice": "added"}, "remove": ["X-Secret", "Accept"]},
        "response_headers": {"set": {"Server": "sluice", "X-Route": "${route}"}, "add": {"Set-Cookie": "b=2"},
                             "remove": ["X-Powered-By"]},
    }
    backend = lab.backend(lambda peer: (peer.read_request(), peer.respond(headers=[
        ("Server", "app/1"), ("X-Powered-By", "app"), ("Set-Cookie", "a=1")])))
    gateway = lab.gateway(backend, route=operations)
    response = lab.request(gateway, target="/p/a?q=1", headers=[
        ("X-Client", "forged"), ("x-client", "twice"), ("X-Twice", "sent"), ("x-secret", "1"), ("Accept", "*/*")])
    request = backend.requests[0]
    assert request.all("X-Client") == ["127.0.0.1"]
    assert request.header("X-What") == "GET http://test.example/p/a?q=1 by all"
    assert request.header("X-Id") == request.header("X-Request-Id")
    assert request.all("X-Twice") == ["sent", "added"]
    assert not request.names() & {"x-secret", "accept"}
    assert response.all("Server") == ["sluice"] and response.header("X-Route") == "all"
    assert response.all("Set-Cookie") == ["a=1", "b=2"]
    assert response.header("X-Powered-By") is None


def test_header_operations_on_upgrades(lab):
    backend = lab.backend(echo_websocket)
    gateway = lab.gateway(backend, route={"request_headers": {"set": {"X-Client": "${client_ip}"}},
                                          "response_headers": {"set": {"X-Route": "${route}"}}})
    response = open_websocket(lab.client(gateway))
    assert response.header("X-Route") == "all"
    assert b"X-Client: 127.0.0.1\r\n" in backend.received()
