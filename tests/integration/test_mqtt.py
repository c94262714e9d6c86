"""MQTT over WebSocket: Mosquitto behind the gateway, MQTT.js in front of it."""

import pytest

from support import real_backends


@pytest.fixture
def broker(lab):
    return lab.real(real_backends.mosquitto)


def gateway_before(lab, broker, tls=None, **websocket):
    """Only what offers the subprotocol gets to the broker. MQTT.js itself wants the answer to name it as well."""
    listener = {"name": "web", "address": "127.0.0.1:0"}
    if tls:
        listener["tls"] = tls
    route = {"match": {"subprotocols": ["mqtt"]}, "websocket": {"max_tunnels": 10, **websocket}}
    return lab.gateway(broker, listeners=[listener], route=route)


@pytest.mark.parametrize("scheme,size", [("ws", 10_000), ("wss", 256 * 1024)])
def test_every_quality_of_service(lab, ca, broker, scheme, size):
    """Mosquitto sends large messages in pieces of 4 KiB, ten in a second, whoever is in between."""
    tls = {"certificates": [ca.issue("127.0.0.1").as_config()]} if scheme == "wss" else None
    gateway = gateway_before(lab, broker, tls)
    url = f"{scheme}://127.0.0.1:{gateway.port}/mqtt"
    talker = lab.node_client("support/mqtt_client.mjs", url, "talk", size, ca=ca.certificate)
    talker.finish()
    assert [line["messages"] for line in talker.said("talked")] == [7]
    assert gateway.wait_log(2, event="tunnel_close")["target"] == "/mqtt"
    assert gateway.metric("sluice_websocket_upgrades_total", result="accepted") == 2
    gateway.wait_metric("sluice_websocket_tunnels_open", 0)


def test_keepalives_hold_a_tunnel_open(lab, broker):
    """MQTT's pings are messages to the gateway, unlike those of WebSocket, so they are no idleness."""
    gateway = gateway_before(lab, broker, idle_timeout="2500ms")
    client = lab.node_client("support/mqtt_client.mjs", f"ws://127.0.0.1:{gateway.port}/mqtt", "quiet", 1)
    client.wait_event("pong", 4)
    assert client.said("close") == []
    assert gateway.metric("sluice_websocket_tunnels_open") == 1


def test_silence_ends_a_tunnel(lab, broker):
    gateway = gateway_before(lab, broker, idle_timeout="500ms")
    client = lab.node_client("support/mqtt_client.mjs", f"ws://127.0.0.1:{gateway.port}/mqtt", "quiet", 60)
    client.wait_event("close")
    assert gateway.wait_log(event="tunnel_close")["tunnel"]["close_code"] == 1001
