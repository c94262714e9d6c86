"""STOMP over WebSocket: stompjs in front of the gateway, a small broker behind it."""

import pytest

from support import real_backends


def gateway_before(lab, tls=None, **websocket):
    """Only what offers the subprotocol gets to the broker."""
    listener = {"name": "web", "address": "127.0.0.1:0"}
    if tls:
        listener["tls"] = tls
    route = {"match": {"subprotocols": ["v12.stomp"]}, "websocket": websocket}
    return lab.gateway(lab.real(real_backends.stomp), listeners=[listener], route=route)


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_texts_and_bytes(lab, ca, scheme):
    tls = {"certificates": [ca.issue("127.0.0.1").as_config()]} if scheme == "wss" else None
    gateway = gateway_before(lab, tls)
    url = f"{scheme}://127.0.0.1:{gateway.port}/stomp"
    talker = lab.node_client("support/stomp_client.mjs", url, "talk", 300_000, ca=ca.certificate)
    talker.finish()
    assert [line["messages"] for line in talker.said("talked")] == [5]
    assert [line["code"] for line in talker.said("close")] == [1005, 1005], "stompjs gives none"
    assert gateway.wait_log(2, event="tunnel_close")["tunnel"]["close_code"] == 1005
    assert gateway.metric("sluice_websocket_upgrades_total", result="accepted") == 2
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)


def test_heart_beats_hold_a_tunnel_open(lab):
    """They are messages of one byte to the gateway, so they are no idleness."""
    gateway = gateway_before(lab, idle_timeout="1500ms")
    client = lab.node_client("support/stomp_client.mjs", f"ws://127.0.0.1:{gateway.port}/stomp", "quiet", 500)
    client.wait_event("heartbeat", 8)
    assert client.said("close") == []
    assert gateway.metric("sluice_websocket_tunnels_open") == 1


def test_silence_ends_a_tunnel(lab):
    gateway = gateway_before(lab, idle_timeout="500ms")
    client = lab.node_client("support/stomp_client.mjs", f"ws://127.0.0.1:{gateway.port}/stomp", "quiet", 0)
    assert client.wait_event("close")["code"] == 1001
