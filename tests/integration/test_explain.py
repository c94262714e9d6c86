"""`sluice explain`: what it tells is what the gateway does, and it tells why."""

import pytest

from support.config_text import config_for, to_yaml
from support.explained import explain, explained_fields, flags, without
from support.gateway import run_sluice
from support.websocket import KEY

HANDSHAKE = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", KEY)]

TELLS = {"request_headers": {"set": {"X-Route": "${route}"}}}  # to the backend which route it was
ROUTES = [
    {"name": "host", "match": {"hosts": ["shop.example", "*.shop.example"], "path_prefix": "/a"}, "upstream": "app",
     "request_headers": {"set": {"X-Client": "${client_ip}", "X-Path": "${path}"}, "add": {"X-Route": "${route}"},
                         "remove": ["X-Debug"]}},
    {"name": "sockets", "match": {"path_prefix": "/ws", "websocket": True}, "upstream": "app", **TELLS},
    {"name": "rewritten", "match": {"path_prefix": "/strip"}, "upstream": "app", **TELLS,
     "rewrite": {"strip_prefix": "/strip", "host": "internal.example"}},
    {"name": "no_sockets", "match": {"path": "/none"}, "upstream": "app", **TELLS, "websocket": {"enabled": False}},
    {"name": "versions", "match": {"path_regex": "^/v[0-9]+/", "headers": [{"name": "X-Beta", "equals": "1"}]},
     "upstream": "app", **TELLS},
    {"name": "upload", "match": {"path": "/upload", "methods": ["POST"]}, "upstream": "app", "max_request_body": "1KiB"},
    {"name": "moved", "match": {"path": "/old"}, "redirect": {"to": "https://${host}/new${query}", "status": 301},
     "response_headers": {"set": {"X-Route": "${route}"}}},
    {"name": "fixed", "match": {"path": "/fixed"}, "respond": {"status": 410, "body": "gone", "headers": {"X-A": "b"}}},
    {"name": "closed", "match": {"path": "/closed"}, "upstream": "app", "maintenance": True},
    {"name": "secure", "match": {"path": "/secure", "listeners": ["other"]}, "upstream": "app"},
]

# Method, host, target, headers, and the route that the file is meant to give it.
CASES = [
    ("GET", "shop.example", "/a/b?c=d", [("X-Debug", "1"), ("Cookie", "k=v")], "host"),
    ("GET", "EU.shop.example", "/a/./x/../b//c/%7Euser", [], "host"),
    ("GET", "other.example", "/a", [], None),
    ("GET", "other.example", "/ws/room", HANDSHAKE, "sockets"),
    ("GET", "other.example", "/ws/room", [], None),
    ("GET", "other.example", "/ws/room", [*HANDSHAKE[:2], ("Sec-WebSocket-Version", "8"), HANDSHAKE[3]], "sockets"),
    ("GET", "other.example", "/ws/room", HANDSHAKE[:3], "sockets"),
    ("GET", "other.example", "/strip/x?y=z", [], "rewritten"),
    ("GET", "other.example", "/strip/ws", HANDSHAKE, "rewritten"),
    ("GET", "other.example", "/none", HANDSHAKE, "no_sockets"),
    ("GET", "other.example", "/none", [], "no_sockets"),
    ("GET", "other.example", "/v2/x", [("X-Beta", "1")], "versions"),
    ("GET", "other.example", "/v2/x", [("X-Beta", "2")], None),
    ("POST", "other.example", "/upload", [("Content-Length", "1025")], "upload"),
    ("GET", "other.example", "/old?a=b", [], "moved"),
    ("HEAD", "other.example", "/fixed", [], "fixed"),
    ("GET", "other.example", "/closed", [], "closed"),
    ("GET", "other.example", "/closed", HANDSHAKE, "closed"),
    ("GET", "other.example", "/secure", [], None),
    ("TRACE", "other.example", "/", [], None),
    ("GET", "other.example", "/a%2fb", [], None),
    ("GET", "other.example", "/../b", [], None),
    ("GET", "other.example", "/a\\b", [], None),
    ("GET", "other.example", "/", [("Host", "twice.example")] * 2, None),
    ("GET", "other.example", "/", [("Transfer-Encoding", "gzip")], None),
    ("GET", "other.example", "/", [("X-Long", "x" * 70000)], None),
]


