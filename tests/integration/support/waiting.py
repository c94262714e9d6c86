"""Deadlines: nothing here sleeps for a fixed time and hopes."""

import os
import time

from support import binary

# Stretches every deadline at once, for slow machines and slow builds.
SLOWDOWN = float(os.environ.get("SLUICE_TEST_SLOWDOWN", "4" if binary.is_sanitized() else "1"))
POLL_SECONDS = 0.01


def seconds(value):
    """How long to wait at most for something that takes `value` seconds at worst on an idle machine."""
    return value * SLOWDOWN


def wait_until(condition, what, timeout=5.0):
    """Polls until `condition()` is true and returns its value; fails with `what` (text or callable) otherwise."""
    deadline = time.monotonic() + seconds(timeout)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds(timeout)}s: {what() if callable(what) else what}")
        time.sleep(POLL_SECONDS)


def stays(condition, what, duration=0.3):
    """Fails as soon as `condition()` is false within `duration`: for things that must not happen."""
    deadline = time.monotonic() + duration
    while time.monotonic() < deadline:
        assert condition(), f"did not stay so: {what}"
        time.sleep(POLL_SECONDS)
