"""Reads the corpus (tests/corpus/README.md says how it is written) into cases."""

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2] / "corpus"
ESCAPE = re.compile(r"\\\{(.*?)\*(\d+)\}|\\x([0-9A-Fa-f]{2})|\\(.)", re.S)
SIMPLE = {"e": "\r\n", "r": "\r", "n": "\n", "t": "\t", "v": "\v", "f": "\f", "0": "\0", "s": " ", "\\": "\\"}
KEYS = {"source", "send", "expect", "backend", "request", "then"}
PLACE = "@@"


def to_bytes(text):
    """The compact notation as bytes; anything over ASCII is written \\xHH."""
    def one(match):
        repeated, count, code, simple = match.groups()
        if count:
            return ESCAPE.sub(one, repeated) * int(count)
        return chr(int(code, 16)) if code else SIMPLE[simple]

    assert text.isascii(), f"over ASCII, write it as \\xHH: {text!r}"
    return ESCAPE.sub(one, text).encode("latin-1")


@dataclass
class Case:
    id: str
    keys: dict = field(default_factory=dict)

    def get(self, key, otherwise=None):
        return self.keys.get(key, otherwise)

    @property
    def bytes(self):
        return to_bytes(self.keys["send"])


def _row(file, group, keys, text):
    columns = [column.strip() for column in text.split(" :: ")]
    name, value = columns[0], columns[1] if len(columns) > 1 else ""
    merged = {key: item.replace(PLACE, value) for key, item in keys.items()}
    for key, column in zip(("expect", "backend"), columns[2:]):
        merged[key] = column.replace(PLACE, value)
    assert len(columns) <= 4, f"{file.name}: {text}"
    for needed in ("source", "send", "expect"):
        assert needed in merged, f"{file.name}: [{group}] {name}: no {needed}"
    return Case(f"{file.stem}/{group}/{name}".replace(" ", "-"), merged)


def _read(file):
    group, keys = "", {}
    for line in file.read_text(encoding="ascii").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("["):
            group, keys = line.strip()[1:-1], {}
        elif line.startswith("* "):
            yield _row(file, group, keys, line[2:])
        else:
            key, _, value = line.partition(":")
            assert key in KEYS, f"{file.name}: {line}"
            keys[key] = value.strip()


def load(folder):
    cases = [case for file in sorted((ROOT / folder).glob("*.txt")) for case in _read(file)]
    names = [case.id for case in cases]
    assert len(set(names)) == len(names), f"named twice: {sorted({one for one in names if names.count(one) > 1})}"
    return cases
