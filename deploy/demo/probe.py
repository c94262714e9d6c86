"""Visits a running demo once through every URL it is offered at; exits 1 at the first thing that is wrong.

    probe.py --metrics http://127.0.0.1:9901/metrics http://127.0.0.1:8080 https://127.0.0.1:8443
"""

import argparse
import asyncio
import json
import os
import ssl
import sys
import urllib.request
import uuid
from typing import Optional

import websockets
import websockets.exceptions

TIMEOUT_SECONDS = 10
FAILURES = (AssertionError, OSError, ValueError, asyncio.TimeoutError, websockets.exceptions.WebSocketException)


def tls_context(url: str) -> Optional[ssl.SSLContext]:
    """The demo's certificate is self-signed, so there is nothing to verify it against."""
    if not url.startswith(("https:", "wss:")):
        return None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def open_url(url: str):
    return urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS, context=tls_context(url))


def fetch(url: str) -> bytes:
    with open_url(url) as answer:
        return answer.read()


def expect(condition: bool, what: str) -> None:
    if not condition:
        raise AssertionError(what)


async def chat_once(url: str) -> None:
    text = f"probe {uuid.uuid4()}"
    async with websockets.connect(url, ssl=tls_context(url), open_timeout=TIMEOUT_SECONDS) as socket:
        await socket.send(json.dumps({"text": text, "author": "probe"}))
        while True:
            message = json.loads(await asyncio.wait_for(socket.recv(), TIMEOUT_SECONDS))
            if message.get("text") == text:
                return


def first_event(url: str) -> str:
    with open_url(url) as answer:
        for line in answer:
            if line.startswith(b"data:"):
                return line.decode()
    return ""


def visit(base: str) -> None:
    socket_url = "ws" + base[len("http"):] + "/ws/probe"
    expect(b"message-input" in fetch(f"{base}/"), f"{base}/ is not the demo's page")
    print(f"ok {base}/")
    asyncio.run(chat_once(socket_url))
    print(f"ok {socket_url}")
    last_id = json.loads(fetch(f"{base}/api/info"))["last_id"]
    for path in ("poll", "long-poll"):
        answer = json.loads(fetch(f"{base}/{path}?since={last_id - 1}"))
        expect(len(answer["messages"]) >= 1, f"{base}/{path} does not have the message sent by WebSocket")
        print(f"ok {base}/{path}")
    expect("probe" in first_event(f"{base}/sse?since={last_id - 1}"), f"{base}/sse does not have the message")
    print(f"ok {base}/sse")


def main() -> int:
    parser = argparse.ArgumentParser(description="Visit a running demo once through every URL.")
    parser.add_argument("--metrics", help="the gateway's /metrics")
    parser.add_argument("bases", nargs="+", metavar="URL", help="where the demo is served, without a path")
    arguments = parser.parse_args()
    # The demo is on this machine; a proxy of the environment could not reach it.
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    try:
        for base in arguments.bases:
            visit(base.rstrip("/"))
        if arguments.metrics:
            expect(b"\nsluice_" in fetch(arguments.metrics), f"{arguments.metrics} has no metric of Sluice")
            print(f"ok {arguments.metrics}")
    except FAILURES as error:
        print(f"failed: {error or type(error).__name__}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
