#!/usr/bin/python3
"""Checks that the documents tell the truth, as far as a program can.

- Every ```yaml block that begins with `# sluice.yaml` is accepted by `sluice check` without a warning; one that says `the same
  as PATH` is what that file holds, and the gateway starts with it. The files of deploy/examples are accepted too.
- docs/configuration.md has a row for every key that the loader takes, with the right default, and none that it refuses; its
  examples use every one of them. It also has every field of the access log, and no other.
- Relative links and their anchors lead somewhere; files, functions and metrics that are named exist.

Prints `FILE: what is wrong`, one line each. SLUICE_BIN names the gateway; without it, the newest build is taken.

Usage: check_docs.py [ROOT] | check_docs.py --self-test
Exit: 0 nothing wrong, 1 something is wrong (or a failed self-test), 2 usage.
"""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

SKIPPED_FOLDERS = {"build", "node_modules", "__pycache__"}
PRODUCT_FOLDERS = ("config", "metrics", "tls", "upstream", "gateway")
REFERENCE = "docs/configuration.md"
ACCESS_LOG = "metrics/access_record.cpp"
GOLDEN = "tests/golden/config"
TIME_LIMIT = 60  # seconds, for any one run of the gateway

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
MARK = "# sluice.yaml"
SAME_AS = re.compile(re.escape(MARK) + r".*the same as (\S+)")
LINK = re.compile(r"(?<!`)\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.M)
CODE = re.compile(r"`([^`\n]+)`")
IN_REPOSITORY = re.compile(r"(?:config|metrics|tls|upstream|gateway|tests|deploy|docs|\.ci)/\S*")
FUNCTION = re.compile(r"(?:\w+::)*(~?\w+)\(\)")
METRIC = re.compile(r"sluice_[a-z0-9_]+|\.\.\.(_[a-z0-9_]+)")
LOG_FIELD = re.compile(r'(?:\.\w+\(|add_direction\(fields, )"(\w+)"')
LOG_ROWS = re.compile(r"^\| Field \| Meaning \|\n\|---\|---\|\n((?:\|.*\n)+)", re.M)
ROW = re.compile(r"^\| `([a-z_0-9.]+)` \| (.*?) \| ", re.M)
KEY_LINE = re.compile(r"^( *(?:- )*)([a-z_0-9]+):(?: +(.*))?$")
REFUSED = re.compile(r"^all_keys\.yaml:(\d+): .*not supported yet", re.M)
TICKET_KEY = re.compile(r"[\w-]+\.key\b")
PEM = re.compile(r"(?:\$\{SLUICE_CERTIFICATES[^}]*\}/)?([\w./-]+\.pem)")

ACME_FOLDER = re.compile(r"(acme_challenge_directory: )\S+")
STAPLE = re.compile(r"[\w-]+\.der\b")
PAGE = re.compile(r"file:([\w-]+\.(?:html|json|txt))\b")


def read(path):
    return Path(path).read_text(encoding="utf-8")


def without_fences(text):
    return FENCE.sub("", text)


def anchor_of(heading):
    """As the usual renderers make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def flow_items(text):
    """The `key: value` pairs of a flow map without nested maps."""
    parts = re.split(r",(?![^\[]*\])", text.strip()[1:-1])
    return [tuple(part.strip() for part in item.split(":", 1)) for item in parts if ":" in item]


def keys_of(text):
    """[(line number, dotted path, value or "")] of a file with one key per line, or flow maps at the ends."""
    found, stack = [], []
    for number, line in enumerate(text.splitlines(), 1):
        match = KEY_LINE.match(line)
        if not match:
            continue
        indent, name, value = len(match[1]), match[2], match[3] or ""
        while stack and stack[-1][0] >= indent:
            stack.pop()
        stack.append((indent, name))
        path = ".".join(part for _, part in stack)
        found.append((number, path, value))
        if value.startswith("{"):
            found += [(number, f"{path}.{key}", inner) for key, inner in flow_items(value)]
    return found


def supported_keys(every_key, messages):
    """(all paths that the loader takes, those of them without keys below)"""
    refused_lines = {int(number) for number in REFUSED.findall(messages)}
    keys = [(number, path) for number, path, _ in keys_of(every_key)]
    refused = {path for number, path in keys if number in refused_lines}
    paths = {path for _, path in keys if not any(path == no or path.startswith(no + ".") for no in refused)}
    # Names below these are the user's own.
    own = re.compile(r"\.(set|add|respond\.headers|error_pages)\.")
    paths = {path for path in paths if not own.search(path)}
    leaves = {path for path in paths if not any(other.startswith(path + ".") for other in paths)}
    return paths, leaves


class Checker:
    def __init__(self, root, binary):
        self.root = Path(root)
        self.binary = binary
        self.problems = []
        self.checked = 0  # configurations
        self.documents = {path: read(self.root / path) for path in self.find_documents()}

    def report(self, path, what):
        self.problems.append(f"{path}: {what}")

    def find_documents(self):
        found = []
        for folder, subfolders, names in os.walk(self.root):
            subfolders[:] = [name for name in subfolders if name not in SKIPPED_FOLDERS and not name.startswith(".")]
            here = Path(folder).relative_to(self.root)
            found += [str(here / name) for name in names if name.endswith(".md")]
        return sorted(found)

    def run(self):
        for path, text in self.documents.items():
            self.check_links(path, text)
            self.check_names(path, text)
        self.check_reference()
        self.check_log_fields()
        with tempfile.TemporaryDirectory() as folder:
            self.scratch = Path(folder)
            self.check_blocks()
            self.check_examples()
        return self.problems

    # ---- text ------------------------------------------------------------------------------------------------------

    def check_links(self, path, text):
        for target in LINK.findall(without_fences(text)):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            file = (self.root / path).parent / name if name else self.root / path
            if not file.exists():
                self.report(path, f"the link {target} leads nowhere")
            elif anchor and anchor not in {anchor_of(heading) for heading in HEADING.findall(without_fences(read(file)))}:
                self.report(path, f"the link {target} names a heading that is not there")

    def check_names(self, path, text):
        words, metrics = self.words(), self.metrics()
        for code in set(CODE.findall(without_fences(text))):
            if IN_REPOSITORY.fullmatch(code) and not self.exists(code):
                self.report(path, f"there is no {code}")
            function = FUNCTION.fullmatch(code)
            if function and function[1].lstrip("~") not in words:
                self.report(path, f"no function {code} in the sources")
            metric = METRIC.fullmatch(code)
            if metric and not (code in metrics or metric[1] and any(name.endswith(metric[1]) for name in metrics)):
                self.report(path, f"no metric {code} in the sources")

    def exists(self, pattern):
        glob = re.sub(r"<[^>]*>", "*", pattern.rstrip("/"))
        return any(self.root.glob(glob))

    def words(self):
        if not hasattr(self, "words_"):
            texts = (read(file) for folder in PRODUCT_FOLDERS for file in (self.root / folder).rglob("*.[ch]*"))
            self.words_ = {word for text in texts for word in re.findall(r"\w+", text)}
        return self.words_

    def metrics(self):
        # A cookie's default name looks like a metric.
        texts = [read(file) for place in ("metrics/*.cpp", "config/*.h") for file in self.root.glob(place)]
        return {name for text in texts for name in re.findall(r'"(sluice_[a-z0-9_]+)"', text)}

    # ---- the reference of keys -------------------------------------------------------------------------------------

    def check_reference(self):
        reference = self.documents.get(REFERENCE)
        if reference is None:
            return self.report(REFERENCE, "is missing")
        golden = self.root / GOLDEN
        paths, leaves = supported_keys(read(golden / "bad/all_keys.yaml"), read(golden / "bad/all_keys.expected"))
        rows = dict(ROW.findall(reference))
        for key in sorted(leaves - set(rows)):
            self.report(REFERENCE, f"has no row for {key}")
        for key in sorted(set(rows) - paths):
            self.report(REFERENCE, f"has a row for {key}, which the loader does not take")
        for _, key, value in keys_of(read(golden / "good/every_default_written_out.yaml")):
            said = re.fullmatch(r"`(.*)`", rows.get(key, ""))
            if said and key in leaves and said[1] != value:
                self.report(REFERENCE, f"says that the default of {key} is {said[1]}; it is {value}")
        examples = "\n".join(self.blocks(REFERENCE))
        for key in sorted(leaves):
            name = key.rpartition(".")[2]
            if not re.search(rf"\b{name}:", examples):
                self.report(REFERENCE, f"has no example with {key}")

    def check_log_fields(self):
        table = LOG_ROWS.search(self.documents.get(REFERENCE, ""))
        if not (self.root / ACCESS_LOG).exists() or not table:
            return self.report(REFERENCE, "has no table of the access log's fields, or there is no " + ACCESS_LOG)
        cells = (line.split("|")[1] for line in table[1].splitlines())
        said = {name for cell in cells for code in CODE.findall(cell) for name in code.split(".")}
        written = set(LOG_FIELD.findall(read(self.root / ACCESS_LOG)))
        for name in sorted(written - said):
            self.report(REFERENCE, f"has no row for the access log's {name}")
        for name in sorted(said - written):
            self.report(REFERENCE, f"has a row for {name}, which the access log does not have")

    def blocks(self, path):
        return [body for language, body in FENCE.findall(self.documents[path]) if language == "yaml" and body.startswith(MARK)]

    # ---- configurations --------------------------------------------------------------------------------------------

    def make_certificate(self, name):
        """A key and a certificate for a name, the same ones for all files of a folder."""
        certificate, key = self.scratch / f"{name}.certificate", self.scratch / f"{name}.key"
        if not key.exists():
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                 "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", key, "-out", certificate],
                check=True, capture_output=True, timeout=TIME_LIMIT)
        return certificate, key

    def place_certificates(self, text):
        """Whatever PEM files a configuration names, below the scratch folder."""
        for name in PEM.findall(text):
            file = self.scratch / name
            file.parent.mkdir(parents=True, exist_ok=True)
            certificate, key = self.make_certificate(file.parent.name if file.parent != self.scratch else "localhost")
            shutil.copy(key if "key" in file.name else certificate, file)

    def place_ticket_keys(self, text):
        """Whatever keys of session tickets it names."""
        for name in TICKET_KEY.findall(text):
            key = self.scratch / name
            key.write_bytes(os.urandom(80))
            key.chmod(0o600)

    def place_staples(self, text):
        """Whatever OCSP responses it names: all speak of the certificate in the scratch folder, which is its own issuer."""
        for name in STAPLE.findall(text):
            certificate, key = self.make_certificate("localhost")
            serial = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-serial"], check=True, capture_output=True,
                                    text=True, timeout=TIME_LIMIT).stdout.strip().partition("=")[2]
            index = self.scratch / "index.txt"
            index.write_text(f"V\t491231235959Z\t\t{serial}\tunknown\t/CN=localhost\n", encoding="utf-8")
            subprocess.run(["openssl", "ocsp", "-index", index, "-CA", certificate, "-issuer", certificate, "-cert", certificate,
                            "-rsigner", certificate, "-rkey", key, "-ndays", "1", "-noverify", "-respout", self.scratch / name],
                           check=True, capture_output=True, timeout=TIME_LIMIT)

    def place_pages(self, text):
        """Whatever error pages it names."""
        for name in PAGE.findall(text):
            (self.scratch / name).write_text("{}\n", encoding="utf-8")

    def check_config(self, path, file):
        self.place_certificates(read(file))
        self.place_pages(read(file))
        self.place_staples(read(file))
        self.place_ticket_keys(read(file))
        environment = {**os.environ, "SLUICE_CERTIFICATES": str(self.scratch), "SLUICE_ADMIN_TOKEN": "a-token"}
        done = subprocess.run([self.binary, "check", "--config", file], capture_output=True, text=True, env=environment,
                              timeout=TIME_LIMIT)
        self.checked += 1
        for line in done.stderr.splitlines():
            self.report(path, f"`sluice check` says: {line}")
        if done.returncode != 0 and not done.stderr:
            self.report(path, f"`sluice check` ends with {done.returncode}")

    def check_blocks(self):
        for path in self.documents:
            for body in self.blocks(path):
                file = self.scratch / "sluice.yaml"
                # A folder that is there on the machine of whoever follows the page.
                file.write_text(ACME_FOLDER.sub(rf"\g<1>{self.scratch}", body), encoding="utf-8")
                self.check_config(path, file)
                same = SAME_AS.match(body)
                if same:
                    self.check_same(path, body, same[1])

    def check_same(self, path, body, name):
        lines = [line for line in read(self.root / name).splitlines() if not line.startswith("#")]
        if body.splitlines()[1:] != lines:
            self.report(path, f"a block says that it is the same as {name}, and is not")
        else:
            self.check_start(path, body)

    def check_start(self, path, body):
        """Ports are whatever is free; everything else is as written."""
        file = self.scratch / "sluice.yaml"
        file.write_text(re.sub(r'"[\d.]+:\d+"', '"127.0.0.1:0"', body), encoding="utf-8")
        gateway = subprocess.Popen([self.binary, "serve", "--config", file], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            admin = self.wait_started(gateway)
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"http://{admin}/healthz", timeout=TIME_LIMIT) as answer:
                answer.read()
            gateway.send_signal(signal.SIGTERM)
            code = gateway.wait(TIME_LIMIT)
            if code != 0:
                self.report(path, f"the gateway with a block's configuration ends with {code}")
        except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
            self.report(path, f"the gateway does not run with a block's configuration: {error}")
        finally:
            gateway.kill()
            gateway.wait()
            gateway.stderr.close()

    @staticmethod
    def wait_started(gateway):
        """The admin address, once the gateway has said that it serves."""
        said, end = b"", time.monotonic() + TIME_LIMIT
        while not re.search(rb" workers? serves? ", said):
            ready, _, _ = select.select([gateway.stderr], [], [], max(0, end - time.monotonic()))
            more = os.read(gateway.stderr.fileno(), 65536) if ready else b""
            if not more:
                raise RuntimeError(said.decode(errors="replace").strip() or "it says nothing")
            said += more
        return re.search(r"admin on (\S+)", said.decode())[1]

    def check_examples(self):
        for file in sorted((self.root / "deploy/examples").glob("*.yaml")):
            self.check_config(str(file.relative_to(self.root)), file)


def newest_binary(root):
    chosen = os.environ.get("SLUICE_BIN")
    if chosen:
        return str(Path(chosen).resolve())
    built = [path for path in (root / "build").glob("*/sluice") if path.is_file()]
    return str(max(built, key=lambda path: path.stat().st_mtime)) if built else None


# ---- self-test -----------------------------------------------------------------------------------------------------

GOOD_TREE = {
    "docs/configuration.md": "# Keys\n| `limits.size` | `1KiB` | how big |\n```yaml\n# sluice.yaml\nlimits: { size: 2KiB }\n```\n"
                             "| Field | Meaning |\n|---|---|\n| `time` | when |\n| `stages.total` | how long |\n",
    "README.md": "# Name\n[keys](docs/configuration.md#keys) `metrics/some.cpp` `count()` `sluice_things_total`\n",
    ACCESS_LOG: 'object.name("time"); object.name("stages"); stages.stage("total", total);\n',
    "metrics/some.cpp": 'void count() { add("sluice_things_total"); }\n',
    "deploy/examples/one.yaml": "limits: { size: 2KiB }\n",
    f"{GOLDEN}/bad/all_keys.yaml": "limits:\n  size: 1KiB\n  later:\n    deep: 1\n",
    f"{GOLDEN}/bad/all_keys.expected": "all_keys.yaml:3: limits.later: not supported yet; remove it\n",
    f"{GOLDEN}/good/every_default_written_out.yaml": "limits: { size: 1KiB }\n",
    "sluice": '#!/bin/sh\nif grep -q wrong "$3"; then echo "it is wrong" >&2; exit 1; fi\n',
}
# What is changed in the good tree, and the one problem that must be reported; None: none.
SELF_TEST = (
    ("README.md", None, None),
    ("README.md", "[a](docs/none.md)", "leads nowhere"),
    ("README.md", "[a](docs/configuration.md#none)", "a heading that is not there"),
    ("README.md", "[a](#none)", "a heading that is not there"),
    ("README.md", "`tls/none.cpp`", "there is no tls/none.cpp"),
    ("README.md", "`metrics/<any>.*`", None),
    ("README.md", "`Thing::missing()`", "no function"),
    ("README.md", "`sluice_none_total`", "no metric"),
    ("README.md", "`..._things_total`", None),
    ("README.md", "\n```yaml\n# sluice.yaml\nwrong: 1\n```\n", "it is wrong"),
    ("README.md", "\n```yaml\nwrong: 1\n```\n", None),
    ("README.md", "\n```yaml\n# sluice.yaml, the same as deploy/examples/one.yaml\nlimits: {}\n```\n", "and is not"),
    ("deploy/examples/one.yaml", "wrong: 1\n", "it is wrong"),
    ("docs/configuration.md", "\n| `limits.later` | `1` | when |\n", "which the loader does not take"),
    ("docs/configuration.md", "\n| `limits.size` | `2KiB` | how big |\n", "the default of limits.size is 2KiB"),
    ("docs/configuration.md", "| `none` | what |\n", "which the access log does not have"),
    (ACCESS_LOG, 'object.text("method", method);\n', "no row for the access log's method"),
    (f"{GOLDEN}/bad/all_keys.yaml", "  size2: 1\n", "has no row for limits.size2"),
)


def self_test():
    failures = 0
    for path, addition, expected in SELF_TEST:
        with tempfile.TemporaryDirectory() as root:
            for name, text in GOOD_TREE.items():
                file = Path(root, name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text + (addition or "" if name == path else ""), encoding="utf-8")
            binary = Path(root, "sluice")
            binary.chmod(0o755)
            said = Checker(root, str(binary)).run()
        # A key without a row has no example either.
        said = [line for line in said if "has no example" not in line]
        if said if expected is None else len(said) != 1 or expected not in said[0]:
            failures += 1
            print(f"{path} with {addition!r}: expected {expected!r}, got {said}")
    print(f"self-test: {len(SELF_TEST) - failures} of {len(SELF_TEST)} cases right")
    return 1 if failures else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    if len(arguments) > 1 or (arguments and not Path(arguments[0]).is_dir()):
        print(__doc__, file=sys.stderr)
        return 2
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    binary = newest_binary(root)
    if binary is None:
        print("there is no gateway to ask; build a preset, or set SLUICE_BIN", file=sys.stderr)
        return 1
    checker = Checker(root, binary)
    problems = checker.run()
    for line in problems:
        print(line)
    print(f"{len(checker.documents)} documents and {checker.checked} configurations, {len(problems)} problems")
    return 1 if problems or checker.checked == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
