"""SIGUSR2: another process takes over the listening sockets, and nobody notices but tunnels, which are let go politely."""

import os
import signal
import socket
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from support import binary, websocket
from support.config_text import config_for
from support.freeze import listening_ports, stopped_thread
from support.http_message import request_bytes
from support.raw_backend import echo_websocket
from support.raw_client import RawClient, blind
from support.stream import PeerClosed
from support.waiting import wait_until
from support.websocket import open_websocket


def end_of(process):
    assert process.wait(10) == 0


def test_another_process_serves_the_same_addresses(lab, folder):
    config = config_for(lab.backend(), workers=2, timeouts={"drain": "5s"})
    config["listeners"].append({"name": "local", "address": f"unix:{folder / 'web.sock'}", "mode": "0600"})
    gateway = lab.gateway_from(config)
    assert lab.client(gateway, "local").request().status == 200
    first = gateway.process
    gateway.replace()
    end_of(first)
    assert gateway.pid != first.pid
    for _ in range(8):  # on every worker
        assert lab.request(gateway).status == 200
        assert lab.client(gateway, "local").request().status == 200
    assert stat.S_IMODE((folder / "web.sock").stat().st_mode) == 0o600
    assert gateway.metric("sluice_config_generation") == 1
    assert gateway.stop() == 0
    assert not (folder / "web.sock").exists()


def test_requests_under_way_are_finished_by_the_old_one(lab):
    sign = threading.Event()

    def held(connection):
        connection.read_request()
        connection.wait(sign)
        connection.respond(body=b"finished")

    gateway = lab.gateway(lab.backend(held), timeouts={"drain": "10s"})
    first = gateway.process
    client = lab.client(gateway, timeout=10)
    client.send(request_bytes())
    lab.backends[0].wait_for_request()
    gateway.replace()
    assert first.poll() is None
    sign.set()
    response = client.response()
    assert (response.body, response.header("Connection").lower()) == (b"finished", "close")
    end_of(first)


def test_tunnels_are_let_go_spread_over_time(lab):
    config = config_for(lab.backend(echo_websocket), workers=2, timeouts={"drain": "8s"},
                        route={"websocket": {"drain": {"code": 4000, "over": "2s"}}})
    gateway = lab.gateway_from(config)
    clients = []
    for _ in range(20):
        clients.append(lab.client(gateway, timeout=10))
        open_websocket(clients[-1])
    first = gateway.process
    gateway.replace()
    open_at = []
    while clients:
        clients = [client for client in clients if not told(client)]
        open_at.append(len(clients))
    assert len({count for count in open_at if 0 < count < 20}) > 2, f"at once: {open_at}"
    end_of(first)
    client = lab.client(gateway)
    open_websocket(client)


def told(client):
    try:
        frame = client.read_frame(timeout=0.01)
    except AssertionError:  # nothing yet
        return False
    assert (frame.opcode, frame.close_code) == (websocket.CLOSE, 4000)
    client.send_frame(websocket.CLOSE, websocket.close_payload(4000))
    client.expect_closed()
    return True


def test_no_new_connection_is_refused_or_reset(lab):
    """One every 2 ms, through ten replacements."""
    gateway = lab.gateway(lab.backend(), workers=2, timeouts={"drain": "5s"})
    end, failures, done = threading.Event(), [], []

    def connect():
        while not end.wait(0.002):
            try:
                client = RawClient(gateway.port)
                try:
                    done.append(client.request().status)
                finally:
                    client.close()
            except (OSError, PeerClosed, AssertionError) as failure:
                failures.append(failure)

    thread = threading.Thread(target=connect)
    thread.start()
    try:
        for _ in range(10):
            gateway.replace()
            end_of(gateway.predecessors[-1])
    finally:
        end.set()
        thread.join()
    assert not failures
    assert len(done) > 100 and set(done) == {200}