@pytest.mark.deadline(120)
def test_what_is_told_is_what_happens(lab):
    backend = lab.backend()
    config = config_for(backend, routes=ROUTES, listeners=[
        {"name": "web", "address": "127.0.0.1:0"}, {"name": "other", "address": "127.0.0.1:0"}])
    gateway = lab.gateway_from(config)
    for method, host, target, headers, route in CASES:
        about = f"{method} {host} {target} {headers}"[:200]
        told = explain(gateway.config_file, method, f"http://{host}{target}", *flags(headers))
        asked = len(backend.requests)
        client = lab.client(gateway, "web")
        lines = headers if any(name == "Host" for name, _ in headers) else [("Host", host), *headers]
        client.send(f"{method} {target} HTTP/1.1\r\n".encode()
                    + b"".join(f"{name}: {value}\r\n".encode() for name, value in lines) + b"\r\n")
        if told["forwarded"]:
            request = backend.wait_for_request(asked + 1)
            client.close()
            assert told["answer"] is None and request.header("X-Route") == route, about
            assert told["forwarded"]["request_line"] == request.head.split(b"\r\n")[0].decode(), about
            assert explained_fields(told["forwarded"], "X-Request-Id") == without(request.headers, "X-Request-Id"), about
        else:
            answer = client.response(method)
            assert len(backend.requests) == asked, about
            assert told["answer"]["status"] == answer.status, about
            real = without(answer.headers, "Date", "Content-Length", "Connection")
            assert explained_fields(told["answer"], "Connection") == real, about
            assert method == "HEAD" or told["answer"]["body_size"] == len(answer.body), about
            client.close()
        assert told["route"] == route, about


@pytest.fixture
def two_listeners(tmp_path):
    file = tmp_path / "sluice.yaml"
    file.write_text(to_yaml(config_for(
        "http://127.0.0.1:8001", {"url": "http://127.0.0.1:8002", "weight": 3},
        upstream={"retries": {"attempts": 3}},
        listeners=[{"name": "web", "address": "0.0.0.0:8080", "trusted_proxies": ["10.0.0.0/8"]},
                   {"name": "secure", "address": "0.0.0.0:8443", "tls": {"self_signed": True}},
                   {"name": "redirecting", "address": "0.0.0.0:80", "redirect_to_https": True}],
        routes=[
            {"name": "sockets", "match": {"path_prefix": "/ws", "websocket": True, "listeners": ["secure"]},
             "upstream": "app", "websocket": {"idle_timeout": "10m", "max_tunnels": 7},
             "response_headers": {"set": {"X-Sni": "${tls_sni}"}}},
            {"name": "events", "match": {"path": "/sse"}, "upstream": "app",
             "timeouts": {"response_head": "7s", "response_body_idle": "off"}},
            {"name": "all", "upstream": "app"}])) + "\n")
    return file


def test_the_text_is_complete(two_listeners):
    result = run_sluice("explain", "--config", two_listeners, "GET", "wss://chat.example/ws/room?t=1")
    assert result.returncode == 0, result.stderr
    for text in ("GET wss://chat.example/ws/room?t=1\n", "secure (0.0.0.0:8443, TLS)", "127.0.0.1, no trusted proxy",
                 "/ws/room\n", "to a WebSocket", "sockets\n", "app: http://127.0.0.1:8001, http://127.0.0.1:8002 (weight 3)",
                 "round_robin, tries in all: 3", "GET /ws/room?t=1 HTTP/1.1", "X-Forwarded-Proto: https",
                 "set X-Sni: chat.example", "routes.websocket.max_tunnels", "10m",
                 "events", "path /ws/room is not /sse",
                 "less specific than sockets: any path, there path_prefix /ws"):
        assert text in result.stdout, (text, result.stdout)


def test_a_404_is_explained_with_exit_code_0(tmp_path):
    file = tmp_path / "sluice.yaml"
    file.write_text(to_yaml(config_for("http://127.0.0.1:1", route={"match": {"methods": ["PUT"]}})) + "\n")
    result = run_sluice("explain", "--config", file, "GET", "http://a.example/")
    assert result.returncode == 0
    assert "404 Not Found, by the gateway itself: No route matches this request." in result.stdout
    assert "Why no route matches\n  all  method GET is not in [PUT]" in result.stdout


