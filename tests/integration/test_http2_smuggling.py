"""What an HTTP/1.1 backend receives of HTTP/2 requests that were made to become two there, or another one than the gateway has judged."""

import pytest

from conftest import Lab
from support import http2_frames as h2
from support.http2_frames import FrameClient, block, data, headers, post, request_fields
from support.raw_backend import RawBackend

LIMITS = {"max_request_line": "1KiB", "max_headers": 20, "max_request_body": "32KiB"}
# What the gateway says itself.
OWN = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "x-real-ip", "x-request-id", "via"}
SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: evil.example\r\n\r\n"
CANARY = 99


class Bench:
    """One gateway and one backend for the whole file, with a connection for each request between them."""

    def __init__(self, folder):
        self.lab = Lab(folder)
        self.backend = self.lab.keep(RawBackend(self._serve))
        self.gateway = self.lab.gateway(
            self.backend, workers=1, limits=LIMITS, timeouts={"request_body_idle": "1s"}, upstream={"retries": {"attempts": 1}},
            routes=[{"name": "admin", "match": {"path_prefix": "/admin"}, "respond": {"status": 403, "body": "no"}},
                    {"name": "all", "upstream": "app"}],
            listeners=[{"name": "web", "address": "127.0.0.1:0", "protocols": ["h2", "http/1.1"]}])

    def _serve(self, peer):
        while True:
            request = peer.read_request()
            peer.respond(body=b"canary" if request.target == "/canary" else b"ok")

    def ask(self, *frames):
        """How stream 1 was answered, and the requests that the backend got by it. Then an innocent request goes the same way: were
        anything left over on the way, it would get the wrong answer."""
        before = len(self.backend.requests)
        client = FrameClient(self.gateway.port)
        try:
            client.send(b"".join(frames))
            answer = client.answer(1)
            self.innocent(client)
        finally:
            client.close()
        got = self.backend.requests[before:]
        assert [one.target for one in got].count("/canary") == 1 and got[-1].target == "/canary", got
        return answer, got[:-1]

    @staticmethod
    def innocent(client, number=CANARY):
        client.send(h2.get(number, "/canary"))
        canary = client.answer(number)
        assert (canary.status, canary.body) == (200, b"canary"), canary

    def refuse(self, *frames):
        """Refused, with a status or a reset, and nothing of it has reached the backend."""
        before = len(self.backend.received())
        answer, got = self.ask(*frames)
        assert got == [], got
        assert b"evil" not in self.backend.received()[before:]
        return answer

    def pass_on(self, *frames):
        """The request as the backend got it."""
        answer, got = self.ask(*frames)
        assert answer.status == 200, answer
        assert len(got) == 1, got
        return got[0]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    made = Bench(tmp_path_factory.mktemp("smuggling"))
    yield made
    made.lab.close()


def own_left_out(request):
    return [(name, value) for name, value in request.headers if name.lower() not in OWN]


def asking(*fields, method="GET", path="/", **pseudo):
    return headers(1, request_fields(method, path, *fields, **pseudo))


# ---- one field or more ----------------------------------------------------------------------------------------------

BREAKS = {"crlf": "a\r\nx-evil: 1", "lf": "a\nx-evil: 1", "cr": "a\rx-evil: 1", "nul": "a\0x-evil: 1", "request": f"a\r\n\r\n{SMUGGLED}"}


@pytest.mark.parametrize("text", BREAKS.values(), ids=BREAKS)
@pytest.mark.parametrize("field", ["x-own", "cookie", "host", "content-type", "expect", "user-agent", "te"])
def test_a_value_cannot_add_fields(bench, field, text):
    bench.refuse(asking((field, text)))


@pytest.mark.parametrize("text", BREAKS.values(), ids=BREAKS)
@pytest.mark.parametrize("field", ["method", "path", "authority", "scheme"])
def test_a_pseudo_field_cannot_add_fields(bench, field, text):
    bench.refuse(asking(**{field: "/" + text if field == "path" else text}))


@pytest.mark.parametrize("name", ["x: 1\r\nx-evil", "x\r\nx-evil", "x\nx-evil", "x\0", "x evil", "x-evil:", ":x-evil", "", "X-Evil", "x\x7f-evil",
                                  "transfer-encoding: chunked\r\nx-evil", "(x-evil)"])
def test_a_name_cannot_add_fields(bench, name):
    bench.refuse(asking((name, "1")))


@pytest.mark.parametrize("text", BREAKS.values(), ids=BREAKS)
def test_trailers_cannot_add_fields(bench, text):
    """The backend may have got a part of the body by then, and never its end."""
    before = len(bench.backend.received())
    answer, got = bench.ask(post(), data(1, b"body"), headers(1, [("x-end", text)]))
    assert answer.reset == h2.PROTOCOL_ERROR and got == []
    assert b"evil" not in bench.backend.received()[before:]


@pytest.mark.parametrize("method", ["GET /smuggled HTTP/1.1", "GE T", "GET\t", "", "G\u00cbT", "GET/", "get:"])
def test_a_method_is_one_word(bench, method):
    bench.refuse(asking(method=method))


