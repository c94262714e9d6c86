"""An ordinary FastAPI application, as it would stand behind any gateway: for the tests that use a real server."""

import asyncio
import hashlib

from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

app = FastAPI()
BLOCK = bytes(range(256)) * 256


@app.get("/hello")
async def hello():
    return {"hello": "world"}


@app.api_route("/reflect", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def reflect(request: Request):
    """What the application sees of a request."""
    body = await request.body()
    return JSONResponse({
        "method": request.method,
        "path": request.url.path,
        "query": request.url.query,
        "headers": [[name, value] for name, value in request.headers.items()],
        "body": body.decode("latin-1"),
        "client": request.client.host if request.client else None,
    })


@app.get("/download/{size}")
async def download(size: int):
    """`size` bytes of a known pattern, with a Content-Length."""
    async def blocks():
        left = size
        while left:
            block = BLOCK[:left]
            left -= len(block)
            yield block

    return StreamingResponse(blocks(), media_type="application/octet-stream", headers={"Content-Length": str(size)})


@app.post("/upload")
async def upload(request: Request):
    """Hashes a body of any size without keeping it."""
    digest, size = hashlib.sha256(), 0
    async for block in request.stream():
        digest.update(block)
        size += len(block)
    return {"sha256": digest.hexdigest(), "size": size}


@app.get("/events/{count}")
async def events(count: int):
    """Server-sent events, 20 ms apart."""
    async def stream():
        for number in range(count):
            yield f"id: {number}\ndata: event {number}\n\n"
            await asyncio.sleep(0.02)

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


@app.get("/slow/{milliseconds}")
async def slow(milliseconds: int):
    await asyncio.sleep(milliseconds / 1000)
    return PlainTextResponse("slow but sure")


@app.websocket("/ws")
async def echo(socket: WebSocket):
    """Echoes text and bytes; takes the first subprotocol that is offered; `close CODE REASON` closes from here."""
    offered = socket.scope.get("subprotocols") or [None]
    await socket.accept(subprotocol=offered[0])
    try:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is not None and text.startswith("close "):
                _, code, reason = text.split(" ", 2)
                await socket.close(int(code), reason)
                return
            if text is not None:
                await socket.send_text(text)
            else:
                await socket.send_bytes(message["bytes"])
    except WebSocketDisconnect:
        return


@app.websocket("/refused")
async def refused(socket: WebSocket):
    """Closing before accepting makes the server answer the handshake with 403."""
    await socket.close()
