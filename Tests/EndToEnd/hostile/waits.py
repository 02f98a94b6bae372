"""Clients that keep us waiting: X21, E2; all of them at once, under short limits."""
from hostile.case import CHUNKED, Case, as_get, as_post, get, post

LIMIT = "X21, RFC 9110 §15.5.9"

# Each is answered and closed when its limit is over; 408, or without an answer where no octet of a request came.
CASES = [
    Case("waits: no octet at all", LIMIT, b"", ()),
    Case("waits: a line without its end", LIMIT, b"GET / HTTP/1.1", (408,)),
    Case("waits: a head without its end", LIMIT, b"GET / HTTP/1.1\r\nHost: app.test\r\n", (408,)),
    Case("waits: a head without its last octet", LIMIT, get()[:-1], (408,)),
    Case("waits: an empty line and nothing more", LIMIT, b"\r\n", (408,)),
    Case("waits: a body without its end", LIMIT, post(b"Content-Length: 50\r\n", b"hello"), (408,),
        cut=as_post(b"hello")),
    Case("waits: a body that never begins", LIMIT, post(b"Content-Length: 50\r\n"), (408,), cut=as_post()),
    Case("waits: a chunk without its end", LIMIT, post(CHUNKED, b"a\r\nhello"), (408,), cut=as_post(b"hello",
        chunked=True)),
    Case("waits: a chunk's size without its end", LIMIT, post(CHUNKED, b"5"), (408,), cut=as_post(chunked=True)),
    Case("waits: chunks without the last", LIMIT, post(CHUNKED, b"5\r\nhello\r\n"), (408,), cut=as_post(b"hello",
        chunked=True)),
    Case("waits: a last chunk without its end", LIMIT, post(CHUNKED, b"5\r\nhello\r\n0\r\n"), (408,),
        cut=as_post(b"hello", chunked=True)),
    Case("waits: trailers without their end", "X21 X10", post(CHUNKED, b"5\r\nhello\r\n0\r\nX-A: b\r\n"), (408,),
         cut=as_post(b"hello", chunked=True)),
    Case("waits: a request, and half of another", LIMIT, get(b"/1") + b"GET /2 HTTP/1.1\r\n", (200, 408),
        saw=(as_get(b"/1"),)),
    Case("waits: a request, and no other", LIMIT, get(b"/1"), (200,), saw=(as_get(b"/1"),)),
]
