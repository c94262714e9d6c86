"""What RFC 6455 says of each kind of frame, as cases: the bytes that a client sends and what must come of them.

A case has frames that are right (`good`) and perhaps bytes behind them that must not pass (`fault`). What must come is derived: of
`good` the echo (each message, each Ping's payload in a Pong, a Close's payload in a Close), of a fault a Close with `close`.
`rule` is the metric's name of the broken rule; without one the fault is no violation, only late (behind a Close).

`judge` says who sees the fault in forward mode, where payloads pass unseen: a gateway that terminates sees all of them.
"""

from dataclasses import dataclass
from itertools import product

from support.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, apply_mask, close_payload, frame_bytes

KEY = bytes.fromhex("37fa213d")  # that of the RFC's examples
NAMES = {CONTINUATION: "continuation", TEXT: "text", BINARY: "binary", CLOSE: "Close", PING: "Ping", PONG: "Pong"}
CONTROL = (CLOSE, PING, PONG)


@dataclass(frozen=True)
class Case:
    section: str
    name: str
    good: bytes = b""
    fault: bytes = b""
    rule: str = ""
    close: int = 1000
    judge: str = "gateway"  # in forward mode; or "backend"
    comes: tuple = None     # messages, where it is not `good` that says them: RFC 7692
    offer: str = ""         # Sec-WebSocket-Extensions
    answer: str = ""        # what a scripted backend agrees to

    def gateway_judges(self, mode):
        return bool(self.rule) and (mode == "terminate" or self.judge == "gateway")

    def __str__(self):
        return f"{self.section} {self.name}"


def frame(opcode, payload=b"", fin=True, rsv=0, key=KEY):
    """As a client sends it."""
    head = bytearray(frame_bytes(opcode, payload, fin, rsv=rsv)[:-len(payload) or None])
    head[1] |= 0x80
    return bytes(head) + key + apply_mask(payload, key)


def text(payload, **options):
    return frame(TEXT, payload.encode() if isinstance(payload, str) else payload, **options)


def binary(payload, **options):
    return frame(BINARY, payload, **options)


def more(payload, **options):
    return frame(CONTINUATION, payload.encode() if isinstance(payload, str) else payload, **options)


def fragments(opcode, *parts):
    """A message of these frames."""
    last = len(parts) - 1
    return [frame(CONTINUATION if at else opcode, part, fin=at == last) for at, part in enumerate(parts)]


def close(code=None, reason=b""):
    return frame(CLOSE, b"" if code is None else close_payload(code, reason))


def header(first, length, size):
    """Of a masked frame, with the length in a form of `size` bytes, whether that is the shortest or not."""
    return bytes([first, 0x80 | (126 if size == 2 else 127)]) + length.to_bytes(size, "big") + KEY


HELLO = text("Hello")
CASES = []


def good(section, name, *frames):
    CASES.append(Case(section, name, b"".join(frames)))


def fault(section, name, rule, bad, before=b"", code=1002, judge="gateway"):
    CASES.append(Case(section, name, before, bad, rule, code, judge))


# 5.2 lengths, each in its shortest form.
for opcode, size in product((TEXT, BINARY), (0, 1, 124, 125, 126, 127, 128, 255, 256, 1000, 65535, 65536, 65537, 200_000)):
    good("5.2", f"{NAMES[opcode]} of {size} bytes", frame(opcode, b"*" * size))
good("5.2", "lengths of each form one after the other", *(binary(bytes(size)) for size in (125, 126, 65535, 65536, 125, 0)))

# 5.2 lengths that a shorter form could say.
for first, length, size in ((0x81, 0, 2), (0x81, 1, 2), (0x81, 125, 2), (0x82, 125, 2), (0x81, 0, 8), (0x81, 125, 8), (0x82, 126, 8),
                            (0x82, 65535, 8), (0x89, 0, 2), (0x89, 125, 2), (0x8A, 5, 8), (0x88, 2, 2)):
    fault("5.2", f"{NAMES[first & 15]} says {length} in {size} bytes", "long_length",
          header(first, length, size) + apply_mask(bytes(length), KEY))
