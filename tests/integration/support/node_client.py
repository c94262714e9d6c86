"""A client program on Node's packages; it says what happened to it as lines of JSON."""

import json
import os
import subprocess
from pathlib import Path

from support import real_backends
from support.waiting import seconds, wait_until


class NodeClient:
    def __init__(self, folder, script, *arguments, ca=None):
        """`ca`: the file with the authority that it is to trust."""
        stem = Path(script).stem
        name = f"{stem}-{len(list(Path(folder).glob(f'{stem}-*.out')))}"
        self.output_file, self.error_file = Path(folder) / f"{name}.out", Path(folder) / f"{name}.err"
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        if ca:
            environment["NODE_EXTRA_CA_CERTS"] = str(ca)
        with open(self.output_file, "wb") as output, open(self.error_file, "wb") as error:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *real_backends.node(script, *map(str, arguments))],
                env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=error)

    def said(self, event=None):
        """Everything that it has said so far, or all events of that name."""
        lines = [json.loads(line) for line in self.output_file.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return lines if event is None else [line for line in lines if line.get("event") == event]

    def report(self):
        return f"said {self.said()}, exit code {self.process.poll()}, stderr:\n{self.error_file.read_text()}"

    def wait_event(self, event, count=1, timeout=10):
        """The count-th event of that name."""
        def happened():
            code = self.process.poll()  # before reading: what it says last comes before its end
            found = self.said(event)
            assert code is None or code == 0 and len(found) >= count, self.report()
            return found[count - 1:count]

        return wait_until(happened, lambda: f"{event} number {count}: {self.report()}", timeout)[0]

    def finish(self, timeout=20):
        """Waits for its end, which must be a good one; what it said."""
        try:
            code = self.process.wait(seconds(timeout))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the client does not end: {self.report()}") from None
        assert code == 0, self.report()
        return self.said()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
