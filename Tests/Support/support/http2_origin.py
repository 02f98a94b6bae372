"""An upstream of HTTP/2 that writes down heads, bodies and trailers, and answers with trailers of the test's."""
import contextlib
import socket
import threading

import hpack

from support.arriving import arriving
from support.http2 import ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, SETTINGS, RawHTTP2


class Request:
    """A request as it came."""

    def __init__(self, fields: list[tuple[str, str]]):
        self.fields, self.body, self.trailers = fields, b"", []


class HTTP2Origin:
    """Takes any number of connections; each whole request is answered by `fields`, `body` and `trailers`."""

    def __init__(self, fields=((":status", "200"),), body: bytes = b"hello", trailers=()):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.fields, self.body, self.trailers = fields, body, trailers
        self.requests: list[Request] = []
        self.connections: list[socket.socket] = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        for connection in arriving(self.listener):
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket):
        with contextlib.suppress(OSError), connection:
            assert connection.recv(len(PREFACE), socket.MSG_WAITALL) == PREFACE
            wire = RawHTTP2(0, begin=False, sock=connection, seconds=60)
            decoder, open_requests = hpack.Decoder(), {}
            wire.note = lambda frame: None
            wire.frame(SETTINGS, 0, 0)
            while frame := wire.read():
                if frame.kind == SETTINGS and not frame.flags & ACK:
                    wire.frame(SETTINGS, ACK, 0)
                elif frame.kind == PING:
                    wire.frame(PING, ACK, 0, frame.payload)
                elif frame.kind == HEADERS:
                    fields = [(str(name), str(value)) for name, value in decoder.decode(frame.payload)]
                    if frame.stream in open_requests:
                        open_requests[frame.stream].trailers = fields
                    else:
                        open_requests[frame.stream] = Request(fields)
                elif frame.kind == DATA:
                    open_requests[frame.stream].body += frame.payload
                if frame.kind in (HEADERS, DATA) and frame.flags & END_STREAM:
                    self.requests.append(open_requests[frame.stream])
                    self.answer(wire, frame.stream)

    def answer(self, wire: RawHTTP2, stream: int):
        wire.frame(HEADERS, END_HEADERS, stream, wire.block(self.fields))
        wire.data(stream, self.body, end=not self.trailers)
        if self.trailers:
            wire.frame(HEADERS, END_HEADERS | END_STREAM, stream, wire.block(self.trailers))

    def stop(self):
        self.listener.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
