"""Which binary is tested."""

import functools
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def find():
    """SLUICE_BIN, else the newest of the release and the debug build; None when there is neither."""
    chosen = os.environ.get("SLUICE_BIN")
    if chosen:
        return Path(chosen).resolve()
    built = [path for path in (ROOT / "build/release/sluice", ROOT / "build/debug/sluice") if path.exists()]
    return max(built, key=lambda path: path.stat().st_mtime, default=None)


def path():
    found = find()
    assert found and found.exists(), "no binary: build the release or the debug preset, or set SLUICE_BIN"
    return str(found)


@functools.cache
def is_sanitized():
    """Whether it carries a sanitizer, which makes it several times slower and larger."""
    found = find()
    data = found.read_bytes() if found and found.exists() else b""
    return b"__asan_init" in data or b"__tsan_init" in data
