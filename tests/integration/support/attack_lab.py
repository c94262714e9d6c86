"""The gateway under attack: short timeouts, and an honest load beside the attackers."""

from support.bystanders import Bystanders
from support.siege import Siege

TIMEOUTS = {"drain": "100ms", "tls_handshake": "1s", "request_head": "1s", "request_body_idle": "1s", "keepalive_idle": "2s",
            "client_write_idle": "1s"}
# Connections that attackers leave in the pool would look like descriptors that leak.
POOL = {"pool": {"idle_timeout": "1s"}}


class Fort:
    """A gateway whose route /honest leads to the bystanders and /attacked to `target` (a backend; default: a fixed answer)."""

    def __init__(self, lab, ca, target=None, route=None, new_connections=True, wrapper=(), **sections):
        self.bystanders = lab.keep(Bystanders())
        certificate = ca.issue("test.example").as_config()
        attacked = {"upstream": "target"} if target else {"respond": {"status": 200, "body": "ok"}}
        upstreams = [{"name": "honest", "endpoints": [self.bystanders.url]}]
        if target:
            upstreams.append({"name": "target", "endpoints": [target.url], **POOL})
        config = {
            "workers": 2,
            "listeners": [{"name": "web", "address": "127.0.0.1:0"},
                          {"name": "secure", "address": "127.0.0.1:0", "tls": {"certificates": [certificate]}}],
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
