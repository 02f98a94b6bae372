"""HTTP/1.1 read as RFC 9112 is written, for an origin and a client that guess nothing."""
import re
import socket
from dataclasses import dataclass, field

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
REQUEST_LINE = re.compile(TOKEN + rb" [\x21-\x7e]+ HTTP/1\.[01]")
STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [\t\x20-\x7e\x80-\xff]*")
FIELD_LINE = re.compile(rb"(" + TOKEN + rb"):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
LONGEST_HEAD = 1 << 20


class Broken(Exception):
    """Octets that are no message, or one with two readings."""


class Ended(Exception):
    """The peer closed within a message."""


@dataclass
class Message:
    """A message as it came; `whole` once its end has come."""

    line: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes = b""
    whole: bool = False
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    interim: list["Message"] = field(default_factory=list)

    def all(self, name: bytes) -> list[bytes]:
        """Every value of a field, in order."""
        return [value for own, value in self.fields if own.lower() == name.lower()]

    def first(self, name: bytes) -> bytes | None:
        """The first value of a field."""
        return next(iter(self.all(name)), None)

    @property
    def status(self) -> int:
        """The status of an answer."""
        return int(self.line[9:12])


class Wire:
    """Reads messages off a connection, and no octet that is not there."""

    def __init__(self, connection: socket.socket):
        self.socket, self.buffer, self.was_reset = connection, b"", False

    def fill(self) -> bool:
        """Waits for more octets; false once the peer has closed."""
        try:
            part = self.socket.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            part, self.was_reset = b"", True
        self.buffer += part
        return bool(part)

    def line(self) -> bytes:
        while b"\n" not in self.buffer:
            if len(self.buffer) > LONGEST_HEAD:
                raise Broken("a line without end")
            if not self.fill():
                raise Ended("within a line")
        line, self.buffer = self.buffer.split(b"\n", 1)
        if not line.endswith(b"\r") or b"\r" in line[:-1]:
            raise Broken(f"a line does not end with CR LF: {line[:80]!r}")
        return line[:-1]

    def octets(self, count: int, message: Message):
        """Moves `count` octets into the body of `message` as they come."""
        while count:
            if not self.buffer and not self.fill():
                raise Ended("within a body")
            part, self.buffer = self.buffer[:count], self.buffer[count:]
            message.body += part
            count -= len(part)

    def head(self, form: re.Pattern) -> Message | None:
        """The next head, whose first line has that form; None if the peer closed before any octet."""
        if not self.buffer and not self.fill():
            return None
        message = Message(self.line(), [])
        if not form.fullmatch(message.line):
            raise Broken(f"no first line: {message.line[:80]!r}")
        message.fields = self.fields()
        return message

    def fields(self) -> list[tuple[bytes, bytes]]:
        """Field lines up to the empty line."""
        found = []
        while line := self.line():
            match = FIELD_LINE.fullmatch(line)
            if not match:
                raise Broken(f"no field: {line[:80]!r}")
            found.append((match[1], match[2]))
        return found

    def request(self) -> Message | None:
        """The next request's head."""
        return self.head(REQUEST_LINE)

    def request_body(self, message: Message):
        """Reads the body of a request to its end."""
        self.body(message, b"" if not message.all(b"content-length") else None)

    def answer(self, method: str = "GET") -> Message | None:
        """The next final answer, with the interim ones before it; `whole` is false where it breaks off."""
        interim = []
        while (message := self.head(STATUS_LINE)) and message.status < 200:
            interim.append(message)
        if message is None:
            if interim:
                raise Ended("after an interim answer")
            return None
        message.interim = interim
        if method == "HEAD" or message.status in (204, 304):
            message.whole = True
            return message
        try:
            self.body(message, None)
        except Ended:
            message.whole = False
        return message

    def body(self, message: Message, without_framing: bytes | None):
        """Reads a body by its framing; without one it is `without_framing`, or goes on until the peer closes."""
        lengths, codings = message.all(b"content-length"), message.all(b"transfer-encoding")
        if codings:
            if lengths or [coding.lower() for coding in codings] != [b"chunked"]:
                raise Broken(f"two framings: {lengths} {codings}")
            self.chunks(message)
        elif lengths:
            if len(lengths) > 1 or not re.fullmatch(rb"[0-9]{1,18}", lengths[0]):
                raise Broken(f"no length: {lengths}")
            self.octets(int(lengths[0]), message)
        elif without_framing is None:
            while self.fill():
                pass
            message.body, self.buffer = message.body + self.buffer, b""
            if self.was_reset:
                raise Ended("by a reset")
        message.whole = True

    def chunks(self, message: Message):
        while True:
            size = self.line()
            if not re.fullmatch(rb"[0-9a-fA-F]{1,15}", size):
                raise Broken(f"no chunk size: {size[:80]!r}")
            if int(size, 16) == 0:
                break
            self.octets(int(size, 16), message)
            if self.line() != b"":
                raise Broken("a chunk is longer than it says")
        message.trailers = self.fields()

    def rest(self) -> bytes:
        """Everything until the peer closes."""
        while self.fill():
            pass
        rest, self.buffer = self.buffer, b""
        return rest
