"""The command line: commands, exit codes, start-up lines."""

import re
import socket

import pytest

from support.config_text import config_for, to_yaml
from support.gateway import run_sluice
from support.raw_client import blind


def write_config(folder, config):
    file = folder / "sluice.yaml"
    file.write_text(to_yaml(config) + "\n")
    return file


def test_version():
    result = run_sluice("version")
    assert result.returncode == 0
    assert re.search(r"\b\d+\.\d+\.\d+\b", result.stdout), result.stdout


def test_help_lists_the_commands():
    result = run_sluice("--help")
    assert result.returncode == 0
    for command in ("serve", "proxy", "check", "explain", "schema", "plan", "reload", "drain", "status", "version"):
        assert command in result.stdout


@pytest.mark.parametrize("command,options", [
    ("serve", ["--config"]),
    ("check", ["--config"]),
    ("proxy", ["--to", "--http", "--https", "--admin"]),
    ("explain", ["METHOD", "URL", "--config", "--header", "--listener", "--client", "--json"]),
    ("schema", ["yaml-language-server"]),
    ("plan", ["OLD", "NEW", "--admin"]),
    ("reload", ["--admin", "SLUICE_ADMIN_TOKEN"]),
    ("drain", ["--admin"]),
    ("status", ["--admin", "--json"]),
    ("version", []),
])
def test_help_of_each_command(command, options):
    result = run_sluice(command, "--help")
    assert result.returncode == 0
    for option in options:
        assert option in result.stdout


@pytest.mark.parametrize("arguments", [
    [], ["nonsense"], ["serve", "--nonsense"], ["check", "--config"], ["proxy"], ["version", "extra"], ["explain"], ["explain", "GET"],
    ["explain", "GET", "http://a/", "more"], ["schema", "extra"],
])
def test_wrong_usage_exits_2(arguments, tmp_path):
    result = run_sluice(*arguments, cwd=tmp_path)
    assert result.returncode == 2, result
    assert result.stderr or result.stdout


@pytest.mark.parametrize("arguments, message", [
    ([], "a command is missing; expected serve, proxy, check, explain, schema, plan, reload, drain, status, sockets, tap or version"),
    (["nonsense"], 'unknown command "nonsense"; expected serve,'),
    (["chekc"], 'unknown command "chekc"; did you mean check?'),
    (["check", "sluice.yaml"], "--config FILE"),
    (["serve", "sluice.yaml"], "--config FILE"),
    (["serve", "--admin", "127.0.0.1:1"], 'sluice serve: does not take "--admin" "127.0.0.1:1"\n'),
    (["serve", "--admin", "127.0.0.1:1"], "admin.address"),
    (["status", "more", "and", "more"], 'sluice status: does not take "more" "and" "more"\n'),
])
def test_wrong_usage_says_what_to_do(arguments, message, tmp_path):
    assert message in run_sluice(*arguments, cwd=tmp_path).stderr


def test_check_of_a_good_file(tmp_path):
    result = run_sluice("check", "--config", write_config(tmp_path, config_for("http://127.0.0.1:1")))
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("log, problem", [("missing/access.log", "No such file or directory"), ("", "Is a directory")])
def test_check_finds_an_access_log_that_cannot_be_opened(tmp_path, log, problem):
    config = config_for("http://127.0.0.1:1", access_log={"file": str(tmp_path / log)})
    result = run_sluice("check", "--config", write_config(tmp_path, config))
    assert (result.returncode, result.stdout) == (1, "")
    assert f"access_log.file: cannot open log {tmp_path / log}: {problem}" in result.stderr
    config["access_log"]["format"] = "off"
    assert run_sluice("check", "--config", write_config(tmp_path, config)).returncode == 0
    config["access_log"] = {"file": str(tmp_path / "new.log")}
    assert run_sluice("check", "--config", write_config(tmp_path, config)).returncode == 0
    assert not (tmp_path / "new.log").exists()