@pytest.mark.parametrize("before, after", [(4, 1), (1, 4)])
def test_the_number_of_workers_may_change(lab, before, after):
    config = config_for(lab.backend(), workers=before, timeouts={"drain": "5s"})
    gateway = lab.gateway_from(config)
    gateway.rewrite({**config, "workers": after})
    gateway.replace()
    end_of(gateway.predecessors[-1])
    for _ in range(40):
        assert lab.request(gateway).status == 200


def test_listeners_may_come_and_go_with_it(lab):
    config = config_for(lab.backend(), workers=2, timeouts={"drain": "5s"})
    gateway = lab.gateway_from(config)
    gateway.rewrite({**config, "listeners": [{"name": "other", "address": "127.0.0.2:0"}]})
    gateway.replace()
    end_of(gateway.predecessors[-1])
    assert "the socket that was handed over for 127.0.0.1:0 is no listener's" in gateway.stderr()
    with pytest.raises(ConnectionRefusedError):
        lab.client(gateway, "web")
    gateway.wait_started(2, admin=True)
    assert lab.client(gateway, "other").request().status == 200


def test_the_new_one_has_the_admin_listener_where_the_file_says(lab):
    config = config_for(lab.backend(), workers=2, timeouts={"drain": "5s"})
    gateway = lab.gateway_from(config)
    gateway.reload({**config, "admin": {"address": "127.0.0.2:0"}})
    assert "admin is taken over at the next restart" in gateway.stderr()
    gateway.replace()
    wait_until(lambda: "admin on 127.0.0.2:" in gateway.stderr(), "the admin listener at its new address")
    assert lab.request(gateway).status == 200


def test_the_new_one_has_no_admin_listener_when_the_file_has_none(lab):
    config = config_for(lab.backend(), workers=2, timeouts={"drain": "5s"})
    gateway = lab.gateway_from(config)
    gateway.reload({key: value for key, value in config.items() if key != "admin"})
    gateway.replace()
    end_of(gateway.predecessors[-1])
    assert lab.request(gateway).status == 200
    with pytest.raises(ConnectionRefusedError):
        gateway.metric("sluice_config_generation")


def test_a_unix_socket_that_the_new_one_does_not_have_goes(lab, folder):
    config = config_for(lab.backend(), workers=2, timeouts={"drain": "5s"})
    local = {"name": "local", "address": f"unix:{folder / 'gone.sock'}"}
    stays = {"name": "stays", "address": f"unix:{folder / 'stays.sock'}"}
    gateway = lab.gateway_from({**config, "listeners": [*config["listeners"], local, stays]})
    gateway.rewrite({**config, "listeners": [*config["listeners"], stays]})
    gateway.replace()
    wait_until(lambda: not (folder / "gone.sock").exists(), "the file to be removed", timeout=2)
    end_of(gateway.predecessors[-1])
    assert lab.client(gateway, "stays").request().status == 200


def dies(gateway):
    """The successor; the one that it replaced is the gateway again."""
    failed = gateway.process
    failed.kill()
    gateway.process = gateway.predecessors.pop()
    wait_until(lambda: "has ended (Killed); this one serves again" in gateway.stderr(), "the line")


def test_one_that_dies_after_it_served_is_made_up_for(lab, folder):
    config = config_for(lab.backend(echo_websocket), workers=2, timeouts={"drain": "10s"})
    config["routes"].insert(0, {"name": "fixed", "match": {"path": "/fixed"}, "respond": {"status": 200}})
    local = {"name": "local", "address": f"unix:{folder / 'web.sock'}"}
    gone = {"name": "gone", "address": f"unix:{folder / 'gone.sock'}"}
    config["listeners"].append(local)
    gateway = lab.gateway_from({**config, "listeners": [*config["listeners"], gone]})
    gateway.rewrite(config)
    gateway.replace()
    wait_until(lambda: not (folder / "gone.sock").exists(), "the old one to drain")
    dies(gateway)
    for name in ["web", "local"] * 8:  # on every worker
        assert lab.client(gateway, name).request("GET", "/fixed").status == 200
    kept = lab.client(gateway)
    for _ in range(3):
        assert kept.request("GET", "/fixed").header("Connection") is None
    client = lab.client(gateway)
    open_websocket(client)
    client.send_frame(websocket.TEXT, b"stays?")
    assert client.read_frame().payload == b"stays?"
    assert gateway.admin("/readyz").status == 200
    assert gateway.metric("sluice_replacements_failed_total") == 1
    assert gateway.metric("sluice_draining") == 0
    gateway.reload({**config, "listeners": [*config["listeners"], gone]})
    assert lab.client(gateway, "gone").request("GET", "/fixed").status == 200, "reloads go on, and it comes back"


