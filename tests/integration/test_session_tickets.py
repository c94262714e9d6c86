"""Sessions that resume: on whichever worker, on another gateway with the same key file, while keys are rotated."""

import os
import ssl

import pytest

from support.gateway import run_sluice
from support.raw_client import trusting
from support.config_text import to_yaml
from support.waiting import wait_until

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def key_file(folder, name, size=80, mode=0o600):
    file = folder / name
    file.write_bytes(os.urandom(size))
    file.chmod(mode)
    return file


def listener(ca, *keys, name="secure", **tls):
    files = {"ticket_keys": [str(key) for key in keys]} if keys else {}
    return {"name": name, "address": "127.0.0.1:0", "tls": {"certificates": [ca.issue("test.example").as_config()], **files, **tls}}


@pytest.fixture(params=VERSIONS, ids=["TLSv1.2", "TLSv1.3"])
def context(ca, request):
    return trusting(ca.certificate, minimum_version=request.param, maximum_version=request.param)


def visit(lab, gateway, context, session=None, listener=None):
    """One request; whether its session was resumed, and what to resume with the next time."""
    client = lab.client(gateway, tls=context, server_name="test.example", session=session, listener=listener)
    assert client.request().status == 200
    resumed, session = client.socket.session_reused, client.socket.session
    client.close()
    return resumed, session


@pytest.mark.parametrize("from_file", [False, True])
def test_sessions_resume_on_any_worker(lab, ca, tmp_path, context, from_file):
    keys = [key_file(tmp_path, "tickets.key")] if from_file else []
    gateway = lab.gateway(lab.backend(), workers=4, listeners=[listener(ca, *keys)])
    resumed, session = visit(lab, gateway, context)
    assert not resumed
    for _ in range(12):
        resumed, session = visit(lab, gateway, context, session)
        assert resumed
    gateway.wait_metric("sluice_tls_resumed_total", 12)


def test_sessions_resume_on_another_gateway(lab, ca, tmp_path, context):
    key = key_file(tmp_path, "tickets.key")
    backend = lab.backend()
    first, second = (lab.gateway(backend, listeners=[listener(ca, key)]) for _ in range(2))
    stranger = lab.gateway(backend, listeners=[listener(ca)])
    _, session = visit(lab, first, context)
    assert visit(lab, second, context, session)[0]
    second.wait_metric("sluice_tls_resumed_total", 1)
    assert not visit(lab, stranger, context, session)[0]


def test_keys_are_rotated(lab, ca, tmp_path, context):
    old, new = key_file(tmp_path, "old.key"), key_file(tmp_path, "new.key")
    backend = lab.backend()
    before, during, after = (lab.gateway(backend, listeners=[listener(ca, *keys)]) for keys in ([old], [new, old], [new]))
    _, session = visit(lab, before, context)
    resumed, renewed = visit(lab, during, context, session)
    assert resumed
    assert visit(lab, after, context, renewed)[0], "the ticket was not renewed with the first key"
    assert not visit(lab, after, context, session)[0]


def test_a_ticket_of_a_listener_that_asks_less_is_not_enough(lab, ca, tmp_path, context):
    """The key file opens the ticket, but what is in it was never verified."""
    key = key_file(tmp_path, "tickets.key")
    asking = {"client_auth": {"mode": "require", "ca": str(ca.certificate)}}
    backend = lab.backend()
    gateway = lab.gateway(backend, listeners=[listener(ca, key, name="open"), listener(ca, key, name="staff", **asking)])
    _, session = visit(lab, gateway, context, listener="open")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        client = lab.client(gateway, tls=context, server_name="test.example", session=session, listener="staff")
        client.socket.sendall(b"GET /secret HTTP/1.1\r\nHost: test.example\r\n\r\n")
        client.socket.recv(1)
    gateway.wait_metric("sluice_tls_handshakes_total", 1, result="certificate_missing")
    assert [request.target for request in backend.requests] == ["/"]


def test_a_ticket_takes_the_client_to_another_gateway(lab, ca, tmp_path, context):
    key = key_file(tmp_path, "tickets.key")
    asking = {"client_auth": {"mode": "require", "ca": str(ca.certificate)}}
    backend = lab.backend()
    route = {"request_headers": {"set": {"X-Client": "${tls_client_subject}"}}}
    first, second = (lab.gateway(backend, listeners=[listener(ca, key, **asking)], route=route) for _ in range(2))
    ca.issue_client("alice").shown_by(context)
    _, session = visit(lab, first, context)
    assert visit(lab, second, context, session)[0]
    assert [request.header("X-Client") for request in backend.requests] == ["CN=alice", "CN=alice"]


@pytest.mark.parametrize("size,mode,wrong", [
    (79, 0o600, "79 bytes; expected 80 random ones, as `openssl rand -out FILE 80` writes them"),
    (81, 0o600, "more than 80 bytes"), (0, 0o600, "holds 0 bytes"),
    (None, 0o600, "cannot be read (No such file or directory)"),
])
def test_a_wrong_key_file(lab, ca, tmp_path, size, mode, wrong):
    good = key_file(tmp_path, "good.key")
    bad = tmp_path / "bad.key" if size is None else key_file(tmp_path, "bad.key", size, mode)
    config = {"listeners": [listener(ca, good, bad)], "routes": [{"name": "all", "respond": {"status": 200}}]}
    file = tmp_path / "sluice.yaml"
    file.write_text(to_yaml(config) + "\n")
    checked = run_sluice("check", "--config", file)
    assert checked.returncode == 1
    assert "listeners[0].tls.ticket_keys[1]: " in checked.stderr
    assert wrong in checked.stderr
    gateway = lab.start(config=config)
    gateway.expected_stop = 1
    assert gateway.wait_exit() == 1
    assert wrong in gateway.stderr()


def test_a_key_file_that_others_may_read_is_warned_of(lab, ca, tmp_path):
    config = {"listeners": [listener(ca, key_file(tmp_path, "open.key", 80, 0o644))], "routes": [{"name": "all", "respond": {"status": 200}}]}
    gateway = lab.start(config=config)
    gateway.wait_started(1, False)
    assert "open.key is open to every user" in gateway.stderr()


def test_the_same_key_twice(lab, ca, tmp_path):
    key = key_file(tmp_path, "tickets.key")
    gateway = lab.start(config={"listeners": [listener(ca, key, key)], "routes": [{"name": "all", "respond": {"status": 200}}]})
    gateway.expected_stop = 1
    wait_until(lambda: gateway.process.poll() is not None, gateway.stderr)
    assert "listeners[0].tls.ticket_keys[1]: " in gateway.stderr()
    assert "expected each key once" in gateway.stderr()
