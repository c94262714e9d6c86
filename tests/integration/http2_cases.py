"""What a server must make of frames, right and wrong ones: a table by sections of RFC 9113 and RFC 7541.

Each case is sent behind the preface and SETTINGS, as one piece. `held` is a path whose answer does not come, so that a stream is open
for as long as the client wants; `/` is answered at once, by the gateway itself.
"""

from dataclasses import dataclass

from support.http2_frames import (
    ACK, COMPRESSION_ERROR, DATA, ENABLE_PUSH, END_HEADERS, FLOW_CONTROL_ERROR, FRAME_SIZE, FRAME_SIZE_ERROR, GOAWAY, HEADERS,
    INITIAL_WINDOW, MAX_FRAME, MAX_HEADER_LIST, MAX_STREAMS, PADDED, PING, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM, SETTINGS,
    STREAM_CLOSED, WINDOW_UPDATE, WITH_PRIORITY, block, continuation, data, frame, get, goaway, headers, ping, post, priority,
    request_fields, reset, settings, u32, window_update)

HELD = "/held"
MOST_WINDOW = 2**31 - 1
UNKNOWN = 0x16


@dataclass(frozen=True)
class Case:
    section: str
    name: str
    frames: bytes
    overtaken: bytes = b""  # a request on stream 1 that comes first, and is answered before `frames` come

    # What must come of them; one of these.
    goaway: tuple = ()  # the connection ends with one of these codes
    reset: tuple = ()   # stream 1 ends with one of these codes, and the connection goes on
    status: int = None  # stream 1 is answered so, and the connection goes on; 0: it need not be answered
    refused: int = None  # so many streams, the last ones, with REFUSED_STREAM
    leaves: bool = False  # the client wants nothing more, and the gateway ends the connection in peace

    def __str__(self):
        return f"{self.section}-{self.name}".replace(" ", "-")


def good(section, name, *frames, status=0):
    return Case(section, name, b"".join(frames), status=status)


def fatal(section, name, code, *frames):
    return Case(section, name, b"".join(frames), goaway=code if isinstance(code, tuple) else (code,))


def stream_error(section, name, code, *frames):
    return Case(section, name, b"".join(frames), reset=code if isinstance(code, tuple) else (code,))


def behind(section, name, code, request, *frames):
    """A fault of a request that has been answered already, of which the rest was still under way."""
    return Case(section, f"{name}, behind the answer", b"".join(frames), request, reset=(code,), goaway=(code,))


def malformed(section, name, *fields):
    """A request that is none (8.1.1)."""
    return stream_error(section, name, PROTOCOL_ERROR, headers(1, list(fields)))


def with_field(section, name, *field):
    return malformed(section, name, *request_fields("GET", "/", field))


def without(name):
    return [one for one in request_fields("GET", "/") if one[0] != name]


def doubled(name):
    return [one for field in request_fields("GET", "/") for one in [field] * (2 if field[0] == name else 1)]


PART, REST = request_fields("GET", "/")[:2], request_fields("GET", "/")[2:]
OPEN = post(1, HELD)  # the client has not ended it
HALF_CLOSED = get(1, HELD)  # the client has, the gateway has not
CLOSED = get(1, "/")  # answered at once
RESET = post(1, HELD) + reset(1)

