"""The gateway under attack: short timeouts, and an honest load beside the attackers."""

from support.binary import is_sanitized
from support.bystanders import Bystanders
from support.siege import Siege
from support.waiting import seconds


def duration(value):
    """A timeout for the configuration, longer where everything takes longer: a crowd must be complete before it goes."""
    return f"{seconds(value) * 1000:.0f}ms"


def crowd_of(size):
    """Fewer for a gateway that carries a sanitizer."""
    return size // 4 if is_sanitized() else size


TIMEOUTS = {"drain": "100ms", "tls_handshake": duration(1), "request_head": duration(1),
            "request_body_idle": duration(1), "keepalive_idle": duration(2), "client_write_idle": duration(1)}
# Connections that attackers leave in the pool would look like descriptors that leak.
POOL = {"pool": {"idle_timeout": "1s"}}


class Fort:
    """A gateway of which two routes lead to the bystanders, and everything else to `target`, a backend, or without one to
    a fixed answer. `sections` are further ones of its configuration."""

    def __init__(self, lab, ca, target=None, route=None, new_connections=True, wrapper=(), protocols=("http/1.1",), **sections):
        self.bystanders = lab.keep(Bystanders())
        certificate = ca.issue("test.example").as_config()
        attacked = {"upstream": "target"} if target else {"respond": {"status": 200, "body": "ok"}}
        upstreams = [{"name": "honest", "endpoints": [self.bystanders.url]}]
        if target:
            target.hold_little()  # its sockets count in what those of the machine hold
            upstreams.append({"name": "target", "endpoints": [target.url], **POOL})
        config = {
            "workers": 2,
            "listeners": [{"name": "web", "address": "127.0.0.1:0", "protocols": list(protocols)},
                          {"name": "secure", "address": "127.0.0.1:0", "protocols": list(protocols),
                           "tls": {"certificates": [certificate]}}],
            "upstreams": upstreams,
            "routes": [{"name": "honest", "match": {"path": "/honest"}, "upstream": "honest"},
                       {"name": "honest-ws", "match": {"path": "/honest-ws"}, "upstream": "honest"},
                       {"name": "attacked", **attacked, **(route or {})}],
            "admin": {"address": "127.0.0.1:0"},
            **sections,
            "timeouts": {**TIMEOUTS, **sections.get("timeouts", {})},
        }
        self.gateway = lab.gateway_from(config, wrapper=wrapper)
        self.bystanders.visit(self.gateway, "secure", new_connections)

    @property
    def port(self):
        return self.gateway.ports["web"]

    @property
    def secure_port(self):
        return self.gateway.ports["secure"]

    def siege(self, memory):
        return Siege(self.gateway, self.bystanders, memory)
