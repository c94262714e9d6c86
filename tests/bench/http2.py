"""The load of HTTP/2: h2load, whose output is read, and the proxy's processor time over all of its run.

The handshakes are in it: 16 of them, among tens of thousands of requests.
"""

import os
import re
import subprocess

from proxies import cpu_seconds

FINISHED = re.compile(r"finished in ([\d.]+)(ms|s),.*?requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded", re.DOTALL)


def run_h2load(work, setup, port, watched, seconds):
    """As bench_load would say it, with the times of all requests."""
    log = f"{setup.folder}/h2load.log"
    if os.path.exists(log):
        os.remove(log)  # it appends
    command = ["taskset", "-c", str(setup.load_core), "h2load", *work.load, f"--duration={seconds * 1000:.0f}ms",
               f"--log-file={log}", f"https://127.0.0.1:{port}/1k"]
    before = cpu_seconds(watched)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=seconds + 60, check=False)
    used = cpu_seconds(watched) - before
    found = FINISHED.search(done.stdout)
    if not found or "Application protocol: h2" not in done.stdout:
        return {"units": 0, "errors": 1, "said": done.stdout[-300:]}
    times = []
    with open(log) as lines:
        for line in lines:
            _, status, microseconds = line.split()
            times.append((int(microseconds), status))
    good = sorted(time_of for time_of, status in times if status == "200")
    took = float(found.group(1)) / (1000 if found.group(2) == "ms" else 1)
    answered, units = int(found.group(3)), int(found.group(4))
    p99 = good[len(good) * 99 // 100]
    return {"units": units, "errors": answered - units + len(times) - len(good), "seconds": took, "cpu_us": used * 1e6,
            "p50_us": good[len(good) // 2], "p99_us": p99, "typical_p99_us": p99}
