"""GraphQL over WebSocket: the graphql-ws package on both sides, and every way in which its server says no."""

import asyncio
import json

import pytest
import websockets

from support import real_backends
from support.waiting import seconds

SUBPROTOCOL = "graphql-transport-ws"
INIT = {"type": "connection_init"}
ENDLESS = {"id": "1", "type": "subscribe", "payload": {"query": "subscription { endless }"}}


def countdown(start):
    return {"data": [{"countdown": left} for left in range(start, -1, -1)], "errors": [], "end": "completed"}


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_operations(lab, ca, scheme):
    listener = {"name": "web", "address": "127.0.0.1:0"}
    if scheme == "wss":
        listener["tls"] = {"certificates": [ca.issue("127.0.0.1").as_config()]}
    gateway = lab.gateway(lab.real(real_backends.graphql), listeners=[listener],
                          route={"match": {"subprotocols": [SUBPROTOCOL]}})
    client = lab.node_client("support/graphql_client.mjs", f"{scheme}://127.0.0.1:{gateway.port}/graphql", ca=ca.certificate)
    [said] = client.finish()
    assert said == {
        "subprotocol": SUBPROTOCOL,
        "query": {"data": [{"hello": "world"}], "errors": [], "end": "completed"},
        "countdown": countdown(3),
        "together": [countdown(5), countdown(6), countdown(7)],
        "failing": {"data": [], "errors": ["out of order"], "end": "completed"},
        "invalid": {"data": [], "errors": ['Cannot query field "nothing" on type "Query".'], "end": "refused"},
        "endless": "left",
    }
    assert gateway.wait_log(event="tunnel_close")["tunnel"]["close_code"] == 1000
    assert gateway.metric("sluice_websocket_upgrades_total", result="accepted") == 1, "all on one socket"


@pytest.mark.parametrize("code,reason,messages", [
    (4400, "Invalid message received", ["this is no JSON"]),
    (4401, "Unauthorized", [ENDLESS]),
    (4403, "Forbidden", [{**INIT, "payload": {"token": "wrong"}}]),
    (4409, "Subscriber for 1 already exists", [INIT, ENDLESS, ENDLESS]),
    (4429, "Too many initialisation requests", [INIT, INIT]),
])
def test_close_codes(lab, code, reason, messages):
    assert_closes(lab, code, reason, messages, SUBPROTOCOL)


def test_an_unknown_subprotocol(lab):
    assert_closes(lab, 4406, "Subprotocol not acceptable", [], "graphql-ws")


def assert_closes(lab, code, reason, messages, subprotocol):
    gateway = lab.gateway(lab.real(real_backends.graphql))

    async def conversation():
        async with websockets.connect(f"ws://127.0.0.1:{gateway.port}/graphql", subprotocols=[subprotocol]) as socket:
            with pytest.raises(websockets.ConnectionClosed) as closed:
                for message in messages:
                    await socket.send(message if isinstance(message, str) else json.dumps(message))
                    if message == INIT:
                        await socket.recv()  # connection_ack
                while True:
                    await socket.recv()
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, reason)

    asyncio.run(asyncio.wait_for(conversation(), seconds(20)))
    gateway.wait_metric("sluice_websocket_closes_total", 1, route="all", initiator="upstream", code="4xxx")
    assert gateway.wait_log(event="tunnel_close")["tunnel"]["close_code"] == code
