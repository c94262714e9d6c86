"""The Prometheus text format, read strictly enough to notice when it is not."""

import re

SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: [0-9]+)?")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)",?')


class Metrics:
    def __init__(self, text):
        self.text = text
        self.types = {}
        self.samples = []  # (name, labels, value)
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split()
                assert name not in self.types, f"family {name} appears twice"
                self.types[name] = kind
            elif line and not line.startswith("#"):
                match = SAMPLE.fullmatch(line)
                assert match, f"malformed sample {line!r}"
                labels = dict(LABEL.findall(match[2] or ""))
                self.samples.append((match[1], labels, float(match[3])))

    def value(self, name, **labels):
        """The sum of the samples of that name that have these labels; 0 when there is none."""
        return sum(value for sample, found, value in self.samples
                   if sample == name and labels.items() <= found.items())

    def labels(self, name, label):
        return {found.get(label) for sample, found, _ in self.samples if sample == name}

    def family(self, name):
        """The lines about a family, for messages."""
        return "\n".join(line for line in self.text.splitlines() if line.startswith(name)) or f"no sample of {name}"
