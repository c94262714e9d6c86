"""Real application servers as child processes: uvicorn with a FastAPI app, Node with npm packages, mosquitto."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.waiting import seconds, wait_until

TESTS = Path(__file__).resolve().parents[2]
APP_FOLDER = TESTS / "support"
NODE_MODULES = TESTS / "browser" / "node_modules"


class Process:
    """A server process; `pattern` finds its port, or the path of its unix socket, in what it prints."""

    def __init__(self, arguments, pattern, folder, name, env=None, cwd=None, start_within=20):
        self.output_file = Path(folder) / f"{name}.log"
        with open(self.output_file, "wb") as output:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *map(str, arguments)], env={**os.environ, **(env or {})},
                cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            place = wait_until(lambda: self._place(pattern), lambda: f"{name}'s port:\n{self.output()}", start_within)
        except BaseException:
            self.close()
            raise
        self.port = int(place) if place.isdigit() else None
        self.url = f"http://127.0.0.1:{place}" if place.isdigit() else f"unix:{place}"

    def _place(self, pattern):
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


def node(script, *arguments):
    """The command that runs a program below tests/ with Node."""
    found = shutil.which("node")
    need(found, "node is not installed")
    need((NODE_MODULES / "socket.io").is_dir(), f"the npm packages are missing: run {NODE_MODULES.parent}/install")
    return [found, TESTS / script, *arguments]


def node_echo(folder):
    """The echo server on Node's `ws` package."""
    return Process(node("support/node_echo.mjs"), r"^(\d+)\s*$", folder, "node")


def node_http2(folder, certificate=None):
    """Node's own HTTP/2 server; over TLS with a certificate."""
    files = (certificate.certificate, certificate.private_key) if certificate else ()
    return Process(node("support/http2_server.mjs", *files), r"^(\d+)\s*$", folder, "http2")


def reached_node_http2(lab, ca=None):
    """The same, its URL, and the upstream's keys by which it is reached; over TLS with an authority."""
    if ca is None:
        backend = lab.real(node_http2)
        return backend, backend.url, {"protocol": "h2"}
    backend = lab.real(node_http2, ca.issue("localhost"))
    return backend, f"https://localhost:{backend.port}", {"tls": {"ca": str(ca.certificate)}}


def grpc(folder):
    """A server on Node's `@grpc/grpc-js` package."""
    return Process(node("support/grpc_server.mjs"), r"^(\d+)\s*$", folder, "grpc")


def socketio(folder, name="socketio"):
    """A server on Node's `socket.io` package."""
    return Process(node("support/socketio_server.mjs"), r"^(\d+)\s*$", folder, name)


def socketio_at(folder, path, name):
    """The same at a unix socket, so that a successor can take exactly its place."""
    return Process(node("support/socketio_server.mjs", path), rf"^({re.escape(str(path))})\s*$", folder, name)


def graphql(folder):
    """A server on Node's `graphql-ws` package."""
    return Process(node("support/graphql_server.mjs"), r"^(\d+)\s*$", folder, "graphql")


def stomp(folder):
    """A STOMP broker on Node's `ws` package."""
    return Process(node("support/stomp_server.mjs"), r"^(\d+)\s*$", folder, "stomp")


MOSQUITTO = """\
# Mosquitto 2.0.11 does not start with a WebSocket listener alone.
listener 0 {folder}/mqtt.sock
listener {port} 127.0.0.1
protocol websockets
# Without it, libwebsockets binds [::] instead of 127.0.0.1.
socket_domain ipv4
allow_anonymous true
# Root would become another user, who may not write here.
user root
log_type all
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def mosquitto(folder):
    """The MQTT broker, listening for WebSockets. It cannot say which free port it took, so one is found for it; another
    program may be faster, then the next one is tried."""
    command = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
    need(command, "mosquitto is not installed")
    for attempt in range(5):
        port = free_port()
        file = Path(folder) / f"mosquitto-{attempt}.conf"
        file.write_text(MOSQUITTO.format(folder=folder, port=port))
        try:
            return Process([command, "-c", file], rf"websockets listen socket on port ({port})\.[\s\S]* running", folder,
                           f"mosquitto-{attempt}")
        except AssertionError as error:
            failed = error
    raise failed