def test_limits_and_timeouts_in_force(two_listeners):
    events = explain(two_listeners, "GET", "http://a.example:8080/sse")["in_force"]
    assert events["routes.timeouts.response_head"] == "7s" and events["routes.timeouts.response_body_idle"] == "off"
    assert events["limits.max_request_body"] == "1GiB"
    other = explain(two_listeners, "GET", "http://a.example:8080/")["in_force"]
    assert other["timeouts.response_head"] == "1m" and "routes.timeouts.response_head" not in other


def websocket_explained(folder, rules, *headers):
    file = folder / "sluice.yaml"
    file.write_text(to_yaml(config_for("http://127.0.0.1:1", route={"websocket": rules})) + "\n")
    return explain(file, "GET", "http://a.example/", "--listener", "web", *flags([*HANDSHAKE, *headers]))


def test_every_limit_of_a_websocket_is_told(tmp_path):
    told = websocket_explained(tmp_path, {"message_rate": {"rate": "5/s", "burst": 9, "action": "delay"}, "max_lifetime": "2h",
                                          "slow_consumer": {"action": "close", "after": "3s"}, "ping": {"to": "both"},
                                          "compression": "off", "validate_utf8": True, "max_frame_size": "1MiB"})
    limits = {key.removeprefix("routes.websocket."): value for key, value in told["in_force"].items()}
    assert limits.items() >= {
        "mode": "forward, compression off, text is checked", "message_rate": "5/s, burst 9, delay", "max_lifetime": "2h",
        "slow_consumer": "close, buffer 64KiB, after 3s", "ping": "both, interval 30s, timeout 10s", "max_frame_size": "1MiB",
        "max_message_size": "64MiB", "idle_timeout": "1h", "max_tunnels": "off", "origins": "any"}.items()
    assert told["observed"] == {}


def test_what_is_only_observed_is_not_called_in_force(tmp_path):
    told = websocket_explained(tmp_path, {"observe": True, "origins": ["same"], "max_message_size": "1KiB"}, ("Origin", "https://other.example"))
    assert told["observed"]["routes.websocket.origins"] == "same" and told["observed"]["routes.websocket.max_message_size"] == "1KiB"
    assert not {"routes.websocket.origins", "routes.websocket.max_message_size"} & told["in_force"].keys()
    assert "routes.websocket.idle_timeout" in told["in_force"] and "forwarded" in told
    assert told["notes"] == ["websocket.origins does not name this Origin, and observe lets it in all the same"]


@pytest.mark.parametrize("rules,protocol,extensions", [
    ({}, "x, chat.v1, chat.v2", "permessage-deflate"),
    ({"compression": "off"}, "x, chat.v1, chat.v2", None),
    ({"mode": "terminate", "compression": "offload", "subprotocols": ["chat.v2", "chat.v1"]}, "chat.v1", None),
])
def test_the_handshake_for_the_backend_is_told_as_it_goes(tmp_path, rules, protocol, extensions):
    offered = [("Sec-WebSocket-Protocol", "x, chat.v1, chat.v2"), ("Sec-WebSocket-Extensions", "permessage-deflate")]
    fields = dict(explained_fields(websocket_explained(tmp_path, rules, *offered)["forwarded"]))
    assert fields["Sec-WebSocket-Protocol"] == protocol
    assert fields.get("Sec-WebSocket-Extensions") == extensions


@pytest.mark.parametrize("url,arguments,listener", [
    ("http://a.example:8080/", [], "web"),
    ("http://a.example/", [], "redirecting"),
    ("https://a.example/", [], "secure"),
    ("wss://a.example:8443/", [], "secure"),
    ("http://a.example:9999/", ["--listener", "web"], "web"),
])
def test_scheme_and_port_choose_the_listener(two_listeners, url, arguments, listener):
    assert explain(two_listeners, "GET", url, *arguments)["listener"].startswith(listener + " ")


def test_a_plain_listener_that_redirects(two_listeners):
    told = explain(two_listeners, "GET", "http://a.example/x?y")
    assert told["answer"]["status"] == 308
    assert {"name": "Location", "value": "https://a.example:8443/x?y"} in told["answer"]["headers"]
    assert told["routes"] == [], "no route is asked"