def test_check_finds_sluice_yaml_in_the_folder(tmp_path):
    write_config(tmp_path, config_for("http://127.0.0.1:1"))
    assert run_sluice("check", cwd=tmp_path).returncode == 0


def test_check_reports_every_error_with_its_place(tmp_path):
    file = tmp_path / "sluice.yaml"
    file.write_text("""\
listeners:
  - name: web
    address: 127.0.0.1:0
limits:
  max_headers: many
timeouts:
  conect: 5s
routes:
  - name: all
    upstream: nowhere
""")
    result = run_sluice("check", "--config", file)
    assert result.returncode == 1
    for line, place in ((5, "limits.max_headers"), (7, "timeouts.conect"), (10, "upstream")):
        assert re.search(rf"sluice\.yaml:{line}: .*{re.escape(place)}", result.stderr), (place, result.stderr)
    assert "connect" in result.stderr, "the nearest known key is named"


def test_a_key_of_a_later_version_is_refused(tmp_path):
    config = config_for("http://127.0.0.1:1", redis={"address": "127.0.0.1:6379"})
    result = run_sluice("check", "--config", write_config(tmp_path, config))
    assert result.returncode == 1
    assert "not supported yet" in result.stderr


def test_a_configuration_without_an_end_is_refused():
    result = run_sluice("check", "--config", "/dev/zero")
    assert result.returncode == 1
    assert "cannot be read (it is larger than 4 MiB)" in result.stderr


CERTIFICATE_ERRORS = """\
listeners:
  - name: secure
    address: 127.0.0.1:0
    tls:
      certificates:
        - { certificate: words.pem, private_key: words.pem }
        - certificate: good.pem
          private_key: words.pem
      client_auth:
        mode: request
        ca: words.pem
      ticket_keys:
        - words.pem
upstreams:
  - name: app
    endpoints: [http://127.0.0.1:1]
    tls:
      ca: words.pem
routes:
  - { name: all, upstream: app }
"""


@pytest.mark.parametrize("command", ["check", "serve"])
def test_every_wrong_certificate_is_told_with_its_line(command, ca, tmp_path):
    (tmp_path / "words.pem").write_text("words\n")
    (tmp_path / "good.pem").write_bytes(ca.issue("test.example").certificate.read_bytes())
    file = tmp_path / "sluice.yaml"
    file.write_text(CERTIFICATE_ERRORS)
    result = run_sluice(command, "--config", file)
    assert result.returncode == 1
    told = [line.removeprefix(f"{file}:").partition(" holds ")[0].rsplit(" ", 1)[0]
            for line in result.stderr.splitlines() if line.startswith(f"{file}:")]
    tls = "listeners[0].tls"
    assert told == [f"6: {tls}.certificates[0].certificate:", f"6: {tls}.certificates[0].private_key:",
                    f"8: {tls}.certificates[1].private_key:", f"13: {tls}.ticket_keys[0]:", f"11: {tls}.client_auth.ca:",
                    "18: upstreams[0].tls.ca:"]


@pytest.mark.parametrize("command", ["check", "serve"])
def test_wrong_or_missing_configuration_exits_1(command, tmp_path):
    assert run_sluice(command, "--config", tmp_path / "absent.yaml").returncode == 1
    broken = tmp_path / "broken.yaml"
    broken.write_text("listeners: [")
    result = run_sluice(command, "--config", broken)
    assert result.returncode == 1
    assert "broken.yaml" in result.stderr


def test_the_environment_fills_in_the_file(lab):
    backend = lab.backend()
    config = config_for("http://${BACKEND_HOST:-127.0.0.1}:${BACKEND_PORT}")
    gateway = lab.gateway_from(config, env={"BACKEND_PORT": str(backend.port)})
    assert lab.request(gateway).status == 200


