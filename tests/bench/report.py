"""Turns the results of a run into its tables."""

import os
import platform
import statistics
import time

SATURATED = 0.9  # below it something else than the proxy was the limit


def machine():
    with open("/proc/cpuinfo") as info:
        names = [line.split(":")[1].strip() for line in info if line.startswith("model name")]
    model = names[0] if names else platform.machine()
    return f"{time.strftime('%Y-%m-%d')}, {model}, {os.cpu_count()} cores, Linux {platform.release()}"


class Report:
    """The tables, made from the results alone."""

    def __init__(self, results, names, titles, markdown):
        self.results, self.names, self.titles, self.markdown = results, names, titles, markdown
        self.peers = [name for name in names if name not in ("floor", "sluice")]
        self.unsaturated = False

    def print(self):
        self.cpu_table("cpu", "CPU microseconds of the proxy per unit of work")
        self.cpu_table("cpu_with_backend", "CPU microseconds of the proxy and the backend together per message")
        self.latency_table()
        self.memory_table()
        self.pings_table()
        if self.unsaturated:
            print(f"~ the proxy was less than {SATURATED:.0%} busy: the load generator, or other work on the "
                  "machine, was the limit\n")

    def table(self, title, header, rows):
        if not rows:
            return
        print(("### " if self.markdown else "") + title + ("\n" if self.markdown else ""))
        if self.markdown:
            for row in [header, ["---"] + ["---:"] * (len(header) - 1), *rows]:
                print("| " + " | ".join(row) + " |")
        else:
            widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
            for row in [header, *rows]:
                figures = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
                print("  ".join([row[0].ljust(widths[0]), *figures]))
        print()

    def with_ratios(self, values):
        """Sluice against the better peer and against the floor."""
        sluice = values.get("sluice")
        better = min((values[name] for name in self.peers if values.get(name)), default=None)
        others = (better, values.get("floor"))
        return [f"{sluice / other:.2f}" if sluice and other else "-" for other in others]

    def cpu_table(self, section, title):
        rows = []
        for work, rounds in self.results[section].items():
            values, cells = {}, []
            for name in self.names:
                if not rounds.get(name):
                    cells.append("failed" if name in rounds else "-")
                    continue
                values[name] = statistics.median(result["cpu_per_unit"] for result in rounds[name])
                mark = ""
                # Together with a backend the proxy is not the one that has to be busy.
                busy = statistics.median(result["busy"] for result in rounds[name])
                if section == "cpu" and busy < SATURATED:
                    mark, self.unsaturated = "~", True
                cells.append(f"{mark}{values[name]:.{2 if values[name] < 10 else 1}f}")
            rows.append([self.titles[work], *cells, *self.with_ratios(values)])
        self.table(title, ["work", *self.names, "to better peer", "to floor"], rows)

    def latency_table(self):
        rows = []
        for work, rounds in self.results["latency"].items():
            cells = []
            for name in self.names:
                medians = [statistics.median(result[key] for result in rounds[name]) if rounds[name] else 0
                           for key in ("p50_us", "typical_p99_us", "p99_us")]
                cells.append(" / ".join(f"{median:.0f}" for median in medians))
            rows.append([self.titles[work], *cells])
        self.table("Latency in microseconds at half load: p50 / p99 of 50 ms, the median of them / p99 of all", ["work", *self.names], rows)

    def memory_table(self):
        rows = []
        for work, counts in self.results["memory"].items():
            for tunnels, proxies in counts.items():
                for state in ("fresh", "carried"):
                    values = {name: row[state] for name, row in proxies.items() if state in row}
                    if not values:
                        continue
                    after = ", after 1 MiB" if state == "carried" else ""
                    title = f"{self.titles[work]}, {tunnels} open{after}"
                    cells = [f"{values[name]:.1f}" if name in values else "failed" if name in proxies else "-" for name in self.names]
                    rows.append([title, *cells, *self.with_ratios(values)])
        self.table("Resident KiB per idle tunnel", ["state", *self.names, "to better peer", "to floor"], rows)

    def pings_table(self):
        rows = [[f"{self.titles[work]}, {row['tunnels']} open", f"{row['pings']:.0f}", f"{row['percent']:.2f}"]
                for work, row in self.results["pings"].items()]
        self.table("Processor time for Pings, Sluice", ["state", "Pings answered per second", "% of a core"], rows)
