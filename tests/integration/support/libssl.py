"""A TLS client straight on OpenSSL, for what Python's ssl module does not offer: renegotiation and KeyUpdate."""

import ctypes
import socket

from support.waiting import seconds

TLS_1_2, TLS_1_3 = 0x0303, 0x0304
UPDATE_REQUESTED = 1  # SSL_KEY_UPDATE_REQUESTED: the peer answers with one of its own
SET_MIN_VERSION, SET_MAX_VERSION = 123, 124  # SSL_CTRL_SET_{MIN,MAX}_PROTO_VERSION

_lib = ctypes.CDLL("libssl.so.3")
for _name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
    getattr(_lib, _name).restype = ctypes.c_void_p
for _name in ("SSL_CTX_new", "SSL_CTX_free", "SSL_new", "SSL_free", "SSL_connect", "SSL_renegotiate",
              "SSL_do_handshake"):
    getattr(_lib, _name).argtypes = [ctypes.c_void_p]
for _name in ("SSL_set_fd", "SSL_key_update"):
    getattr(_lib, _name).argtypes = [ctypes.c_void_p, ctypes.c_int]
_lib.SSL_CTX_ctrl.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]
for _name in ("SSL_read", "SSL_write"):
    getattr(_lib, _name).argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]


class OpensslClient:
    """Connected, its handshake done; verifies nothing."""

    def __init__(self, port, version):
        self._context = _lib.SSL_CTX_new(_lib.TLS_client_method())
        for command in (SET_MIN_VERSION, SET_MAX_VERSION):
            assert _lib.SSL_CTX_ctrl(self._context, command, version, None) == 1
        self._ssl = _lib.SSL_new(self._context)
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=seconds(5))
        self._socket.settimeout(None)  # OpenSSL uses the descriptor, and waits in it
        timeout = b"".join(part.to_bytes(8, "little") for part in (int(seconds(5)), 0))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._socket.setsockopt(socket.SOL_SOCKET, option, timeout)
        _lib.SSL_set_fd(self._ssl, self._socket.fileno())
        assert _lib.SSL_connect(self._ssl) == 1

    def send(self, data):
        return _lib.SSL_write(self._ssl, data, len(data)) == len(data)

    def read(self, size=65536):
        """What came; b"" at the end or after a failure."""
        memory = ctypes.create_string_buffer(size)
        count = _lib.SSL_read(self._ssl, memory, size)
        return memory.raw[:max(0, count)]

    def renegotiate(self):
        """Whether the server let it."""
        assert _lib.SSL_renegotiate(self._ssl) == 1
        return _lib.SSL_do_handshake(self._ssl) == 1

    def update_keys(self):
        """Whether it could still be sent."""
        return _lib.SSL_key_update(self._ssl, UPDATE_REQUESTED) == 1 and _lib.SSL_do_handshake(self._ssl) == 1

    def close(self):
        _lib.SSL_free(self._ssl)
        _lib.SSL_CTX_free(self._context)
        self._socket.close()
