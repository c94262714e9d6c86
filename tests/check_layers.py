#!/usr/bin/python3
"""Checks the order of the layers by reading every C++ file's includes.

    gateway -> upstream -> tls -> { config, metrics }
    gateway: http < http1, http2, websocket < routing, filters < proxy < sessions < server

A file includes its own folder and the ones below, never above nor beside. The tables below are the rules; change
them together with ARCHITECTURE.md. Prints `FILE:LINE: what is wrong; what to do` for each offence.

Usage: check_layers.py [ROOT] | check_layers.py --self-test
Exit: 0 nothing wrong, 1 an offence (or a failed self-test), 2 usage.
"""

import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

TOP_LAYERS = {"config": 0, "metrics": 1, "tls": 2, "upstream": 3, "gateway": 4}

GATEWAY_LAYERS = {
    "http": 0,
    "http1": 1, "http2": 1, "websocket": 1,
    "routing": 2, "filters": 2,
    "proxy": 3,
    "sessions": 4,
    "server": 5,  # the files directly in gateway/, gateway/admin and gateway/commands
}

# metrics and config stand side by side, but settings are plain data that metrics may know.
PLAIN_CONFIG = re.compile(r"^config/(config|values|\w+_config)\.h$")


# Where a library's headers may be included. `allowed` and `denied` are prefixes of paths from the root.
@dataclass(frozen=True)
class Library:
    name: str
    header: str             # a regular expression for what stands between the quotes
    allowed: tuple = ("",)
    denied: tuple = ()
    transitive: bool = False  # also not through our own headers
    advice: str = ""


LIBRARIES = (
    Library("yaml-cpp", r"^yaml-cpp/", allowed=("config/",),
            advice="read the value in config/ and hand it on as plain data"),
    Library("RE2", r"^re2/", allowed=("config/regex.",),
            advice="use config::Regex"),
    Library("prometheus-cpp", r"^prometheus/", allowed=("metrics/",),
            advice="use the counters that metrics/ offers"),
    Library("nghttp2", r"^nghttp2/", allowed=("gateway/http2/",),
            advice="use gateway/http2/session.h"),
    Library("c-ares", r"^ares(\.h|_)", allowed=("upstream/dns_client.",),
            advice="ask by way of upstream/dns_client.h"),
    Library("spdlog", r"^spdlog/", allowed=("metrics/log.", "metrics/log_"),
            advice='include "metrics/log.h"'),
    Library("OpenSSL", r"^openssl/", denied=("config/", "metrics/"),
            advice="move the code to tls/"),
    Library("zlib", r"^zlib\.h$", allowed=("gateway/websocket/deflate_codec.",),
            advice="use the Inflater and Deflater of gateway/websocket/deflate_codec.h"),
    Library("Asio", r"^(boost/)?asio(/|\.hpp)", allowed=("gateway/control_io.h", "gateway/server.", "gateway/live_config.", "gateway/replacement.", "gateway/roll_call.",
                                                        "gateway/collect_status.", "gateway/collect_sockets.", "gateway/tap_socket.", "gateway/file_watch.",
                                                        "gateway/admin/"),
            advice="workers wait with tls/event_loop.h; Asio is the control thread's"),
    Library("epoll", r"^sys/epoll\.h$", transitive=True,
            denied=("gateway/http/", "gateway/http1/", "gateway/routing/",
                    "gateway/http2/codes", "gateway/http2/frame_guard", "gateway/http2/request_builder",
                    "gateway/http2/response_fields", "gateway/http2/session",
                    "gateway/websocket/handshake", "gateway/websocket/frame", "gateway/websocket/masking",
                    "gateway/websocket/utf8_check", "gateway/websocket/deflate", "gateway/websocket/transcoder",
                    "gateway/websocket/text_inspection"),
            advice="these files parse and match without I/O; move the waiting up to its caller"),
)

JUNK_DRAWERS = {"util", "utils", "common"}
SOURCE_SUFFIXES = {".h", ".hpp", ".ipp", ".inc", ".cpp", ".cc", ".cxx"}
SKIPPED_FOLDERS = {"build", "node_modules", "__pycache__"}
UNLAYERED = {"tests", "deploy"}  # may include anything, and nothing of the product includes them

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


