"""Header fields on their way through: what is removed, what is added, what stays as it was."""

import pytest

from support.raw_client import trusting

HOP_BY_HOP = [
    ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "keep-alive"), ("Proxy-Authorization", "Basic eA=="),
    ("TE", "gzip"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABk"),
]
ADDED = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "x-real-ip", "x-request-id", "via"}


def seen_by_backend(lab, headers=(), listeners=None, **request):
    """The request as the backend got it."""
    backend = lab.backend()
    gateway = lab.gateway(backend, **({"listeners": listeners} if listeners else {}))
    assert lab.request(gateway, headers=headers, **request).status == 200
    return backend.requests[0]


def seen_by_client(lab, headers):
    """The response as the client got it, when the backend sends these fields."""
    backend = lab.backend(lambda connection: (connection.read_request(), connection.respond(headers=headers)))
    return lab.request(lab.gateway(backend))


def trusting_loopback():
    return [{"name": "web", "address": "127.0.0.1:0", "trusted_proxies": ["127.0.0.0/8"]}]


def test_only_the_forwarding_fields_are_added(lab):
    request = seen_by_backend(lab, [("Accept", "*/*"), ("X-Own", "1")], target="/a?b=c", host="test.example:81")
    assert request.head.startswith(b"GET /a?b=c HTTP/1.1\r\n")
    assert request.names() - ADDED - {"connection"} == {"host", "accept", "x-own"}
    assert request.header("Connection") in (None, "keep-alive")
    assert request.header("Host") == "test.example:81"
    assert request.header("X-Forwarded-For") == "127.0.0.1"
    assert request.header("X-Forwarded-Proto") == "http"
    assert request.header("X-Forwarded-Host") == "test.example:81"
    assert request.header("X-Real-IP") == "127.0.0.1"
    assert request.header("Via") == "1.1 sluice"
    assert set(request.header("Forwarded").split(";")) == {"for=127.0.0.1", "proto=http", 'host="test.example:81"'}


def test_other_fields_keep_their_bytes_and_order(lab):
    fields = [("aCCept", "text/html;q=0.5,  */*"), ("X-Odd!#$%&'*+.^`|~", 'a"b\\c'), ("Cookie", "a=b; c=d"),
              ("X-Latin", "gr\xfc\xdfe"), ("X-Twice", "1"), ("X-Twice", "2"), ("X-Empty", ""),
              ("Authorization", "Bearer x.y.z"), ("X-Tab", "a\tb")]
    request = seen_by_backend(lab, fields)
    assert [field for field in request.headers if field in fields] == fields


def test_hop_by_hop_fields_of_a_request_stay_here(lab):
    request = seen_by_backend(
        lab, [("Connection", "close, X-Named,upgrade"), ("X-Named", "1"), ("x-nAMED", "2"), ("X-Kept", "3"),
              *HOP_BY_HOP])
    assert not request.names() & ({name.lower() for name, _ in HOP_BY_HOP} | {"x-named"})
    assert request.header("X-Kept") == "3"
    assert request.header("Connection") in (None, "keep-alive")


@pytest.mark.parametrize("name", ["Host", "Cookie", "Authorization", "X-Forwarded-For", "X-Real-IP", "Content-Length"])
def test_connection_cannot_remove_what_counts(lab, name):
    fields = [("Connection", name), ("Cookie", "a=b"), ("Authorization", "Basic eA==")]
    request = seen_by_backend(lab, fields, method="POST", body=b"body")
    assert request.header(name) is not None
    assert request.body == b"body"


