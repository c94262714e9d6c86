"""Load for a soak: WebSockets and requests whose every byte is checked, while the gateway is reloaded and replaced under them.

One asyncio loop carries backends and clients. What ends in another way than a polite Close of the gateway's is a failure."""

import asyncio
import hashlib
import os

import websockets

POLITE = 1012


def payload(name, number):
    """Of any length up to 4 KiB; ends with the hash of what stands before it."""
    seed = f"{name}/{number}/".encode()
    body = (seed * 400)[: 1 + number * 97 % 4096]
    return body + hashlib.sha256(body).digest()


def is_whole(data):
    return hashlib.sha256(data[:-32]).digest() == data[-32:]


class Load:
    def __init__(self, tunnels, requesters, pause):
        self.tunnels, self.requesters, self.pause = tunnels, requesters, pause
        self.stopping = asyncio.Event()
        self.connected = asyncio.Semaphore(0)  # released once for each first connection
        self.port = None
        self.failures = []
        self.messages = self.polite_closes = self.requests = self.stale = 0

    # backends

    async def start_backends(self):
        """The ports of one that echoes messages, and of one that echoes bodies."""
        self.websocket_server = await websockets.serve(self._echo, "127.0.0.1", 0, ping_interval=None, compression=None)
        self.http_server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        return [server.sockets[0].getsockname()[1] for server in (self.websocket_server, self.http_server)]

    async def stop_backends(self):
        self.websocket_server.close()
        self.http_server.close()
        await self.websocket_server.wait_closed()

    async def _echo(self, connection):
        try:
            async for message in connection:
                await connection.send(message)
        except websockets.ConnectionClosed:
            pass

    async def _answer(self, reader, writer):
        try:
            while True:
                body = await read_body(await reader.readuntil(b"\r\n\r\n"), reader)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    # clients

    async def run(self):
        clients = [self._hold_tunnel(f"tunnel-{i}") for i in range(self.tunnels)]
        clients += [self._request(f"requester-{i}") for i in range(self.requesters)]
        await asyncio.gather(*(self._guarded(client) for client in clients))

    async def _guarded(self, client):
        try:
            await client
        except Exception as failure:  # pylint: disable=broad-except
            self.failures.append(repr(failure))

    async def _hold_tunnel(self, name):
        """One message after the other; a new connection after each polite Close."""
        number, first = 0, True
        while not self.stopping.is_set():
            async with websockets.connect(f"ws://127.0.0.1:{self.port}/ws", ping_interval=None, compression=None,
                                          open_timeout=60, close_timeout=60) as connection:
                if first:
                    self.connected.release()
                first = False
                try:
                    while not self.stopping.is_set():
                        number += 1
                        await self._exchange(connection, payload(name, number))
                        await self._rest()
                except websockets.ConnectionClosed as closed:
                    if closed.rcvd is None or closed.rcvd.code != POLITE:
                        raise
                    self.polite_closes += 1

    async def _exchange(self, connection, sent):
        """The Close may come instead of the echo of the last message, never instead of an earlier one."""
        await connection.send(sent)
        received = await connection.recv()
        assert received == sent and is_whole(received), "an echo that is another"
        self.messages += 1

    async def _request(self, name):
        reader = writer = None
        number = 0
        while not self.stopping.is_set():
            number += 1
            sent = payload(name, number)
            fresh = writer is None
            if fresh:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(b"PUT /%b HTTP/1.1\r\nHost: test.example\r\nContent-Length: %d\r\n\r\n%b" % (name.encode(), len(sent), sent))
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError) as failure:
                # A kept connection may be closed just when it is used again (RFC 9112 9.3.1): nothing of a response came.
                if fresh or getattr(failure, "partial", b""):
                    raise
                self.stale += 1
                writer.close()
                reader = writer = None
                number -= 1
                continue
            assert head.startswith(b"HTTP/1.1 200 "), head
            body = await read_body(head, reader)
            assert body == sent and is_whole(body), "a body that is another"
            self.requests += 1
            if b"\r\nconnection: close" in head.lower():
                writer.close()
                reader = writer = None
            await self._rest()

    async def _rest(self):
        try:
            await asyncio.wait_for(self.stopping.wait(), self.pause)
        except asyncio.TimeoutError:
            pass


async def read_body(head, reader):
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    return await reader.readexactly(int(fields.get(b"content-length", b"0")))


def soak_seconds():
    """How long a soak lasts: short among the other tests, SLUICE_SOAK_SECONDS=60 for the whole of it."""
    return float(os.environ.get("SLUICE_SOAK_SECONDS", "12"))
