#!/usr/bin/python3
"""Checks that the alert rules and the Grafana dashboard ask only for what the gateway counts, and for all of it.

Every metric that an expression of deploy/prometheus/*.yml or deploy/grafana/*.json names must be registered in
metrics/*.cpp, with the suffix that its kind has (a histogram is asked by _bucket, _sum or _count), and every label must be one
that the sources or Prometheus itself set. Every metric of the gateway's own is asked for by a panel or an alert, or listed in
NOT_ASKED. Panels have ids of their own and do not lie on one another. Prints `FILE: what is wrong`, one line each.

Usage: check_dashboards.py [ROOT] | check_dashboards.py --self-test
Exit: 0 nothing wrong, 1 something is wrong (or a failed self-test), 2 usage.
"""

import json
import re
import sys
from pathlib import Path

import yaml

NAME = re.compile(r"\b(?:sluice|process)_[a-zA-Z0-9_]+\b")
LITERAL = re.compile(r'"((?:sluice|process)_[a-z0-9_]+)"')
# registry.counter(worker, "name" ... and registry.gauge_at_scrape("name" ...
REGISTERED = re.compile(
    r'\b(counter|gauge|histogram|counter_at_scrape|gauge_at_scrape)\(\s*(?:(?:worker|registry\.workers\(\)),\s*)?"([a-z0-9_]+)"')
LABEL_SET = re.compile(r'\{"([a-z_]+)",')
FROM_PROMETHEUS = {"instance", "job", "le"}
# Metrics that no panel nor alert needs, and why.
NOT_ASKED = {}

SELECTOR = re.compile(r"\{([^{}]*)\}")
MATCHER = re.compile(r'([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)\s*"')
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)")


def registered(sources):
    """The kind of each metric, the label names, and the names whose kind the pattern above cannot tell."""
    kinds, labels, literals = {}, set(), set()
    for text in sources:
        for kind, name in REGISTERED.findall(text):
            kinds[name] = kind.removesuffix("_at_scrape")
        labels.update(LABEL_SET.findall(text))
        literals.update(LITERAL.findall(text))
    return kinds, labels, literals - set(kinds)


def wrong_name(name, kinds):
    """What is wrong with a metric name in an expression; None when nothing is."""
    if kinds.get(name) == "histogram":
        return f"{name} is a histogram: ask for {name}_bucket, {name}_sum or {name}_count"
    if name in kinds:
        return None
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    if base != name and kinds.get(base) == "histogram":
        return None
    return f"no metric is named {name}"


def problems_of(expression, kinds, labels):
    for name in sorted(set(NAME.findall(expression))):
        problem = wrong_name(name, kinds)
        if problem:
            yield problem
    used = set()
    for selector in SELECTOR.findall(expression):
        used.update(MATCHER.findall(selector))
    for group in GROUPING.findall(expression):
        used.update(label.strip() for label in group.split(",") if label.strip())
    for label in sorted(used - labels - FROM_PROMETHEUS):
        yield f"no metric has the label {label}, in: {expression}"


def asked_for(expressions, kinds):
    """The metrics that the expressions name."""
    names = {name for expression in expressions for name in NAME.findall(expression)}
    return {name for name in kinds if name in names or any(f"{name}_{end}" in names for end in ("bucket", "sum", "count"))}


def unasked(kinds, asked):
    for name in sorted(set(kinds) - asked - set(NOT_ASKED)):
        if name.startswith("sluice_"):
            yield f"{name} is in no panel and no alert: show it in deploy/grafana, or list it in NOT_ASKED with the reason"
    for name in sorted(set(NOT_ASKED) & asked | set(NOT_ASKED) - set(kinds)):
        yield f"{name} is in NOT_ASKED, but asked for or no metric"


