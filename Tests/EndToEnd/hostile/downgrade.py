"""The rows of the tables as HTTP/2 would say them: the same methods, targets, names, values, bodies and trailers (E1, E3)."""
import re
from dataclasses import dataclass, field

from hostile.case import Case, Saw, as_get, as_post

# What a row says that HTTP/2 has no way to say; such a row is not played.
LINES = "how lines end and what stands before the first of them: HTTP/2 has no lines"
FIRST_LINE = "the form of a request line: HTTP/2 has pseudo-fields"
VERSION = "another version of HTTP"
FOLD = "a folded line: HTTP/2 has no lines"
COLON = "a field line without a colon: HTTP/2 has names and values"
CHUNKS = "the syntax of chunks: HTTP/2 has frames"
HALF = "half a head: a frame that is not whole is nothing yet"
OTHER = "octets that are no request of HTTP"
PIECES = "how octets are cut: frames are put together before they are read"
# Fields that HTTP/2 has no place for (RFC 9113 §8.2.2).
OF_A_CONNECTION = {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
REQUEST_LINE = re.compile(rb"([^ ]*) (.*) HTTP/1\.1", re.DOTALL)
TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})((?:;" + TOKEN + rb"(?:=(?:" + TOKEN + rb'|"[^\r\n" ]*"))?)*)\r\n')


class Unsayable(Exception):
    """HTTP/2 cannot say it; the text says what."""


@dataclass
class Stream:
    """One request of HTTP/2."""

    fields: list[tuple[bytes, bytes]]
    data: list[bytes] = field(default_factory=list)
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    # Whether its end comes.
    ends: bool = True
    # Whether something in it has no place in HTTP/2, so that it is refused whatever HTTP/1.1 makes of it.
    is_odd: bool = False

    def pseudo(self, name: bytes) -> bytes:
        return next(value for own, value in self.fields if own == name)

    @property
    def line(self) -> bytes:
        """As the upstream would see it."""
        return b"%s %s HTTP/1.1" % (self.pseudo(b":method"), self.pseudo(b":path"))


def pair(line: bytes) -> tuple[bytes, bytes]:
    """A field line's name, in lower case as HTTP/2 has it, and its value."""
    if line[:1] in (b" ", b"\t"):
        raise Unsayable(FOLD)
    name, colon, value = line.partition(b":")
    if not colon:
        raise Unsayable(COLON)
    return name.lower(), value.strip(b" \t")


def fields_of(head: bytes) -> list[tuple[bytes, bytes]]:
    """A head as pseudo-fields and fields."""
    first, *lines = head.split(b"\r\n")
    if not first:
        raise Unsayable(LINES)
    match = REQUEST_LINE.fullmatch(first)
    if not match:
        raise Unsayable(VERSION if re.search(rb" HTTP/[0-9]\.[0-9]$", first) else FIRST_LINE)
    fields = [(b":method", match[1]), (b":scheme", b"http"), (b":path", match[2])]
    pairs = [pair(line) for line in lines]
    hosts = [value for name, value in pairs if name == b"host"]
    if hosts:
        fields.append((b":authority", hosts[0]))
    seen_host = False
    for name, value in pairs:
        if name == b"host" and not seen_host:
            seen_host = True
            continue
        fields.append((name, value))
    return fields


def is_odd(fields: list[tuple[bytes, bytes]]) -> bool:
    """Whether RFC 9113 §8.2.2, §8.3.1 refuse a head that HTTP/1.1 may have."""
    method, path = fields[0][1], fields[2][1]
    has_path = path.startswith(b"/") or (method, path) == (b"OPTIONS", b"*")
    return not has_path or any(
        name in OF_A_CONNECTION or (name == b"te" and value.lower() != b"trailers") for name, value in fields)


def unchunked(octets: bytes) -> tuple[list[bytes], list[tuple[bytes, bytes]], bytes, bool]:
    """Data in pieces, trailers, what follows, and whether the body is whole."""
    data, extensions = [], 0
    while match := CHUNK_SIZE.match(octets):
        size, octets, extensions = int(match[1], 16), octets[match.end():], extensions + len(match[2])
        if len(match[2]) > 1024 or extensions > 16_384:
            raise Unsayable(CHUNKS)
        if size == 0:
            lines, end, rest = (b"\r\n" + octets).partition(b"\r\n\r\n")
            if not end:
                return data, [], b"", False
            return data, [pair(line) for line in lines.split(b"\r\n")[1:]], rest, True
        data.append(octets[:size])
        if len(octets) <= size:
            return data, [], b"", False
        if octets[size:size + 2] != b"\r\n":
            raise Unsayable(CHUNKS)
        octets = octets[size + 2:]
    if octets and not re.fullmatch(rb"[0-9a-fA-F]{1,15}\r?", octets):
        raise Unsayable(CHUNKS)
    return data, [], b"", False


def streams(octets: bytes) -> list[Stream]:
    """The requests that stand in a client's octets, one a stream."""
    found = []
    while octets:
        head, end, octets = octets.partition(b"\r\n\r\n")
        if not end:
            raise Unsayable(OTHER if found or b"\r\n" not in head else HALF)
        stream = Stream(fields_of(head))
        stream.is_odd = is_odd(stream.fields)
        codings = [value for name, value in stream.fields if name == b"transfer-encoding"]
        lengths = [value for name, value in stream.fields if name == b"content-length"]
        if [coding.lower() for coding in codings] == [b"chunked"] and not lengths:
            stream.fields = [one for one in stream.fields if one[0] != b"transfer-encoding"]
            stream.is_odd = is_odd(stream.fields)
            stream.data, stream.trailers, octets, stream.ends = unchunked(octets)
            stream.data = stream.data or [b""]
            stream.is_odd |= any(name in OF_A_CONNECTION for name, _ in stream.trailers)
        elif len(lengths) == 1 and re.fullmatch(rb"[0-9]{1,18}", lengths[0]) and not codings:
            count = int(lengths[0])
            stream.ends, stream.data, octets = len(octets) >= count, [octets[:count]], octets[count:]
        elif codings or lengths:
            stream.data, octets = [octets], b""
        found.append(stream)
    if not found:
        raise Unsayable(OTHER)
    return found


def said(case: Case) -> list[Stream]:
    """The requests of a row."""
    if case.pieces:
        raise Unsayable(PIECES)
    return streams(case.octets)


# Rows that mean something else in HTTP/2, and why: what the upstream sees, or None where it is refused.
BOTH_NAMES = "`:authority` and `host` may both be there if they are the same (RFC 9113 §8.3.1)"
OTHERWISE: dict[str, tuple[Saw | None, str]] = {
    "two equal hosts": (as_get(), BOTH_NAMES),
    "two hosts apart": (as_get(b"/", *[b"X-A: b"] * 20), BOTH_NAMES),
    "a head of the limit": (None, "each field counts for 32 octets more (RFC 9113 §6.5.2)"),
    "chunk end: a trailer over the bound": (
        as_post(b"hello", chunked=True, trailers=(b"X-A: " + b"b" * 8192,)), "trailers have the bound of heads"),
}
# The trailers of an answer that cross to a client which need not say that it takes them.
TRAILERS = {"trailers that nobody asked for": (b"X-A: b",)}


def expected(case: Case, found: list[Stream]) -> list[tuple[int, Saw | None]]:
    """For each stream the status, and what the upstream sees of it; 400 stands for any refusal."""
    saws, result = list(case.saw), []
    for number, stream in enumerate(found):
        wanted = case.wanted[number] if number < len(case.wanted) else 200
        # Behind a request at which HTTP/1.1 closes there is nothing; here the next is a stream of its own.
        saw = None
        if wanted == 200:
            # One that is answered here has none.
            saw = saws.pop(0) if saws else Saw(stream.line) if number >= len(case.wanted) else None
        if number == 0 and case.name in OTHERWISE:
            saw, _ = OTHERWISE[case.name]
            wanted = 200 if saw else 400
        elif stream.is_odd:
            wanted, saw = 400, None
        result.append((wanted, saw))
    return result
