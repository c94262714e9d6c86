#!/usr/bin/python3
"""Checks what deploy/ has for running the gateway as a service: the systemd unit, the container, logrotate.

The unit must keep its hardening, name a user that sysusers makes, and be one that systemd understands, as far as systemd-analyze
is there to say so. The container's parts must exist and end as no root. Logs are reopened by the signal that does it.

Usage: check_deploy.py [ROOT] | check_deploy.py --self-test
Exit: 0 nothing wrong, 1 something is, 2 usage.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

UNIT = "deploy/systemd/sluice.service"
MOST_EXPOSED = 20  # of systemd-analyze security, in tenths: 2.0 is "OK"
WANTED = {
    "User": "sluice", "ExecReload": "/usr/local/bin/sluice reload", "NoNewPrivileges": "yes", "ProtectSystem": "strict",
    "ProtectHome": "yes", "PrivateDevices": "yes", "PrivateTmp": "yes", "MemoryDenyWriteExecute": "yes",
    "CapabilityBoundingSet": "CAP_NET_BIND_SERVICE", "AmbientCapabilities": "CAP_NET_BIND_SERVICE",
    "SystemCallArchitectures": "native",
}
DRAIN_SECONDS = 30  # the default of timeouts.drain


def settings_of(text):
    settings = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(("#", ";")):
            settings.setdefault(key.strip(), []).append(value.strip())
    return settings


def check_unit(root, report):
    text = (root / UNIT).read_text(encoding="utf-8")
    settings = settings_of(text)
    for key, value in WANTED.items():
        if settings.get(key) != [value]:
            report(f"{UNIT}: {key} is {settings.get(key)}; expected {value}")
    if "@system-service" not in settings.get("SystemCallFilter", []):
        report(f"{UNIT}: SystemCallFilter has no @system-service")
    if int(settings.get("LimitNOFILE", ["0"])[0]) < 20000:
        report(f"{UNIT}: LimitNOFILE is too low for limits.max_connections")
    if int(settings.get("TimeoutStopSec", ["0"])[0]) <= DRAIN_SECONDS:
        report(f"{UNIT}: TimeoutStopSec ends a drain before timeouts.drain does")
    users = (root / "deploy/systemd/sluice.sysusers").read_text(encoding="utf-8")
    if not re.search(r"^u sluice ", users, re.MULTILINE):
        report("deploy/systemd/sluice.sysusers: makes no user sluice")
    if shutil.which("systemd-analyze"):
        ask_systemd(text, report)


def ask_systemd(text, report):
    """With a program that is there on this machine."""
    with tempfile.TemporaryDirectory() as folder:
        unit = Path(folder, "sluice.service")
        unit.write_text(text.replace("/usr/local/bin/sluice", sys.executable), encoding="utf-8")
        for arguments in (["verify", "--man=no"], ["security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager"]):
            done = subprocess.run(["systemd-analyze", *arguments, str(unit)], capture_output=True, text=True, timeout=30, check=False,
                                  env={**os.environ, "SYSTEMD_COLORS": "0"})
            said = [line for line in done.stderr.splitlines() if "sluice.service" in line]
            if done.returncode != 0 or (arguments[0] == "verify" and said):
                report(f"{UNIT}: systemd-analyze {arguments[0]}: {' '.join(said) or done.stdout.strip().splitlines()[-1:]}")


def check_container(root, report):
    file = "deploy/Dockerfile"
    lines = (root / file).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    steps = [line.split(None, 1) for line in lines if line.strip() and not line.startswith("#")]
    stages = [at for at, (word, _) in enumerate(steps) if word == "FROM"]
    if len(stages) < 2:
        report(f"{file}: has one stage; expected the build apart from what runs")
    if any(not rest.startswith("debian:12") for word, rest in steps if word == "FROM"):
        report(f"{file}: is not built on Debian 12")
    users = [rest for word, rest in steps[stages[-1]:] if word == "USER"]
    if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]):
        report(f"{file}: does not end as a user that is not root, by number")
    for word, rest in steps:
        parts = shlex.split(rest) if word == "COPY" else []
        if parts and not parts[0].startswith("--from="):
            for source in parts[:-1]:
                if not (root / source).exists():
                    report(f"{file}: copies {source}, which does not exist")
    options = set(re.findall(r"install-deps (--\w+)", "\n".join(lines)))
    known = (root / "deploy/install-deps").read_text(encoding="utf-8")
    for option in options:
        if f"{option})" not in known:
            report(f"{file}: deploy/install-deps does not know {option}")


def check_rotation(root, report):
    text = (root / "deploy/logrotate/sluice").read_text(encoding="utf-8")
    if "SIGUSR1" not in text or "sluice.service" not in text:
        report("deploy/logrotate/sluice: does not tell the service to open its log again (SIGUSR1)")
    if "copytruncate" in text:
        report("deploy/logrotate/sluice: copytruncate loses lines")


def problems_of(root):
    problems = []
    for check in (check_unit, check_container, check_rotation):
        check(Path(root), problems.append)
    return problems


SELF_TEST = (
    (UNIT, "ProtectSystem=strict", "ProtectSystem=full", "ProtectSystem"),
    (UNIT, "TimeoutStopSec=45", "TimeoutStopSec=20", "TimeoutStopSec"),
    (UNIT, "LimitNOFILE=131072", "LimitNOFILE=1024", "LimitNOFILE"),
    ("deploy/Dockerfile", "USER 10001:10001", "USER root", "not root"),
    ("deploy/Dockerfile", "COPY deploy/install-deps", "COPY deploy/nothing", "does not exist"),
    ("deploy/Dockerfile", "install-deps --run", "install-deps --walk", "does not know --walk"),
    ("deploy/logrotate/sluice", "SIGUSR1", "SIGHUP", "SIGUSR1"),
)


def self_test(root):
    failures = []
    for file, was, becomes, expected in SELF_TEST:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(root / "deploy", Path(folder, "deploy"), ignore=shutil.ignore_patterns("node_modules"))
            changed = Path(folder, file)
            text = changed.read_text(encoding="utf-8")
            assert was in text, f"{file} has no {was}"
            changed.write_text(text.replace(was, becomes, 1), encoding="utf-8")
            said = problems_of(folder)
        if not any(expected in line for line in said):
            failures.append(f"{file} with {becomes}: expected {expected!r}, got {said}")
    for failure in failures:
        print(failure)
    print(f"self-test: {len(SELF_TEST) - len(failures)} of {len(SELF_TEST)} cases right")
    return 1 if failures else 0


def main(arguments):
    root = Path(__file__).resolve().parent.parent
    if arguments == ["--self-test"]:
        return self_test(root)
    if len(arguments) > 1:
        print(__doc__, file=sys.stderr)
        return 2
    problems = problems_of(arguments[0] if arguments else root)
    for line in problems:
        print(line)
    print(f"deploy: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
