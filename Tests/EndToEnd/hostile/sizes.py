"""Oversized heads and bodies: E2, X21, RFC 9110 §15.5.14, RFC 9112 §3, RFC 6585 §5; limits are as set."""
from hostile.case import CHUNKED, HOST, Case, Saw, as_get, as_post, get, head, passes, post, refused

# As the program is started with.
HEAD, LINE, FIELDS, BODY = 32_768, 16_384, 100, 100_000
LIMIT = "E2, RFC 9110 §15.5, RFC 6585 §5"


def padded(size: int, start: bytes = b"GET / HTTP/1.1\r\nHost: app.test\r\n") -> bytes:
    """A head of exactly `size` octets, in lines of a kilobyte."""
    lines, rest = b"", size - len(start) - 2
    while rest > 1100:
        lines, rest = lines + b"X-A: " + b"b" * 993 + b"\r\n", rest - 1000
    return start + lines + b"X-A: " + b"c" * (rest - 7) + b"\r\n\r\n"


def in_lines(raw: bytes) -> tuple[bytes, ...]:
    return tuple(line for line in raw.split(b"\r\n") if line.startswith(b"X-"))


def with_fields(count: int) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: app.test\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(count - 1)) + b"\r\n"


LONGEST = b"/" + b"a" * (LINE - len(b"GET / HTTP/1.1"))
CHUNK = b"%x\r\n" % 50_000 + b"x" * 50_000 + b"\r\n"
CASES = [
    passes("a head of the limit", LIMIT, padded(HEAD), as_get(b"/", *in_lines(padded(HEAD)))),
    refused("a head of an octet more", LIMIT, padded(HEAD + 1), 431),
    refused("a head of three times the limit", LIMIT, padded(HEAD * 3), 431),
    refused("a head of the limit and no end", LIMIT, padded(HEAD + 4)[:HEAD], 431),
    refused("a field of 70,000 octets", LIMIT, get(b"/", b"X-A: " + b"b" * 70_000 + b"\r\n"), 431),
    refused("a name of 70,000 octets", LIMIT, get(b"/", b"X" * 70_000 + b": b\r\n"), 431),
    refused("a name without end", LIMIT, b"GET / HTTP/1.1\r\n" + b"X" * 70_000, 431),
    refused("a head without end", LIMIT, b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 10_000, 431),
    passes("as many fields as may be", LIMIT, with_fields(FIELDS), as_get(b"/", *in_lines(with_fields(FIELDS)))),
    refused("a field too many", LIMIT, with_fields(FIELDS + 1), 431),
    refused("2,000 fields", LIMIT, with_fields(2000), 431),
    refused("3,000 empty fields of one name", LIMIT, get(b"/", b"A:\r\n" * 3000), 431),
    refused("2,000 cookies", LIMIT, get(b"/", b"Cookie: a=b\r\n" * 2000), 431),
    passes("a line of the limit", LIMIT, get(LONGEST), as_get(LONGEST)),
    refused("a line of an octet more", LIMIT, get(LONGEST + b"a"), 414),
    refused("a line of four times the limit", LIMIT, get(b"/" + b"a" * 4 * LINE), 414),
    refused("a line without end", LIMIT, b"GET /" + b"a" * 70_000, 414),
    refused("a query of four times the limit", LIMIT, get(b"/?" + b"a" * 4 * LINE), 414),
    refused("a method of 20,000 octets", LIMIT, head(b"A" * 20_000 + b" / HTTP/1.1"), 414),
    refused("a host of 20,000 octets is a name all the same, of nobody", LIMIT, head(
        fields=b"Host: " + b"a." * 10_000 + b"test\r\nX-A: " + b"b" * 20_000 + b"\r\n"), 431),
    passes("a body of the limit", LIMIT, post(b"Content-Length: %d\r\n" % BODY, b"x" * BODY), as_post(b"x" * BODY)),
    refused("a body of an octet more", LIMIT, post(b"Content-Length: %d\r\n" % (BODY + 1), b"x" * (BODY + 1)), 413),
    refused("a body that only says to be large", LIMIT, post(b"Content-Length: 999999999999999999\r\n"), 413),
    refused("a large body that waits to be asked for", "E2 X15", post(
        b"Content-Length: 999999999999\r\nExpect: 100-continue\r\n"), 413),
    passes("chunks of the limit", LIMIT, post(CHUNKED, CHUNK * 2 + b"0\r\n\r\n"), as_post(b"x" * BODY, chunked=True)),
    refused("chunks of an octet more", LIMIT, post(CHUNKED, CHUNK * 2 + b"1\r\nx\r\n0\r\n\r\n"), 413,
            cut=as_post(b"x" * (BODY + 1), chunked=True)),
    passes("a body in chunks of an octet", "X9 E2", post(CHUNKED, b"1\r\nx\r\n" * 5000 + b"0\r\n\r\n"),
        as_post(b"x" * 5000, chunked=True)),
    passes("a Connection of a thousand names", "E2 X11", get(b"/", b"Connection: " + b"x," * 1000 + b"y\r\nX: 1\r\n"),
        as_get()),
    passes("a path of a thousand dots", "E2 P3", get(b"/a/.." * 1000 + b"/b"), as_get(b"/b")),
    passes("a path of a thousand segments", "E2 P3", get(b"/a" * 1000), as_get(b"/a" * 1000)),
    passes("a path of a thousand slashes", "E2 P3", get(b"/" * 1000), as_get(b"/")),
    Case("a thousand empty lines", "E2, RFC 9112 §2.2", b"\r\n" * 1000 + get(), (400,)),
    passes("a HEAD of a long line", LIMIT, head(b"HEAD " + LONGEST[:-1] + b" HTTP/1.1", HOST),
        Saw(b"HEAD " + LONGEST[:-1] + b" HTTP/1.1")),
]
