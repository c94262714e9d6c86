"""One client's eagerness is not everybody's delay. The order of the answers shows it, not the clock."""

from support import freeze
from support.http_message import request_bytes

EAGER = 1000  # little enough to be in the gateway's receive buffer at once


def test_a_client_that_pipelines_a_thousand_requests_lets_others_through(lab):
    gateway = lab.gateway(routes=[{"name": "all", "respond": {"status": 200, "body": "ok"}}], workers=1)
    eager = lab.client(gateway, timeout=20)
    before, after = lab.client(gateway), lab.client(gateway)
    for client in (before, eager, after):
        assert client.request("GET", "/first").status == 200
    with freeze.stopped(gateway):  # whichever way the events are reported, one comes behind the eager client's
        before.send(request_bytes("GET", "/patient"))
        freeze.wait_delivered(before)
        eager.send(request_bytes("GET", "/eager") * EAGER)
        freeze.wait_delivered(eager)
        after.send(request_bytes("GET", "/patient"))
        freeze.wait_delivered(after)
    assert [client.response().status for client in (before, after)] == [200, 200]
    assert {eager.response().status for _ in range(EAGER)} == {200}
    gateway.wait_log(EAGER, target="/eager")
    answers = [line["target"] for line in gateway.access_log() if line["target"] != "/first"]
    last = max(index for index, target in enumerate(answers) if target == "/patient")
    assert last < EAGER / 10, "another client had to wait for nearly all of them"
