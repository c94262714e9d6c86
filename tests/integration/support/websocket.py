"""WebSocket frames and handshakes by hand (RFC 6455), so that tests decide every bit and every split."""

import base64
import hashlib
import os
import struct
from dataclasses import dataclass

from support.http_message import read_response, request_bytes

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def accept_for(key):
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    return base64.b64encode(digest).decode()


def frame_bytes(opcode, payload=b"", fin=True, mask=False, rsv=0):
    first = (0x80 if fin else 0) | (rsv << 4) | opcode
    masked = 0x80 if mask else 0
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first, masked | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, masked | 126, size)
    else:
        head = struct.pack("!BBQ", first, masked | 127, size)
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + apply_mask(payload, key)


def masked(*arguments, **options):
    """As frame_bytes, of a client."""
    return frame_bytes(*arguments, mask=True, **options)


def apply_mask(payload, key):
    size = len(payload)
    pattern = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(pattern, "big")).to_bytes(size, "big")


def close_payload(code, reason=b""):
    return struct.pack("!H", code) + reason


@dataclass
class Frame:
    fin: bool
    rsv: int
    opcode: int
    masked: bool
    payload: bytes

    @property
    def close_code(self):
        return struct.unpack("!H", self.payload[:2])[0] if len(self.payload) >= 2 else None


def read_frame(stream, timeout=None):
    first, second = stream.read_exactly(2, timeout)
    size = second & 0x7F
    if size == 126:
        size, = struct.unpack("!H", stream.read_exactly(2, timeout))
    elif size == 127:
        size, = struct.unpack("!Q", stream.read_exactly(8, timeout))
    masked = bool(second & 0x80)
    key = stream.read_exactly(4, timeout) if masked else b""
    payload = b"".join(stream.blocks(size))
    if masked:
        payload = apply_mask(payload, key)
    return Frame(bool(first & 0x80), (first >> 4) & 7, first & 15, masked, payload)


def upgrade_fields(replace=None, extra=()):
    """The handshake's fields. `replace` maps a name to another value, to None (left out) or to a list (repeated)."""
    fields = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY,
    }
    fields.update(replace or {})
    lines = []
    for name, value in fields.items():
        if value is not None:
            lines += [(name, one) for one in (value if isinstance(value, list) else [value])]
    return lines + list(extra)


def upgrade_bytes(target="/ws", replace=None, extra=(), method="GET", version="1.1", host="test.example", body=b""):
    return request_bytes(method, target, upgrade_fields(replace, extra), body=body, host=host, version=version)


def open_websocket(client, target="/ws", extra=(), early=b""):
    """Upgrades a client's connection and checks the answer. `early` goes out with the request's head."""
    client.send(upgrade_bytes(target, extra=extra) + early)
    response = read_response(client)
    assert response.status == 101, f"{response.head!r} {response.body!r}"
    assert response.header("Sec-WebSocket-Accept") == accept_for(KEY)
    assert response.header("Upgrade").lower() == "websocket"
    assert response.header("Connection").lower() == "upgrade"
    return response


class ClientFrames:
    """Of a client's stream, whatever carries it."""

    def send_frame(self, opcode, payload=b"", fin=True, rsv=0):
        self.send(frame_bytes(opcode, payload, fin, mask=True, rsv=rsv))

    def read_frame(self, timeout=None):
        frame = read_frame(self, timeout)
        assert not frame.masked, "a frame to a client must not be masked"
        return frame


def assert_carries(client):
    """Of a client whose WebSocket leads to an echo."""
    client.send_frame(TEXT, b"still here?")
    assert client.read_frame().payload == b"still here?"


def violations(gateway, sender, rule, route="all"):
    """How often `sender` has broken `rule`, as the gateway counts."""
    return gateway.metric("sluice_websocket_violations_total", route=route, sender=sender, rule=rule)
