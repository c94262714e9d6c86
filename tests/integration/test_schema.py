"""`sluice schema`: it takes every configuration that the loader takes, and sees what can be seen at one key."""

import copy
import json
import re
import sys

import jsonschema
import pytest
import yaml

from support.binary import ROOT
from support.gateway import run_sluice

sys.path.insert(0, str(ROOT / "tests"))
import check_docs  # noqa: E402

GOLDEN = ROOT / "tests/golden/config"

# Faults that need more than one key, the environment, other files, or the syntax of a text.
BEYOND_A_SCHEMA = {
    "admin_token_not_set", "admin_unix", "admin_with_empty_token", "admin_without_token", "duplicate_keys", "listener_addresses_taken",
    "redirect_to_https_nowhere", "reference_without_any", "route_match_hosts", "variables_where_none_are",
}
# No single YAML document, so nothing that could be validated.
NO_YAML = {"syntax_alias", "syntax_comma", "syntax_tab", "syntax_unclosed", "two_documents", "complex_keys"}


class Yaml12(yaml.SafeLoader):
    """What editors take for a value: the core schema of YAML 1.2, where `off` and `on` are words. Keys are texts."""

    yaml_implicit_resolvers = {}

    def construct_mapping(self, node, deep=False):
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}


Yaml12.add_constructor("tag:yaml.org,2002:map", lambda loader, node: loader.construct_mapping(node))
Yaml12.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
Yaml12.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+$"), list("-+0123456789"))
Yaml12.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]*\.[0-9]+$"), list("-+.0123456789"))
Yaml12.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("~$|null$|Null$|NULL$|$"), ["~", "n", "N", ""])
Yaml12.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value, 10))


def parse(text):
    return yaml.load(text, Yaml12)


@pytest.fixture(scope="module")
def schema():
    result = run_sluice("schema")
    assert result.returncode == 0 and not result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def validator(schema):
    return jsonschema.Draft7Validator(schema)


def problems(validator, text):
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(parse(text))]


def names_in(folder):
    return sorted(file.stem for file in (GOLDEN / folder).glob("*.yaml"))


def test_it_is_a_schema(schema):
    jsonschema.Draft7Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize("name", names_in("good"))
def test_good_files_are_taken(validator, name):
    assert problems(validator, (GOLDEN / "good" / f"{name}.yaml").read_text()) == []


@pytest.mark.parametrize("name", sorted(set(names_in("bad")) - NO_YAML))
def test_faults_at_one_key_are_seen(validator, name):
    seen = problems(validator, (GOLDEN / "bad" / f"{name}.yaml").read_text())
    assert bool(seen) == (name not in BEYOND_A_SCHEMA), seen


@pytest.mark.parametrize("file", sorted((ROOT / "deploy/examples").glob("*.yaml")), ids=lambda file: file.stem)
def test_examples_are_taken(validator, file):
    assert problems(validator, file.read_text()) == []


def test_the_documents_configurations_are_taken(validator):
    checked = 0
    for document in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for language, body in check_docs.FENCE.findall(document.read_text()):
            if language == "yaml" and body.startswith(check_docs.MARK):
                checked += 1
                assert problems(validator, body) == [], f"{document.name}:\n{body}"
    assert checked >= 6


def keys_of(schema, path=""):
    """The paths of all keys, in whatever form a schema has them."""
    for part in [schema, schema.get("items", {}), *schema.get("anyOf", []), *schema.get("items", {}).get("anyOf", [])]:
        for name, below in part.get("properties", {}).items():
            yield f"{path}{name}"
            yield from keys_of(below, f"{path}{name}.")


def test_it_has_the_keys_that_the_loader_takes(schema):
    paths, _ = check_docs.supported_keys((GOLDEN / "bad/all_keys.yaml").read_text(),
                                         (GOLDEN / "bad/all_keys.expected").read_text())
    assert set(keys_of(schema)) == paths
    assert len(paths) > 100


def descriptions_of(schema):
    if isinstance(schema, dict):
        yield from [schema["description"]] if isinstance(schema.get("description"), str) else []
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from descriptions_of(part)


def test_descriptions_stand_alone(schema):
    """In an editor there is nothing above or below."""
    said = list(descriptions_of(schema))
    assert len(said) > 100
    assert [text for text in said if re.search(r"\bbelow\b|\b[Ss]ee above|\bthe next two\b", text)] == []


DURATIONS = ["500ms", "5s", "1m30s", "1h2m3s4ms", "90s", "off", "", "5", "s", "1s1m", "1s1s", "1.5s", "5 s", "-1s", "0x1s", "5S"]
SIZES = ["100", "64KiB", "10MB", "500B", "off", "", "KiB", "1kib", "1.5KiB", "1 KiB", "-1", "1KiX", "1K"]