FRAMES = [
    good("4.1", "a frame of unknown type", frame(UNKNOWN, 0, 0, b"whatever"), get(), status=200),
    good("4.1", "a frame of unknown type on an idle stream", frame(UNKNOWN, 0, 7, b"whatever"), get(), status=200),
    good("4.1", "undefined flags", frame(PING, 0x16, 0, bytes(8)), get(), status=200),
    good("4.1", "the reserved bit", frame(PING, 0, 2**31, bytes(8)), get(), status=200),
    good("4.2", "the largest DATA frame", post(1, "/"), data(1, bytes(FRAME_SIZE), end=True)),
    fatal("4.2", "DATA over the limit", FRAME_SIZE_ERROR, OPEN, data(1, bytes(FRAME_SIZE + 1), end=True)),
    fatal("4.2", "HEADERS over the limit", FRAME_SIZE_ERROR, headers(1, request_fields("GET", "/", ("x", "y" * FRAME_SIZE)))),
    fatal("4.2", "SETTINGS over the limit", FRAME_SIZE_ERROR, settings(*[(99, 1)] * 2731)),
    fatal("4.2", "an unknown frame over the limit", FRAME_SIZE_ERROR, frame(UNKNOWN, 0, 0, bytes(FRAME_SIZE + 1))),
    fatal("4.3", "a block that cannot be read", COMPRESSION_ERROR, headers(1, b"\x00\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff")),
    fatal("4.3", "PRIORITY within a block", PROTOCOL_ERROR, headers(1, PART, done=False), priority(1), continuation(1, REST)),
    fatal("4.3", "HEADERS of another stream within a block", PROTOCOL_ERROR, headers(1, PART, done=False), get(3)),
    fatal("4.3", "CONTINUATION of another stream within a block", PROTOCOL_ERROR, headers(1, PART, done=False), continuation(3, REST)),
    fatal("4.3", "PING within a block", PROTOCOL_ERROR, headers(1, PART, done=False), ping(), continuation(1, REST)),
]

STATES = [
    fatal("5.1", "idle, DATA", PROTOCOL_ERROR, data(1, b"early", end=True)),
    fatal("5.1", "idle, RST_STREAM", PROTOCOL_ERROR, reset(1)),
    fatal("5.1", "idle, WINDOW_UPDATE", PROTOCOL_ERROR, window_update(1, 100)),
    fatal("5.1", "idle, CONTINUATION", PROTOCOL_ERROR, continuation(1, request_fields())),
    good("5.1", "idle, PRIORITY", priority(5, 3), get(), status=200),
    fatal("5.1", "half-closed, DATA", STREAM_CLOSED, HALF_CLOSED, data(1, b"more")),
    fatal("5.1", "half-closed, empty DATA", STREAM_CLOSED, HALF_CLOSED, data(1, end=True)),
    fatal("5.1", "half-closed, HEADERS", STREAM_CLOSED, HALF_CLOSED, get(1)),
    fatal("5.1", "half-closed, CONTINUATION", (STREAM_CLOSED, PROTOCOL_ERROR), HALF_CLOSED, continuation(1, [("x", "y")])),
    good("5.1", "half-closed, WINDOW_UPDATE", HALF_CLOSED, window_update(1, 100)),
    good("5.1", "half-closed, PRIORITY", HALF_CLOSED, priority(1, 3)),
    good("5.1", "half-closed, RST_STREAM", HALF_CLOSED, reset(1)),
    fatal("5.1", "closed by both, DATA", STREAM_CLOSED, CLOSED, data(1, b"more")),
    fatal("5.1", "closed by both, HEADERS", STREAM_CLOSED, CLOSED, get(1)),
    fatal("5.1", "closed by both, CONTINUATION", (STREAM_CLOSED, PROTOCOL_ERROR), CLOSED, continuation(1, [("x", "y")])),
    good("5.1", "closed by both, WINDOW_UPDATE", CLOSED, window_update(1, 100)),
    good("5.1", "closed by both, PRIORITY", CLOSED, priority(1, 3)),
    good("5.1", "closed by both, RST_STREAM", CLOSED, reset(1)),
    fatal("5.1", "reset, DATA", STREAM_CLOSED, RESET, data(1, b"more")),
    fatal("5.1", "reset, HEADERS", STREAM_CLOSED, RESET, get(1)),
    fatal("5.1", "reset, CONTINUATION", (STREAM_CLOSED, PROTOCOL_ERROR), RESET, continuation(1, [("x", "y")])),
    good("5.1", "reset, WINDOW_UPDATE", RESET, window_update(1, 100)),
    good("5.1", "reset, PRIORITY", RESET, priority(1, 3)),
    good("5.1", "reset, RST_STREAM", RESET, reset(1)),
    fatal("5.1", "trailers, then DATA", STREAM_CLOSED, OPEN, headers(1, [("x-end", "yes")]), data(1, b"more")),
    fatal("5.1.1", "an even number", PROTOCOL_ERROR, get(2)),
    fatal("5.1.1", "a number below the last one", PROTOCOL_ERROR, get(5), get(3)),
    fatal("5.1.1", "DATA with a number below the last one", PROTOCOL_ERROR, get(5), data(3, b"early")),
    fatal("5.1.1", "RST_STREAM of a number below none", PROTOCOL_ERROR, get(1), reset(3)),
    good("5.1.1", "numbers with a gap", get(1), get(7), get(101), status=200),
    good("5.1.1", "the highest number", get(1), get(MOST_WINDOW), status=200),
    Case("5.1.2", "more streams than allowed", b"".join(get(1 + 2 * at, HELD) for at in range(130)), refused=2),
    fatal("5.3.1", "HEADERS that depend on themselves", PROTOCOL_ERROR,
          headers(1, request_fields(), flags=WITH_PRIORITY, before=u32(1) + b"\x0f")),
    fatal("5.3.1", "PRIORITY that depends on itself", PROTOCOL_ERROR, priority(1, 1)),
    good("5.3", "an exclusive PRIORITY", priority(3, 2**31), priority(5, 2**31 + 3, 255), get(), status=200),
    good("5.3", "HEADERS with a priority", headers(1, request_fields(), flags=WITH_PRIORITY, before=u32(3) + b"\x0f"), status=200),
    good("5.5", "an unknown frame on an open stream", post(1, "/"), frame(UNKNOWN, 0, 1, b"?"), data(1, b"body", end=True)),
    fatal("5.5", "an unknown frame within a block", PROTOCOL_ERROR,
          headers(1, PART, done=False), frame(UNKNOWN, 0, 0, b"?"), continuation(1, REST)),
]