def test_an_unset_environment_variable_is_an_error(tmp_path):
    file = write_config(tmp_path, config_for("http://127.0.0.1:${SURELY_NOT_SET}"))
    result = run_sluice("check", "--config", file)
    assert result.returncode == 1
    assert "SURELY_NOT_SET" in result.stderr


def test_a_port_taken_by_a_plain_socket_exits_4(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        config = config_for("http://127.0.0.1:1", listeners=[{"name": "web", "address": f"127.0.0.1:{port}"}])
        result = run_sluice("serve", "--config", write_config(tmp_path, config))
    assert result.returncode == 4, result.stderr
    assert str(port) in result.stderr


def test_a_port_taken_by_another_gateway_exits_4(lab, tmp_path):
    backend = lab.backend()
    first = lab.gateway(backend)
    taken = config_for(backend, listeners=[{"name": "web", "address": f"127.0.0.1:{first.port}"}])
    result = run_sluice("serve", "--config", write_config(tmp_path, taken))
    assert result.returncode == 4, result.stderr
    assert str(first.port) in result.stderr
    for _ in range(20):  # nothing went to the one that gave up
        assert lab.request(first).status == 200


def test_a_taken_admin_port_exits_4(lab, tmp_path):
    first = lab.gateway(lab.backend())
    taken = config_for("http://127.0.0.1:1", admin={"address": f"127.0.0.1:{first.admin_port}"})
    result = run_sluice("serve", "--config", write_config(tmp_path, taken))
    assert result.returncode == 4 and "admin: cannot listen on " in result.stderr


def test_start_up_lines_say_where_each_listener_leads(lab):
    gateway = lab.gateway(lab.backend(), listeners=[
        {"name": "web", "address": "127.0.0.1:0"}, {"name": "other", "address": "127.0.0.1:0"}])
    lines = [line for line in gateway.stderr().splitlines() if "listening on" in line]
    assert len(lines) == 2, "one line per listener"
    assert len(set(gateway.ports.values())) == 2 and 0 not in gateway.ports.values()


def test_start_up_lines_say_what_is_spoken(lab):
    """Behind the words that were always there."""
    tls = {"tls": {"self_signed": True}}
    gateway = lab.gateway(lab.backend(), listeners=[
        {"name": name, "address": "127.0.0.1:0", **more} for name, more in [
            ("plain", {}), ("both", {"protocols": ["h2", "http/1.1"]}), ("alone", {"protocols": ["h2"]}),
            ("secure", tls), ("old", {**tls, "protocols": ["http/1.1"]})]])
    for words in ["plain, http and ws", "both, http and ws, HTTP/2 and HTTP/1.1", "alone, http and ws, HTTP/2",
                  "secure, https and wss, HTTP/2 and HTTP/1.1", "old, https and wss, HTTP/1.1"]:
        assert f" (listener {words}) -> all (" in gateway.stderr()


def test_proxy_needs_no_file(lab):
    backend = lab.backend()
    gateway = lab.start(arguments=["proxy", "--to", backend.url, "--http", "127.0.0.1:0", "--https", "127.0.0.1:0",
                                   "--admin", "127.0.0.1:0"])
    gateway.wait_started(listeners=2, admin=True)
    statuses = []
    for name in gateway.ports:
        tls = {"tls": blind(), "server_name": "localhost"} if "https" in name else {}
        statuses.append(lab.client(gateway, name, **tls).request("GET", "/somewhere").status)
    assert statuses == [200, 200]
    assert [request.target for request in backend.requests] == ["/somewhere"] * 2
    assert {request.header("X-Forwarded-Proto") for request in backend.requests} == {"http", "https"}
    assert gateway.admin("/healthz").status == 200


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1:1", "http://", "http://127.0.0.1:99999"])
def test_proxy_refuses_a_wrong_url(url):
    result = run_sluice("proxy", "--to", url, "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin",
                        "127.0.0.1:0")
    assert result.returncode in (1, 2), result
    assert result.stderr