@pytest.mark.parametrize("key,texts", [("timeouts.connect", DURATIONS), ("limits.max_request_body", SIZES)])
def test_patterns_say_what_the_loader_says(validator, tmp_path, key, texts):
    section, name = key.split(".")
    said = {}
    for text in texts:
        file = tmp_path / "sluice.yaml"
        file.write_text(f"listeners: [{{ name: web, address: 127.0.0.1:0 }}]\n{section}: {{ {name}: '{text}' }}\n")
        said[text] = (not problems(validator, file.read_text()), run_sluice("check", "--config", file).returncode == 0)
    assert all(schema == loader for schema, loader in said.values()), said
    assert len(set(said.values())) == 2, "some are taken and some are not"


BASE = parse((GOLDEN / "good/every_default_written_out.yaml").read_text())


def places(value, path=()):
    """Every scalar in a configuration."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from places(below, (*path, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from places(below, (*path, index))
    else:
        yield path


def put(config, path, value):
    changed = copy.deepcopy(config)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return changed


@pytest.mark.parametrize("path", list(places(BASE)), ids=lambda path: ".".join(map(str, path)))
def test_the_environment_may_stand_anywhere(validator, path):
    for text in ("${NAME}", "${NAME:-7}", "${_A1:-}"):
        assert not list(validator.iter_errors(put(BASE, path, text))), text


@pytest.mark.parametrize("path,value", [
    ("limits.max_headers", "many"), ("limits.max_headers", 0), ("limits.max_headers", 10001), ("limits.max_headers", "100"),
    ("limits.max_headers", "${name}"), ("limits.max_request_line", "1KiX"), ("limits.max_request_line", 15),
    ("timeouts.connect", 5), ("timeouts.connect", "5"), ("timeouts.connect", None), ("timeouts.drain", "off"),
    ("timeouts.connect", False), ("log.level", "loud"), ("listeners.0.redirect_to_https", "yes"), ("workers", "many"),
    ("workers", 0), ("routes.0.websocket.max_tunnels", "none"), ("listeners.1.tls.min_version", 1.1), ("routes.0.name", None),
    ("listeners", []), ("upstreams.0.retries.on.0", "never"), ("upstreams.0.endpoints.0", {"weight": 1}), ("routes", {}),
    ("listeners.1.protocols", ["h2", "h2"]), ("listeners.1.protocols", ["h2c"]),
])
def test_wrong_values_are_seen(validator, path, value):
    steps = tuple(int(step) if step.isdigit() else step for step in path.split("."))
    assert list(validator.iter_errors(put(BASE, steps, value)))


@pytest.mark.parametrize("path,value", [
    ("limits.max_request_body", "off"), ("limits.max_request_body", 1000), ("workers", "auto"), ("workers", 2),
    ("timeouts.connect", "off"), ("timeouts.connect", "1m30s500ms"), ("listeners.1.tls.min_version", 1.2),
    ("routes.0.name", 7), ("routes.0.websocket.max_tunnels", 5), ("upstreams.0.endpoints.0", {"url": "http://a", "weight": 2}),
    ("routes.0.request_headers.set", {"X-A": 1, "X-B": True, "X-C": "${host}"}),
    ("routes.0.match", {"headers": [{"name": "X", "equals": 1}], "path": "/a"}),
    ("routes.0.error_pages", {"502": "file:oops.html"}), ("listeners.0.mode", 660),
])
def test_whatever_the_loader_reads_is_taken(validator, path, value):
    steps = tuple(int(step) if step.isdigit() else step for step in path.split("."))
    assert not list(validator.iter_errors(put(BASE, steps, value)))


@pytest.mark.parametrize("route", [
    {"name": "none"}, {"name": "two", "upstream": "chat", "respond": {}},
    {"name": "paths", "upstream": "chat", "match": {"path": "/a", "path_prefix": "/b"}},
    {"name": "no_test", "upstream": "chat", "match": {"headers": [{"name": "X"}]}},
    {"name": "two_tests", "upstream": "chat", "match": {"query": [{"name": "v", "equals": "1", "present": True}]}},
    {"name": "rewrites", "upstream": "chat", "rewrite": {"strip_prefix": "/a", "path_regex": {"match": "^/a", "to": "/b"}}},
    {"name": "later", "upstream": "chat", "websocket": {"redial": "off"}}, {"upstream": "chat"},
])
def test_rules_over_several_keys(validator, route):
    assert list(validator.iter_errors({**BASE, "routes": [route]}))