fault("5.2", "a continuation says 7 in 2 bytes", "long_length", header(0x80, 7, 2) + bytes(7), text("x", fin=False))
for first, length in product((0x81, 0x82), (2**63, 2**63 + 5, 2**64 - 1)):
    fault("5.2", f"{NAMES[first & 15]} says {length:#x}", "impossible_length", header(first, length, 8))

# Large frames, which a gateway may carry without looking at their payload, and what follows them.
LARGE = binary(bytes(range(256)) * 400)
good("5.2", "large frames one after the other", LARGE, LARGE, LARGE, HELLO, LARGE)
good("5.2", "control frames between large ones", LARGE, frame(PING, b"1"), LARGE, frame(PONG), frame(PING, b"2"), LARGE, frame(PING, b"3"))
good("5.2", "a Close behind large frames", LARGE, LARGE, close(1000, b"done"))
good("5.2", "large fragments with Pings between",
     *(one for part in fragments(BINARY, *[bytes(50_000)] * 4) for one in (part, frame(PING, b"p"))))
for name, rule, bad in (("an unmasked frame", "unmasked", frame_bytes(BINARY, bytes(100_000))),
                        ("reserved bits", "reserved_bits", binary(bytes(100_000), rsv=1)),
                        ("a reserved opcode", "reserved_opcode", frame(11, b"x")),
                        ("a continuation", "unexpected_continuation", more(bytes(100_000))),
                        ("a long length", "long_length", header(0x82, 65535, 8) + bytes(65535)),
                        ("a Ping that is too long", "control_too_long", frame(PING, bytes(70_000)))):
    fault("5.2", f"{name} behind large frames", rule, bad, LARGE * 3)
fault("5.4", "a large message in a large one", "missing_continuation", LARGE, binary(bytes(100_000), fin=False))

# 5.2 reserved bits, without an extension.
for opcode, rsv in product((TEXT, BINARY, PING, PONG, CLOSE), range(1, 8)):
    payload = close_payload(1000) if opcode == CLOSE else b"x"
    fault("5.2", f"{NAMES[opcode]} with reserved bits {rsv:03b}", "reserved_bits", frame(opcode, payload, rsv=rsv))
for rsv in (1, 2, 4, 7):
    fault("5.2", f"a continuation with reserved bits {rsv:03b}", "reserved_bits", more("x", rsv=rsv), text("x", fin=False))
fault("5.2", "reserved bits behind a message", "reserved_bits", text("x", rsv=2) + frame(PING), HELLO)
fault("5.2", "reserved bits between fragments", "reserved_bits", frame(PING, rsv=4), text("x", fin=False))

# 5.2 reserved opcodes.
for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
    fault("5.2", f"opcode {opcode}", "reserved_opcode", frame(opcode))
    fault("5.2", f"opcode {opcode} with a payload, behind a message", "reserved_opcode",
          frame(opcode, b"payload") + frame(PING), HELLO)
    fault("5.2", f"opcode {opcode} in a message", "reserved_opcode", frame(opcode, b"x"), text("x", fin=False))
fault("5.2", "opcode 5, not final", "reserved_opcode", frame(5, b"x", fin=False))

# 5.3 masks.
for opcode in (TEXT, BINARY, PING, PONG):
    fault("5.3", f"{NAMES[opcode]} unmasked", "unmasked", frame_bytes(opcode, b"x"))
    fault("5.3", f"{NAMES[opcode]} unmasked and empty", "unmasked", frame_bytes(opcode))
fault("5.3", "Close unmasked", "unmasked", frame_bytes(CLOSE, close_payload(1000)))
fault("5.3", "a continuation unmasked", "unmasked", frame_bytes(CONTINUATION, b"x"), text("x", fin=False))
fault("5.3", "unmasked behind masked", "unmasked", frame_bytes(TEXT, b"x"), HELLO)
fault("5.3", "64 KiB unmasked", "unmasked", frame_bytes(BINARY, bytes(65536)))
for key in ("00000000", "ffffffff", "00000001", "81858185", "88828882"):
    good("5.3", f"the key {key}", text("masked with it", key=bytes.fromhex(key)), binary(bytes(range(256)), key=bytes.fromhex(key)))
