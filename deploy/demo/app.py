"""The demo application: one chat through WebSocket, SSE, long polling and short polling.

A plain FastAPI app that knows nothing of the gateway in front of it. Run it alone with
`python3 -m uvicorn app:app --app-dir deploy/demo`.
"""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import AsyncIterator, Optional

from fastapi import FastAPI, Header, Path as PathParameter, Query, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field

from conversation import Conversation, Message, Subscription

STATIC = Path(__file__).parent / "static"
MAX_TEXT = 2000
MAX_AUTHOR = 40
MAX_DOWNLOAD = 1 << 30
DOWNLOAD_BLOCK = bytes(range(256)) * 256  # 64 KiB
LONG_POLL_SECONDS = 20.0
HEARTBEAT_SECONDS = 15.0
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'self'",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
}
# What a gateway adds on the way; the page counts only what the browser sent.
GATEWAY_FIELDS = {b"forwarded", b"via", b"x-real-ip", b"x-request-id"}

app = FastAPI(title="Sluice demo")
conversation = Conversation()
open_sockets = 0


class NewMessage(BaseModel):
    text: str = Field(min_length=1, max_length=MAX_TEXT)
    client_id: str = Field(default="anonymous", max_length=MAX_AUTHOR)
    author: str = Field(default="", max_length=MAX_AUTHOR)
    sent_at: Optional[float] = None


def head_bytes(connection) -> int:
    """The size of the request head as the browser wrote it in HTTP/1.1."""
    query = connection.scope["query_string"]
    target = len(connection.scope["raw_path"]) + (len(query) + 1 if query else 0)
    fields = sum(
        len(name) + len(value) + 4
        for name, value in connection.scope["headers"]
        if name not in GATEWAY_FIELDS and not name.startswith(b"x-forwarded-")
    )
    return len("GET  HTTP/1.1\r\n") + target + fields + len("\r\n")


@app.get("/", include_in_schema=False)
async def page() -> FileResponse:
    return FileResponse(STATIC / "index.html", headers=PAGE_HEADERS)


@app.get("/api/info")
async def info(request: Request) -> dict:
    return {
        "application": "Sluice demo",
        "client": request.client.host if request.client else None,
        "scheme": request.url.scheme,
        "host": request.headers.get("host"),
        "via": request.headers.get("via"),
        "request_id": request.headers.get("x-request-id"),
        "request_head_bytes": head_bytes(request),
        "last_id": conversation.last_id,
        "open_sockets": open_sockets,
    }


@app.post("/messages", status_code=201)
async def post_message(new: NewMessage) -> dict:
    message = conversation.publish(new.client_id, new.author or new.client_id, new.text, new.sent_at)
    return {"id": message.id}


@app.get("/poll")
async def poll(since: int = Query(0, ge=0)) -> dict:
    """Short polling: what there is now, often nothing."""
    return answer_since(since)


@app.get("/long-poll")
async def long_poll(request: Request, since: int = Query(0, ge=0)) -> dict:
    """Long polling: held until there is something to say, the time is over or the client left."""
    subscription = conversation.subscribe(since)
    waiting = asyncio.ensure_future(subscription.next())
    leaving = asyncio.ensure_future(client_left(request))
    try:
        await asyncio.wait({waiting, leaving}, timeout=LONG_POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    finally:
        conversation.unsubscribe(subscription)
        waiting.cancel()
        leaving.cancel()
    return answer_since(since)


async def client_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def answer_since(since: int) -> dict:
    return {
        "messages": [message.as_dict() for message in conversation.after(since)],
        "last_id": conversation.last_id,
    }


@app.get("/sse")
async def sse(since: Optional[int] = None, last_event_id: Optional[str] = Header(None)) -> StreamingResponse:
    """Server-sent events. A browser that reconnects names the last event it saw, which beats the URL."""
    if last_event_id and last_event_id.isdigit():
        since = int(last_event_id)
    return StreamingResponse(events(since), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


async def events(since: Optional[int]) -> AsyncIterator[str]:
    subscription = conversation.subscribe(since)
    try:
        yield "retry: 1000\n\n"
        while True:
            try:
                message = await asyncio.wait_for(subscription.next(), HEARTBEAT_SECONDS)
            except asyncio.TimeoutError:
                yield "event: heartbeat\ndata: 1\n\n"
                continue
            if message is None:
                return
            yield f"id: {message.id}\ndata: {message.as_json()}\n\n"
    finally:
        conversation.unsubscribe(subscription)


@app.websocket("/ws/{client_id}")
async def chat(websocket: WebSocket, client_id: str, since: Optional[int] = None) -> None:
    global open_sockets
    if len(client_id) > MAX_AUTHOR:
        await websocket.close(code=1008)
        return
    await websocket.accept()
    open_sockets += 1
    subscription = conversation.subscribe(since)
    sender = asyncio.ensure_future(send_messages(websocket, subscription))
    try:
        while True:
            publish_frame(client_id, await websocket.receive_text())
    except WebSocketDisconnect:
        pass
    finally:
        open_sockets -= 1
        conversation.unsubscribe(subscription)
        sender.cancel()


async def send_messages(websocket: WebSocket, subscription: Subscription) -> None:
    await websocket.send_text(json.dumps({"type": "welcome", "request_head_bytes": head_bytes(websocket)}))
    async for message in subscription:
        await websocket.send_text(message.as_json())
    await websocket.close(code=1013)  # too slow; it may come back and ask for what it missed


def publish_frame(client_id: str, frame: str) -> Optional[Message]:
    """A frame is either {"text": ..., "author": ..., "sent_at": ...} or simply the text."""
    try:
        fields = json.loads(frame)
    except ValueError:
        fields = frame
    if not isinstance(fields, dict) or "text" not in fields:
        fields = {"text": frame}
    text = str(fields["text"])[:MAX_TEXT]
    if not text:
        return None
    author = str(fields.get("author") or client_id)[:MAX_AUTHOR]
    sent_at = fields.get("sent_at")
    return conversation.publish(client_id, author, text, sent_at if isinstance(sent_at, (int, float)) else None)


@app.post("/upload")
async def upload(request: Request) -> dict:
    """Counts and hashes the body as it streams in; nothing is kept."""
    size = 0
    digest = hashlib.sha256()
    async for block in request.stream():
        size += len(block)
        digest.update(block)
    return {"bytes": size, "sha256": digest.hexdigest()}


@app.get("/download/{size}")
async def download(size: int = PathParameter(..., ge=0, le=MAX_DOWNLOAD)) -> StreamingResponse:
    headers = {"Content-Length": str(size), "Content-Disposition": f'attachment; filename="{size}.bin"'}
    return StreamingResponse(blocks(size), media_type="application/octet-stream", headers=headers)


async def blocks(size: int) -> AsyncIterator[bytes]:
    while size > 0:
        block = DOWNLOAD_BLOCK[:size]
        yield block
        size -= len(block)


app.mount("/static", StaticFiles(directory=STATIC), name="static")
