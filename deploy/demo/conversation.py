"""The one conversation that every transport of the demo shows."""

import asyncio
import dataclasses
import json
from collections import deque
from typing import AsyncIterator, Deque, List, Optional, Set

HISTORY_LENGTH = 200
# What a subscriber may fall behind before it is cut off; it reconnects and asks for what it missed.
SUBSCRIBER_BACKLOG = 256


@dataclasses.dataclass(frozen=True)
class Message:
    id: int
    client_id: str
    author: str
    text: str
    sent_at: Optional[float]  # the sender's clock, milliseconds since 1970

    def as_dict(self) -> dict:
        return dataclasses.asdict(self)

    def as_json(self) -> str:
        return json.dumps(self.as_dict(), separators=(",", ":"), ensure_ascii=False)


class Subscription:
    """The messages after `since`, in order, without a gap between the old and the live ones."""

    def __init__(self, backlog: List[Message]) -> None:
        self._queue: "asyncio.Queue[Optional[Message]]" = asyncio.Queue()
        for message in backlog:
            self._queue.put_nowait(message)
        self._ended = False

    def offer(self, message: Message) -> None:
        if self._ended:
            return
        if self._queue.qsize() >= SUBSCRIBER_BACKLOG:
            self._ended = True
            self._queue.put_nowait(None)
            return
        self._queue.put_nowait(message)

    async def next(self) -> Optional[Message]:
        """The next message, or None when this subscriber fell too far behind."""
        return await self._queue.get()

    async def __aiter__(self) -> AsyncIterator[Message]:
        while (message := await self.next()) is not None:
            yield message


class Conversation:
    def __init__(self) -> None:
        self._messages: Deque[Message] = deque(maxlen=HISTORY_LENGTH)
        self._subscriptions: Set[Subscription] = set()
        self.last_id = 0

    def publish(self, client_id: str, author: str, text: str, sent_at: Optional[float]) -> Message:
        self.last_id += 1
        message = Message(self.last_id, client_id, author, text, sent_at)
        self._messages.append(message)
        for subscription in self._subscriptions:
            subscription.offer(message)
        return message

    def after(self, since: int) -> List[Message]:
        if since > self.last_id:
            since = 0  # a number from before this process started
        return [message for message in self._messages if message.id > since]

    def subscribe(self, since: Optional[int]) -> Subscription:
        subscription = Subscription([] if since is None else self.after(since))
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)
