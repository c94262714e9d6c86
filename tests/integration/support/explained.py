"""`sluice explain --json`, and what of it is compared."""

import json

from support.gateway import run_sluice


def explain(config_file, method, url, *arguments):
    result = run_sluice("explain", "--config", config_file, "--json", method, url, *arguments)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def flags(headers):
    return [word for name, value in headers for word in ("-H", f"{name}: {value}")]


def without(fields, *names):
    return [(name, value) for name, value in fields if name not in names]


def explained_fields(part, *names):
    return without([(field["name"], field["value"]) for field in part["headers"]], *names)
