"""Listeners over reloads: an address that stays keeps its sockets, others are opened and closed."""

import copy
import errno
import os
import signal
import socket
import stat
import threading

from support.config_text import config_for
from support.faults import UNORDERED, Control, Fault
from support.raw_backend import echo_websocket
from support.raw_client import RawClient, blind
from support.stream import PeerClosed
from support.waiting import wait_until
from support.websocket import TEXT, open_websocket

MORE = {"name": "more", "address": "127.0.0.1:0"}


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def with_listeners(config, *listeners):
    changed = copy.deepcopy(config)
    changed["listeners"] = list(listeners)
    return changed


def sockets_of(gateway):
    """Inodes: those of a socket that was closed and opened again differ."""
    found = set()
    for descriptor in os.listdir(f"/proc/{gateway.pid}/fd"):
        try:
            found.add(os.readlink(f"/proc/{gateway.pid}/fd/{descriptor}"))
        except FileNotFoundError:  # closed meanwhile
            continue
    return {link for link in found if link.startswith("socket:")}


def test_one_is_added_and_removed(lab):
    config = config_for(lab.backend(echo_websocket), workers=2, timeouts={"drain": "5s"})
    gateway = lab.gateway_from(config)
    web = config["listeners"][0]
    gateway.reload(with_listeners(config, web, MORE))
    gateway.wait_started(2, admin=True)
    tunnels = []
    for _ in range(8):  # on every worker
        tunnels.append(lab.client(gateway, "more", timeout=10))
        open_websocket(tunnels[-1])
    gateway.reload(config)
    assert refused(gateway.ports["more"])
    for tunnel in tunnels:
        tunnel.send_frame(TEXT, b"still here?")
        assert tunnel.read_frame().payload == b"still here?", "what came through a listener outlives it"


def test_sockets_of_an_address_are_kept_and_settings_renewed(lab):
    config = config_for(workers=2)
    config["routes"] = [{"name": "all", "match": {"listeners": ["web"]}, "respond": {"status": 200, "body": "web"}}]
    gateway = lab.gateway_from(config)
    before = sockets_of(gateway)
    changed = with_listeners(config, {"name": "renamed", "address": "127.0.0.1:0", "tls": {"self_signed": True}})
    changed["routes"][0].update(match={"listeners": ["renamed"]}, respond={"status": 200, "body": "renamed"})
    gateway.reload(changed)
    client = RawClient(gateway.ports["web"], tls=blind())
    lab.clients.append(client)
    assert client.request().body == b"renamed"
    kept = before & sockets_of(gateway)
    assert len(kept) >= 2 + 1, "two listening sockets and the admin's"


def test_names_change_places(lab, folder):
    def named(one, two):
        return [{"name": "one", "address": f"unix:{folder / one}"}, {"name": "two", "address": f"unix:{folder / two}"}]

    config = config_for(workers=2, listeners=named("1.sock", "2.sock"))
    config["routes"] = [{"name": name, "match": {"listeners": [name]}, "respond": {"status": 200, "body": name}}
                        for name in ["one", "two"]]
    gateway = lab.gateway_from(config)
    before = sockets_of(gateway)
    gateway.reload(with_listeners(config, *named("2.sock", "1.sock")))
    assert len(before & sockets_of(gateway)) >= 2 + 1, "both listening sockets and the admin's"
    for path, name in [("1.sock", b"two"), ("2.sock", b"one")]:
        client = RawClient(None, str(folder / path))
        lab.clients.append(client)
        assert client.request().body == name


def test_a_port_that_is_taken_changes_nothing(lab):
    config = config_for(lab.backend())
    gateway = lab.gateway_from(config)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = {"name": "taken", "address": f"127.0.0.1:{other.getsockname()[1]}"}
        descriptors = gateway.descriptors()
        gateway.reload(with_listeners(config, config["listeners"][0], MORE, taken), result="failed")
    assert f"listener taken: cannot listen on {taken['address']} (bind)" in gateway.stderr()
    assert "is another program, or another Sluice, using it?" in gateway.stderr()
    assert "nothing has changed" in gateway.stderr()
    wait_until(lambda: gateway.descriptors() <= descriptors, "what was opened to be closed again")
    assert lab.request(gateway).status == 200
    gateway.reload(with_listeners(config, config["listeners"][0], taken))
    gateway.wait_started(2, admin=True)
    assert lab.client(gateway, "taken").request().status == 200


def test_a_unix_socket_is_added_and_removed(lab, folder):
    path = folder / "web.sock"
    config = config_for(lab.backend(), workers=2)
    gateway = lab.gateway_from(config)
    local = {"name": "local", "address": f"unix:{path}", "mode": "0600"}
    for _ in range(3):
        gateway.reload(with_listeners(config, config["listeners"][0], local))
        gateway.wait_started(2, admin=True)
        for _ in range(6):  # on every worker
            assert lab.client(gateway, "local").request().status == 200
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        gateway.reload(with_listeners(config, config["listeners"][0], {**local, "mode": "0666"}))
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
        kept = lab.client(gateway, "local")
        assert kept.request().status == 200
        gateway.reload(config)
        assert not path.exists()
        assert kept.request().status == 200


def test_one_that_cannot_be_waited_at_is_tried_again(lab):
    control = Control(lab.folder / "faults")
    config = config_for(lab.backend(), workers=1)
    gateway = lab.start(config=config, wrapper=control.wrapper(), env=UNORDERED).wait_started(1, admin=True)
    gateway.rewrite(with_listeners(config, config["listeners"][0], MORE))
    with control.armed(Fault("epoll_ctl_add", errno.ENOSPC, always=True)):
        gateway.signal(signal.SIGHUP)
        wait_until(lambda: "(epoll_ctl): No space left on device; it is tried again" in gateway.stderr(), gateway.stderr)
    wait_until(lambda: "listener more: accepts by now" in gateway.stderr(), "the line")
    gateway.wait_started(2, admin=True)
    assert lab.client(gateway, "more").request().status == 200


def test_no_connection_is_lost_while_other_listeners_come_and_go(lab, folder):
    """New connections all the while, at a listener that stays."""
    config = config_for(lab.backend(), workers=2)
    gateway = lab.gateway_from(config)
    end, failures, done = threading.Event(), [], []

    def connect():
        while not end.is_set():
            client = RawClient(gateway.port)
            try:
                done.append(client.request().status)
            except (OSError, PeerClosed, AssertionError) as failure:
                failures.append(failure)
            finally:
                client.close()

    threads = [threading.Thread(target=connect) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        local = {"name": "local", "address": f"unix:{folder / 'web.sock'}"}
        for number in range(20):
            others = [{**MORE, "name": f"more{number}"}, local] if number % 2 else []
            gateway.reload(with_listeners(config, config["listeners"][0], *others))
    finally:
        end.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert len(done) > 20 and set(done) == {200}


def test_unix_connections_are_served_while_their_listener_is_closed(lab, folder):
    """Accepted by one worker and handed to another: whoever was accepted is served."""
    config = config_for(lab.backend(), workers=2)
    local = {"name": "local", "address": f"unix:{folder / 'web.sock'}"}
    gateway = lab.gateway_from(config)
    for _ in range(10):
        gateway.reload(with_listeners(config, config["listeners"][0], local))
        gateway.wait_started(2, admin=True)
        clients = [RawClient(None, str(folder / "web.sock")) for _ in range(8)]
        lab.clients.extend(clients)
        gateway.reload(config)
        assert [client.request().status for client in clients] == [200] * 8
