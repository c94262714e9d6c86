"""A WebSocket echo backend on Python's `websockets`, an unmodified application behind the gateway. Prints its port as one line; ends on
SIGTERM."""

import asyncio
import logging

import websockets

MAX_PAYLOAD = 64 * 1024 * 1024


async def echo(socket):
    async for message in socket:
        await socket.send(message)


async def main():
    logging.disable()  # what clients break is not told of
    async with websockets.serve(echo, "127.0.0.1", 0, max_size=MAX_PAYLOAD, ping_interval=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


asyncio.run(main())
