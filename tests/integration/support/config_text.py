"""Configurations as Python data, written as the YAML a user would write."""

import re

PLAIN = re.compile(r"[A-Za-z_/.$][A-Za-z0-9_./:%+$={}-]*(?<!:)|[0-9]+(ms|s|m|h|KiB|MiB|GiB|MB|/s|/m)|[0-9.]+:[0-9]+")
WORDS_THAT_ARE_NOT_TEXT = {"true", "false", "yes", "no", "null", "on", "y", "n", "~"}


def scalar(value):
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    text = str(value)
    # `off` is a word of the vocabulary and stays unquoted.
    if PLAIN.fullmatch(text) and text.lower() not in WORDS_THAT_ARE_NOT_TEXT and "{" not in text:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def to_yaml(value, indent=0):
    """Block style for mappings and for lists of mappings, flow style for other lists."""
    pad = "  " * indent
    lines = []
    for key, item in value.items():
        name = scalar(key)
        if isinstance(item, dict) and item:
            lines += [f"{pad}{name}:", to_yaml(item, indent + 1)]
        elif isinstance(item, dict):
            lines.append(f"{pad}{name}: {{}}")
        elif isinstance(item, (list, tuple)) and any(isinstance(one, dict) for one in item):
            lines.append(f"{pad}{name}:")
            for one in item:
                block = to_yaml(one, indent + 2) if isinstance(one, dict) else "  " * (indent + 2) + scalar(one)
                lines.append(f"{pad}  - " + block.lstrip())
        elif isinstance(item, (list, tuple)):
            lines.append(f"{pad}{name}: [{', '.join(scalar(one) for one in item)}]")
        else:
            lines.append(f"{pad}{name}: {scalar(item)}")
    return "\n".join(lines)


def endpoint_of(backend):
    """An endpoint's configuration from a backend, a URL or a ready mapping."""
    return getattr(backend, "url", backend)


def config_for(*endpoints, route=None, upstream=None, **sections):
    """One plain listener, one route to one upstream. `route` and `upstream` add keys to those; `sections` replace
    whole sections or, for mappings, add to them."""
    config = {
        "listeners": [{"name": "web", "address": "127.0.0.1:0"}],
        # Tests end with peers that hang: draining them is the drain tests' business.
        "timeouts": {"drain": "500ms"},
        "upstreams": [{"name": "app", "endpoints": [endpoint_of(one) for one in endpoints], **(upstream or {})}],
        "routes": [{"name": "all", "upstream": "app", **(route or {})}],
        "admin": {"address": "127.0.0.1:0"},
    }
    if not endpoints:
        del config["upstreams"]
    for name, section in sections.items():
        if isinstance(section, dict) and isinstance(config.get(name), dict):
            config[name].update(section)
        else:
            config[name] = section
    return config
