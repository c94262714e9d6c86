"""The access log and the process log."""

import json
import os
import re
import signal

import pytest

from support.binary import is_sanitized
from support.config_text import config_for
from support.raw_backend import echo_websocket
from support.waiting import wait_until
from support.websocket import CLOSE, TEXT, close_payload, open_websocket

COMBINED = re.compile(
    r'127\.0\.0\.1 - \S+ \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "([^"]*)" (\d{3}) (\d+|-) "([^"]*)" "([^"]*)"')


def test_a_line_per_request(lab):
    backend = lab.backend()
    gateway = lab.gateway(backend)
    headers = [("User-Agent", "tester/1"), ("Referer", "http://before.example/")]
    lab.request(gateway, "POST", "/page?q=1", headers=headers, body=b"x" * 10)
    line = gateway.wait_log()
    expected = {
        "event": "request", "client_ip": "127.0.0.1", "listener": "web", "method": "POST", "scheme": "http",
        "host": "test.example", "target": "/page?q=1", "version": "HTTP/1.1", "status": 200, "bytes_received": 10,
        "bytes_sent": 2, "referer": "http://before.example/", "user_agent": "tester/1", "route": "all",
        "upstream": "app", "endpoint": backend.url, "upstream_version": "HTTP/1.1", "attempts": 1, "retries": 0,
        "request_id": backend.requests[0].header("X-Request-Id"),
    }
    assert {name: line.get(name) for name in expected} == expected


def test_stage_durations(lab):
    """Those of every stage that was reached; the wait for the backend shows where the time went."""
    def script(peer):
        peer.read_request()
        peer.expect_silence(0.25)
        peer.respond()

    gateway = lab.gateway(lab.backend(script))
    lab.request(gateway)
    stages = gateway.wait_log()["stages_us"]
    assert set(stages) == {"read_head", "connect", "send", "wait", "respond", "total"}
    assert 200_000 < stages["wait"] < stages["total"]
    assert stages["connect"] + stages["send"] + stages["respond"] < stages["wait"]


def test_failures_and_retries_are_logged(lab):
    gateway = lab.gateway(lab.refusing(), lab.refusing(), workers=1)
    lab.request(gateway, "GET", "/failing")
    line = gateway.wait_log()
    assert (line["status"], line["failure"], line["attempts"], line["retries"]) == (502, "connect_refused", 2, 1)
    assert "upstream_version" not in line, "nothing was spoken"
    wait_until(lambda: "connect_refused" in gateway.stderr() and line["request_id"] in gateway.stderr(),
               "the process log to say more")


def test_many_failures_of_a_kind_are_a_few_lines_and_a_sum(lab):
    """The process log stays readable, whoever fills it; the access log and the metrics tell of each."""
    gateway = lab.gateway(lab.backend(lambda peer: (peer.read_request(), peer.send(b"nonsense\r\n\r\n"))), workers=1)
    for _ in range(30):
        assert lab.request(gateway).status == 502
    gateway.wait_log(30, failure="bad_response")
    gateway.wait_metric("sluice_upstream_failures_total", 30, reason="bad_response")
    assert gateway.stop() == 0
    assert gateway.stderr().count(" failed: bad_response ") == 10
    assert "and 20 more like this in the last 10 s: bad_response" in gateway.stderr()


def test_requests_that_could_not_be_read_are_logged(lab):
    gateway = lab.gateway(lab.backend())
    client = lab.client(gateway)
    client.send(b"GET / HTTP/1.1\r\n\r\n")
    client.response()
    line = gateway.wait_log()
    assert (line["status"], line["failure"]) == (400, "missing_host")


