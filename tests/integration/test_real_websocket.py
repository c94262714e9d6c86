"""WebSocket with real implementations on both sides: Python's websockets, uvicorn, Node's ws."""

import asyncio
import os

import pytest
import websockets

from support.waiting import seconds, wait_until

MIB = 2**20
BIG = 16 * MIB


def run(coroutine):
    """Runs a client's conversation, bounded."""
    asyncio.run(asyncio.wait_for(coroutine, seconds(60)))


def address(gateway, path="/ws"):
    return f"ws://127.0.0.1:{gateway.port}{path}"


def connect(gateway, path="/ws", **options):
    options.setdefault("max_size", 2 * BIG)
    options.setdefault("open_timeout", seconds(20))
    return websockets.connect(address(gateway, path), **options)


@pytest.fixture(params=["uvicorn", "node"])
def gateway(lab, request):
    """A gateway before each of the real echo servers."""
    backend = lab.uvicorn("--ws-max-size", str(2 * BIG)) if request.param == "uvicorn" else lab.node_echo()
    return lab.gateway(backend, timeouts={"drain": "1s"})


@pytest.mark.parametrize("compression", ["deflate", None])
@pytest.mark.parametrize("payload", ["text: \u00e4\u20ac\U0001f600", b"\x00\xff" * 10, "", b""])
def test_echo(gateway, compression, payload):
    async def conversation():
        async with connect(gateway, compression=compression) as socket:
            await socket.send(payload)
            assert await socket.recv() == payload

    run(conversation())


@pytest.mark.slow
@pytest.mark.deadline(90)
@pytest.mark.parametrize("compression", ["deflate", None])
def test_messages_of_16_mib(gateway, compression):
    payload = os.urandom(MIB) * (BIG // MIB)

    async def conversation():
        async with connect(gateway, compression=compression, ping_interval=None) as socket:
            await socket.send(payload)
            assert await socket.recv() == payload
            await socket.send("and on")
            assert await socket.recv() == "and on"

    run(conversation())


def test_fragments(gateway):
    async def conversation():
        async with connect(gateway) as socket:
            await socket.send(["one ", "two ", "", "three"])
            assert await socket.recv() == "one two three"
            await socket.send([bytes(70000)] * 5)
            assert await socket.recv() == bytes(350000)

    run(conversation())


def test_ping_and_pong(gateway):
    async def conversation():
        async with connect(gateway) as socket:
            for payload in (b"", b"x" * 125):
                await asyncio.wait_for(await socket.ping(payload), seconds(5))

    run(conversation())
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 3000, 4999])
def test_close_codes_from_the_client(gateway, code):
    async def conversation():
        async with connect(gateway) as socket:
            await socket.close(code, "done")
            assert socket.close_code == code

    run(conversation())
    label = str(code) if code < 3000 else f"{code // 1000}xxx"
    gateway.wait_metric("sluice_websocket_closes_total", 1, route="all", initiator="client", code=label)


def test_close_codes_from_the_backend(lab):
    gateway = lab.gateway(lab.uvicorn())

    async def conversation():
        async with connect(gateway) as socket:
            await socket.send("close 4002 go away")
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await socket.recv()
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4002, "go away")

    run(conversation())
    gateway.wait_metric("sluice_websocket_closes_total", 1, route="all", initiator="upstream", code="4xxx")


def test_subprotocols(lab):
    gateway = lab.gateway(lab.uvicorn())

    async def conversation():
        async with connect(gateway, subprotocols=["chat.v2", "chat.v1"]) as socket:
            assert socket.subprotocol == "chat.v2"

    run(conversation())


def test_a_refused_handshake_is_passed_on(lab):
    gateway = lab.gateway(lab.uvicorn())

    async def conversation():
        with pytest.raises(websockets.InvalidStatusCode) as refused:
            async with connect(gateway, "/refused"):
                pass
        assert refused.value.status_code == 403

    run(conversation())


def test_the_websockets_library_as_a_backend(lab):
    """Server and client of one library in one event loop, the gateway in between."""
    async def echo(socket):
        async for message in socket:
            await socket.send(message)

    async def conversation():
        async with websockets.serve(echo, "127.0.0.1", 0, max_size=2 * BIG) as server:
            port = server.sockets[0].getsockname()[1]
            gateway = lab.gateway(f"http://127.0.0.1:{port}")
            async with connect(gateway) as socket:
                assert socket.extensions, "permessage-deflate was negotiated through the gateway"
                for message in ("hello", b"\x00" * 100000, "x" * MIB):
                    await socket.send(message)
                    assert await socket.recv() == message

    run(conversation())


@pytest.mark.slow
@pytest.mark.deadline(120)
def test_1000_sockets_at_once(gateway):
    async def one(number, opened, go):
        async with connect(gateway, compression=None, ping_interval=None) as socket:
            opened.append(number)
            await go.wait()
            for turn in range(3):
                await socket.send(f"{number}.{turn}")
                assert await socket.recv() == f"{number}.{turn}"

    async def conversation():
        opened, go, slots = [], asyncio.Event(), asyncio.Semaphore(100)

        async def started(number):
            async with slots:  # bounds how many handshakes are under way, not how many sockets are open
                task = asyncio.create_task(one(number, opened, go))
                while number not in opened and not task.done():
                    await asyncio.sleep(0.01)
            await task

        tasks = [asyncio.create_task(started(number)) for number in range(1000)]
        while len(opened) < 1000:
            await asyncio.sleep(0.02)
            for task in tasks:
                if task.done():
                    task.result()
        assert await asyncio.to_thread(gateway.metric, "sluice_websocket_tunnels_open") == 1000
        go.set()
        await asyncio.gather(*tasks)

    run(conversation())
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)
    assert gateway.metric("sluice_websocket_messages_total", direction="to_client") == 3000


def test_descriptors_come_back_after_tunnels(gateway):
    before = gateway.descriptors()

    async def conversation():
        for _ in range(20):
            async with connect(gateway) as socket:
                await socket.send("x")
                await socket.recv()

    run(conversation())
    wait_until(lambda: gateway.descriptors() <= before + 1,
               lambda: f"{gateway.descriptors()} descriptors, {before} before")