@pytest.mark.slow
def test_one_that_dies_later_is_told_of(lab):
    gateway = lab.gateway(lab.backend(echo_websocket), timeouts={"drain": "25s"},
                          route={"websocket": {"drain": {"over": "20s"}}})
    client = lab.client(gateway, timeout=10)
    open_websocket(client)
    first = gateway.process
    gateway.replace()
    wait_until(lambda: gateway.port not in listening_ports(first.pid), "the old one to let go of the sockets", timeout=8)
    gateway.process.kill()
    gateway.process = gateway.predecessors.pop()
    wait_until(lambda: "unless a service manager starts the gateway again, nobody serves" in gateway.stderr(), "the line")


def test_sessions_resume_where_ticket_keys_are_in_files(lab, ca):
    key = lab.folder / "ticket.key"
    key.write_bytes(os.urandom(80))
    key.chmod(0o600)
    config = config_for(lab.backend(), timeouts={"drain": "5s"})
    config["listeners"][0]["tls"] = {"certificates": [ca.issue("localhost").as_config()], "ticket_keys": [str(key)]}
    gateway = lab.gateway_from(config)
    context = blind()
    before = lab.client(gateway, tls=context)
    before.request()
    gateway.replace()
    end_of(gateway.predecessors[-1])
    assert lab.client(gateway, tls=context, session=before.socket.session).socket.session_reused


def refuses_to_be_replaced(lab, gateway, why):
    client = lab.client(gateway)
    assert client.request().status == 200
    gateway.signal(signal.SIGUSR2)
    wait_until(lambda: "was not replaced and goes on" in gateway.stderr(), "the failure", timeout=30)
    assert why in gateway.stderr()
    gateway.wait_metric("sluice_replacements_failed_total", 1)
    assert client.request().status == 200
    gateway.reload()
    assert gateway.metric("sluice_config_generation") == 2, "reloads go on"


def test_one_that_cannot_start_changes_nothing(lab):
    gateway = lab.gateway(lab.backend(), timeouts={"drain": "5s"})
    text = gateway.config_file.read_text()
    gateway.rewrite(text="listeners: [")
    gateway.signal(signal.SIGUSR2)
    wait_until(lambda: "was not replaced and goes on" in gateway.stderr(), "the failure")
    assert "it ended before it served (exit code 1" in gateway.stderr()
    gateway.rewrite(text=text)
    gateway.replace()
    assert lab.request(gateway).status == 200


def test_a_failed_one_leaves_the_unix_socket_alone(lab, folder):
    """The successor has adopted it by the time it fails."""
    config = config_for(lab.backend(), listeners=[{"name": "local", "address": f"unix:{folder / 'web.sock'}"}])
    gateway = lab.gateway_from(config)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = {"name": "taken", "address": f"127.0.0.1:{other.getsockname()[1]}"}
        gateway.rewrite({**config, "listeners": [*config["listeners"], taken]})
        gateway.signal(signal.SIGUSR2)
        wait_until(lambda: "was not replaced and goes on" in gateway.stderr(), "the failure")
    assert "it ended before it served (exit code 4" in gateway.stderr()
    assert "is another program, or another Sluice, using it?" in gateway.stderr(), "its own words"
    assert lab.client(gateway).request().status == 200


def test_admin_connections_stay_behind(lab):
    gateway = lab.gateway(lab.backend(), timeouts={"drain": "5s"})
    clients = [RawClient(gateway.admin_port) for _ in range(3)]
    lab.clients.extend(clients)
    wait_until(lambda: gateway.admin("/healthz").status == 200, "the connections to be accepted")
    gateway.replace()
    end_of(gateway.predecessors[-1])
    for client in clients:
        client.expect_closed()