@pytest.mark.parametrize("path", [
    "/ HTTP/1.1", "/a b", "/a\tb", "/\x7f", "/\u00e4", "/#fragment", "http://evil.example/", "//evil.example/../..", "evil", "?q", "*",
    "/%2e%2e/%2e%2e/evil", "/a%00b", "/a%2", "/../evil", "/admin%2f..%2fevil"])
def test_a_path_is_a_path(bench, path):
    """What HTTP/1.1 does not take as a target, or in which a backend could see another path, is refused here as well."""
    bench.refuse(asking(path=path))


@pytest.mark.parametrize("path, status", [("/x/../admin", 403), ("/./admin", 403), ("/%61dmin", 403), ("/ADMIN", 200), ("/admin/", 403)])
def test_routes_see_what_the_backend_would(bench, path, status):
    answer, got = bench.ask(asking(path=path))
    assert answer.status == status
    assert len(got) == (1 if status == 200 else 0)


def test_the_path_of_options(bench):
    assert bench.pass_on(asking(method="OPTIONS", path="*")).target == "*"


def test_connect_and_trace_are_not_served(bench):
    answer = bench.refuse(headers(1, [(":method", "CONNECT"), (":authority", "evil.example:443")]))
    assert answer.status == 405
    assert bench.refuse(asking(method="TRACE")).status == 405


# ---- one host -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("authority, host", [("test.example", "evil.example"), ("test.example", "test.example:81"), ("evil.example", "test.example")])
def test_one_host(bench, authority, host):
    answer = bench.refuse(asking(("host", host), authority=authority))
    assert (answer.status, answer.header("sluice-error")) == (400, "ambiguous_authority")


@pytest.mark.parametrize("host", ["test.example", "TEST.example", "test.example:80"])
def test_the_same_host_twice(bench, host):
    assert bench.pass_on(asking(("host", host))).all("Host") == ["test.example"]


def test_a_host_without_an_authority(bench):
    assert bench.pass_on(asking(("host", "other.example"), authority=None)).all("Host") == ["other.example"]


@pytest.mark.parametrize("authority", ["user@test.example", "test.example/evil", "test.example:", "test.example:65536", "test.example:8o", "[::1",
                                       "a b", "test.example,evil.example", "test.example?", "", "test.example\\evil", "@"])
def test_an_authority_is_a_host(bench, authority):
    bench.refuse(asking(authority=authority))


def test_two_hosts(bench):
    bench.refuse(asking(("host", "test.example"), ("host", "evil.example"), authority=None))


def test_the_scheme_decides_nothing(bench):
    """What the client says of it is no secret to keep: the connection is what it is."""
    request = bench.pass_on(asking(scheme="https"))
    assert request.header("X-Forwarded-Proto") == "http"


# ---- one length -----------------------------------------------------------------------------------------------------

FRAMING = [("transfer-encoding", "chunked"), ("connection", "transfer-encoding"), ("connection", "close"), ("keep-alive", "1"), ("upgrade", "h2c"),
           ("proxy-connection", "close"), ("te", "chunked"), ("te", "trailers, chunked")]


@pytest.mark.parametrize("field", FRAMING, ids=lambda field: "-".join(field).replace(" ", ""))
def test_fields_of_one_connection(bench, field):
    assert bench.refuse(post(1, "/", field), data(1, b"0\r\n\r\n" + SMUGGLED.encode(), end=True)).reset == h2.PROTOCOL_ERROR


def test_te_is_between_the_client_and_the_gateway(bench):
    assert own_left_out(bench.pass_on(asking(("te", "trailers")))) == [("Host", "test.example")]


@pytest.mark.parametrize("length", ["0", "1", "100"])
def test_a_content_length_that_is_not_the_bodys(bench, length):
    answer, got = bench.ask(post(1, "/", ("content-length", length)), data(1, SMUGGLED.encode(), end=True))
    assert answer.reset == h2.PROTOCOL_ERROR
    assert got == []


@pytest.mark.parametrize("length,first,more", [("0", b"", b"x"), ("4", b"body", b"x"), ("4", b"bo", b"dyx"), ("4", b"body", SMUGGLED.encode()),
                                               ("4", b"bo", b"")], ids=["0+1", "4+1", "2+3", "4+many", "2+0"])
def test_a_body_that_is_found_wrong_later(bench, length, first, more):
    """A part may have reached the backend by then, and never a whole request."""
    before = len(bench.backend.requests)
    client = FrameClient(bench.gateway.port)
    try:
        client.send_frames(post(1, "/", ("content-length", length)), *([data(1, first)] if first else []))
        client.still_answers()
        bench.innocent(client)
        client.send_frames(data(1, more, end=True))
        assert client.answer(1).reset == h2.PROTOCOL_ERROR
        assert client.answers[1].status is None
        bench.innocent(client, CANARY + 2)
    finally:
        client.close()
    assert [one.target for one in bench.backend.requests[before:]] == ["/canary", "/canary"]