@dataclass(frozen=True)
class Include:
    line: int
    target: str
    quoted: bool


def read_includes(path):
    includes = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if found := INCLUDE.match(line):
                includes.append(Include(number, found[2], found[1] == '"'))
    return includes


def gateway_layer(path):
    """The name of the gateway layer of a path from the root, or None."""
    parts = path.split("/")
    if parts[0] != "gateway":
        return None
    return "server" if len(parts) == 2 or parts[1] in ("admin", "commands") else parts[1]


def library_of(target):
    return next((library for library in LIBRARIES if re.match(library.header, target)), None)


def may_use(library, path):
    return path.startswith(library.allowed) and not (library.denied and path.startswith(library.denied))


class Checker:
    def __init__(self, root):
        self.root = Path(root)
        self.files = {}  # path from the root -> its includes
        self.problems = []

    def report(self, path, line, what, advice):
        self.problems.append((path, line, f"{what}; {advice}"))

    def run(self):
        self.walk_tree()
        for path, includes in sorted(self.files.items()):
            if path.split("/")[0] in UNLAYERED or not self.check_place(path):
                continue
            for include in includes:
                self.check_include(path, include)
        return sorted(self.problems)

    def walk_tree(self):
        for folder, subfolders, names in os.walk(self.root):
            subfolders[:] = [name for name in subfolders if name not in SKIPPED_FOLDERS and not name.startswith(".")]
            here = Path(folder).relative_to(self.root)
            for name in subfolders:
                if name in JUNK_DRAWERS:
                    self.report((here / name).as_posix(), 1, f"a folder named {name}",
                                "a helper lives beside its only user and moves down when a second folder needs it")
            for name in names:
                if Path(name).suffix in SOURCE_SUFFIXES:
                    self.files[(here / name).as_posix()] = read_includes(Path(folder) / name)

    def check_place(self, path):
        top = path.split("/")[0]
        if top not in TOP_LAYERS or "/" not in path:
            self.report(path, 1, "this file is in no layer",
                        f"put it into one of {', '.join(TOP_LAYERS)}, or give its folder a place in TOP_LAYERS")
            return False
        layer = gateway_layer(path)
        if layer is not None and layer not in GATEWAY_LAYERS:
            self.report(path, 1, f"gateway/{layer} is in no layer", "give it a place in GATEWAY_LAYERS")
            return False
        return True

    def check_include(self, path, include):
        target = include.target
        if library := library_of(target):
            if not may_use(library, path):
                self.report(path, include.line, f"includes {library.name} (<{target}>), which is not for this place",
                            library.advice)
        elif target in self.files:
            self.check_order(path, include)
            self.check_transitive(path, include)
        elif target.split("/")[0] in TOP_LAYERS:
            self.report(path, include.line, f'"{target}" does not exist', "correct the path, or add the file")
        elif include.quoted:
            self.report(path, include.line, f'"{target}" is not a path from the root of the repository',
                        "write our own headers from the root, other libraries' in <>")

    def check_order(self, path, include):
        target = include.target
        top, target_top = path.split("/")[0], target.split("/")[0]
        if target_top in UNLAYERED:
            self.report(path, include.line, f'"{target}" is no part of the product', "move what is needed out of it")
        elif TOP_LAYERS[target_top] > TOP_LAYERS[top]:
            self.report(path, include.line, f'{top} includes "{target}", but {target_top} is above {top}',
                        f"move what is needed down, or hand it in from {target_top}")
        elif top == "metrics" and target_top == "config" and not PLAIN_CONFIG.match(target):
            self.report(path, include.line, f'metrics includes "{target}", which is more than plain settings',
                        "metrics may know config.h, values.h and the <section>_config.h only")
        elif top == target_top == "gateway":
            self.check_gateway_order(path, include)

    def check_gateway_order(self, path, include):
        layer, target = gateway_layer(path), gateway_layer(include.target)
        if layer == target or target not in GATEWAY_LAYERS or GATEWAY_LAYERS[target] < GATEWAY_LAYERS[layer]:
            return
        place = "above" if GATEWAY_LAYERS[target] > GATEWAY_LAYERS[layer] else "beside"
        self.report(path, include.line, f'gateway {layer} includes "{include.target}", but {target} is {place} {layer}',
                    f"move what is needed below both, or hand it in from {target}" if place == "above"
                    else "move what both need down a layer, or join them one layer up")

    def check_transitive(self, path, include):
        for library in LIBRARIES:
            if library.transitive and not may_use(library, path):
                if chain := self.chain_to(library, include.target, set()):
                    self.report(path, include.line, f"brings in {library.name} through {' -> '.join(chain)}",
                                library.advice)

    def chain_to(self, library, path, visited):
        """The headers by which `path` reaches the library. Those that may not use it answer for themselves."""
        if path in visited or not may_use(library, path):
            return []
        visited.add(path)
        for include in self.files.get(path, ()):
            if library_of(include.target) is library:
                return [path, f"<{include.target}>"]
            if chain := self.chain_to(library, include.target, visited):
                return [path, *chain]
        return []