def test_secrets_are_masked(lab):
    sockets = lab.backend(echo_websocket)
    config = config_for(lab.backend())
    config["upstreams"].append({"name": "sockets", "endpoints": [sockets.url]})
    config["routes"].append({"name": "sockets", "match": {"websocket": True}, "upstream": "sockets"})
    gateway = lab.gateway_from(config)
    secrets = ["s3cret-token", "s3cret-access", "s3cret-key", "s3cret-password", "s3cret-cookie", "s3cret-auth"]
    target = f"/a?token={secrets[0]}&x=1&access_token={secrets[1]}&key={secrets[2]}&password={secrets[3]}&monkey=2"
    headers = [("Cookie", f"session={secrets[4]}"), ("Authorization", f"Bearer {secrets[5]}"),
               ("Referer", f"http://test.example/?token={secrets[0]}")]
    assert lab.request(gateway, "GET", target, headers=headers).status == 200
    open_websocket(lab.client(gateway), target, headers)
    gateway.wait_log(event="tunnel_open")
    line = gateway.wait_log(event="request")
    assert line["target"] == "/a?token=***&x=1&access_token=***&key=***&password=***&monkey=2"
    text = gateway.access_log_file.read_text() + gateway.stderr()
    for secret in secrets:
        assert secret not in text


def test_lines_cannot_be_forged(lab):
    gateway = lab.gateway(lab.backend())
    lab.request(gateway, "GET", '/a"b?%0a', headers=[("User-Agent", 'x", "status": 999, "y": "\t\xff\\')])
    gateway.wait_log()
    lines = gateway.access_log_file.read_text().splitlines()
    assert len(lines) == 1 and json.loads(lines[0])["status"] == 200


def test_combined_format(lab, tmp_path):
    file = tmp_path / "combined.log"
    gateway = lab.gateway(lab.backend(), access_log={"file": str(file), "format": "combined"})
    lab.request(gateway, "GET", "/page?token=s3cret", headers=[
        ("User-Agent", 'quote " end'), ("Referer", "http://before.example/")])
    wait_until(lambda: file.exists() and file.read_text().endswith("\n"), "a line")
    match = COMBINED.match(file.read_text().replace('\\"', "'").replace("\\x22", "'"))
    assert match, file.read_text()
    assert match[1] == "GET /page?token=*** HTTP/1.1"
    assert (match[2], match[3], match[4]) == ("200", "2", "http://before.example/")


def test_off(lab, tmp_path):
    gateway = lab.gateway(lab.backend(), access_log={"file": str(tmp_path / "none.log"), "format": "off"})
    assert lab.request(gateway).status == 200
    assert gateway.stop() == 0
    file = tmp_path / "none.log"
    assert not file.exists() or file.read_text() == ""


def test_standard_output_is_the_default(lab):
    config = config_for(lab.backend())
    config["access_log"] = {"format": "json"}
    gateway = lab.gateway_from(config)
    lab.request(gateway)
    output = gateway.folder / "stdout"
    wait_until(lambda: output.read_text().endswith("\n"), "a line on standard output")
    assert json.loads(output.read_text())["status"] == 200


def test_json_process_log(lab):
    gateway = lab.start(config=config_for(lab.backend(), log={"format": "json", "level": "info"}))
    wait_until(lambda: "listening" in gateway.stderr(), "start-up lines")
    gateway.stop()
    for line in gateway.stderr().splitlines():
        assert isinstance(json.loads(line), dict), line


def test_log_level(lab):
    gateway = lab.gateway(lab.refusing(), log={"level": "debug"})
    lab.request(gateway)
    assert gateway.stop() == 0


def test_a_tunnel_is_logged_at_open_and_at_close(lab):
    gateway = lab.gateway(lab.backend(echo_websocket))
    client = lab.client(gateway)
    open_websocket(client, "/room")
    opened = gateway.wait_log()
    assert (opened["event"], opened["status"], opened["target"]) == ("tunnel_open", 101, "/room")
    client.send_frame(TEXT, b"hello")
    client.read_frame()
    client.send_frame(CLOSE, close_payload(4000))
    client.read_frame()
    client.close()
    closed = gateway.wait_log(event="tunnel_close")
    assert closed["request_id"] == opened["request_id"] and closed["target"] == "/room"
    assert (closed["tunnel"]["close_code"], closed["tunnel"]["close_initiator"]) == (4000, "client")
    assert closed["tunnel"]["to_client"]["messages"] == closed["tunnel"]["to_upstream"]["messages"] == 1
    assert len(gateway.access_log()) == 2


