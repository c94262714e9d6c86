#!/usr/bin/env python3
"""Holds idle WebSockets that share connections of HTTP/2 over TLS (RFC 8441), as a browser's pages do.

    idle_http2.py --to 127.0.0.1:PORT --connections 2000 --seconds 60

Says "open" when all are, and ends with its standard input or after --seconds; then an echo has to come back through each, and a line of
JSON says how many did not. The words are those of bench_load; of tunnels, 100 share a connection.
"""

import argparse
import json
import os
import select
import socket
import ssl
import sys

try:
    import h2.config
    import h2.connection
    import h2.events
    import h2.settings
except ImportError:
    sys.exit(f"{sys.executable} has no h2: install python3-h2")

SHARING = 100
PATIENCE = 20  # seconds that an answer may take
TEXT = b"\x81\x82\0\0\0\0hi"  # masked with nothing
ECHO = b"\x81\x02hi"


class Connection:
    def __init__(self, address, tunnels):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        self.socket = context.wrap_socket(socket.create_connection(address, PATIENCE))
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.h2.initiate_connection()
        self.flush()
        self.enabled, self.open, self.lost = False, set(), set()
        self.came = {}
        self.until(lambda: self.enabled)
        for _ in range(tunnels):
            self.h2.send_headers(self.h2.get_next_available_stream_id(), [
                (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":authority", "bench.test"), (":path", "/ws"),
                ("sec-websocket-version", "13"), ("origin", "https://bench.test")])
            self.flush()
        self.until(lambda: len(self.open) + len(self.lost) == tunnels)

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def until(self, done):
        while not done():
            data = self.socket.recv(65536)
            if not data:
                raise OSError("the connection ended")
            for event in self.h2.receive_data(data):
                self.sort(event)
            self.flush()

    def sort(self, event):
        if isinstance(event, h2.events.RemoteSettingsChanged):
            changed = event.changed_settings.get(h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL)
            self.enabled = self.enabled or bool(changed and changed.new_value)
        elif isinstance(event, h2.events.ResponseReceived):
            (self.open if (b":status", b"200") in event.headers or (":status", "200") in event.headers else self.lost).add(event.stream_id)
        elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
            self.open.discard(event.stream_id)
            self.lost.add(event.stream_id)
        elif isinstance(event, h2.events.DataReceived):
            self.came[event.stream_id] = self.came.get(event.stream_id, b"") + event.data

    def wrong(self):
        """How many tunnels are gone, or echo nothing."""
        for stream in self.open:
            self.h2.send_data(stream, TEXT)
        self.flush()
        self.until(lambda: all(len(self.came.get(stream, b"")) >= len(ECHO) for stream in self.open))
        return len(self.lost) + sum(self.came[stream] != ECHO for stream in self.open)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", required=True)
    parser.add_argument("--connections", type=int, required=True, help="how many tunnels")
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    host, _, port = options.to.rpartition(":")
    shares = [min(SHARING, options.connections - begin) for begin in range(0, options.connections, SHARING)]
    connections = [Connection((host, int(port)), share) for share in shares]
    print("open", flush=True)
    while select.select([sys.stdin], [], [], options.seconds)[0] and os.read(sys.stdin.fileno(), 4096):
        pass
    try:
        errors = sum(connection.wrong() for connection in connections)
    except OSError:
        errors = options.connections
    print(json.dumps({"errors": errors}), flush=True)


if __name__ == "__main__":
    main()
