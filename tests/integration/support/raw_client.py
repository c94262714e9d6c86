"""A client that sends exactly what a test says."""

import socket
import ssl

from support import websocket
from support.http_message import read_response, request_bytes
from support.stream import Stream
from support.waiting import seconds


class RawClient(websocket.ClientFrames, Stream):
    def __init__(self, port, host="127.0.0.1", tls=None, server_name=None, timeout=5.0, record=True,
                 receive_buffer=None, session=None):
        """`host` with a slash is the path of a unix socket."""
        if "/" in host:
            family, address = socket.AF_UNIX, host
        else:
            family, address = (socket.AF_INET6 if ":" in host else socket.AF_INET), (host, port)
        sock = socket.socket(family)
        try:
            if receive_buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            sock.settimeout(seconds(timeout))
            sock.connect(address)
            if family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is not None:
                sock = tls.wrap_socket(sock, server_hostname=server_name, session=session)
        except BaseException:
            sock.close()
            raise
        super().__init__(sock, timeout, record)

    def request(self, method="GET", target="/", headers=(), body=b"", host="test.example", version="1.1", timeout=None):
        """Sends one request and reads its response; the connection stays open."""
        self.send(request_bytes(method, target, headers, body, host, version))
        return read_response(self, method, timeout)

    def response(self, method="GET", timeout=None):
        return read_response(self, method, timeout)


def trusting(ca_file, **settings):
    """A TLS context that verifies against `ca_file`; settings: minimum_version, maximum_version, alpn."""
    context = ssl.create_default_context(cafile=str(ca_file))
    alpn = settings.pop("alpn", None)
    if alpn:
        context.set_alpn_protocols(alpn)
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def blind():
    """A TLS context that verifies nothing, for self-signed certificates."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