good("5.3", "a key for each frame", *(text("same text", key=bytes([at] * 4)) for at in range(20)))
good("5.3", "payloads of every length to 20", *(binary(bytes(range(size))) for size in range(20)))
good("5.3", "a payload that looks like frames", binary(HELLO + close(1000) + frame_bytes(PING)), binary(frame_bytes(CLOSE) * 50))

# 5.4 fragmentation.
good("5.4", "two fragments", *fragments(TEXT, b"frag", b"ment"))
good("5.4", "three fragments", *fragments(BINARY, b"a", b"b", b"c"))
good("5.4", "an empty first fragment", *fragments(TEXT, b"", b"x"))
good("5.4", "an empty last fragment", *fragments(TEXT, b"x", b""))
good("5.4", "empty fragments in the middle", *fragments(TEXT, b"x", b"", b"", b"y"))
good("5.4", "nothing but empty fragments", *fragments(TEXT, b"", b"", b""))
good("5.4", "100 fragments of one byte", *fragments(BINARY, *[b"*"] * 100))
good("5.4", "fragments of every form of length", *fragments(BINARY, *(bytes(size) for size in (125, 126, 65535, 65536, 1))))
good("5.4", "a large first fragment", *fragments(BINARY, bytes(100_000), b"x"))
good("5.4", "a large last fragment", *fragments(TEXT, b"x", b"*" * 100_000))
good("5.4", "two fragmented messages", *fragments(TEXT, b"one", b"two"), *fragments(BINARY, b"three", b"four"))
good("5.4", "whole and fragmented in turn", HELLO, *fragments(TEXT, b"a", b"b"), HELLO, *fragments(BINARY, b"c", b"d"), binary(b"e"))
for opcode in (PING, PONG):
    for size in (0, 5, 125):
        first, second = fragments(TEXT, b"frag", b"ment")
        good("5.4", f"{NAMES[opcode]} of {size} bytes between fragments", first, frame(opcode, b"c" * size), second)
first, second, third = fragments(BINARY, b"one", b"two", b"three")
good("5.4", "a Ping between all fragments", first, frame(PING, b"1"), second, frame(PING, b"2"), third, frame(PING, b"3"))
good("5.4", "ten Pings between two fragments", first, *(frame(PING, b"%d" % at) for at in range(10)), second, third)
good("5.4", "Ping and Pong between empty fragments", frame(TEXT, fin=False), frame(PING), frame(PONG), more(""))
good("5.4", "a Close in the middle of a message", text("never whole", fin=False), close(1000))
good("5.4", "a Ping and a Close in the middle of a message",
     text("x", fin=False), frame(PING, b"p"), more("y", fin=False), close(1001))
for fin in (True, False):
    final = "" if fin else ", not final"
    fault("5.4", f"a continuation of nothing{final}", "unexpected_continuation", more("x", fin=fin))
    fault("5.4", f"a continuation behind a whole message{final}", "unexpected_continuation", more("x", fin=fin), HELLO)
    fault("5.4", f"a continuation behind a fragmented message{final}", "unexpected_continuation", more("x", fin=fin) + HELLO,
          b"".join(fragments(TEXT, b"a", b"b")))
    for begun, new in product((TEXT, BINARY), (TEXT, BINARY)):
        fault("5.4", f"{NAMES[new]} in {NAMES[begun]}{final}", "missing_continuation", frame(new, b"x", fin=fin),
              frame(begun, b"x", fin=False))
fault("5.4", "an empty continuation of nothing", "unexpected_continuation", more(""))
fault("5.4", "a continuation behind a Ping", "unexpected_continuation", more("x"), frame(PING, b"p"))
fault("5.4", "a message behind fragments and a Ping", "missing_continuation", HELLO,
      text("x", fin=False) + frame(PING, b"p") + more("y", fin=False))
fault("5.4", "a message in an empty fragment", "missing_continuation", HELLO, text("", fin=False))