@pytest.mark.parametrize("length,body", [("0", b""), ("4", b"body")])
def test_an_end_that_comes_later(bench, length, body):
    before = len(bench.backend.requests)
    client = FrameClient(bench.gateway.port)
    try:
        client.send_frames(post(1, "/", ("content-length", length)), *([data(1, body)] if body else []))
        client.still_answers()
        client.send_frames(data(1, b"", end=True))
        assert client.answer(1).status == 200
    finally:
        client.close()
    got, = bench.backend.requests[before:]
    assert (got.body, got.header("Content-Length")) == (body, length)


def test_an_empty_body_whose_end_does_not_come(bench):
    client = FrameClient(bench.gateway.port)
    try:
        client.send_frames(post(1, "/", ("content-length", "0")))
        answer = client.answer(1)
        assert (answer.status, answer.header("sluice-error")) == (408, "request_body_timeout")
    finally:
        client.close()


@pytest.mark.parametrize("length", ["-1", "+4", "4 ", " 4", "0x4", "4,4", "", "4\t", "1" * 30, "four"])
def test_a_content_length_is_a_number(bench, length):
    bench.refuse(post(1, "/", ("content-length", length)), data(1, b"evil", end=True))


def test_two_content_lengths(bench):
    bench.refuse(post(1, "/", ("content-length", "4"), ("content-length", "4")), data(1, b"evil", end=True))


def test_a_body_that_looks_like_a_request(bench):
    request = bench.pass_on(post(1, "/", ("content-length", str(len(SMUGGLED)))), data(1, SMUGGLED.encode(), end=True))
    assert request.body == SMUGGLED.encode() and own_left_out(request) == [("Host", "test.example"), ("Content-Length", str(len(SMUGGLED)))]


def test_a_body_that_looks_like_chunks(bench):
    body = b"0\r\n\r\n" + SMUGGLED.encode()
    request = bench.pass_on(post(), data(1, body, end=True))
    assert request.body == body and request.header("Transfer-Encoding") == "chunked"


@pytest.mark.parametrize("field", ["transfer-encoding", "content-length", "host", "connection", "trailer", "authorization", "cookie", "te"])
def test_trailers_that_would_change_the_message(bench, field):
    """Most are dropped; those that HTTP/2 forbids anywhere reset the stream."""
    answer, got = bench.ask(post(), data(1, b"body"), headers(1, [(field, "chunked"), ("x-end", "yes")]))
    if answer.reset is not None:
        assert answer.reset == h2.PROTOCOL_ERROR and got == []
        return
    assert got[0].trailers == [("x-end", "yes")]


def test_a_body_of_nothing(bench):
    request = bench.pass_on(post(), data(1, end=True))
    assert request.body == b""


# ---- cookies, sizes -------------------------------------------------------------------------------------------------

def test_cookie_crumbs(bench):
    request = bench.pass_on(asking(("cookie", "a=1"), ("x-own", "1"), ("cookie", "b=2"), ("cookie", "c=3; d=4")))
    assert request.all("Cookie") == ["a=1; b=2; c=3; d=4"]


def test_other_fields_stay_as_they_are(bench):
    fields = [("accept", "a"), ("accept", "b"), ("x-empty", ""), ("x-own", "y\u00e4"), ("x-quoted", '"a, b"'), ("x-spaced", "a  b")]
    request = bench.pass_on(asking(*fields))
    assert [one for one in own_left_out(request) if one[0] != "Host"] == fields


def test_a_field_in_pieces(bench):
    """Where a block is cut does not matter."""
    whole = block(*request_fields("GET", "/", ("x-own", "value")))
    for at in range(1, len(whole)):
        request = bench.pass_on(headers(1, whole[:at], done=False), h2.continuation(1, whole[at:]))
        assert request.header("x-own") == "value"


@pytest.mark.parametrize("fields, status, reason", [
    ([("x", "y" * 60000), ("z", "y" * 6000)], 431, "head_too_large"),
    ([(f"x-{number}", "y") for number in range(21)], 431, "too_many_headers"),
])
def test_heads_that_are_too_large(bench, fields, status, reason):
    head = block(*request_fields("GET", "/", *fields))
    pieces = [head[at:at + h2.FRAME_SIZE] for at in range(0, len(head), h2.FRAME_SIZE)]
    frames = [headers(1, pieces[0], done=len(pieces) == 1)]
    frames += [h2.continuation(1, piece, done=piece is pieces[-1]) for piece in pieces[1:]]
    answer = bench.refuse(*frames)
    assert (answer.status, answer.header("sluice-error")) == (status, reason)


def test_a_path_that_is_too_long(bench):
    answer = bench.refuse(asking(path="/" + "a" * 1100))
    assert (answer.status, answer.header("sluice-error")) == (414, "request_line_too_long")


@pytest.mark.parametrize("length", [[("content-length", "60000")], []])
def test_a_body_that_is_too_large(bench, length):
    frames = [post(1, "/", *length)] + [data(1, bytes(15000), end=at == 3) for at in range(4)]
    answer, got = bench.ask(*frames)
    assert answer.status == 413 and got == []
