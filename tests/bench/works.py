"""What is measured: the load of each work, and which route of Sluice's configuration it takes (configs.py)."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Work:
    name: str
    title: str
    tls: bool
    load: tuple = ()
    # Sluice has its routes at /ws/<route>. For the others, and for the origin, that is a WebSocket as any other.
    route: str = ""
    with_backend: bool = False  # the origin's CPU time counts as well
    tool: str = "bench_load"  # for HTTP/2, which the relay does not speak, h2load (http2.py) or idle_http2.py
    h2_backend: bool = False  # the path is routed to the origin by HTTP/2, by those who can

    def where(self):
        return ["--path", f"/ws/{self.route}"] if self.route else []


def with_limits(work):
    return replace(work, name=f"{work.name}-limits", title=f"{work.title}, all limits", route="limits")


SMALL, LARGE = ("--connections", "64"), ("--connections", "16")
JSON = (*SMALL, "--deflate", "--size", "2048")
ECHOES = [
    Work("ws-128", "ws echo 128 B", False, ("ws", *SMALL)),
    Work("wss-128", "wss echo 128 B", True, ("wss", *SMALL)),
    Work("ws-128x32", "ws echo 128 B, 16 x 32 in flight", False, ("ws", *LARGE, "--in-flight", "32")),
    Work("wss-128x32", "wss echo 128 B, 16 x 32 in flight", True, ("wss", *LARGE, "--in-flight", "32")),
    Work("ws-64k", "ws echo 64 KiB", False, ("ws", *LARGE, "--size", "65536")),
    Work("wss-64k", "wss echo 64 KiB", True, ("wss", *LARGE, "--size", "65536")),
]
WORKS = [
    Work("http-1k", "HTTP/1.1 1 KiB, keep-alive", False, ("http", *SMALL)),
    Work("http-1m", "HTTP/1.1 1 MiB", False, ("http", *LARGE, "--path", "/1m", "--length", str(1 << 20))),
    Work("https-1k", "https 1 KiB, keep-alive", True, ("https", *SMALL)),
    Work("h2-1k", "HTTP/2 over TLS 1 KiB, 16 connections by 16 streams", True, ("-c", "16", "-m", "16"), tool="h2load"),
    Work("h2-up-1k", "HTTP/1.1 1 KiB, backend over HTTP/2", False, ("http", *SMALL, "--path", "/h2/1k"), h2_backend=True),
    *ECHOES,
    *map(with_limits, ECHOES),
    Work("handshake", "TLS handshake + upgrade", True, ("handshake", "--tls", *LARGE)),
    Work("ws-deflate", "ws echo 2 KiB of JSON, deflated by the backend", False, ("ws", *JSON), with_backend=True),
    Work("ws-offload", "the same, deflated by Sluice (the others': by the backend)", False, ("ws", *JSON), "offload", with_backend=True),
]
LATENCY = ["http-1k", "https-1k", "ws-128", "wss-128"]

IDLE_PLAIN = [Work("idle-ws", "idle ws tunnel", False), Work("idle-wss", "idle wss tunnel", True)]
IDLE = [
    *IDLE_PLAIN,
    Work("idle-wss-h2", "idle wss tunnel, 100 on a connection of HTTP/2", True, tool="idle_http2.py"),
    *map(with_limits, IDLE_PLAIN),
    Work("idle-ws-offload", "idle ws tunnel, deflated by Sluice", False, ("--deflate", "--size", "2048"), "offload"),
]

# Of Sluice alone, and only when asked for: it takes minutes.
PINGED = [Work("idle-wss-pings", "idle wss tunnels, both sides pinged", True, (), "limits")]
