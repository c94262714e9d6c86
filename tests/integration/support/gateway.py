"""The real binary as a child process: started on free ports, watched for sanitizer reports, always stopped."""

import ctypes
import json
import os
import re
import signal
import subprocess
from pathlib import Path

from support import binary
from support.config_text import to_yaml
from support.http_message import read_response, request_bytes
from support.metrics_text import Metrics
from support.raw_client import RawClient
from support.waiting import seconds, wait_until

LISTENER_LINE = re.compile(r"listening on (\S+):(\d+) \(listener (\w+)")
UNIX_LISTENER_LINE = re.compile(r"listening on unix:(\S+) \(listener (\w+)")
ADMIN_LINE = re.compile(r"admin on (\S+):(\d+)")
SERVES_LINE = re.compile(r"\d+ workers? serves? ")  # it hears signals from here on
SANITIZER_REPORT = re.compile(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:")
SUCCESSOR_LINE = re.compile(r"process (\d+) serves in this one's place")
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:quarantine_size_mb=8:malloc_context_size=12",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "second_deadlock_stack=1",
}


def environment(extra=None):
    """The child's environment: no token or proxy of the caller's may leak into a test."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    for name, options in SANITIZER_OPTIONS.items():
        kept[name] = f"{options}:{kept[name]}" if name in kept else options
    return {**kept, **(extra or {})}


def run_sluice(*arguments, cwd=None, timeout=10, env=None):
    """Runs a command that ends by itself."""
    result = subprocess.run([binary.path(), *map(str, arguments)], cwd=cwd, env=environment(env), capture_output=True,
                            text=True, timeout=seconds(timeout), stdin=subprocess.DEVNULL, check=False)
    assert not SANITIZER_REPORT.search(result.stderr), result.stderr
    return result


def cpu_seconds_of(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


PR_SET_CHILD_SUBREAPER = 36


class Successor:
    """A process that a gateway has started in its place: as subprocess.Popen has it. It becomes our child when its parent ends."""

    def __init__(self, pid):
        self.pid, self.returncode = pid, None

    def poll(self):
        if self.returncode is None:
            try:
                ended, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # its parent is still there
                return None
            if ended:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout=10.0):
        try:
            wait_until(lambda: self.poll() is not None, "the process to end", timeout)
        except AssertionError:
            raise subprocess.TimeoutExpired("sluice", timeout) from None
        return self.returncode

    def send_signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


class Gateway:
    def __init__(self, folder, config=None, arguments=None, env=None, text=None, wrapper=(), program=None, pass_fds=()):
        """`config` is a mapping, `text` a whole file instead, `arguments` a whole command line instead of `serve`;
        `wrapper` is a command that executes the one given to it; `program` another path of the binary."""
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.access_log_file = self.folder / "access.log"
        self.stderr_file = self.folder / "stderr"
        self.config_file = self.folder / "sluice.yaml"
        if arguments is None:
            if text is None:
                config = dict(config)
                config.setdefault("access_log", {"file": str(self.access_log_file), "format": "json"})
                text = to_yaml(config) + "\n"
            self.config_file.write_text(text)
            arguments = ["serve", "--config", str(self.config_file)]
        self.ports, self.hosts, self.admin_port = {}, {}, None
        self.predecessors = []
        self.expected_stop = 0  # the exit code that teardown accepts
        with open(self.stderr_file, "wb") as stderr, open(self.folder / "stdout", "wb") as stdout:
            # setpriv: the child dies with this process, even when that is killed.
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *wrapper, program or binary.path(), *arguments], cwd=self.folder,
                env=environment(env), stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, pass_fds=pass_fds)

    # starting

    def wait_started(self, listeners, admin):
        def started():
            if self.process.poll() is not None:
                raise AssertionError(f"the gateway exited with {self.process.returncode}:\n{self.stderr()}")
            for host, port, name in LISTENER_LINE.findall(self.stderr()):
                self.hosts[name], self.ports[name] = host.strip("[]"), int(port)
            for path, name in UNIX_LISTENER_LINE.findall(self.stderr()):
                self.hosts[name], self.ports[name] = path, None
            found = ADMIN_LINE.search(self.stderr())
            self.admin_port = int(found[2]) if found else None
            return len(self.ports) >= listeners and (found or not admin) and SERVES_LINE.search(self.stderr())

        wait_until(started, lambda: f"start-up lines, stderr so far:\n{self.stderr()}", timeout=10)
        return self

    @property
    def port(self):
        """The first listener's."""
        return next(iter(self.ports.values()))

    @property
    def pid(self):
        return self.process.pid

    # another configuration

    def rewrite(self, config=None, text=None):
        """Replaces the configuration file, as an editor does: the old one or the new one stands there, never a half."""
        if text is None:
            text = to_yaml({"access_log": {"file": str(self.access_log_file), "format": "json"}, **config}) + "\n"
        fresh = self.config_file.with_suffix(".new")
        fresh.write_text(text)
        fresh.rename(self.config_file)

    def reload(self, config=None, result="ok", text=None):
        """Writes the file if one is given, sends SIGHUP, and waits until it was taken over (or refused: `result` failed)."""
        if config is not None or text is not None:
            self.rewrite(config, text)
        before = self.metric("sluice_config_reloads_total", result=result)
        self.signal(signal.SIGHUP)
        self.wait_metric("sluice_config_reloads_total", before + 1, result=result)

    # another program in its place

    def replace(self, timeout=15):
        """SIGUSR2; returns when the new process serves. The old one is the last of `predecessors`."""
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
        self.signal(signal.SIGUSR2)
        self.adopt_successor(timeout)

    def adopt_successor(self, timeout=15):
        told = wait_until(lambda: SUCCESSOR_LINE.findall(self.stderr())[len(self.predecessors):],
                          lambda: f"a successor; stderr so far:\n{self.stderr()}", timeout)
        self.predecessors.append(self.process)
        self.process = Successor(int(told[0]))

    # looking inside

    def stderr(self):
        return self.stderr_file.read_text(errors="replace")

    def admin(self, path, headers=(), method="GET", host=None):
        client = RawClient(self.admin_port)
        try:
            authority = f"127.0.0.1:{self.admin_port}" if host is None else host
            client.send(request_bytes(method, path, list(headers), host=authority))
            return read_response(client, method)
        finally:
            client.close()

    def metrics(self, headers=()):
        response = self.admin("/metrics", headers)
        assert response.status == 200, response
        return Metrics(response.body.decode())

    def metric(self, name, **labels):
        return self.metrics().value(name, **labels)

    def wait_metric(self, name, expected, timeout=5.0, **labels):
        """Waits until a metric has that value: counting happens just after the last byte was sent."""
        wait_until(lambda: self.metric(name, **labels) == expected,
                   lambda: f"{name}{labels} == {expected}; now:\n{self.metrics().family(name)}", timeout)

    def access_log(self):
        """The lines of the JSON access log, parsed."""
        if not self.access_log_file.exists():
            return []
        text = self.access_log_file.read_text()
        return [json.loads(line) for line in text.splitlines() if text.endswith("\n") or line != text.splitlines()[-1]]

    def wait_log(self, count=1, **fields):
        """Waits for that many lines that have these fields; returns the last of them."""
        def matching():
            lines = [line for line in self.access_log()
                     if all(line.get(name) == value for name, value in fields.items())]
            return lines if len(lines) >= count else None

        return wait_until(matching, lambda: f"log line with {fields}; log: {self.access_log()}")[-1]

    def rss_mib(self):
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 2**20

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_seconds(self):
        return cpu_seconds_of(self.pid)

    # ending

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait_exit(self, timeout=10.0):
        try:
            return self.process.wait(seconds(timeout))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the gateway did not exit within {seconds(timeout)}s:\n{self.stderr()}") from None

    def stop(self, timeout=10.0):
        """SIGTERM unless it has ended; the exit code. Always leaves no process behind."""
        processes = [*self.predecessors, self.process]
        try:
            for process in processes:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                    if process is not self.process:
                        process.wait(seconds(timeout))
            return self.wait_exit(timeout)
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
                    process.wait()

    close = stop

    def check(self):
        """After stop(): no crash, no sanitizer report."""
        report = SANITIZER_REPORT.search(self.stderr())
        assert not report, f"sanitizer report:\n{self.stderr()[max(0, report.start() - 2000):]}"
        for process in self.predecessors:
            assert process.returncode == 0, f"exit code {process.returncode} of one that was replaced:\n{self.stderr()}"
        code = self.process.returncode
        assert code == self.expected_stop, f"exit code {code}, expected {self.expected_stop}:\n{self.stderr()}"

    def report(self):
        """What one needs to see when a test fails."""
        parts = [f"files in {self.folder}, exit code {self.process.poll()}"]
        for file in (self.config_file, self.stderr_file, self.access_log_file):
            if file.exists():
                parts.append(f"--- {file.name}\n{file.read_text(errors='replace')[-6000:]}")
        return "\n".join(parts)