def test_several_listeners_that_fit_are_told(tmp_path):
    file = tmp_path / "sluice.yaml"
    file.write_text(to_yaml(config_for("http://127.0.0.1:1", listeners=[
        {"name": "web", "address": "127.0.0.1:8080"}, {"name": "other", "address": "127.0.0.2:8080"}])) + "\n")
    told = explain(file, "GET", "http://a.example:8080/")
    assert told["listener"].startswith("web ")
    assert told["notes"] == ["the URL fits other (127.0.0.2:8080, plain) as well; --listener NAME takes another"]


def test_a_trusted_proxy_is_believed(two_listeners):
    forwarded = flags([("X-Forwarded-For", "203.0.113.5"), ("X-Forwarded-Proto", "https")])
    url = "http://a.example:8080/"
    stranger = explain(two_listeners, "GET", url, *forwarded)["client"]
    proxy = explain(two_listeners, "GET", url, "--client", "10.1.2.3", *forwarded)["client"]
    assert (stranger["trusted"], stranger["believed"], stranger["scheme"]) == (False, "127.0.0.1", "http")
    assert (proxy["trusted"], proxy["believed"], proxy["scheme"]) == (True, "203.0.113.5", "https")


@pytest.mark.parametrize("arguments,said", [
    (["GET", "a.example/x"], "does not start with http://"),
    (["GET", "ftp://a.example/x"], "does not start with http://"),
    (["GET", "http:///x"], "is not a host"),
    (["GET", "http://user@a.example/"], "is not a host"),
    (["GET", "http://a.example/a b"], "percent-encoded"),
    (["GET X", "http://a.example/"], "the method"),
    (["GET", "http://a.example:9000/"], "there are web (0.0.0.0:8080, plain), secure (0.0.0.0:8443, TLS)"),
    (["GET", "https://a.example:8080/"], "there are web (0.0.0.0:8080, plain), secure (0.0.0.0:8443, TLS)"),
    (["GET", "http://a.example/", "--listener", "none"], "there is no listener \"none\""),
    (["GET", "http://a.example/", "--listener", "secure"], "speaks https:// and wss:// alone"),
    (["GET", "http://a.example/", "-H", "nonsense"], "is not a header"),
    (["GET", "http://a.example/", "-H", "X: a\r\nY: b"], "is not a header"),
    (["GET", "http://a.example/", "--client", "nobody"], "is not an IP address"),
])
def test_what_cannot_be_explained_exits_1(two_listeners, arguments, said):
    result = run_sluice("explain", "--config", two_listeners, *arguments)
    assert result.returncode == 1
    assert said in result.stderr and not result.stdout


def test_a_wrong_configuration_exits_1(tmp_path):
    file = tmp_path / "sluice.yaml"
    file.write_text("listeners: []\n")
    result = run_sluice("explain", "--config", file, "GET", "http://a.example/")
    assert result.returncode == 1
    assert "listeners" in result.stderr


def test_a_unix_listener_is_taken_by_name(tmp_path):
    config = config_for("http://127.0.0.1:1", listeners=[
        {"name": "local", "address": f"unix:{tmp_path}/web.sock", "trusted_proxies": ["unix"]},
        {"name": "web", "address": "127.0.0.1:8080"}])
    file = tmp_path / "sluice.yaml"
    file.write_text(to_yaml(config) + "\n")
    told = explain(file, "GET", "http://a.example/", "--listener", "local")
    assert told["client"] == {"address": "unix", "trusted": True, "believed": "unix", "scheme": "http", "protocol": "http/1.1"}
    assert explain(file, "GET", "http://a.example/")["listener"].startswith("web "), "a URL leads to a port first"


def test_control_characters_do_not_reach_the_terminal(tmp_path):
    file = tmp_path / "sluice.yaml"
    file.write_text(to_yaml(config_for("http://127.0.0.1:1")))
    told = run_sluice("explain", "--config", file, "GET", "http://x/\x1b[31m")
    assert (told.returncode, "\x1b" in told.stderr) == (1, False)
    assert "http://x/\\x1b[31m" in told.stderr
    told = run_sluice("explain", "--config", file, "GET", "http://x/\x9b31m", "-H", "X-Evil: \x1b[31m")
    assert "\x9b" not in told.stdout and "\x1b" not in told.stdout
    assert "http://x/\\xc2\\x9b31m" in told.stdout