def layout_problems(dashboard):
    """Panels that share an id or a place."""
    ids, places = {}, {}
    for panel in dashboard.get("panels", []):
        title, at = panel.get("title", "?"), panel["gridPos"]
        if ids.setdefault(panel["id"], title) != title:
            yield f"panels {ids[panel['id']]} and {title} have the same id {panel['id']}"
        cells = [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
        under = {places.setdefault(cell, title) for cell in cells} - {title}
        if under:
            yield f"panel {title} lies on {', '.join(sorted(under))}"


def values_of(node, keys):
    """Every string under one of `keys`, at any depth."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in keys and isinstance(value, str):
                yield value
            else:
                yield from values_of(value, keys)
    elif isinstance(node, list):
        for value in node:
            yield from values_of(value, keys)


def check(root):
    kinds, labels, unknown = registered(path.read_text() for path in sorted((root / "metrics").glob("*.cpp")))
    problems = [f"metrics: cannot tell how {name} is registered" for name in sorted(unknown)]
    files = {path: yaml.safe_load(path.read_text()) for path in sorted((root / "deploy/prometheus").glob("*.yml"))}
    files.update({path: json.loads(path.read_text()) for path in sorted((root / "deploy/grafana").glob("*.json"))})
    expressions = []
    for path, content in files.items():
        of_file = list(values_of(content, {"expr", "definition", "query"}))
        expressions += of_file
        found = [problem for expression in of_file for problem in problems_of(expression, kinds, labels)]
        problems += [f"{path.relative_to(root)}: {problem}" for problem in [*found, *layout_problems(content)]]
    problems += [f"metrics: {problem}" for problem in unasked(kinds, asked_for(expressions, kinds))]
    if not kinds or not expressions:
        problems.append(f"{root}: found {len(kinds)} metrics and {len(expressions)} expressions; has a folder moved?")
    return problems


def self_test():
    source = '''a(registry.counter(worker, "sluice_x_total", "X.", {{"route", r}, {"method", m}})),
                b(registry.histogram(worker,
                                     "sluice_t_seconds", "T.", kBounds)),
                registry.gauge_at_scrape("process_y", "Y.", {}, f); f("sluice_odd");'''
    kinds, labels, unknown = registered([source])
    assert kinds == {"sluice_x_total": "counter", "sluice_t_seconds": "histogram", "process_y": "gauge"}, kinds
    assert labels == {"route", "method"}, labels
    assert unknown == {"sluice_odd"}, unknown
    good = ['sum by (route, le) (rate(sluice_t_seconds_bucket{method=~"G.*",job="sluice"}[5m])) / process_y',
            "sluice_t_seconds_sum / sluice_t_seconds_count > sluice_x_total"]
    bad = ["sluice_x", "sluice_t_seconds", "sluice_x_total_count", "process_z", 'sluice_x_total{rout="a"}',
           "sum by (upstream) (sluice_x_total)"]
    for expression in good:
        found = list(problems_of(expression, kinds, labels))
        assert not found, (expression, found)
    for expression in bad:
        assert len(list(problems_of(expression, kinds, labels))) == 1, expression
    assert asked_for(good, kinds) == set(kinds)
    assert asked_for(good[:1], kinds) == {"sluice_t_seconds", "process_y"}
    assert len(list(unasked(kinds, {"sluice_t_seconds"}))) == 1
    panel = {"id": 1, "title": "a", "gridPos": {"x": 0, "y": 0, "w": 2, "h": 2}}
    beside = {"id": 2, "title": "b", "gridPos": {"x": 2, "y": 0, "w": 2, "h": 2}}
    over = {"id": 2, "title": "c", "gridPos": {"x": 1, "y": 1, "w": 1, "h": 1}}
    assert not list(layout_problems({"panels": [panel, beside]}))
    assert len(list(layout_problems({"panels": [panel, beside, over]}))) == 2
    assert list(values_of({"a": [{"expr": "x"}], "expr": {"query": "y"}}, {"expr", "query"})) == ["x", "y"]


def main(arguments):
    if arguments == ["--self-test"]:
        self_test()
        return 0
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        print(__doc__, file=sys.stderr)
        return 2
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    problems = check(root)
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
