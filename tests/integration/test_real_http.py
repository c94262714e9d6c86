"""Plain HTTP with real implementations: curl and httpx as clients, uvicorn as the application."""

import concurrent.futures
import hashlib
import json
import subprocess

import httpx
import pytest

from support.waiting import seconds, wait_until


def curl(*arguments, data=None):
    """Runs curl; its standard output. Fails when curl does."""
    result = subprocess.run(["curl", "--silent", "--show-error", "--max-time", str(seconds(20)), *map(str, arguments)],
                            input=data, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture
def gateway(lab):
    return lab.gateway(lab.uvicorn())


def url(gateway, path):
    return f"http://127.0.0.1:{gateway.port}{path}"


@pytest.mark.parametrize("version", ["--http1.0", "--http1.1", "--http2"])
def test_curl(gateway, version):
    """--http2 asks for h2c by Upgrade, and gets HTTP/1.1."""
    assert json.loads(curl(version, url(gateway, "/hello"))) == {"hello": "world"}


def test_curl_sees_what_the_application_answers(gateway):
    answer = json.loads(curl("-X", "PUT", "-H", "X-Own: 1", "--data-binary", "@-", url(gateway, "/reflect?a=b%20c"),
                             data=b"body"))
    assert (answer["method"], answer["path"], answer["query"], answer["body"]) == ("PUT", "/reflect", "a=b%20c", "body")
    headers = dict(answer["headers"])
    assert headers["x-own"] == "1" and headers["x-forwarded-for"] == "127.0.0.1"


@pytest.mark.parametrize("options", [["-H", "Expect: 100-continue"], ["-H", "Transfer-Encoding: chunked"],
                                     ["-H", "Expect: 100-continue", "-H", "Transfer-Encoding: chunked"]])
def test_curl_uploads(gateway, options):
    data = bytes(range(256)) * 20000
    answer = json.loads(curl("--data-binary", "@-", *options, url(gateway, "/upload"), data=data))
    assert answer == {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def test_curl_over_tls(lab, ca):
    listener = {"name": "secure", "address": "127.0.0.1:0",
                "tls": {"certificates": [ca.issue("test.example").as_config()]}}
    gateway = lab.gateway(lab.uvicorn(), listeners=[listener])
    resolve = ["--cacert", ca.certificate, "--resolve", f"test.example:{gateway.port}:127.0.0.1"]
    for version in (["--tls-max", "1.2"], ["--tlsv1.3"]):
        assert b"world" in curl(*resolve, *version, f"https://test.example:{gateway.port}/hello")


def test_many_clients_at_once(gateway):
    def some(number):
        with httpx.Client(base_url=url(gateway, ""), trust_env=False, timeout=seconds(20)) as client:
            for turn in range(10):
                body = f"{number}.{turn}"
                assert client.post("/reflect", content=body).json()["body"] == body

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        list(pool.map(some, range(40)))
    gateway.wait_metric("sluice_requests_total", 400, route="all", status="2xx")


def test_an_event_stream(gateway):
    with httpx.Client(trust_env=False, timeout=seconds(10)) as client:
        with client.stream("GET", url(gateway, "/events/5")) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            lines = [line for line in response.iter_lines() if line.startswith("data:")]
    assert [line.strip() for line in lines] == [f"data: event {number}" for number in range(5)]


def test_an_application_that_closes_idle_connections(lab):
    """uvicorn and Node close after 5 s, which is 1 s here: no request may fall into that gap."""
    gateway = lab.gateway(lab.uvicorn("--timeout-keep-alive", "1"), workers=1)
    client = lab.client(gateway)
    for _ in range(2):
        assert client.request("POST", "/upload", body=b"x").status == 200
        wait_until(lambda: gateway.metric("sluice_upstream_connections_open") == 0, "the application to close")
    assert client.request("POST", "/upload", body=b"x").status == 200


def test_an_application_that_restarts(lab):
    application = lab.uvicorn()
    gateway = lab.gateway(application)
    assert lab.request(gateway, "GET", "/hello").status == 200
    application.close()
    assert lab.request(gateway, "GET", "/hello").status == 502
    lab.uvicorn("--port", str(application.port))
    assert lab.request(gateway, "GET", "/hello").status == 200