KINDS = [
    fatal("6.1", "DATA on stream 0", PROTOCOL_ERROR, data(0, b"body", end=True)),
    fatal("6.1", "padding as long as the frame", PROTOCOL_ERROR, OPEN, frame(DATA, PADDED, 1, b"\x05body")),
    fatal("6.1", "padding without its length", (FRAME_SIZE_ERROR, PROTOCOL_ERROR), OPEN, frame(DATA, PADDED, 1)),
    good("6.1", "padding", post(1, "/"), data(1, b"body", pad=200), data(1, end=True, pad=0)),
    fatal("6.2", "HEADERS on stream 0", PROTOCOL_ERROR, get(0)),
    fatal("6.2", "padding as long as the frame", PROTOCOL_ERROR, frame(HEADERS, PADDED | END_HEADERS, 1, b"\xff" + block(*request_fields()))),
    good("6.2", "padding", headers(1, request_fields(), flags=PADDED, before=b"\x09", after=bytes(9)), status=200),
    fatal("6.2", "a priority that does not fit", FRAME_SIZE_ERROR, frame(HEADERS, WITH_PRIORITY | END_HEADERS, 1, b"\x00\x00")),
    fatal("6.3", "PRIORITY on stream 0", PROTOCOL_ERROR, priority(0, 1)),
    fatal("6.3", "PRIORITY of four bytes, closed", FRAME_SIZE_ERROR, CLOSED, frame(PRIORITY, 0, 1, bytes(4))),
    Case("6.3", "PRIORITY of four bytes", OPEN + frame(PRIORITY, 0, 1, bytes(4)), reset=(FRAME_SIZE_ERROR,), goaway=(FRAME_SIZE_ERROR,)),
    fatal("6.4", "RST_STREAM on stream 0", PROTOCOL_ERROR, reset(0)),
    fatal("6.4", "RST_STREAM of three bytes", FRAME_SIZE_ERROR, OPEN, frame(RST_STREAM, 0, 1, bytes(3))),
    fatal("6.4", "RST_STREAM of three bytes, closed", FRAME_SIZE_ERROR, CLOSED, frame(RST_STREAM, 0, 1, bytes(3))),
    good("6.5", "all settings", settings((1, 4096), (ENABLE_PUSH, 1), (MAX_STREAMS, 100), (INITIAL_WINDOW, 65535), (MAX_FRAME, FRAME_SIZE),
                                         (MAX_HEADER_LIST, 100)), get(), status=200),
    fatal("6.5", "an acknowledgement with a payload", FRAME_SIZE_ERROR, frame(SETTINGS, ACK, 0, bytes(6))),
    fatal("6.5", "SETTINGS on a stream", PROTOCOL_ERROR, frame(SETTINGS, 0, 1, bytes(6))),
    fatal("6.5", "SETTINGS of five bytes", FRAME_SIZE_ERROR, frame(SETTINGS, 0, 0, bytes(5))),
    fatal("6.5.2", "ENABLE_PUSH of 2", PROTOCOL_ERROR, settings((ENABLE_PUSH, 2))),
    fatal("6.5.2", "INITIAL_WINDOW_SIZE too large", FLOW_CONTROL_ERROR, settings((INITIAL_WINDOW, 2**31))),
    fatal("6.5.2", "MAX_FRAME_SIZE too small", PROTOCOL_ERROR, settings((MAX_FRAME, FRAME_SIZE - 1))),
    fatal("6.5.2", "MAX_FRAME_SIZE too large", PROTOCOL_ERROR, settings((MAX_FRAME, 2**24))),
    good("6.5.2", "an unknown setting", settings((0xFE, 1)), get(), status=200),
    good("6.5.3", "a setting twice", settings((INITIAL_WINDOW, 1), (INITIAL_WINDOW, 1000)), get(), status=200),
    fatal("6.6", "PUSH_PROMISE", PROTOCOL_ERROR, OPEN, frame(PUSH_PROMISE, END_HEADERS, 1, u32(2) + block(*request_fields()))),
    good("6.7", "an acknowledgement of a PING that never was", ping(flags=ACK), get(), status=200),
    fatal("6.7", "PING on a stream", PROTOCOL_ERROR, ping(stream=1)),
    fatal("6.7", "PING of six bytes", FRAME_SIZE_ERROR, frame(PING, 0, 0, bytes(6))),
    fatal("6.8", "GOAWAY on a stream", PROTOCOL_ERROR, goaway(stream=1)),
    fatal("6.8", "GOAWAY of seven bytes", FRAME_SIZE_ERROR, frame(GOAWAY, 0, 0, bytes(7))),
    fatal("6.9", "WINDOW_UPDATE of 0 for the connection", PROTOCOL_ERROR, window_update(0, 0)),
    Case("6.9", "WINDOW_UPDATE of 0 for a stream", OPEN + window_update(1, 0), reset=(PROTOCOL_ERROR,), goaway=(PROTOCOL_ERROR,)),
    fatal("6.9", "WINDOW_UPDATE of three bytes", FRAME_SIZE_ERROR, frame(WINDOW_UPDATE, 0, 0, bytes(3))),
    fatal("6.9.1", "the connection's window overflows", FLOW_CONTROL_ERROR, window_update(0, MOST_WINDOW), window_update(0, MOST_WINDOW)),
    stream_error("6.9.1", "a stream's window overflows", FLOW_CONTROL_ERROR, OPEN, window_update(1, MOST_WINDOW), window_update(1, MOST_WINDOW)),
    # The RFC wants the whole connection to end. nghttp2 ends what has overflowed.
    Case("6.9.2", "a stream's window overflows by SETTINGS",
         HALF_CLOSED + window_update(1, MOST_WINDOW - 65535) + settings((INITIAL_WINDOW, 65536)),
         goaway=(FLOW_CONTROL_ERROR,)),
    Case("6.9.1", "more DATA than the window", OPEN + b"".join(data(1, bytes(FRAME_SIZE)) for _ in range(200)),
         reset=(FLOW_CONTROL_ERROR,), goaway=(FLOW_CONTROL_ERROR,)),
    fatal("6.10", "CONTINUATION on stream 0", PROTOCOL_ERROR, headers(1, PART, done=False), continuation(0, REST)),
    fatal("6.10", "CONTINUATION after the end", PROTOCOL_ERROR, OPEN, continuation(1, [("x", "y")])),
    fatal("6.10", "CONTINUATION after the end of several", PROTOCOL_ERROR,
          headers(1, PART, end=False, done=False), continuation(1, REST), continuation(1, [("x", "y")])),
    fatal("6.10", "CONTINUATION after DATA", PROTOCOL_ERROR, OPEN, data(1, b"body"), continuation(1, [("x", "y")])),
    fatal("6.10", "DATA within a block", PROTOCOL_ERROR, headers(1, PART, end=False, done=False), data(1, b"body")),
    good("6.10", "several", headers(1, PART, done=False), continuation(1, b"", done=False), continuation(1, REST), status=200),
    good("6.10", "in the middle of a field", headers(1, block(*request_fields())[:20], done=False),
         continuation(1, block(*request_fields())[20:]), status=200),
    Case("7", "GOAWAY with an unknown code", goaway(code=0xFF), leaves=True),
    Case("6.8", "GOAWAY with a text", goaway(text=b"enough"), leaves=True),
    good("7", "RST_STREAM with an unknown code", OPEN, reset(1, 0xFF)),
]

