"""An HTTP/2 client on Python's h2, which judges every frame that the gateway sends: what no client may take, fails the test."""

from collections import defaultdict

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
from h2.connection import ConnectionInputs, ConnectionState

from support.http2_frames import Answer
from support.raw_client import RawClient
from support.stream import PeerClosed

# A GOAWAY ends nothing that is under way, although h2 thinks so.
GOES_ON = {(ConnectionState.CLIENT_OPEN, ConnectionInputs.RECV_GOAWAY): (None, ConnectionState.CLIENT_OPEN)}
FIRST_SETTINGS = {h2.settings.SettingCodes.ENABLE_PUSH: 0}


class Http2Client:
    """On a connection that is there already, or on one of its own. Windows open as bodies come, except of streams in `stalled`."""

    def __init__(self, stream, settings=None):
        self.stream = stream
        self.received = stream.received
        self.answers = defaultdict(Answer)
        self.stalled = set()
        self.goaway = None  # the code
        self._incomplete = b""  # of a frame
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="latin-1"))
        self._h2.state_machine._transitions = {**self._h2.state_machine._transitions, **GOES_ON}
        self._h2.local_settings = h2.settings.Settings(
            client=True, initial_values={**FIRST_SETTINGS, **(settings or {})})
        self._h2.initiate_connection()
        self.flush()

    @classmethod
    def to(cls, port, tls=None, settings=None, **options):
        return cls(RawClient(port, tls=tls, server_name="test.example" if tls else None, **options), settings)

    # sending

    def flush(self):
        if data := self._h2.data_to_send():
            self.stream.send(data)

    def begin(self, method="GET", path="/", headers=(), end=True, authority="test.example", scheme="http"):
        """A request's head; gives its stream."""
        number = self._h2.get_next_available_stream_id()
        fields = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path), *headers]
        self._h2.send_headers(number, fields, end_stream=end)
        self.flush()
        return number

    def send_body(self, number, body, end=True):
        """As the windows let it. Stops when the answer ends first."""
        view = memoryview(body)
        answer = self.answers[number]
        while view and not answer.ended and answer.reset is None:
            size = min(self._h2.local_flow_control_window(number), self._h2.max_outbound_frame_size, len(view))
            if size == 0:
                self.receive()
                continue
            view = view[size:] if self.send_now(number, view[:size], end and size == len(view)) else view
        if not body and end:
            self.send_now(number, b"", True)

    def send_now(self, number, data, end=False):
        self._h2.send_data(number, bytes(data), end_stream=end)
        self.flush()
        return True

    def window(self, number):
        """What may be sent on that stream now."""
        return self._h2.local_flow_control_window(number)

    def send_trailers(self, number, fields):
        self._h2.send_headers(number, fields, end_stream=True)
        self.flush()

    def reset(self, number, code=8):
        self._h2.reset_stream(number, code)
        self.flush()

    def go_away(self, code=0):
        """By hand: h2 would not take anything more."""
        self.stream.send(b"\0\0\x08\x07\0\0\0\0\0" + bytes(4) + code.to_bytes(4, "big"))

    def open_windows(self, number):
        """Of a stream that was stalled, for all that has come."""
        self.stalled.discard(number)
        if unread := self._unread.pop(number, 0):
            self._h2.acknowledge_received_data(unread, number)
            self.flush()

    # receiving

    def receive(self, timeout=None):
        """Whatever comes next."""
        data = self.stream.read_some(timeout)
        if not data:
            raise PeerClosed(f"the connection ended; GOAWAY {self.goaway}")
        try:
            events = self._h2.receive_data(self._without_goaway(data))
        except h2.exceptions.ProtocolError as error:
            raise AssertionError(f"the gateway broke the protocol: {error!r}") from error
        for event in events:
            self._sort(event)
        self.flush()

    def _without_goaway(self, data):
        """After that frame requests under way go on (RFC 9113 6.8), but h2 would hear of nothing any more."""
        self._incomplete += data
        passed = b""
        while len(self._incomplete) >= 9:
            size = 9 + int.from_bytes(self._incomplete[:3], "big")
            if len(self._incomplete) < size:
                break
            one, self._incomplete = self._incomplete[:size], self._incomplete[size:]
            if one[3] == 7:
                self.goaway = int.from_bytes(one[13:17], "big")
            else:
                passed += one
        return passed

    def _sort(self, event):
        number = getattr(event, "stream_id", None)
        if not number:
            return
        answer = self.answers[number]
        if isinstance(event, h2.events.InformationalResponseReceived):
            answer.interim.append(self._split(event.headers))
        elif isinstance(event, h2.events.ResponseReceived):
            answer.status, answer.headers = self._split(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            self._give_back(number, event.flow_controlled_length)
        elif isinstance(event, h2.events.TrailersReceived):
            answer.trailers = list(event.headers)
        elif isinstance(event, h2.events.StreamEnded):
            answer.ended = True
        elif isinstance(event, h2.events.StreamReset):
            answer.reset = int(event.error_code)

    @property
    def _unread(self):
        return self.__dict__.setdefault("unread", defaultdict(int))

    def _give_back(self, number, size):
        if number in self.stalled:
            self._unread[number] += size
            self._h2.increment_flow_control_window(size)  # the connection's, so that others go on
        elif size:
            self._h2.acknowledge_received_data(size, number)

    @staticmethod
    def _split(fields):
        status, *rest = fields
        assert status[0] == ":status"
        return int(status[1]), [tuple(field) for field in rest]

    def wait(self, condition, timeout=None):
        while not condition():
            self.receive(timeout)

    def answer(self, number, timeout=None):
        """The response on that stream, whole or reset."""
        answer = self.answers[number]
        self.wait(lambda: answer.ended or answer.reset is not None, timeout)
        return answer

    def head(self, number):
        """The response as soon as its head is there."""
        answer = self.answers[number]
        self.wait(lambda: answer.status or answer.reset is not None)
        return answer

    def request(self, method="GET", path="/", headers=(), body=None, trailers=None, **options):
        number = self.begin(method, path, headers, end=body is None and trailers is None, **options)
        if body is not None:
            self.send_body(number, body, end=trailers is None)
        if trailers is not None:
            self.send_trailers(number, trailers)
        return self.answer(number)

    def read_to_end(self, timeout=None):
        """Until the gateway has ended the connection."""
        try:
            while True:
                self.receive(timeout)
        except PeerClosed:
            return self

    def close(self):
        self.stream.close()
