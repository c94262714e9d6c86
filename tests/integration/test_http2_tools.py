"""The clients that nghttp2 brings: many requests at once on many connections, and its own look at every frame."""

import re
import subprocess

import pytest

from support.gateway import environment
from support.waiting import seconds

PROTOCOLS = ["h2", "http/1.1"]


@pytest.fixture
def gateway(lab, ca):
    certificate = ca.issue("test.example").as_config()
    routes = [{"name": "local", "match": {"path": "/local"}, "respond": {"status": 200, "body": "local"}},
              {"name": "app", "upstream": "app"}]
    return lab.gateway(lab.backend(record=False), routes=routes, listeners=[
        {"name": "plain", "address": "127.0.0.1:0", "protocols": PROTOCOLS},
        {"name": "tls", "address": "127.0.0.1:0", "protocols": PROTOCOLS, "tls": {"certificates": [certificate]}}])


def url(gateway, mode, path):
    return f"{'https' if mode == 'tls' else 'http'}://127.0.0.1:{gateway.ports[mode]}{path}"


def run(*command):
    result = subprocess.run([str(one) for one in command], capture_output=True, text=True, env=environment(), timeout=seconds(50), check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.deadline(60)
@pytest.mark.parametrize("mode", ["plain", "tls"])
@pytest.mark.parametrize("path", ["/local", "/app"])
def test_h2load(gateway, mode, path):
    told = run("h2load", "-n", 2000, "-c", 16, "-m", 16, url(gateway, mode, path))
    assert "2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout" in told, told
    assert "status codes: 2000 2xx, 0 3xx, 0 4xx, 0 5xx" in told, told
    assert gateway.metric("sluice_connections_accepted_total") == 16
    gateway.wait_metric("sluice_connections_open", 0)
    gateway.wait_metric("sluice_held_bytes", 0)


@pytest.mark.deadline(60)
@pytest.mark.parametrize("mode", ["plain", "tls"])
def test_h2load_with_uploads(lab, gateway, mode, tmp_path):
    body = tmp_path / "body"
    body.write_bytes(bytes(100_000))
    told = run("h2load", "-n", 200, "-c", 4, "-m", 16, "-d", body, url(gateway, mode, "/app"))
    assert "status codes: 200 2xx, 0 3xx, 0 4xx, 0 5xx" in told, told


@pytest.mark.parametrize("mode", ["plain", "tls"])
def test_nghttp(gateway, mode):
    """Padding, windows and priorities of its own; it reports what it does not like as an error."""
    told = run("nghttp", "-v", "-n", "-y", "-b", 200, "-w", 10, "-m", 20, url(gateway, mode, "/app"))
    assert len(re.findall(r":status: 200", told)) == 20, told
    assert "error_code" not in re.sub(r"error_code=NO_ERROR", "", told), told
