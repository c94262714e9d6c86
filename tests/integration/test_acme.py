"""`acme_challenge_directory`: an ACME client proves with files that a host is ours, while everything else goes on."""

import os

import pytest

from support.gateway import run_sluice
from support.config_text import config_for, to_yaml
from support.raw_client import blind
from support.waiting import wait_until

PREFIX = "/.well-known/acme-challenge/"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "acme"
    made.mkdir()
    (made / "token-1").write_text("token-1.print")
    return made


def serving(lab, folder, backend=None, route=None, **listener):
    backend = backend or lab.backend()
    listeners = [{"name": "web", "address": "127.0.0.1:0", "acme_challenge_directory": str(folder), **listener},
                 {"name": "secure", "address": "127.0.0.1:0", "tls": {"self_signed": True}}]
    return lab.gateway(backend, listeners=listeners, route=route), backend


def test_a_challenge_is_answered(lab, folder):
    gateway, backend = serving(lab, folder)
    client = lab.client(gateway)
    answer = client.request(target=PREFIX + "token-1")
    assert (answer.status, answer.body, answer.header("Content-Type")) == (200, b"token-1.print", "text/plain")
    answer = client.request("HEAD", PREFIX + "token-1")
    assert (answer.status, answer.body, answer.header("Content-Length")) == (200, b"", "13")
    assert client.request(target=PREFIX + "token-2").status == 404
    # What comes later is served without a reload, also where a webroot client puts it.
    below = folder / PREFIX.strip("/")
    below.mkdir(parents=True)
    (below / "token-2").write_text("token-2.print")
    assert client.request(target=PREFIX + "token-2?x=y").body == b"token-2.print"
    assert not backend.requests
    assert client.request(target="/").status == 200
    assert [line["status"] for line in gateway.access_log()[:3]] == [200, 200, 404]


def test_it_comes_before_redirect_and_maintenance(lab, folder):
    gateway, _ = serving(lab, folder, redirect_to_https=True, route={"maintenance": True})
    client = lab.client(gateway)
    assert client.request(target=PREFIX + "token-1").status == 200
    assert client.request(target=PREFIX + "token-2").status == 404
    assert client.request("POST", PREFIX + "token-1").status == 308
    assert client.request(target="/").status == 308
    gateway, _ = serving(lab, folder, route={"maintenance": True})
    assert lab.request(gateway, target=PREFIX + "token-1").status == 200
    assert lab.request(gateway, target="/").status == 503


def test_on_other_listeners_the_path_is_like_any_other(lab, folder):
    gateway, backend = serving(lab, folder)
    client = lab.client(gateway, "secure", tls=blind())
    assert client.request(target=PREFIX + "token-1").body == b"ok"
    assert len(backend.requests) == 1


@pytest.mark.parametrize("token", [
    "", "..", "../secret", "..%2fsecret", "%2e%2e/secret", "%2e%2e%2fsecret", "./token-1/../../secret", "link", "pipe", "large",
    "folder", "folder/x", "token-1/", "token-1.txt", "a" * 200, "token-1%00", "//secret", "\\secret",
])
def test_nothing_else_is_served(lab, folder, token):
    (folder.parent / "secret").write_text("secret")
    (folder / "link").symlink_to(folder.parent / "secret")
    (folder / "large").write_text("secret" * 1000)
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    gateway, backend = serving(lab, folder)
    client = lab.client(gateway)
    answer = client.request(target=PREFIX + token)
    assert answer.status in (400, 404) or answer.body == b"ok", "refused, or another path for the backend"
    assert b"secret" not in answer.body
    if token in ("link", "pipe", "large", "folder"):
        assert answer.header("Sluice-Error") == "no_acme_challenge"
        wait_until(lambda: f"{token} cannot be served" in gateway.stderr(), "the reason in the log")
        assert not backend.requests
    assert lab.request(gateway, target=PREFIX + "token-1").status == 200


def test_a_path_is_normalised_first(lab, folder):
    gateway, _ = serving(lab, folder)
    assert lab.request(gateway, target="/a/../.well-known/%61cme-challenge/token-1").body == b"token-1.print"


def test_explain_tells(folder, tmp_path):
    file = tmp_path / "sluice.yaml"
    file.write_text(to_yaml(config_for("http://127.0.0.1:1", listeners=[
        {"name": "web", "address": "127.0.0.1:80", "acme_challenge_directory": str(folder)}])))
    told = run_sluice("explain", "--config", file, "GET", f"http://a.example{PREFIX}token-1")
    assert told.returncode == 0
    assert "200" in told.stdout and "acme_challenge_directory" in told.stdout