MESSAGES = [
    stream_error("8.1", "trailers without an end", PROTOCOL_ERROR, OPEN, headers(1, [("x-end", "yes")], end=False), data(1, end=True)),
    good("8.1", "trailers", post(1, "/", ("trailer", "x-end")), data(1, b"body"), headers(1, [("x-end", "yes")]), status=200),
    stream_error("8.1", "trailers with a pseudo field", PROTOCOL_ERROR, OPEN, data(1, b"body"), headers(1, [(":method", "GET")])),
    malformed("8.2.1", "a name in upper case", *request_fields("GET", "/", ("X-Upper", "y"))),
    with_field("8.2.1", "a name with a space", "x y", "z"),
    with_field("8.2.1", "a name with a colon", "x:y", "z"),
    with_field("8.2.1", "a name with a byte over ASCII", b"x\xe4", "z"),
    with_field("8.2.1", "an empty name", "", "z"),
    with_field("8.2.1", "CR in a value", "x", "a\rb"),
    with_field("8.2.1", "LF in a value", "x", "a\nb"),
    with_field("8.2.1", "NUL in a value", "x", "a\0b"),
    with_field("8.2.1", "a value that begins with a space", "x", " y"),
    with_field("8.2.1", "a value that ends with a tab", "x", "y\t"),
    with_field("8.2.2", "connection", "connection", "keep-alive"),
    with_field("8.2.2", "keep-alive", "keep-alive", "timeout=5"),
    with_field("8.2.2", "proxy-connection", "proxy-connection", "keep-alive"),
    with_field("8.2.2", "transfer-encoding", "transfer-encoding", "chunked"),
    with_field("8.2.2", "upgrade", "upgrade", "websocket"),
    with_field("8.2.2", "te other than trailers", "te", "trailers, deflate"),
    good("8.2.2", "te of trailers", get(1, "/", ("te", "trailers")), status=200),
    malformed("8.3", "an unknown pseudo field", *request_fields()[:3], (":test", "x"), *request_fields()[3:]),
    malformed("8.3", "a pseudo field of responses", (":status", "200"), *request_fields()),
    malformed("8.3", "a pseudo field after others", *request_fields()[:3], ("x", "y"), *request_fields()[3:]),
    malformed("8.3", ":protocol of a GET", *request_fields(), (":protocol", "websocket")),
    good("8.3", "CONNECT with :protocol that ends at once", headers(1, [*request_fields("CONNECT", "/"), (":protocol", "websocket")]), status=400),
    *[malformed("8.3.1", f"no {name}", *without(name)) for name in (":method", ":scheme", ":path")],
    *[malformed("8.3.1", f"{name} twice", *doubled(name)) for name in (":method", ":scheme", ":path", ":authority")],
    malformed("8.3.1", "an empty :path", *request_fields("GET", "")),
    malformed("8.3.1", "a :path without a slash", *request_fields("GET", "other")),
    good("8.3.1", "no :authority but a host", get(1, "/", ("host", "test.example"), authority=None), status=200),
    good("8.3.1", "a :scheme that is none of HTTP", get(1, "/", scheme="ftp"), status=400),
    malformed("8.3.1", "neither :authority nor host", *request_fields(authority=None)),
    malformed("8.5", "CONNECT with a :path", *request_fields("CONNECT", "/", scheme=None)),
    malformed("8.5", "CONNECT without an authority", (":method", "CONNECT")),
    stream_error("8.1.1", "more DATA than content-length", PROTOCOL_ERROR, post(1, HELD, ("content-length", "1")), data(1, b"body", end=True)),
    stream_error("8.1.1", "less DATA than content-length", PROTOCOL_ERROR, post(1, HELD, ("content-length", "9")), data(1, b"body", end=True)),
    stream_error("8.1.1", "several DATA, other than content-length", PROTOCOL_ERROR,
                 post(1, HELD, ("content-length", "5")), data(1, b"body"), data(1, b"body", end=True)),
    stream_error("8.1.1", "content-length and no DATA", PROTOCOL_ERROR, get(1, HELD, ("content-length", "4"))),
    with_field("8.1.1", "a content-length that is no number", "content-length", "4a"),
    malformed("8.1.1", "content-length twice", *request_fields("POST", "/", ("content-length", "0"), ("content-length", "0"))),
    good("8.1.1", "content-length of 0", get(1, "/", ("content-length", "0")), status=200),
]

