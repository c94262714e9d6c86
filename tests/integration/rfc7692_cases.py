"""What RFC 7692 says of compressed messages, as cases like those of rfc6455_cases.py: `offer` is what the client says, `answer` what a
scripted backend agrees to (real ones decide themselves), `comes` the messages as they are before compression."""

import random
import zlib
from itertools import product

from rfc6455_cases import Case, binary, close, fragments, frame, more, text
from support.websocket import BINARY, PING, TEXT

DEFLATE = "permessage-deflate"
RSV1, RSV2, RSV3 = 4, 2, 1
TAIL = b"\x00\x00\xff\xff"  # which the sender leaves away (7.2.1)


def deflated(*messages, bits=15, level=6, takeover=True, flush=zlib.Z_SYNC_FLUSH):
    """The payloads of these messages; with takeover each refers to those before."""
    payloads, compressor = [], None
    for message in messages:
        if compressor is None or not takeover:
            compressor = zlib.compressobj(level, zlib.DEFLATED, -bits)
        data = compressor.compress(message) + compressor.flush(flush)
        payloads.append(data.removesuffix(TAIL) if flush == zlib.Z_SYNC_FLUSH else data + b"\x00")
    return payloads


def cut(data, parts):
    step = max(1, -(-len(data) // parts))
    return [data[at:at + step] for at in range(0, len(data), step)] or [b""]


def compressed(opcode, payload, parts=1):
    """The frames of one message: RSV1 is in the first alone (6.1)."""
    pieces = cut(payload, parts)
    last = len(pieces) - 1
    return [frame(0 if at else opcode, piece, fin=at == last, rsv=0 if at else RSV1) for at, piece in enumerate(pieces)]


CASES = []


def good(section, name, frames, *messages, offer=DEFLATE, answer=None):
    CASES.append(Case(section, name, b"".join(frames), comes=messages, offer=offer, answer=offer if answer is None else answer))


def fault(section, name, rule, bad, before=b"", comes=(), code=1002, judge="gateway"):
    CASES.append(Case(section, name, before, bad, rule, code, judge, comes, DEFLATE, DEFLATE))


NOISE = random.Random(7692).randbytes(70_000)
MESSAGES = {
    "nothing": b"", "one byte": b"x", "Hello": b"Hello", "a line": b"the quick brown fox " * 5, "100 KB of one byte": b"*" * 100_000,
    "JSON": b'{"id":%d,"name":"sluice"}' % 7 * 400, "64 KiB": b"0123456789abcdef" * 4096,
}

# 7.2: what a message may look like.
for (name, message), opcode in product(MESSAGES.items(), (TEXT, BINARY)):
    kind = "text" if opcode == TEXT else "binary"
    good("7.2", f"{kind}: {name}", compressed(opcode, *deflated(message)), (opcode, message))
good("7.2", "70 KB that do not compress", compressed(BINARY, *deflated(NOISE)), (BINARY, NOISE))
for level in (0, 1, 9):
    good("7.2", f"level {level}", compressed(TEXT, *deflated(MESSAGES["JSON"], level=level)), (TEXT, MESSAGES["JSON"]))
for bits in range(9, 16):
    good("7.2", f"a window of {bits} bits", compressed(TEXT, *deflated(MESSAGES["64 KiB"], bits=bits)), (TEXT, MESSAGES["64 KiB"]))
for parts in (2, 3, 50):
    for name in ("JSON", "64 KiB"):
        good("6.1", f"{name} in {parts} fragments", compressed(TEXT, *deflated(MESSAGES[name]), parts), (TEXT, MESSAGES[name]))
pieces = compressed(BINARY, *deflated(NOISE), 4)
good("6.1", "fragments that do not compress, with Pings between", [one for piece in pieces for one in (piece, frame(PING, b"p"))],
     (BINARY, NOISE), *[(PING, b"p")] * 4)
good("6.1", "an empty first fragment", [text(b"", fin=False, rsv=RSV1), more(*deflated(b"Hello"))], (TEXT, b"Hello"))
good("6.1", "an empty last fragment", [text(*deflated(b"Hello"), fin=False, rsv=RSV1), more(b"")], (TEXT, b"Hello"))
good("6.1", "a fragment for each byte", compressed(TEXT, *deflated(b"Hello, Hello"), 99), (TEXT, b"Hello, Hello"))
good("6", "messages that are not compressed", [text("plain"), binary(b"plain too")], (TEXT, b"plain"), (BINARY, b"plain too"))
good("6", "a plain message between compressed ones",
     [*compressed(TEXT, *deflated(b"one")), text("plain"), *compressed(TEXT, *deflated(b"two"))],
     (TEXT, b"one"), (TEXT, b"plain"), (TEXT, b"two"))
good("6", "plain fragments", fragments(TEXT, b"a", b"b"), (TEXT, b"ab"))
good("6.1", "a Ping behind a compressed message", [*compressed(TEXT, *deflated(b"one")), frame(PING, b"p")], (TEXT, b"one"), (PING, b"p"))
good("6.1", "a Close in the middle of a compressed message", [*compressed(TEXT, *deflated(b"x" * 999), 2)[:1], close(1000)])

# 7.2.3: the RFC's own examples.
for name, digits in (("one block", "f248cdc9c90700"), ("without compression", "000500faff48656c6c6f00"),
                     ("BFINAL set", "f348cdc9c9070000"), ("two blocks", "f24805000000ffffcac9c90700")):
    payload = bytes.fromhex(digits)
    good("7.2.3", f"Hello: {name}", compressed(TEXT, payload), (TEXT, b"Hello"))
    good("7.2.3", f"Hello, fragmented: {name}", compressed(TEXT, payload, 2), (TEXT, b"Hello"))
good("7.2.3", "Hello twice, the second refers to the first",
     [*compressed(TEXT, bytes.fromhex("f248cdc9c90700")), *compressed(TEXT, bytes.fromhex("f200110000"))],
     *[(TEXT, b"Hello")] * 2)
good("7.2.3", "Hello twice, without reference", compressed(TEXT, bytes.fromhex("f248cdc9c90700")) * 2, *[(TEXT, b"Hello")] * 2)
good("7.2.3", "an empty message of one byte", compressed(TEXT, b"\x00"), (TEXT, b""))

# 7.1: parameters, and context takeover.
SERIES = [b"message %d of a series whose messages resemble each other" % at for at in range(20)]
EXPECTED = [(TEXT, message) for message in SERIES]
AGREEMENTS = {
    "none": ("", ""), "server_no_context_takeover": ("; server_no_context_takeover",) * 2,
    "client_no_context_takeover": ("; client_no_context_takeover",) * 2,
    "neither takes over": ("; server_no_context_takeover; client_no_context_takeover",) * 2,
    "client_max_window_bits, not chosen": ("; client_max_window_bits", ""),
    "client_max_window_bits chosen": ("; client_max_window_bits", "; client_max_window_bits=10"),
    "client_max_window_bits=12": ("; client_max_window_bits=12",) * 2, "server_max_window_bits=9": ("; server_max_window_bits=9",) * 2,
    "server_max_window_bits=15": ("; server_max_window_bits=15",) * 2,
    "quoted bits": ('; server_max_window_bits="10"', "; server_max_window_bits=10"),
    "all four": ("; server_no_context_takeover; client_no_context_takeover"
                 "; server_max_window_bits=10; client_max_window_bits=10",) * 2,
}
for name, (asked, agreed) in AGREEMENTS.items():
    takeover, answer = "client_no" not in agreed, DEFLATE + agreed
    for how, parts in (("whole", 1), ("fragmented", 3)):
        frames = [one for payload in deflated(*SERIES, bits=9, takeover=takeover) for one in compressed(TEXT, payload, parts)]
        good("7.1", f"{name}: 20 {how} messages", frames, *EXPECTED, offer=DEFLATE + asked, answer=answer)
good("5.1", "the second offer is taken", compressed(TEXT, *deflated(b"Hello")), (TEXT, b"Hello"),
     offer=f"{DEFLATE}; server_max_window_bits=10, {DEFLATE}", answer=DEFLATE)
good("5", "an offer that is not taken", [text("plain")], (TEXT, b"plain"), answer="")

# 6 and 7: the bits, and data that cannot be inflated.
HELLO = compressed(TEXT, *deflated(b"Hello"))[0]
for opcode, (name, payload) in product((9, 10, 8), (("empty", b""), ("with a payload", b"\x03\xe8"))):
    kind = {8: "Close", 9: "Ping", 10: "Pong"}[opcode]
    fault("6.1", f"RSV1 in a {kind}, {name}", "reserved_bits", frame(opcode, payload, rsv=RSV1))
fault("6.1", "RSV1 in a continuation", "reserved_bits", more(b"x", rsv=RSV1), text(b"y", fin=False, rsv=RSV1))
fault("6.1", "RSV1 in a continuation of a plain message", "reserved_bits", more(b"x", rsv=RSV1), text(b"y", fin=False))
for rsv in (RSV2, RSV3, RSV1 | RSV2, RSV1 | RSV3, 7):
    fault("6", f"reserved bits {rsv:03b}", "reserved_bits", text(*deflated(b"x"), rsv=rsv))
    fault("6", f"reserved bits {rsv:03b} behind a message", "reserved_bits", text(*deflated(b"x"), rsv=rsv), HELLO, ((TEXT, b"Hello"),))
fault("6", "RSV1 in a reserved opcode", "reserved_opcode", frame(3, b"x", rsv=0))
for name, payload in (("no block type", b"\xff\xff\xff"), ("a distance beyond the window", bytes.fromhex("f200110000")),
                      ("a stored block whose lengths differ", bytes.fromhex("000500000048656c6c6f00"))):
    fault("7.2.2", f"what cannot be inflated: {name}", "broken_deflate", compressed(BINARY, payload)[0], code=1007, judge="backend")
fault("7.2.2", "what is no text once it is inflated", "text_not_utf8", compressed(TEXT, *deflated(b"\xff\xfe"))[0],
      code=1007, judge="backend")
