"""A deadline belongs to its phase: it must neither outlive it nor be counted for another."""

import threading

from support.http_message import read_response_head, request_bytes
from support.waiting import stays, wait_until

SHORT = "300ms"
ONLY_THE_HEAD = {"timeouts": {"response_head": SHORT, "response_body_idle": "off"}}
SIZE = 80_000_000  # more than kernels keep between three sockets (tcp_rmem may be 32 MiB)


def begin_upload(client):
    """Half of a body, so that the answer overtakes the request."""
    client.send(request_bytes("POST", "/", [("Content-Length", "10")]) + b"first")


def test_the_head_s_deadline_does_not_cut_a_body_whose_upload_ends_later(lab):
    answered, quiet_ends = threading.Event(), threading.Event()

    def script(connection):
        connection.read_request_head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        answered.set()
        assert connection.read_exactly(10) == b"firstother"
        connection.expect_silence(0.9)
        quiet_ends.set()
        connection.send(b"half")

    client = lab.client(lab.gateway(lab.backend(script), route=ONLY_THE_HEAD))
    begin_upload(client)
    wait_until(answered.is_set, "the early answer")
    assert read_response_head(client).status == 200
    client.send(b"other")
    assert client.read_exactly(8) == b"halfhalf"
    assert quiet_ends.is_set()


def test_the_head_s_deadline_does_not_cut_a_slow_client_whose_upload_ends_later(lab):
    stuck, uploaded = threading.Event(), threading.Event()

    def script(connection):
        connection.read_request_head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        sent = connection.send_until_blocked(bytes(65536), SIZE, quiet=0.3)
        assert sent < SIZE, "the client was to hold this up"
        stuck.set()
        assert connection.read_exactly(10) == b"firstother"
        uploaded.set()
        connection.send(bytes(SIZE - sent))

    gateway = lab.gateway(lab.backend(script), route=ONLY_THE_HEAD)
    client = lab.client(gateway, receive_buffer=32768, record=False)
    begin_upload(client)
    wait_until(stuck.is_set, "the answer to be held up by the client", 10)
    client.send(b"other")
    wait_until(uploaded.is_set, "the end of the upload")
    stays(lambda: gateway.metric("sluice_upstream_connections_open") == 1, "the answer goes on", 0.9)
    assert read_response_head(client).status == 200
    assert sum(len(block) for block in client.blocks(SIZE)) == SIZE


def test_a_new_connection_that_says_nothing_counts_as_a_missing_head(lab):
    gateway = lab.gateway(lab.backend(), timeouts={"request_head": SHORT})
    client = lab.client(gateway)
    client.expect_closed(timeout=3)
    gateway.wait_metric("sluice_client_timeouts_total", 1, phase="request_head")
    assert gateway.metric("sluice_client_timeouts_total", phase="keepalive") == 0
