"""A page of docs/backends as a test: its files, its commands and what they should say.

- A block whose first line is `# NAME` or `// NAME`, with a file name's ending, is that file.
- `# start` begins a block with the command that starts the application; a second one is another way to start it.
- `# check` begins a block of commands; the next block of `text` is what they print.

Ports are whatever is free, and `npx wscat` is the wscat of the Node tests; everything else is as written.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from support.binary import ROOT
from support.gateway import environment
from support.real_backends import NODE_MODULES, Process

PAGES = ROOT / "docs/backends"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
FILE = re.compile(r"(?:#|//) ([\w-]+\.\w+)\n")
PLACE = r"(?:127\.0\.0\.1:|port: )([1-9]\d*)\b"
APPLICATION_PORT, GATEWAY_PORT = "8000", "8443"


class Guide:
    def __init__(self, name):
        blocks = FENCE.findall((PAGES / f"{name}.md").read_text(encoding="utf-8"))
        self.files = {FILE.match(body)[1]: body for _, body in blocks if FILE.match(body)}
        self.config = self.files.pop("sluice.yaml")
        self.starts = [self._marked(body) for _, body in blocks if body.startswith("# start\n")]
        checks = [number for number, (_, body) in enumerate(blocks) if body.startswith("# check\n")]
        self.check = "".join(self._marked(blocks[number][1]) for number in checks)
        self.expected = "".join(
            next(body for language, body in blocks[number:] if language == "text") for number in checks)

    @staticmethod
    def _marked(body):
        return body.split("\n", 1)[1]

    def start_application(self, folder, way):
        for name, text in self.files.items():
            (folder / name).write_text(text.replace(APPLICATION_PORT, "0"), encoding="utf-8")
        (folder / "node_modules").symlink_to(NODE_MODULES)
        command = self.starts[way].strip().replace(APPLICATION_PORT, "0")
        return Process(["bash", "-c", f"exec {command}"], PLACE, folder, "application", self._environment(), folder,
                       start_within=40)  # frameworks are large

    def config_for(self, application):
        """Its sluice.yaml, in front of that application."""
        text = self.config.replace(f"http://127.0.0.1:{APPLICATION_PORT}", application.url)
        return re.sub(r'"[\d.]+:(?!0")\d+"', '"127.0.0.1:0"', text)

    def run_check(self, folder, gateway_port):
        """What its commands print, with the port as it is written in the guide."""
        # Origins stay: the applications' lists have them as they are written.
        command = re.sub(rf"(?<!-o https://localhost:){GATEWAY_PORT}", str(gateway_port), self.check)
        command = command.replace("npx wscat", "wscat")
        # wscat ends with its standard input, so that is a pipe that stays open.
        process = subprocess.Popen(["bash", "-c", command], cwd=folder, env=self._environment(), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        try:
            output = process.stdout.read()  # ends with the last of them; the test's deadline bounds it
        finally:
            process.stdin.close()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return output.replace(str(gateway_port), GATEWAY_PORT)

    @staticmethod
    def _environment():
        """`python3` is the one with the distribution's packages."""
        path = os.pathsep.join([str(NODE_MODULES / ".bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
        return environment({"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"})


def lines(text):
    return [line for line in text.splitlines() if line.strip()]
