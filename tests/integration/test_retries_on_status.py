"""retries.on with statuses, and retries.budget."""

import pytest

from support import websocket
from support.http_message import response_bytes
from support.raw_backend import echo_websocket
from support.waiting import wait_until
from support.websocket import open_websocket


def answers(status, body=b"no", headers=()):
    def script(connection):
        while True:
            connection.read_request()
            connection.respond(status, body, headers)
    return script


def gateway_of(lab, *backends, on=("connect", 502, 503, 504), outlier="off", **retries):
    return lab.gateway(*backends, workers=1, upstream={"retries": {"on": [str(one) for one in on], **retries},
                                                       "outlier": {"consecutive_failures": outlier}})


@pytest.mark.parametrize("status", [502, 503, 504])
def test_an_answer_that_is_named_is_thrown_away(lab, status):
    bad, good = lab.backend(answers(status)), lab.backend()
    gateway = gateway_of(lab, bad, good, on=[status])
    client = lab.client(gateway)
    assert [client.request("GET", f"/{i}").status for i in range(6)] == [200] * 6
    assert len(bad.requests) == 3
    assert gateway.metric("sluice_upstream_retries_total", upstream="app") == 3
    gateway.wait_log(3, event="request", status=200, attempts=2)


def test_other_statuses_and_methods_go_to_the_client(lab):
    gateway = gateway_of(lab, lab.backend(answers(503)), lab.backend(answers(503)), on=["connect", 502])
    assert {lab.request(gateway).status for _ in range(4)} == {503}
    named = gateway_of(lab, lab.backend(answers(503)), lab.backend(), on=[503])
    assert sorted(lab.request(named, "POST", body=b"x").status for _ in range(4)) == [200, 200, 503, 503]
    assert gateway.metric("sluice_upstream_retries_total", upstream="app") == 0


def test_the_last_answer_goes_to_the_client_whole(lab):
    gateway = gateway_of(lab, lab.backend(answers(503, b"first" * 1000)), lab.backend(answers(503, b"first" * 1000)))
    response = lab.request(gateway)
    assert (response.status, response.body, response.header("Sluice-Error")) == (503, b"first" * 1000, None)
    assert gateway.metric("sluice_upstream_retries_total", upstream="app") == 1


def test_a_body_is_sent_again(lab):
    bad, good = lab.backend(answers(503)), lab.backend()
    client = lab.client(gateway_of(lab, bad, good))
    body = bytes(range(256)) * 100
    assert [client.request("PUT", body=body).status for _ in range(4)] == [200] * 4
    assert len(bad.requests) == 2
    assert {request.body for request in bad.requests + good.requests} == {body}


def test_a_body_that_is_not_held_ends_it(lab):
    """Over 64 KiB, which are gone: the answer is passed on."""
    gateway = gateway_of(lab, lab.backend(answers(503)), lab.backend(answers(503)))
    assert lab.request(gateway, "PUT", body=b"x" * 200_000).status == 503
    assert gateway.metric("sluice_upstream_retries_total", upstream="app") == 0


def test_an_early_answer_while_the_body_still_comes(lab):
    """What was sent is sent again, and the rest goes to the second endpoint."""
    def early(connection):
        connection.read_request_head()
        connection.send(response_bytes(503, b"full", [("Connection", "close")]))
        connection.hang()

    good = lab.backend()
    gateway = gateway_of(lab, lab.backend(early), good)
    for turn in range(2):
        client = lab.client(gateway)
        client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234")
        wait_until(lambda: good.received().count(b"01234") == turn + 1, "the second attempt")
        client.send(b"56789")
        assert client.response().status == 200
    assert [request.body for request in good.requests] == [b"0123456789"] * 2


def test_a_handshake_that_is_refused_is_tried_elsewhere(lab):
    gateway = gateway_of(lab, lab.backend(answers(503)), lab.backend(echo_websocket))
    for _ in range(4):
        client = lab.client(gateway)
        open_websocket(client)
        client.send_frame(websocket.TEXT, b"there?")
        assert client.read_frame().payload == b"there?"
    assert gateway.metric("sluice_websocket_tunnels_open", route="all") == 4


def test_what_is_repeated_also_ejects(lab):
    bad = lab.backend(answers(503))
    gateway = gateway_of(lab, bad, lab.backend(), outlier=2)
    wait_until(lambda: lab.request(gateway).status == 200 and
               gateway.metric("sluice_upstream_endpoints", upstream="app", state="ejected") == 1, "its ejection")
    before = len(bad.requests)
    assert {lab.request(gateway).status for _ in range(8)} == {200}
    assert len(bad.requests) == before
    assert "2 failures in a row, the last one status 503" in gateway.stderr()


@pytest.mark.parametrize("budget", ["20%", "off"])
def test_retries_are_a_share_of_the_requests(lab, budget):
    backends = [lab.backend(answers(503)) for _ in range(2)]
    gateway = gateway_of(lab, *backends, budget=budget)
    client = lab.client(gateway)
    assert {client.request("GET", f"/{i}").status for i in range(200)} == {503}
    retries = gateway.metric("sluice_upstream_retries_total", upstream="app")
    refused = gateway.metric("sluice_upstream_retries_refused_total", upstream="app")
    assert retries + refused == 200
    if budget == "off":
        assert retries == 200
    else:
        assert 40 <= retries <= 40 + 50 + 50, "20% of 200, what was saved, and five for each second"
