"""A scripted name server: UDP and TCP on one free port, with the records that the test gives it at the moment."""

import ipaddress
import socket
import struct
import threading

A, CNAME, AAAA, SRV = 1, 5, 28, 33
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
MOST_UDP = 1232


def encode_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".") if label) + b"\0"


def read_question(packet):
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode().lower())
        at += 1 + packet[at]
    kind, _ = struct.unpack("!HH", packet[at + 1:at + 5])
    return ".".join(labels), kind, packet[12:at + 5]


class DnsServer:
    """`records` maps (name, kind) to a list of addresses, of names (CNAME), or of (priority, weight, port, target) for SRV. What is not there is
    NXDOMAIN when the name has nothing at all, otherwise an empty answer. `failure`: SERVFAIL or NXDOMAIN to everything, "silence", or "garbage".
    `silent`: names that get no answer."""

    def __init__(self, records=None):
        self.records = dict(records or {})
        self.failure = None
        self.silent = frozenset()
        self.asked = {}  # (name, kind) -> how often
        self.over_tcp = 0
        self._lock = threading.Lock()
        while True:
            self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._udp.bind(("127.0.0.1", 0))
            self.port = self._udp.getsockname()[1]
            self._tcp = socket.socket()
            self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                self._tcp.bind(("127.0.0.1", self.port))
                break
            except OSError:  # somebody else's over TCP
                self._udp.close()
                self._tcp.close()
        self._tcp.listen(16)
        self._closing = False
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, name=f"dns-{self.port}", daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def set(self, name, *values, kind=A):
        """From the next question on."""
        with self._lock:
            self.records = {**self.records, (name, kind): list(values)}

    def count(self, name, kind=A):
        with self._lock:
            return self.asked.get((name, kind), 0)

    def _records(self, name, kind):
        value = self.records.get((name, kind))
        if value is None and (name, CNAME) in self.records:
            target = self.records[name, CNAME][0]
            return [(name, CNAME, target), *self._records(target, kind)]
        return [(name, kind, one) for one in value or []]

    def _answer(self, packet, over_tcp):
        name, kind, question = read_question(packet)
        with self._lock:
            self.asked[name, kind] = self.asked.get((name, kind), 0) + 1
            self.over_tcp += over_tcp
            failure, records = self.failure, self._records(name, kind)
            known = any(owner == name for owner, _ in self.records)
        if failure == "silence" or name in self.silent:
            return None
        if failure == "garbage":
            return packet[:2] + b"\x81\x80" + b"\xff" * 40
        if isinstance(failure, int):
            records, code = [], failure
        else:
            code = NOERROR if known else NXDOMAIN
        body = b""
        for owner, own_kind, value in records:
            if own_kind == SRV:
                data = struct.pack("!HHH", *value[:3]) + encode_name(value[3])
            elif own_kind == CNAME:
                data = encode_name(value)
            else:
                data = ipaddress.ip_address(value).packed
            body += encode_name(owner) + struct.pack("!HHIH", own_kind, 1, 1, len(data)) + data
        flags, count = 0x8180 | code, len(records)
        if not over_tcp and 12 + len(question) + len(body) > MOST_UDP:
            flags, count, body = flags | 0x0200, 0, b""
        return packet[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0) + question + body

    def _serve_udp(self):
        while not self._closing:
            try:
                packet, peer = self._udp.recvfrom(4096)
            except OSError:
                return
            if not packet:  # it is being closed
                return
            answer = self._answer(packet, False)
            if answer is not None:
                self._udp.sendto(answer, peer)

    def _serve_tcp(self):
        while not self._closing:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_connection, args=(connection,), daemon=True).start()

    def _serve_connection(self, connection):
        with connection, connection.makefile("rb") as incoming:
            while size := incoming.read(2):
                answer = self._answer(incoming.read(struct.unpack("!H", size)[0]), True)
                if answer is None:
                    return
                connection.sendall(struct.pack("!H", len(answer)) + answer)

    def close(self):
        self._closing = True
        for listener in (self._udp, self._tcp):
            try:
                listener.shutdown(socket.SHUT_RDWR)  # wakes its thread
            except OSError:
                pass
            listener.close()

    def check(self):
        pass
