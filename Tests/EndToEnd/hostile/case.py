"""What a row of the tables is."""
from dataclasses import dataclass

HOST = b"Host: app.test\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n"
# What a client does once it has written all: waits for answers, goes away, or only says that it will write no more.
WAITS, LEAVES, HALF_CLOSES, RESETS = "waits", "leaves", "half-closes", "resets"


@dataclass(frozen=True)
class Saw:
    """A request as the upstream must get it, without what the gateway adds to every one."""

    line: bytes
    fields: tuple[bytes, ...] = ()
    body: bytes = b""
    chunked: bool = False
    host: bytes | None = b"app.test"
    trailers: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Case:
    """A client's octets, the answers in their order, and what the upstream saw."""

    name: str
    rows: str
    octets: bytes
    wanted: tuple[int, ...]
    # Whether the connection takes another request afterwards.
    stays: bool = False
    # The whole requests that the upstream saw, in order.
    saw: tuple[Saw, ...] = ()
    # A request of which it may have seen a part, and never the end.
    cut: Saw | None = None
    # The first line's methods, where one is HEAD.
    methods: tuple[str, ...] = ()
    # How many octets go out at a time; 0 is all.
    pieces: int = 0
    then: str = WAITS
    # Statuses of interim answers before the first final one.
    interim: tuple[int, ...] = ()

    def method(self, index: int) -> str:
        """The method of the request whose answer is read."""
        return self.methods[index] if self.methods else "HEAD" if self.octets.startswith(b"HEAD ") else "GET"


@dataclass(frozen=True)
class Hostile:
    """An upstream's octets, and what the client gets of them."""

    name: str
    rows: str
    # Octets, BEGUN, ANSWERED, CLOSE and RESET, as `support.origin` plays them.
    script: tuple
    status: int
    body: bytes | None = b""
    # Whether the client may take the answer for whole; else it sees it break off.
    whole: bool = True
    # Whether the client's connection takes another request.
    stays: bool = True
    # Whether the upstream's connection does.
    pooled: bool = True
    has: tuple[tuple[bytes, bytes], ...] = ()
    lacks: tuple[bytes, ...] = ()
    interim: tuple[int, ...] = ()
    # What crosses of the trailers.
    trailers: tuple[bytes, ...] = ()
    method: str = "GET"
    version: str = "1.1"
    # The request's further fields, and its body; `early` lets the script begin before the body has come.
    fields: bytes = b""
    content: bytes = b""
    # What of the body is written only once the answer has come.
    later: bytes = b""
    early: bool = False
    # How often the upstream is asked.
    times: int = 1
    slow: bool = False


def head(line: bytes = b"GET / HTTP/1.1", fields: bytes = HOST, body: bytes = b"") -> bytes:
    """A request in octets."""
    return line + b"\r\n" + fields + b"\r\n" + body


def get(target: bytes = b"/", more: bytes = b"") -> bytes:
    """A GET with further field lines."""
    return head(b"GET " + target + b" HTTP/1.1", HOST + more)


def post(more: bytes, body: bytes = b"") -> bytes:
    """A POST with further field lines and whatever follows the head."""
    return head(b"POST / HTTP/1.1", HOST + more, body)


def chunked(body: bytes, more: bytes = b"") -> bytes:
    """A POST whose body is in chunks, as they are written."""
    return post(CHUNKED + more, body)


def refused(name: str, rows: str, octets: bytes, status: int = 400, **more) -> Case:
    """Answered with `status`, closed, and nothing of it sent on."""
    return Case(name, rows, octets, (status,), **more)


def passes(name: str, rows: str, octets: bytes, *saw: Saw, stays: bool = True, **more) -> Case:
    """Each request in it goes on as `saw` says and is answered; the connection stays."""
    return Case(name, rows, octets, (200,) * len(saw), stays, saw, **more)


def as_get(target: bytes = b"/", *fields: bytes, **more) -> Saw:
    """What the upstream gets of a GET."""
    return Saw(b"GET " + target + b" HTTP/1.1", fields, **more)


def as_post(body: bytes = b"", *fields: bytes, chunked: bool = False, trailers: tuple[bytes, ...] = ()) -> Saw:
    """What the upstream gets of a POST."""
    return Saw(b"POST / HTTP/1.1", fields, body, chunked, trailers=trailers)


def bad(name: str, rows: str, *script, **more) -> Hostile:
    """An answer that is 502 for the client, after which neither its octets nor its connection are used."""
    return Hostile(name, rows, script, 502, None, pooled=False, **more)


def fine(name: str, rows: str, *script, status: int = 200, body: bytes = b"hello", **more) -> Hostile:
    """An answer that is odd and right."""
    return Hostile(name, rows, script, status, body, **more)


def cut(name: str, rows: str, *script, status: int = 200, body: bytes | None = None, **more) -> Hostile:
    """An answer that has begun and breaks off, for the client too."""
    return Hostile(name, rows, script, status, body, whole=False, stays=False, pooled=False, **more)