# What the self-test puts into a good tree, one at a time: a file, its text, and what must be said (None: nothing).
SELF_TEST = (
    ("config/load.cpp", '#include "config/load.h"\n#include <yaml-cpp/yaml.h>\n', None),
    ("config/load.cpp", '\n#include "metrics/registry.h"\n', "config/load.cpp:2: config includes"),
    ("metrics/log.cpp", '#include <spdlog/async.h>\n#include "config/service_config.h"\n', None),
    ("metrics/log_sink.h", "#include <spdlog/sinks/base_sink.h>\n", None),
    ("metrics/registry.cpp", "#include <spdlog/spdlog.h>\n", "metrics/registry.cpp:1: includes spdlog"),
    ("metrics/registry.cpp", '#include "config/load.h"\n', "metrics/registry.cpp:1: metrics includes"),
    ("metrics/registry.cpp", "#include <yaml-cpp/yaml.h>\n", "metrics/registry.cpp:1: includes yaml-cpp"),
    ("metrics/registry.cpp", "#include <asio/post.hpp>\n", "metrics/registry.cpp:1: includes Asio"),
    ("metrics/registry.cpp", "#include <openssl/evp.h>\n", "metrics/registry.cpp:1: includes OpenSSL"),
    ("tls/stream.cpp", '#include "upstream/endpoint.h"\n', "upstream is above tls"),
    ("tls/stream.cpp", "#include <prometheus/counter.h>\n", "tls/stream.cpp:1: includes prometheus-cpp"),
    ("tls/stream.cpp", "#include <spdlog/spdlog.h>\n", "tls/stream.cpp:1: includes spdlog"),
    ("tls/stream.cpp", '#include "tls/missing.h"\n', '"tls/missing.h" does not exist'),
    ("tls/stream.cpp", '#include "io_types.h"\n', "not a path from the root"),
    ("tls/stream.cpp", '#include "tests/support/peer.h"\n', "no part of the product"),
    ("upstream/endpoint.cpp", "  #  include <gateway/http/headers.h>\n", "gateway is above upstream"),
    ("upstream/endpoint.cpp", '#include "tls/io_types.h"\n#include "metrics/log.h"\n', None),
    ("upstream/endpoint.cpp", "#include <nghttp2/nghttp2.h>\n", "upstream/endpoint.cpp:1: includes nghttp2"),
    ("gateway/sessions/exchange.cpp", "#include <nghttp2/nghttp2.h>\n", "gateway/sessions/exchange.cpp:1: includes nghttp2"),
    ("gateway/http2/session.cpp", "#include <nghttp2/nghttp2.h>\n", None),
    ("gateway/http/uri.cpp", '#include "gateway/http1/parser.h"\n', "http1 is above http"),
    ("gateway/http1/parser.cpp", '#include "gateway/websocket/frame.h"\n', "websocket is beside http1"),
    ("gateway/http1/parser.cpp", "#include <asio.hpp>\n", "gateway/http1/parser.cpp:1: includes Asio"),
    ("tls/stream.cpp", "#include <asio/post.hpp>\n", "tls/stream.cpp:1: includes Asio"),
    ("gateway/admin/admin.cpp", "#include <asio/ip/tcp.hpp>\n", None),
    ("gateway/routing/table.cpp", '#include "tls/stream.h"\n',
     "brings in epoll through tls/stream.h -> tls/io_types.h -> <sys/epoll.h>"),
    ("gateway/routing/table.cpp", '#include "gateway/http/headers.h"\n#include "config/config.h"\n', None),
    ("gateway/websocket/frame.cpp", '#include "tls/stream.h"\n', "brings in epoll"),
    ("gateway/websocket/tunnel.cpp", '#include "tls/stream.h"\n#include "gateway/websocket/frame.h"\n', None),
    ("gateway/filters/cors.cpp", '#include "gateway/proxy/reply.h"\n', "proxy is above filters"),
    ("gateway/proxy/reply.cpp", '#include "gateway/sessions/session.h"\n', "sessions is above proxy"),
    ("gateway/proxy/reply.cpp", '#include "gateway/server.h"\n', "server is above proxy"),
    ("gateway/proxy/reply.cpp", '#include "gateway/admin/admin.h"\n', "server is above proxy"),
    ("gateway/proxy/reply.cpp", '#include "gateway/websocket/frame.h"\n#include "upstream/endpoint.h"\n', None),
    ("gateway/admin/admin.cpp", '#include "gateway/server.h"\n#include "gateway/sessions/session.h"\n', None),
    ("gateway/proxy/reply.cpp", '#include "gateway/commands/explain.h"\n', "server is above proxy"),
    ("gateway/commands/explain.cpp", '#include "gateway/proxy/reply.h"\n', None),
    ("gateway/main.cpp", '#include "gateway/server.h"\n#include <CLI/CLI.hpp>\n#include <string>\n', None),
    ("gateway/extra/thing.cpp", "\n", "gateway/extra is in no layer"),
    ("core/thing.cpp", "\n", "core/thing.cpp:1: this file is in no layer"),
    ("upstream/util/text.h", "\n", "a folder named util"),
    ("tests/common/text.py", "\n", "a folder named common"),
    ("tests/unit/any_test.cpp", '#include "gateway/server.h"\n#include "anything.h"\n', None),
)