def through_a_link(lab, folder):
    """A gateway whose program file can be exchanged, as packages do."""
    program = folder / "sluice"
    program.symlink_to(Path(binary.path()).resolve())
    config = config_for(lab.backend(), timeouts={"drain": "5s"}, upstream={"pool": {"idle_timeout": "5s"}})
    gateway = lab.start(config=config, program=str(program)).wait_started(1, admin=True)
    return gateway, program


def exchange(program, script):
    fresh = program.with_suffix(".new")
    fresh.write_text(script)
    fresh.chmod(0o755)
    fresh.rename(program)


def test_a_program_that_is_missing_changes_nothing(lab, folder):
    gateway, program = through_a_link(lab, folder)
    program.unlink()
    refuses_to_be_replaced(lab, gateway, "cannot be executed: No such file or directory")


def test_a_program_that_crashes_changes_nothing(lab, folder):
    gateway, program = through_a_link(lab, folder)
    exchange(program, "#!/bin/sh\nkill -SEGV $$\n")
    refuses_to_be_replaced(lab, gateway, "it ended before it served (Segmentation fault")


@pytest.mark.slow
@pytest.mark.deadline(60)
def test_a_program_that_hangs_is_ended(lab, folder):
    gateway, program = through_a_link(lab, folder)
    exchange(program, f"#!/bin/sh\necho $$ > {folder}/pid\nexec sleep 300\n")
    refuses_to_be_replaced(lab, gateway, "it did not serve within 20 s (Killed)")
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "pid").read_text()), 0)


@pytest.mark.slow
@pytest.mark.parametrize("thread, name", [("worker-0", "worker 0"), ("health", "the health thread")])
def test_a_thread_that_hangs_fails_it(lab, thread, name):
    gateway = lab.gateway(lab.backend(), workers=2, timeouts={"drain": "5s"})
    with stopped_thread(gateway, thread):
        gateway.signal(signal.SIGUSR2)
        wait_until(lambda: f"was not replaced and goes on: {name} does not answer" in gateway.stderr(), "the failure", timeout=10)
        gateway.wait_metric("sluice_replacements_failed_total", 1)
    gateway.reload()
    gateway.replace()
    end_of(gateway.predecessors[-1])
    assert lab.request(gateway).status == 200


def test_a_second_signal_meanwhile_is_ignored_and_reloads_are_made_up_for(lab, folder):
    gateway, program = through_a_link(lab, folder)
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    real = Path(binary.path()).resolve()
    exchange(program, f'#!/bin/sh\nread line < {fifo}\nexec {real} "$@"\n')
    gateway.signal(signal.SIGUSR2)
    with open(fifo, "w") as sign:  # opens when the new program reads it
        gateway.signal(signal.SIGUSR2)
        wait_until(lambda: "SIGUSR2 is ignored: the gateway is being replaced already" in gateway.stderr(), "the warning")
        gateway.signal(signal.SIGHUP)
        assert lab.request(gateway).status == 200
        assert gateway.metric("sluice_config_reloads_total", result="failed") == 0
        sign.write("go\n")
    first = gateway.process
    gateway.adopt_successor()
    end_of(first)
    gateway.wait_metric("sluice_config_generation", 2)


def test_sigterm_meanwhile_ends_both(lab, folder):
    gateway, program = through_a_link(lab, folder)
    exchange(program, f"#!/bin/sh\necho $$ > {folder}/pid\nexec sleep 300\n")
    gateway.signal(signal.SIGUSR2)
    wait_until(lambda: (folder / "pid").exists() and (folder / "pid").read_text().strip(), "the new program")
    assert gateway.stop() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "pid").read_text()), 0)