def test_hop_by_hop_fields_of_a_response_stay_here(lab):
    response = seen_by_client(lab, [
        ("Connection", "X-Named, close"), ("X-Named", "1"), ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "close"),
        ("Upgrade", "h2c"), ("X-Kept", "2"), ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d")])
    assert not response.names() & {"x-named", "keep-alive", "proxy-connection", "upgrade"}
    assert response.header("X-Kept") == "2"
    assert response.all("Set-Cookie") == ["a=b", "c=d"]
    assert response.header("Via") == "1.1 sluice"


def test_via_of_the_backend_comes_first(lab):
    assert ", ".join(seen_by_client(lab, [("Via", "1.1 inner")]).all("Via")) == "1.1 inner, 1.1 sluice"


def test_an_untrusted_client_cannot_forge_forwarding_fields(lab):
    forged = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.example"),
              ("Forwarded", "for=6.6.6.6;proto=https"), ("X-Real-IP", "6.6.6.6"), ("X-Request-Id", "forged"),
              ("x-forwarded-for", "7.7.7.7")]
    request = seen_by_backend(lab, forged)
    assert request.header("X-Forwarded-For") == "127.0.0.1"
    assert request.header("X-Forwarded-Proto") == "http"
    assert request.header("X-Forwarded-Host") == "test.example"
    assert request.header("X-Real-IP") == "127.0.0.1"
    assert request.header("X-Request-Id") != "forged"
    for evil in (b"6.6.6.6", b"7.7.7.7", b"evil", b"https"):
        assert evil not in request.head


def test_a_trusted_proxy_is_believed_and_appended_to(lab):
    request = seen_by_backend(
        lab, [("X-Forwarded-For", "6.6.6.6, 203.0.113.9"), ("X-Forwarded-Proto", "https"),
              ("X-Forwarded-Host", "shop.example"), ("X-Request-Id", "kept-42"), ("Via", "1.1 outer")],
        listeners=trusting_loopback())
    assert request.header("X-Forwarded-For") == "6.6.6.6, 203.0.113.9, 127.0.0.1"
    assert request.header("X-Real-IP") == "203.0.113.9"
    assert request.header("X-Forwarded-Proto") == "https"
    assert request.header("X-Forwarded-Host") == "shop.example"
    assert request.header("X-Request-Id") == "kept-42"
    assert ", ".join(request.all("Via")) == "1.1 outer, 1.1 sluice"


@pytest.mark.parametrize("insane", ["", "a b", "x" * 129, "caf\xe9", "a\"b"])
def test_an_insane_request_id_is_replaced_even_from_a_trusted_proxy(lab, insane):
    request = seen_by_backend(lab, [("X-Request-Id", insane)], listeners=trusting_loopback())
    assert request.header("X-Request-Id") not in (None, "", insane)


def test_request_ids_differ(lab):
    backend = lab.backend()
    client = lab.client(lab.gateway(backend))
    for _ in range(20):
        client.request()
    ids = {request.header("X-Request-Id") for request in backend.requests}
    assert len(ids) == 20 and all(len(one) >= 16 for one in ids)


def test_underscored_names_are_dropped(lab):
    fields = [("X_Forwarded_For", "6.6.6.6"), ("Content_Length", "5"), ("_", "x"), ("X-Kept", "1")]
    request = seen_by_backend(lab, fields)
    assert not any("_" in name for name in request.names())
    assert request.header("X-Kept") == "1"


def test_the_target_reaches_the_backend_with_its_query_untouched(lab):
    request = seen_by_backend(lab, target="/a%20b/c;p=1?x=%2F..%2F&y=%00&&=~%7e")
    assert request.target == "/a%20b/c;p=1?x=%2F..%2F&y=%00&&=~%7e"


def test_a_response_reason_and_unusual_status_pass(lab):
    backend = lab.backend(lambda connection: (connection.read_request(),
                                              connection.send(b"HTTP/1.1 299 Odd One\r\nContent-Length: 0\r\n\r\n")))
    response = lab.request(lab.gateway(backend))
    assert (response.status, response.reason) == (299, "Odd One")


def test_an_empty_reason_is_legal(lab):
    backend = lab.backend(lambda connection: (connection.read_request(),
                                              connection.send(b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n")))
    assert lab.request(lab.gateway(backend)).status == 200


def test_an_https_listener_says_so(lab, ca):
    backend = lab.backend()
    listener = {"name": "secure", "address": "127.0.0.1:0",
                "tls": {"certificates": [ca.issue("test.example").as_config()]}}
    gateway = lab.gateway(backend, listeners=[listener])
    client = lab.client(gateway, tls=trusting(ca.certificate), server_name="test.example")
    assert client.request().status == 200
    assert backend.requests[0].header("X-Forwarded-Proto") == "https"
    assert "proto=https" in backend.requests[0].header("Forwarded")
