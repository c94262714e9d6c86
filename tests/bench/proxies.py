"""Starts and stops what the bench compares, and reads what it uses. Each process is ended by its pid, also when the bench dies."""

import http.client
import os
import queue
import re
import socket
import ssl
import subprocess
import threading
import time

from configs import HAPROXY, HAPROXY_FORWARDED, NGINX, NGINX_FORWARDED, SLUICE

START_SECONDS = 10
STOP_SECONDS = 5


class StartError(Exception):
    pass


def make_certificate(folder):
    """One ECDSA P-256 certificate for everybody, and the combined file that HAProxy wants."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "2", "-subj", "/CN=bench.test",
         "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(f"{folder}/combined.pem", "w") as combined:
        for name in ("cert.pem", "key.pem"):
            with open(f"{folder}/{name}") as part:
                combined.write(part.read())


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def process_tree(pid):
    """The process and all its descendants (nginx has a master and a worker)."""
    pids = [pid]
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as children:
            for child in children.read().split():
                pids += process_tree(int(child))
    return pids


def resident_kib(pids):
    """Their resident set. What a master and its worker share counts twice, before and after alike."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            total += next(int(line.split()[1]) for line in rollup if line.startswith("Rss:"))
    return total


def cpu_seconds(pids):
    """Their processor time, all threads together, in the scheduler's nanoseconds."""
    total = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat") as times:
                total += int(times.read().split()[0])
    return total / 1e9


def request_once(port, tls):
    with socket.create_connection(("127.0.0.1", port), 2) as connection:
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = context.wrap_socket(connection)
        connection.sendall(b"GET /1k HTTP/1.1\r\nHost: bench.test\r\n\r\n")
        answer = b""
        while len(answer.partition(b"\r\n\r\n")[2]) < 1024:
            part = connection.recv(4096)
            if not part:
                raise OSError(f"no answer from the origin, but {answer[:80]!r}")
            answer += part


class Process:
    """A child pinned to one core, its output collected line by line."""

    def __init__(self, command, core, **options):
        # The kernel ends the child if the bench is killed before it can.
        pinned = ["setpriv", "--pdeathsig", "TERM", "taskset", "-c", str(core), *command]
        self.child = subprocess.Popen(pinned, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True, **options)
        self.pid = self.child.pid
        self.log = []
        self.lines = queue.Queue()
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self):
        for line in self.child.stdout:
            self.log = self.log[-49:] + [line]
            self.lines.put(line)
        self.lines.put(None)

    def read_line(self, seconds):
        try:
            line = self.lines.get(timeout=seconds)
        except queue.Empty:
            raise StartError(f"no line within {seconds} s from {self.child.args}") from None
        if line is None:
            raise StartError("it ended: " + "".join(self.log[-5:]).strip())
        return line

    def alive(self):
        return self.child.poll() is None

    def stop(self):
        if self.alive():
            self.child.terminate()
            try:
                self.child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.child.kill()
        self.child.wait()


class Proxy:
    """A proxy on one core in front of the origin, with a plain and a TLS port."""

    name = ""

    def __init__(self, setup):
        self.setup = setup
        self.processes = []
        self.port = {}

    def missing(self):
        """Why it cannot take part, or nothing."""
        return None

    def can(self, work):
        return True

    def took(self, route):
        """Whether WebSockets went by this route: where there are no routes they did."""
        return True

    def start(self, origin):
        for attempt in range(3):  # a port chosen in advance may be taken by somebody else meanwhile
            try:
                self.launch(origin)
                self.wait_until_served()
                return
            except StartError as error:
                self.stop()
                if attempt == 2:
                    raise StartError(f"{self.name} does not start: {error}") from None

    def launch(self, origin):
        raise NotImplementedError

    def stop(self):
        for process in self.processes:
            process.stop()
        self.processes = []

    def pids(self):
        return [pid for process in self.processes for pid in process_tree(process.pid)]

    def spawn(self, command, **options):
        self.processes.append(Process(command, self.setup.proxy_core, **options))
        return self.processes[-1]

    def write_config(self, name, text):
        path = f"{self.setup.folder}/{name}"
        with open(path, "w") as file:
            file.write(text)
        return path

    def wait_until_served(self):
        """One request by each port: the worker is up, and what is loaded once counts as memory before."""
        deadline = time.monotonic() + START_SECONDS
        for kind, port in self.port.items():
            while True:
                try:
                    request_once(port, kind == "tls")
                    break
                except OSError as error:
                    if not all(process.alive() for process in self.processes) or time.monotonic() > deadline:
                        log = "".join(self.processes[0].log[-5:]).strip()
                        raise StartError(f"{error}; {log}") from None
                    time.sleep(0.02)


