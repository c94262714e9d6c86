"""A program: honest clients and the backend that serves them, in a process of their own, so that what they measure is
the gateway and not the test beside them. Some exchanges go to the backend directly: what the machine alone takes. Says its
backend's port, reads from standard input where to go, and then writes one JSON line per exchange: whose it is, what it is,
when it began (monotonic clock), how long it took, what went wrong."""

import asyncio
import itertools
import json
import ssl
import sys
import time

PATIENCE = 5.0  # an answer later than this is a failure
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REQUEST = b"GET /honest HTTP/1.1\r\nHost: honest.example\r\n\r\n"
UPGRADE = (b"GET /honest-ws HTTP/1.1\r\nHost: honest.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
SWITCH = (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
          b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
FRAME = b"\x82\x85\x00\x00\x00\x00honor"  # masked with zeros: the echo has the same payload
ECHO = b"\x82\x05honor"


class Backend(asyncio.Protocol):
    """Answers every request at once; what follows an upgrade are FRAMEs, which it echoes."""

    def __init__(self):
        self.received = b""
        self.tunnel = False

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.received += data
        if not self.tunnel and b"\r\n\r\n" in self.received:
            head, self.received = self.received.split(b"\r\n\r\n", 1)
            self.tunnel = head.startswith(b"GET /honest-ws")
            self.transport.write(SWITCH if self.tunnel else ANSWER)
        while self.tunnel and len(self.received) >= len(FRAME):
            self.received = self.received[len(FRAME):]
            self.transport.write(ECHO)


def say(*line):
    print(json.dumps(line), flush=True)


async def exchange(stream, question, size):
    reader, writer = stream
    writer.write(question)
    return await reader.readexactly(size)


async def timed(client, kind, action, expected):
    began = time.monotonic()
    problem = None
    try:
        answer = await asyncio.wait_for(action, PATIENCE)
        if not answer.startswith(expected):
            problem = repr(answer[:200])
    except (OSError, EOFError, asyncio.TimeoutError) as error:
        problem = repr(error)
    say(client, kind, began, time.monotonic() - began, problem)
    return problem is None


async def steadily(client, kind, stream, question, size, expected, every):
    """Exchanges over one connection that stays; its end is the last thing said about it."""
    while await timed(client, kind, exchange(stream, question, size), expected):
        await asyncio.sleep(every)


async def comer(client, connect, every, size):
    """A new connection for each request."""
    async def request():
        stream = await connect()
        try:
            return await exchange(stream, REQUEST, size)
        finally:
            stream[1].transport.abort()

    while True:
        await timed(client, "new", request(), b"HTTP/1.1 200")
        await asyncio.sleep(every)


async def visit(backend_port, port, secure_port, new_connections):
    blind = ssl.create_default_context()
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE

    def plain():
        return asyncio.open_connection("127.0.0.1", port)

    def secure():
        return asyncio.open_connection("127.0.0.1", secure_port, ssl=blind)

    ways = [plain, secure] if secure_port else [plain]
    first = await plain()
    first[1].write(REQUEST)
    size = len(await first[0].readuntil(b"\r\n\r\n")) + len(await first[0].readexactly(2))
    first[1].transport.abort()
    direct = await asyncio.open_connection("127.0.0.1", backend_port)
    client = itertools.count()
    tasks = [steadily(next(client), "direct", direct, REQUEST, len(ANSWER), ANSWER, 0.02)]
    for _, connect in zip(range(4), itertools.cycle(ways)):
        stream = await connect()
        tasks.append(steadily(next(client), "request", stream, REQUEST, size, b"HTTP/1.1 200", 0.04))
    for _, connect in zip(range(4), itertools.cycle(ways)):
        stream = await connect()
        stream[1].write(UPGRADE)
        await stream[0].readuntil(b"\r\n\r\n")
        tasks.append(steadily(next(client), "echo", stream, FRAME, len(ECHO), ECHO, 0.05))
    if new_connections:
        tasks += [comer(next(client), connect, 0.1, size) for connect in ways]
    await asyncio.gather(*tasks)


async def main():
    server = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    say(port)
    where = await asyncio.to_thread(sys.stdin.readline)
    if where:
        await visit(port, **json.loads(where))
        await asyncio.Event().wait()  # goes on as a backend


asyncio.run(main())
