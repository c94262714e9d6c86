"""Strict reading of HTTP/1.1 messages: what the gateway sends must satisfy a parser that forgives nothing."""

import re
from dataclasses import dataclass, field

TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
STATUS_LINE = re.compile(rb"HTTP/(1\.[01]) ([1-5][0-9][0-9]) ([^\x00-\x08\x0a-\x1f\x7f]*)")
REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/(1\.[01])")
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})")


@dataclass
class Message:
    version: str
    headers: list  # of (name, value), as text, in order
    head: bytes  # as it came
    body: bytes = b""
    trailers: list = field(default_factory=list)

    def all(self, name):
        """The values of every field line of that name."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name):
        """The value of a field that may come once; None when absent."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} is repeated: {values}"
        return values[0] if values else None

    def names(self):
        return {key.lower() for key, _ in self.headers}


@dataclass
class Request(Message):
    method: str = ""
    target: str = ""


@dataclass
class Response(Message):
    status: int = 0
    reason: str = ""
    interim: list = field(default_factory=list)  # 1xx before it


def parse_fields(lines):
    fields = []
    for line in lines:
        match = FIELD.fullmatch(line)
        assert match, f"malformed field line {line!r}"
        fields.append((match[1].decode(), match[2].decode("latin-1")))
    return fields


def read_head(stream, timeout=None):
    """The start line, the fields and the bytes of a head."""
    head = stream.read_until(b"\r\n\r\n", timeout)
    lines = head[:-4].split(b"\r\n")
    for line in lines:
        assert b"\r" not in line and b"\n" not in line, f"bare CR or LF in {line!r}"
    return lines[0], parse_fields(lines[1:]), head


def _framing(message):
    length, coding = message.all("Content-Length"), message.all("Transfer-Encoding")
    assert len(length) <= 1 and len(coding) <= 1, f"ambiguous framing: {length} {coding}"
    assert not (length and coding), "Content-Length with Transfer-Encoding"
    if coding:
        assert coding[0].lower() == "chunked", f"Transfer-Encoding {coding[0]!r}"
        return "chunked", 0
    if length:
        assert length[0].isdigit(), f"Content-Length {length[0]!r}"
        return "length", int(length[0])
    return None, 0


def read_chunk(stream, timeout=None):
    """One chunk's payload; b"" for the last one, whose trailer section is still unread."""
    line = stream.read_until(b"\r\n", timeout)[:-2]
    match = CHUNK_SIZE.fullmatch(line)
    assert match, f"malformed chunk size line {line!r}"
    size = int(match[1], 16)
    if size == 0:
        return b""
    data = stream.read_exactly(size, timeout)
    assert stream.read_exactly(2, timeout) == b"\r\n", "a chunk does not end in CRLF"
    return data


def read_trailers(stream):
    lines = []
    while line := stream.read_until(b"\r\n")[:-2]:
        lines.append(line)
    return parse_fields(lines)


def _read_body(stream, message, until_close):
    kind, length = _framing(message)
    if kind == "chunked":
        parts = []
        while part := read_chunk(stream):
            parts.append(part)
        message.body = b"".join(parts)
        message.trailers = read_trailers(stream)
    elif kind == "length":
        message.body = b"".join(stream.blocks(length))
    elif until_close:
        message.body = stream.read_until_closed()


def read_request_head(stream, timeout=None):
    line, fields, head = read_head(stream, timeout)
    match = REQUEST_LINE.fullmatch(line)
    assert match, f"malformed request line {line!r}"
    return Request(match[3].decode(), fields, head, method=match[1].decode(), target=match[2].decode())


def read_request(stream, timeout=None):
    request = read_request_head(stream, timeout)
    _read_body(stream, request, until_close=False)
    return request


def read_response_head(stream, timeout=None):
    """One head, 1xx included."""
    line, fields, head = read_head(stream, timeout)
    match = STATUS_LINE.fullmatch(line)
    assert match, f"malformed status line {line!r}"
    return Response(match[1].decode(), fields, head, status=int(match[2]), reason=match[3].decode("latin-1"))


def read_response(stream, method="GET", timeout=None):
    """The final response with its body; interim ones are collected. A 101 is final."""
    interim = []
    while True:
        response = read_response_head(stream, timeout)
        if response.status >= 200 or response.status == 101:
            break
        interim.append(response)
    response.interim = interim
    if method != "HEAD" and response.status not in (101, 204, 304):
        _read_body(stream, response, until_close=True)
    return response


def request_bytes(method="GET", target="/", headers=(), body=b"", host="test.example", version="1.1"):
    """A request head and body; Content-Length is added for a body unless the fields frame it already."""
    fields = list(headers)
    names = {name.lower() for name, _ in fields}
    if host is not None and "host" not in names:
        fields.insert(0, ("Host", host))
    if body and not names & {"content-length", "transfer-encoding"}:
        fields.append(("Content-Length", str(len(body))))
    lines = [f"{method} {target} HTTP/{version}"] + [f"{name}: {value}" for name, value in fields]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def response_bytes(status=200, body=b"ok", headers=(), reason="OK"):
    fields = list(headers)
    names = {name.lower() for name, _ in fields}
    if not names & {"content-length", "transfer-encoding"} and status not in (101, 204, 304) and status >= 200:
        fields.append(("Content-Length", str(len(body))))
    lines = [f"HTTP/1.1 {status} {reason}"] + [f"{name}: {value}" for name, value in fields]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunked(*parts, trailers=b""):
    """The chunked form of `parts`."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n" + trailers + b"\r\n"
