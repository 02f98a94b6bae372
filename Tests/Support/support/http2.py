"""HTTP/2 frame by frame, for what no HTTP library would send (RFC 9113)."""
import contextlib
import socket
import struct
import time

import hpack

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, ACK = 0x1, 0x4, 0x8, 0x1
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 0, 1, 2, 7, 8, 11
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Frame:
    """One frame as it came."""

    def __init__(self, kind: int, flags: int, stream: int, payload: bytes):
        self.kind, self.flags, self.stream, self.payload = kind, flags, stream, payload

    @property
    def code(self) -> int:
        """The error code of RST_STREAM or GOAWAY."""
        return struct.unpack(">I", self.payload[4:8] if self.kind == GOAWAY else self.payload[:4])[0]

    def __repr__(self):
        return f"Frame({self.kind}, {self.flags:#x}, {self.stream}, {self.payload[:40]!r})"


class Exchange:
    """What came on one stream."""

    def __init__(self):
        self.fields: list[tuple[str, str]] = []
        self.trailers: list[tuple[str, str]] = []
        self.body = b""
        self.ended = False
        self.reset: int | None = None

    @property
    def status(self) -> int | None:
        value = self.first(":status")
        return int(value) if value else None

    def first(self, name: str) -> str | None:
        return next((value for field, value in self.fields if field == name), None)

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None


def request(method: str = "GET", path: str = "/", *more: tuple[str, str], authority: str | None = "app.test",
            scheme: str = "http") -> list[tuple[str, str]]:
    """A request's fields, pseudo-fields first."""
    own = [(":method", method), (":scheme", scheme), (":path", path)]
    return own + ([(":authority", authority)] if authority is not None else []) + list(more)