GOOD_TREE = {
    "config/config.h": "", "config/load.h": "", "config/service_config.h": "",
    "metrics/log.h": "#include <spdlog/spdlog.h>\n", "metrics/registry.h": "",
    "tls/io_types.h": "#include <sys/epoll.h>\n", "tls/stream.h": '#include "tls/io_types.h"\n',
    "upstream/endpoint.h": '#include "tls/stream.h"\n',
    "gateway/http/headers.h": "", "gateway/http1/parser.h": '#include "gateway/http/headers.h"\n',
    "gateway/websocket/frame.h": "", "gateway/proxy/reply.h": "", "gateway/sessions/session.h": "",
    "gateway/server.h": "", "gateway/admin/admin.h": "", "gateway/commands/explain.h": "", "tests/support/peer.h": "",
}


def write_tree(root, tree):
    for path, text in tree.items():
        file = Path(root, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def lines_of(problems):
    return [f"{path}:{line}: {text}" for path, line, text in problems]


def self_test():
    failures = []
    for path, text, expected in SELF_TEST:
        with tempfile.TemporaryDirectory() as root:
            write_tree(root, {**GOOD_TREE, path: text})
            said = lines_of(Checker(root).run())
        fine = not said if expected is None else len(said) == 1 and expected in said[0]
        if not fine:
            failures.append(f"{path} with {text!r}: expected {expected or 'nothing'!r}, got {said}")
    for failure in failures:
        print(failure)
    print(f"self-test: {len(SELF_TEST) - len(failures)} of {len(SELF_TEST)} cases right")
    return 1 if failures else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    if len(arguments) > 1 or (arguments and not Path(arguments[0]).is_dir()):
        print(__doc__, file=sys.stderr)
        return 2
    checker = Checker(arguments[0] if arguments else Path(__file__).resolve().parent.parent)
    problems = checker.run()
    for line in lines_of(problems):
        print(line)
    layered = sum(path.split("/")[0] in TOP_LAYERS for path in checker.files)
    print(f"{layered} files in layers, {len(problems)} problems")
    return 1 if problems or layered == 0 else 0  # no files at all: this is not the repository


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
