"""Real application servers as child processes: uvicorn with a FastAPI app, Node with the `ws` package."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.waiting import seconds, wait_until

TESTS = Path(__file__).resolve().parents[2]
APP_FOLDER = TESTS / "support"
NODE_MODULES = TESTS / "browser" / "node_modules"


class Process:
    """A server process; `port_pattern` finds its port in what it prints."""

    def __init__(self, arguments, port_pattern, folder, name, env=None):
        self.output_file = Path(folder) / f"{name}.log"
        with open(self.output_file, "wb") as output:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *map(str, arguments)], env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            port = wait_until(lambda: self._port(port_pattern), lambda: f"{name}'s port:\n{self.output()}", 20)
            self.port = int(port)
        except BaseException:
            self.close()
            raise
        self.url = f"http://127.0.0.1:{self.port}"

    def _port(self, pattern):
        assert self.process.poll() is None, f"exited with {self.process.returncode}:\n{self.output()}"
        found = re.search(pattern, self.output(), re.MULTILINE)
        return found[1] if found else None

    def output(self):
        return self.output_file.read_text(errors="replace")

    def check(self):
        """How it ended says nothing about the gateway."""

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(seconds(5))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def uvicorn(folder, *options):
    """The FastAPI app of tests/support/fastapi_app.py, unmodified behind uvicorn."""
    return Process(
        [sys.executable, "-m", "uvicorn", "--app-dir", APP_FOLDER, "--port", "0", "--log-level", "info", *options,
         "fastapi_app:app"],
        r"running on \w+://[^:]+:(\d+)", folder, "uvicorn")


def need(condition, what):
    """A missing peer is a failure, unless the caller has said that skipping is fine."""
    if not condition:
        if os.environ.get("SLUICE_ALLOW_SKIP") == "1":
            pytest.skip(what)
        pytest.fail(what)


def node_echo(folder):
    """The echo server on Node's `ws` package."""
    node = shutil.which("node")
    need(node, "node is not installed")
    need((NODE_MODULES / "ws").is_dir(), f"the ws package is missing: run npm ci in {NODE_MODULES.parent}")
    return Process([node, TESTS / "support" / "node_echo.mjs"], r"^(\d+)\s*$", folder, "node",
                   {"NODE_PATH": str(NODE_MODULES)})