class RawHTTP2:
    """One connection; what is written goes out as it stands, what comes is sorted by stream."""

    def __init__(self, port: int, settings: dict[int, int] | None = None, begin: bool = True, sock=None,
                 seconds: float = 10.0):
        self.socket = sock or socket.create_connection(("127.0.0.1", port), seconds)
        self.socket.settimeout(seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.decoder.max_header_list_size = 1 << 20
        self.buffer, self.next = b"", 1
        self.streams: dict[int, Exchange] = {}
        self.goaway: Frame | None = None
        self.acks, self.pongs = 0, 0
        self.auto = True
        self.gathered: bytes | None = None
        if begin:
            self.send(PREFACE)
            self.frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in (settings or {}).items()))

    # Out

    def send(self, raw: bytes):
        if self.gathered is None:
            self.socket.sendall(raw)
        else:
            self.gathered += raw

    @contextlib.contextmanager
    def together(self):
        """What is written meanwhile goes out in one piece at the end."""
        self.gathered = b""
        yield
        gathered, self.gathered = self.gathered, None
        self.socket.sendall(gathered)

    @staticmethod
    def octets(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    def frame(self, kind: int, flags: int, stream: int, payload: bytes = b""):
        self.send(self.octets(kind, flags, stream, payload))

    def block(self, fields: list[tuple[str, str]]) -> bytes:
        """Fields as they stand, without an entry in the table."""
        return b"".join(
            b"\x00" + self.text(name) + self.text(value) for name, value in fields)

    @staticmethod
    def text(value: str) -> bytes:
        raw = value.encode("latin-1")
        if len(raw) < 127:
            return bytes([len(raw)]) + raw
        rest, prefix = len(raw) - 127, b"\x7f"
        while rest >= 128:
            prefix += bytes([rest % 128 + 128])
            rest //= 128
        return prefix + bytes([rest]) + raw

    def open(self, fields: list[tuple[str, str]], end: bool = True, frame_bytes: int = 1 << 24) -> int:
        """Sends a request's head on a new stream, whose number it returns."""
        stream, self.next = self.next, self.next + 2
        self.streams[stream] = Exchange()
        self.head(stream, fields, end, frame_bytes)
        return stream

    def head(self, stream: int, fields: list[tuple[str, str]], end: bool, frame_bytes: int = 1 << 24):
        """Sends a head or trailers, in frames of at most so many octets."""
        block = self.block(fields)
        pieces = [block[start:start + frame_bytes] for start in range(0, len(block), frame_bytes)] or [b""]
        for number, piece in enumerate(pieces):
            flags = (END_HEADERS if number == len(pieces) - 1 else 0) | (END_STREAM if end and number == 0 else 0)
            self.frame(CONTINUATION if number else HEADERS, flags, stream, piece)

    def data(self, stream: int, data: bytes, end: bool = False):
        self.frame(DATA, END_STREAM if end else 0, stream, data)

    def reset(self, stream: int, code: int = CANCEL):
        self.frame(RST_STREAM, 0, stream, struct.pack(">I", code))

    def window(self, stream: int, increment: int):
        self.frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))

    # In

    def read(self) -> Frame | None:
        """The next frame; None once the peer has closed."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            try:
                part = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not part:
                return None
            self.buffer += part
        length = int.from_bytes(self.buffer[:3], "big")
        kind, flags, stream = self.buffer[3], self.buffer[4], int.from_bytes(self.buffer[5:9], "big")
        frame = Frame(kind, flags, stream, self.buffer[9:9 + length])
        self.buffer = self.buffer[9 + length:]
        self.note(frame)
        return frame

    def reply(self, *frame):
        """Sends a frame that nobody may be there to read any more."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.frame(*frame)

    def note(self, frame: Frame):
        exchange = self.streams.setdefault(frame.stream, Exchange()) if frame.stream else None
        if frame.kind == SETTINGS:
            if frame.flags & ACK:
                self.acks += 1
            else:
                self.reply(SETTINGS, ACK, 0)
        elif frame.kind == PING and frame.flags & ACK:
            self.pongs += 1
        elif frame.kind == GOAWAY:
            self.goaway = frame
        elif frame.kind == HEADERS:
            fields = [(name.decode("latin-1"), value.decode("latin-1"))
                      for name, value in self.decoder.decode(frame.payload, raw=True)]
            if exchange.status is not None and exchange.status >= 200:
                exchange.trailers = fields
            else:
                exchange.fields = fields
        elif frame.kind == DATA:
            exchange.body += frame.payload
            if self.auto and frame.payload:
                self.reply(WINDOW_UPDATE, 0, 0, struct.pack(">I", len(frame.payload)))
                if not frame.flags & END_STREAM:
                    self.reply(WINDOW_UPDATE, 0, frame.stream, struct.pack(">I", len(frame.payload)))
        elif frame.kind == RST_STREAM:
            exchange.reset = frame.code
        if frame.kind in (HEADERS, DATA) and frame.flags & END_STREAM:
            exchange.ended = True

    def until(self, condition) -> bool:
        """Reads on until `condition` holds; false if the peer closes before."""
        while not condition():
            if self.read() is None:
                return condition()
        return True

    def finish(self, stream: int) -> Exchange:
        """What a stream came to; an exchange that is not over if the connection ended before."""
        self.until(lambda: self.streams[stream].over)
        return self.streams[stream]

    def get(self, path: str = "/", *more: tuple[str, str], **parts) -> Exchange:
        return self.finish(self.open(request("GET", path, *more, **parts)))

    def closed(self, seconds: float = 10.0) -> bool:
        """Whether the peer ends the connection; what it still sends is noted."""
        self.socket.settimeout(seconds)
        try:
            while self.read() is not None:
                pass
            return True
        except TimeoutError:
            return False
        except (BrokenPipeError, ConnectionResetError):
            return True

    def ping(self):
        """Waits until the peer has read everything."""
        before = self.pongs
        self.frame(PING, 0, 0, struct.pack(">d", time.monotonic()))
        assert self.until(lambda: self.pongs > before), "closed"

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