def test_the_first_process_of_a_container_refuses(lab):
    """As PID 1, in a PID namespace of its own."""
    unshare = ["unshare", "--fork", "--pid", "--kill-child"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no PID namespaces here")
    gateway = lab.start(config=config_for(lab.backend()), wrapper=unshare).wait_started(1, admin=True)
    inside = int(Path(f"/proc/{gateway.pid}/task/{gateway.pid}/children").read_text())
    os.kill(inside, signal.SIGUSR2)
    wait_until(lambda: "SIGUSR2 is refused" in gateway.stderr(), "the refusal")
    assert lab.request(gateway).status == 200
    os.kill(inside, signal.SIGTERM)
    assert gateway.wait_exit() == 0


# a service manager

def test_sockets_of_a_service_manager_are_used(lab, folder):
    """As systemd's socket activation hands them over: bound without SO_REUSEPORT, and blocking."""
    web = socket.create_server(("127.0.0.1", 0))
    local = socket.socket(socket.AF_UNIX)
    local.bind(str(folder / "web.sock"))
    local.listen()
    config = config_for(lab.backend(), workers=2)
    config["listeners"] = [{"name": "web", "address": f"127.0.0.1:{web.getsockname()[1]}"},
                           {"name": "local", "address": f"unix:{folder / 'web.sock'}"}]
    script = 'exec 98<&{} 99<&{}; exec 3<&98 4<&99; exec env LISTEN_FDS=2 LISTEN_PID=$$ "$@"'
    gateway = lab.start(config=config, pass_fds=[web.fileno(), local.fileno()],
                        wrapper=["bash", "-c", script.format(web.fileno(), local.fileno()), "bash"])
    gateway.wait_started(2, admin=True)
    for name in ["web", "local"] * 4:
        assert lab.client(gateway, name).request().status == 200
    gateway.replace()
    end_of(gateway.predecessors[-1])
    for name in ["web", "local"] * 4:
        assert lab.client(gateway, name).request().status == 200
    gateway.reload({**config, "listeners": config["listeners"][:1]})
    gateway.replace()
    end_of(gateway.predecessors[-1])
    gateway.reload({**config, "listeners": config["listeners"][1:]})
    assert lab.client(gateway, "local").request().status == 200, "it may come back"
    gateway.reload(config)
    for name in ["web", "local"] * 4:
        assert lab.client(gateway, name).request().status == 200
    assert gateway.stop() == 0
    assert (folder / "web.sock").exists(), "it is the service manager's"
    web.close()
    local.close()


def test_peers_at_a_socket_for_both_families_are_known_by_their_ipv4_address(lab):
    web = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    port = web.getsockname()[1]
    config = config_for(lab.backend(), workers=1, limits={"max_connections_per_client": 1})
    config["listeners"] = [{"name": "web", "address": f"[::]:{port}"}]
    script = f'exec 98<&{web.fileno()}; exec 3<&98; exec env LISTEN_FDS=1 LISTEN_PID=$$ "$@"'
    gateway = lab.start(config=config, pass_fds=[web.fileno()], wrapper=["bash", "-c", script, "bash"]).wait_started(1, admin=True)
    clients = [RawClient(port, host) for host in ["::1", "127.0.0.1"]]
    lab.clients.extend(clients)
    for client in clients:  # of the same /64, had the second an IPv6 address
        assert client.request().status == 200
    assert [request.header("X-Forwarded-For") for request in lab.backends[0].requests] == ["::1", "127.0.0.1"]
    web.close()


def test_the_service_manager_is_told(lab, folder):
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(folder / "notify"))
    manager.settimeout(10)
    gateway = lab.start(config=config_for(lab.backend()), env={"NOTIFY_SOCKET": str(folder / "notify")})
    assert manager.recv(1000) == b"READY=1"
    gateway.wait_started(1, admin=True)
    gateway.signal(signal.SIGHUP)
    assert manager.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    assert manager.recv(1000) == b"READY=1"
    gateway.replace()
    assert {manager.recv(1000), manager.recv(1000)} == {b"READY=1", f"MAINPID={gateway.pid}".encode()}
    gateway.signal(signal.SIGTERM)
    assert manager.recv(1000) == b"STOPPING=1"
    assert gateway.wait_exit() == 0
    manager.close()