SMALL = post(1, "/", ("content-length", "1"))
BODY_TO_COME = post(1, "/")
OVERFLOW = window_update(1, MOST_WINDOW) * 2

# The answer may overtake the rest of a request. What is wrong with it is found all the same, as long as it comes soon.
LATE = [
    behind("6.1", "padding as long as the frame", PROTOCOL_ERROR, BODY_TO_COME, frame(DATA, PADDED, 1, b"\x05body")),
    behind("6.9", "WINDOW_UPDATE of 0", PROTOCOL_ERROR, BODY_TO_COME, window_update(1, 0)),
    behind("6.9.1", "a stream's window overflows", FLOW_CONTROL_ERROR, BODY_TO_COME, OVERFLOW),
    behind("8.1", "trailers without an end", PROTOCOL_ERROR, BODY_TO_COME, data(1, b"body"), headers(1, [("x-end", "yes")], end=False)),
    behind("8.1", "trailers with a pseudo field", PROTOCOL_ERROR, BODY_TO_COME, data(1, b"body"), headers(1, [(":method", "GET")])),
    behind("8.1.1", "more DATA than content-length", PROTOCOL_ERROR, SMALL, data(1, b"body", end=True)),
    behind("8.1.1", "several DATA, other than content-length", PROTOCOL_ERROR, SMALL, data(1, b"body"), data(1, b"body", end=True)),
    behind("8.1.1", "less DATA than content-length", PROTOCOL_ERROR, SMALL, data(1, end=True)),
]