class Relay(Proxy):
    name = "floor"

    def can(self, work):
        return work.tool == "bench_load" and not work.h2_backend

    def launch(self, origin):
        tool = [self.setup.tool("bench_relay"), "--to", f"127.0.0.1:{origin}"]
        secure = ["--certificate", f"{self.setup.folder}/cert.pem", "--key", f"{self.setup.folder}/key.pem"]
        self.port["plain"] = int(self.spawn(tool).read_line(START_SECONDS))
        self.port["tls"] = int(self.spawn(tool + secure).read_line(START_SECONDS))


class Nginx(Proxy):
    name = "nginx"

    def missing(self):
        return None if self.setup.program("nginx") else "nginx is not installed"

    def can(self, work):
        # It speaks no HTTP/2 to backends, and knows no WebSocket over it.
        return not work.h2_backend and work.tool != "idle_http2.py"

    def launch(self, origin):
        self.port = {"plain": free_port(), "tls": free_port()}
        options = "" if self.setup.bare_peers else NGINX_FORWARDED
        if self.setup.buffers:
            for directive in ("proxy_buffer_size", "proxy_buffers 8", "proxy_busy_buffers_size"):
                options += f"      {directive} {self.setup.buffers};\n"
        config = self.write_config("nginx.conf", NGINX.format(
            user="user root;" if os.geteuid() == 0 else "", folder=self.setup.folder, origin=origin, descriptors=self.setup.descriptors,
            connections=self.setup.descriptors - 500, options=options, **self.port))
        self.spawn([self.setup.program("nginx"), "-p", self.setup.folder, "-e", "stderr", "-c", config])


class HAProxy(Proxy):
    name = "haproxy"

    def missing(self):
        return None if self.setup.program("haproxy") else "haproxy is not installed"

    def launch(self, origin):
        self.port = {"plain": free_port(), "tls": free_port()}
        size = self.setup.buffers
        config = self.write_config("haproxy.cfg", HAPROXY.format(
            folder=self.setup.folder, origin=origin, connections=(self.setup.descriptors - 500) // 2,
            options="" if self.setup.bare_peers else HAPROXY_FORWARDED,
            global_options=f"tune.bufsize {int(size[:-1]) * 1024}" if size else "", **self.port))
        self.spawn([self.setup.program("haproxy"), "-db", "-q", "-f", config])


class Sluice(Proxy):
    name = "sluice"
    LISTENING = re.compile(r"(?:listening|admin) on \S*?:(\d+) (?:\(listener (\w+)|->)")

    def missing(self):
        return None if os.access(self.setup.sluice, os.X_OK) else f"{self.setup.sluice} is not built"

    def launch(self, origin):
        interval = self.setup.ping_interval
        config = self.write_config("sluice.yaml", SLUICE.format(
            origin=origin, ping_interval=interval, ping_timeout=min(interval, 10)))
        process = self.spawn([self.setup.sluice, "serve", "--config", config])
        ports = {}
        while len(ports) < 3:
            found = self.LISTENING.search(process.read_line(START_SECONDS))
            if found:
                ports[found.group(2) or "admin"] = int(found.group(1))
        self.port = {"plain": ports["plain"], "tls": ports["secure"]}
        self.admin_port = ports["admin"]

    def wait_until_served(self):
        super().wait_until_served()
        self.counted("")  # the first scrape as well counts as memory before

    def took(self, route):
        return self.counted("sluice_websocket_upgrades_total", route=route, result="accepted") > 0

    def pings_answered(self, route):
        return self.counted("sluice_websocket_ping_seconds_count", route=route)

    def counted(self, metric, **labels):
        """The sum of what /metrics says under these labels."""
        admin = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=START_SECONDS)
        admin.request("GET", "/metrics")
        lines = admin.getresponse().read().decode().splitlines()
        admin.close()
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(float(line.split()[-1]) for line in lines
                   if line.startswith(metric + "{") and all(label in line for label in wanted))


PROXIES = {proxy.name: proxy for proxy in (Relay, Nginx, HAProxy, Sluice)}