# 5.5 control frames.
for size in (0, 1, 124, 125):
    good("5.5", f"Ping of {size} bytes", frame(PING, b"p" * size))
    good("5.5", f"an unasked Pong of {size} bytes, then a Ping", frame(PONG, b"p" * size), frame(PING, b"mine"))
good("5.5", "a Ping of any bytes", frame(PING, bytes(range(130, 255))))
good("5.5", "ten Pings", *(frame(PING, b"%d" % at) for at in range(10)))
good("5.5", "Pings between messages", HELLO, frame(PING, b"1"), binary(b"x"), frame(PING, b"2"), HELLO)
for opcode, size in product(CONTROL, (126, 127, 65535, 65536)):
    payload = close_payload(1000, b"r" * (size - 2)) if opcode == CLOSE else b"c" * size
    fault("5.5", f"{NAMES[opcode]} of {size} bytes", "control_too_long", frame(opcode, payload))
for opcode in CONTROL:
    fault("5.5", f"{NAMES[opcode]}, not final", "control_fragmented", frame(opcode, b"", fin=False))
    fault("5.5", f"{NAMES[opcode]}, not final, and its rest", "control_fragmented", frame(opcode, b"ab", fin=False) + more("c"), HELLO)
    fault("5.5", f"{NAMES[opcode]}, not final, in a message", "control_fragmented",
          frame(opcode, b"", fin=False), text("x", fin=False))
fault("5.5", "a Ping that is too long, behind a Ping", "control_too_long", frame(PING, bytes(126)), frame(PING, b"p"))

# 5.5.1 and 7: Close, its code, its reason, and what follows it.
good("5.5.1", "an empty Close", close())
good("5.5.1", "a Close behind a message", HELLO, close(1000, b"done"))
good("5.5.1", "a Close behind a Ping", frame(PING, b"p"), close(1000))
good("5.5.1", "a reason of 123 bytes", close(1000, b"r" * 123))
good("5.5.1", "a reason of 123 bytes beyond ASCII", close(4000, "\u20ac".encode() * 41))
for late, bytes_behind in (("a message", HELLO), ("a Ping", frame(PING, b"late")), ("a Close", close(1001)), ("garbage", b"\xff" * 40),
                           ("half a frame", HELLO[:3]), ("a large message", binary(bytes(100_000)))):
    CASES.append(Case("5.5.1", f"{late} behind a Close", close(1000), bytes_behind))
    CASES.append(Case("5.5.1", f"{late} behind a message and an empty Close", HELLO + close(), bytes_behind))
for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999):
    good("7.4", f"code {code}", close(code))
    good("7.4", f"code {code} with a reason", close(code, b"because"))
for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 32768, 65535):
    fault("7.4", f"code {code}", "close_code", close(code))
    fault("7.4", f"code {code} with a reason", "close_code", close(code, b"because"))
fault("7.1", "a Close of one byte", "close_payload", frame(CLOSE, b"\x03"))
fault("7.1", "a Close of one byte behind a message", "close_payload", frame(CLOSE, b"\x03"), HELLO)
for name, reason in (("not UTF-8", b"\xff"), ("a character that is not whole", b"\xe2\x82"), ("an overlong character", b"\xc0\xaf"),
                     ("a surrogate", b"\xed\xa0\x80"), ("beyond U+10FFFF", b"\xf4\x90\x80\x80"), ("good, then bad", b"reason \xfe"),
                     ("bad at its end", b"r" * 122 + b"\x80")):
    fault("7.1", f"a reason that is {name}" if name == "not UTF-8" else f"a reason with {name}", "close_reason",
          close(1000, reason), code=1007)

# 5.7 the RFC's own examples.
good("5.7", "a masked Hello", bytes.fromhex("818537fa213d7f9f4d5158"))
good("5.7", "a fragmented Hello", text("Hel", fin=False), more("lo"))
good("5.7", "a Ping Hello", bytes.fromhex("898537fa213d7f9f4d5158"))
good("5.7", "a Pong Hello, then a Ping", bytes.fromhex("8a8537fa213d7f9f4d5158"), frame(PING))
good("5.7", "256 bytes", binary(bytes(range(256))))
good("5.7", "64 KiB", binary(bytes(range(256)) * 256))