INDEXED_GET = b"\x82\x86\x84"  # :method GET, :scheme http, :path /
AUTHORITY = b"\x01\x0ctest.example"

HUFFMAN_NAME = b"\x85\xf2\xb2\x4a\x84\xff"  # x-test
HUFFMAN_VALUE = b"\x83\x49\x50\x9f"  # test


def field_as(name, representation):
    return good("7541-6", f"a field as {name}", headers(1, INDEXED_GET + AUTHORITY + representation), status=200)


COMPRESSION = [
    good("7541-2.3", "indexed fields", headers(1, INDEXED_GET + AUTHORITY), status=200),
    field_as("one of the static table", b"\xba"),
    field_as("a literal to be indexed, its name indexed", b"\x7a\x04test"),
    field_as("a literal to be indexed, its name indexed, in Huffman code", b"\x7a" + HUFFMAN_VALUE),
    field_as("a literal to be indexed, and twice more from the table", b"\x40\x06x-test\x04test\xbe\xbe"),
    field_as("a literal to be indexed, in Huffman code", b"\x40" + HUFFMAN_NAME + HUFFMAN_VALUE),
    field_as("a literal, its name indexed", b"\x0f\x2b\x04test"),
    field_as("a literal, its name indexed, in Huffman code", b"\x0f\x2b" + HUFFMAN_VALUE),
    field_as("a literal", b"\x00\x06x-test\x04test"),
    field_as("a literal, in Huffman code", b"\x00" + HUFFMAN_NAME + HUFFMAN_VALUE),
    field_as("a literal never to be indexed, its name indexed", b"\x1f\x2b\x04test"),
    field_as("a literal never to be indexed", b"\x10\x06x-test\x04test"),
    field_as("a literal never to be indexed, in Huffman code", b"\x10" + HUFFMAN_NAME + HUFFMAN_VALUE),
    fatal("7541-2.3.3", "a name by an index beyond the tables", COMPRESSION_ERROR, headers(1, INDEXED_GET + AUTHORITY + b"\x7f\x07\x00")),
    good("7541-4.2", "two table sizes", headers(1, b"\x3f\x61\x3f\xe1\x1f" + INDEXED_GET + AUTHORITY), status=200),
    fatal("7541-2.3.3", "an index beyond the tables", COMPRESSION_ERROR, headers(1, INDEXED_GET + b"\xff\x00")),
    fatal("7541-6.1", "index 0", COMPRESSION_ERROR, headers(1, INDEXED_GET + b"\x80")),
    fatal("7541-4.2", "a table size at the end of a block", COMPRESSION_ERROR, headers(1, INDEXED_GET + AUTHORITY + b"\x20")),
    fatal("7541-6.3", "a table size above the setting", COMPRESSION_ERROR, headers(1, b"\x3f\xe2\x1f" + INDEXED_GET + AUTHORITY)),
    good("7541-6.3", "a table size of 0", headers(1, b"\x20" + INDEXED_GET + AUTHORITY), status=200),
    fatal("7541-5.2", "Huffman padding of a byte", COMPRESSION_ERROR, headers(1, INDEXED_GET + b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff")),
    fatal("7541-5.2", "Huffman padding of zeros", COMPRESSION_ERROR, headers(1, INDEXED_GET + b"\x00\x85\xf2\xb2\x4a\x84\xff\x83\x49\x50\x90")),
    fatal("7541-5.2", "the end of a Huffman string within it", COMPRESSION_ERROR,
          headers(1, INDEXED_GET + b"\x00\x85\xf2\xb2\x4a\x84\xff\x88\x49\x51\xff\xff\xff\xfa\x7f\xff")),
    fatal("7541-5.1", "an integer without an end", COMPRESSION_ERROR, headers(1, INDEXED_GET + b"\x00\x7f" + b"\xff" * 20)),
    fatal("4.3", "a block that ends within a field", COMPRESSION_ERROR, headers(1, INDEXED_GET + b"\x01\x0ctest")),
]

CASES = FRAMES + STATES + KINDS + MESSAGES + LATE + COMPRESSION