def test_a_reopened_log(lab):
    """SIGUSR1 after a rotation."""
    gateway = lab.gateway(lab.backend())
    lab.request(gateway, target="/before")
    gateway.wait_log()
    rotated = gateway.folder / "access.log.1"
    gateway.access_log_file.rename(rotated)
    gateway.signal(signal.SIGUSR1)
    wait_until(gateway.access_log_file.exists, "a new file")
    lab.request(gateway, target="/after")
    gateway.wait_log(target="/after")
    assert "/after" not in rotated.read_text()


def test_a_blocked_log_does_not_block_the_service(lab, tmp_path):
    """Nobody reads the pipe that the access log goes to."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        gateway = lab.gateway(lab.backend(), access_log={"file": str(pipe), "format": "json"})
        client = lab.client(gateway)
        padding = [("User-Agent", "x" * 2000)]
        for _ in range(400):
            assert client.request("GET", "/" + "p" * 2000, padding).status == 200
    finally:
        os.close(reader)


def test_long_texts_are_cut(lab):
    gateway = lab.gateway(lab.backend())
    lab.request(gateway, "GET", "/" + "p" * 2047, headers=[("User-Agent", "u" * 1024)])
    whole = gateway.wait_log()
    assert (whole["target"], whole["user_agent"]) == ("/" + "p" * 2047, "u" * 1024)
    lab.request(gateway, "GET", "/" + "p" * 2048, headers=[("User-Agent", "u" * 1023 + "\u00fc"), ("Referer", "r" * 1025)])
    line = gateway.wait_log(2)
    assert line["target"] == "/" + "p" * 2047 + "[...]"
    assert line["user_agent"] == "u" * 1023 + "[...]"
    assert line["referer"] == "r" * 1024 + "[...]"


@pytest.mark.parametrize("format", ["json", "combined"])
def test_a_log_that_nobody_reads_takes_bounded_memory(lab, tmp_path, format):
    """Each of these lines is as long as a client can make it; there are more of them than the queue has places."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        gateway = lab.gateway(lab.backend(), workers=1, access_log={"file": str(pipe), "format": format},
                              routes=[{"name": "never", "match": {"path": "/never"}, "upstream": "app"}])
        client = lab.client(gateway, record=False)
        before = gateway.rss_mib()
        request = (b"GET /?" + b"q" * 15_000 + b" HTTP/1.1\r\nHost: test.example\r\nReferer: " + b"\xff" * 10_000
                   + b"\r\nUser-Agent: " + b"\xff" * 30_000 + b"\r\n\r\n")
        for _ in range(9_000):
            client.send(request)
            assert client.response().status == 404
        grown = gateway.rss_mib() - before
        assert grown < (200 if is_sanitized() else 32), f"{grown:.0f} MiB more"
        assert gateway.metric("sluice_log_dropped_lines_total") > 4_000
    finally:
        os.close(reader)


def test_tunnels_keep_of_a_request_what_their_last_line_shows(lab):
    gateway = lab.gateway(lab.backend(echo_websocket), workers=1)
    target = "/room?token=s3cret&q=" + "q" * 15_000
    agent = [("User-Agent", "u" * 40_000)]

    def open_one():
        client = lab.client(gateway, record=False)
        open_websocket(client, target, agent)
        return client

    open_one()
    before = gateway.rss_mib()
    clients = [open_one() for _ in range(200)]
    gateway.wait_metric("sluice_websocket_tunnels_open", 201, route="all")
    each = (gateway.rss_mib() - before) * 1024 / len(clients)
    assert each < (100 if is_sanitized() else 24), f"{each:.0f} KiB for each"
    clients[0].close()
    closed = gateway.wait_log(event="tunnel_close")
    opened = gateway.wait_log(event="tunnel_open", request_id=closed["request_id"])
    shown = "/room?token=***&q="
    assert closed["target"] == shown + "q" * (2048 - len(shown)) + "[...]"
    assert closed["user_agent"] == "u" * 1024 + "[...]"
    assert (opened["target"], opened["user_agent"]) == (closed["target"], closed["user_agent"])