# 8.1 UTF-8. A message that is not is seen by whoever looks at payloads.
GOOD_TEXTS = {
    "nothing": "", "NUL": "\0", "ASCII": "".join(map(chr, range(128))), "U+7F": "\x7f", "U+80": "\x80", "U+7FF": "\u07ff",
    "U+800": "\u0800", "U+D7FF": "\ud7ff", "U+E000": "\ue000", "U+FFFD": "\ufffd", "U+FFFE": "\ufffe", "U+FFFF": "\uffff",
    "U+10000": "\U00010000", "U+1FFFE": "\U0001fffe", "U+10FFFF": "\U0010ffff", "a byte order mark": "\ufeffx", "U+FDD0": "\ufdd0",
    "Greek": "\u03ba\u1f79\u03c3\u03bc\u03b5", "all sizes": "a\u00e4\u20ac\U0001f600" * 30, "combining": "e\u0301" * 3,
}
for name, value in GOOD_TEXTS.items():
    good("8.1", f"text: {name}", text(value))
CHARACTERS = "\u00e4\u20ac\U0001f600".encode()
for at in range(1, len(CHARACTERS)):
    good("8.1", f"characters of 2, 3 and 4 bytes, cut at {at}", *fragments(TEXT, CHARACTERS[:at], CHARACTERS[at:]))
good("8.1", "characters in fragments of one byte", *fragments(TEXT, *(bytes([byte]) for byte in CHARACTERS)))
good("8.1", "a Ping in the middle of a character", text(CHARACTERS[:1], fin=False), frame(PING, b"\xff"), more(CHARACTERS[1:]))
BAD_TEXTS = {
    "a lone continuation byte, first": "80", "a lone continuation byte, last": "bf",
    "five continuation bytes": "80bf80bf80", "C0 alone": "c020", "C1 alone": "c120", "C2 without its rest": "c2",
    "DF and a space": "df20", "E0 without its rest": "e0", "E2 82 without its rest": "e282", "EF and a space": "ef20",
    "F0 without its rest": "f0", "F0 9F 98 without its rest": "f09f98", "F4 8F BF and a space": "f48fbf20",
    "FE": "fe", "FF": "ff", "FE FE FF FF": "fefeffff", "/ in two bytes": "c0af", "/ in three": "e080af",
    "/ in four": "f08080af", "/ in five": "f8808080af", "/ in six": "fc80808080af", "NUL in two bytes": "c080",
    "NUL in three": "e08080", "U+7F in two": "c1bf", "U+7FF in three": "e09fbf", "U+FFFF in four": "f08fbfbf",
    "U+D800": "eda080", "U+DB7F": "edadbf", "U+DBFF": "edafbf", "U+DC00": "edb080", "U+DFFF": "edbfbf",
    "a pair of surrogates": "eda080edb080", "U+110000": "f4908080", "F5": "f5808080",
    "F8 in five bytes": "f888808080", "FC in six": "fc8480808080", "good, then bad": "48656c6c6ff8",
    "bad, then good": "80486f6c61", "Greek, a surrogate, ASCII": "cebae1bdb9cf83cebceda080656469746564",
}
for name, digits in BAD_TEXTS.items():
    fault("8.1", f"no text: {name}", "text_not_utf8", text(bytes.fromhex(digits)), code=1007, judge="backend")
    good("8.1", f"binary: {name}", binary(bytes.fromhex(digits)))
for name, parts in (("in the first fragment", (b"\xff", b"x")), ("in the last fragment", (b"x", b"\xff")),
                    ("a character that the last fragment does not end", (b"x\xe2", b"\x82")),
                    ("a character that goes wrong in another fragment", (b"\xf0\x9f", b"\x98x")),
                    ("behind 100 KB", (b"*" * 100_000, b"\xff"))):
    fault("8.1", f"no text: {name}", "text_not_utf8", b"".join(fragments(TEXT, *parts)), code=1007, judge="backend")
fault("8.1", "no text, behind a message", "text_not_utf8", text(b"\xff"), HELLO, code=1007, judge="backend")
