"""HTTP/2 from clients, under TLS and with prior knowledge: curl and Node's own client, through to an HTTP/1.1 application."""

import hashlib
import json
import signal
import socket
import subprocess
import threading

import pytest

from support.waiting import seconds

PROTOCOLS = ["h2", "http/1.1"]


def listeners(ca):
    certificate = ca.issue("test.example").as_config()
    return [{"name": "plain", "address": "127.0.0.1:0", "protocols": PROTOCOLS},
            {"name": "secure", "address": "127.0.0.1:0", "protocols": PROTOCOLS, "tls": {"certificates": [certificate]}}]


@pytest.fixture
def gateway(lab, ca):
    return lab.gateway(lab.uvicorn(), listeners=listeners(ca))


class Curl:
    def __init__(self, gateway, ca, secure):
        self.base = f"https://test.example:{gateway.ports['secure']}" if secure else f"http://127.0.0.1:{gateway.ports['plain']}"
        self.options = ["--silent", "--show-error", "--max-time", str(seconds(20))]
        if secure:
            self.options += ["--http2", "--cacert", str(ca.certificate), "--resolve", f"test.example:{gateway.ports['secure']}:127.0.0.1"]
        else:
            self.options.append("--http2-prior-knowledge")

    def run(self, path, *arguments, data=None):
        command = ["curl", *self.options, *map(str, arguments), self.base + path]
        result = subprocess.run(command, input=data, capture_output=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout


@pytest.fixture(params=[True, False], ids=["tls", "plain"])
def curl(request, gateway, ca):
    return Curl(gateway, ca, request.param)


def test_nothing_else_is_spoken_where_only_http2_is(lab, ca):
    only = [{**listener, "protocols": ["h2"]} for listener in listeners(ca)]
    gateway = lab.gateway(lab.uvicorn(), listeners=only)
    for secure in (True, False):
        curl = Curl(gateway, ca, secure)
        assert curl.run("/hello", "--output", "/dev/null", "--write-out", "%{http_version} %{http_code}") == b"2 200"
        curl.options.append("--http1.1")
        for options in [[], ["--no-alpn"]] if secure else [[]]:
            told = subprocess.run(["curl", *curl.options, *options, curl.base + "/hello"], capture_output=True, check=False)
            assert told.returncode != 0 and b"hello" not in told.stdout, told
    gateway.wait_metric("sluice_http2_violations_total", 2, reason="preface")
    assert gateway.metric("sluice_requests_total", status="2xx") == 2


def test_is_spoken(curl):
    assert curl.run("/hello", "--output", "/dev/null", "--write-out", "%{http_version} %{http_code}") == b"2 200"


def test_what_the_application_sees(curl):
    answer = json.loads(curl.run("/reflect?a=b%20c", "-X", "PUT", "-H", "X-Own: 1", "-H", "Cookie: a=1; b=2", "--data-binary", "@-", data=b"body"))
    assert (answer["method"], answer["path"], answer["query"], answer["body"]) == ("PUT", "/reflect", "a=b%20c", "body")
    headers = dict(answer["headers"])
    assert headers["x-own"] == "1" and headers["cookie"] == "a=1; b=2" and headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["host"] == curl.base.partition("//")[2]
    assert headers["via"].startswith("2.0 ")


@pytest.mark.parametrize("options", [[], ["-H", "Expect: 100-continue"], ["-H", "Content-Length:"]])
def test_uploads(curl, options):
    data = bytes(range(256)) * 20000
    answer = json.loads(curl.run("/upload", "--data-binary", "@-", *options, data=data))
    assert answer == {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "plain"])
def test_an_answer_in_the_midst_of_an_upload(lab, ca, secure):
    """It is read, whether or not the client hears at the same time that nobody wants the rest."""
    routes = [{"name": "all", "respond": {"status": 413, "body": "too large"}}]
    curl = Curl(lab.gateway(lab.refusing(), routes=routes, listeners=listeners(ca)), ca, secure)
    for _ in range(5):
        assert curl.run("/upload", "--data-binary", "@-", "--write-out", " %{http_code}", data=bytes(5_000_000)) == b"too large 413"


def test_downloads(curl):
    assert len(curl.run("/download/5000000")) == 5_000_000


def test_answers_without_a_body(curl):
    assert curl.run("/hello", "--head", "--write-out", "%{http_code}").endswith(b"405")  # by the application
    assert curl.run("/hello", "-X", "OPTIONS", "--output", "/dev/null", "--write-out", "%{http_code}") == b"405"


def test_events_come_one_by_one(curl):
    assert curl.run("/events/5").count(b"data: event") == 5


def test_http_1_1_beside_it(lab, gateway, ca):
    plain = lab.request(gateway)
    assert plain.status == 404
    url = f"https://test.example:{gateway.ports['secure']}/hello"
    answer = subprocess.run(["curl", "--silent", "--http1.1", "--cacert", str(ca.certificate), "--resolve",
                             f"test.example:{gateway.ports['secure']}:127.0.0.1", url], capture_output=True, check=False)
    assert b"world" in answer.stdout


def test_many_at_once_on_one_connection(lab, gateway):
    client = lab.node_client("support/http2_client.mjs", f"http://127.0.0.1:{gateway.ports['plain']}", 60, 60)
    done = client.wait_event("done", timeout=60)
    assert (done["right"], done["wrong"]) == (240, [])


def test_the_preface_byte_by_byte(gateway):
    """No byte of it may be taken for a request before it is whole."""
    with socket.create_connection(("127.0.0.1", gateway.ports["plain"]), timeout=seconds(10)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]):
            client.sendall(bytes([byte]))
        assert client.recv(9)[3] == 4  # SETTINGS


def test_a_drain_lets_requests_finish(lab, ca):
    sign = threading.Event()

    def held(connection):
        connection.read_request()
        connection.wait(sign)
        connection.respond(body=b"finished")

    backend = lab.backend(held)
    gateway = lab.gateway(backend, listeners=listeners(ca), timeouts={"drain": "10s"})
    command = ["curl", "--silent", "--show-error", "--http2-prior-knowledge", "--max-time", str(seconds(20)),
               f"http://127.0.0.1:{gateway.ports['plain']}/"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
        backend.wait_for_request()
        gateway.signal(signal.SIGTERM)
        sign.set()
        assert client.communicate()[0] == b"finished"
    assert gateway.wait_exit(timeout=8) == 0
