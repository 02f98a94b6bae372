"""What belongs to one connection: Connection, Upgrade, Expect, ends: RFC 9110 §7.6–§7.8, §10.1.1; X11–X15, H2, H5."""
from hostile.case import (
    CHUNKED, HALF_CLOSES, HOST, LEAVES, RESETS, SMUGGLED, Case, Saw, as_get, as_post, get, head, passes, post, refused)

HOP = "X11, RFC 9110 §7.6.1"
NOMINATED = "H2 X11, RFC 9110 §7.6.1"
UPGRADE = "H5 X11 X15, RFC 9110 §7.8"
# What the origin sees of an upgrade that goes on.
TAKES_TRAILERS = (b"Connection: TE", b"TE: trailers")
UPGRADES = (b"Connection: upgrade", b"Upgrade: websocket")
EXPECT = "X15 H5, RFC 9110 §10.1.1"
CLOSING = "X19, RFC 9112 §9.3, §9.6"
OLD = "X7, RFC 9112 §9.3, RFC 9110 §2.5"
FRAME = b"\x81\x85\x00\x00\x00\x00hello"


def connection(value: bytes, more: bytes = b"") -> bytes:
    return get(b"/", b"Connection:" + value + b"\r\n" + more)


def expects(value: bytes, body: bytes = b"hello") -> bytes:
    return post(b"Content-Length: 5\r\nExpect:" + value + b"\r\n", body)


def old(more: bytes = b"", line: bytes = b"GET / HTTP/1.0", body: bytes = b"") -> bytes:
    return head(line, HOST + more, body)


HOPS = [
    b"Keep-Alive: timeout=5, max=1000", b"Proxy-Connection: keep-alive", b"Proxy-Connection: close",
    b"TE: gzip", b"TE: trailers;q=1", b"TE: chunked", b"Trailer: X-A", b"Upgrade: h2c", b"Upgrade: websocket",
    b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", b"Proxy-Authorization: Basic eDp5", b"Proxy-Authenticate: Basic",
    b"keep_alive: 5", b"proxy_authorization: Basic eDp5",
]
CASES = [
    # Fields of one hop
    *(passes("a hop's " + field.decode(), "X11 X12 H1, RFC 9110 §7.6.1", get(b"/", field + b"\r\nX-A: b\r\n"),
        as_get(b"/", b"X-A: b"))
      for field in HOPS),
    # Trailers cross, so what of TE is about them is said anew to the next hop; nothing else of it is.
    *(passes("a hop's " + field.decode(), "X10 X11, RFC 9110 §10.1.4", get(b"/", field + b"\r\nX-A: b\r\n"),
        as_get(b"/", b"X-A: b", *TAKES_TRAILERS))
      for field in (b"TE: trailers", b"TE: gzip;q=0.5, Trailers", b"TE: gzip\r\nConnection: TE\r\nTE: trailers")),
    passes("TE of HTTP/1.0", "X7 X11", old(b"TE: trailers\r\n"), as_get(), stays=False),
    passes("a name of a hop with a dot inside a word", "H1", get(b"/", b"Up.grade: h2c\r\n"), as_get(b"/",
        b"Up.grade: h2c")),
    passes("Connection takes a field out", NOMINATED, connection(b" X-Hop", b"X-Hop: 1\r\nX-A: b\r\n"), as_get(b"/",
        b"X-A: b")),
    passes("Connection takes a field out in any case", NOMINATED, connection(b" x-HOP", b"X-Hop: 1\r\n"), as_get()),
    passes("Connection takes a repeated field out", NOMINATED, connection(b" X-Hop",
        b"X-Hop: 1\r\nX-A: b\r\nX-Hop: 2\r\n"),
           as_get(b"/", b"X-A: b")),
    passes("Connection behind what it takes out", NOMINATED, get(b"/", b"X-Hop: 1\r\nConnection: X-Hop\r\n"), as_get()),
    passes("two Connections", NOMINATED, connection(b" X-Hop",
        b"Connection: X-Two\r\nX-Hop: 1\r\nX-Two: 2\r\nX-A: b\r\n"),
           as_get(b"/", b"X-A: b")),
    passes("a list with empty elements", NOMINATED, connection(b" ,, X-Hop ,\t,", b"X-Hop: 1\r\n"), as_get()),
    passes("an empty Connection", HOP, connection(b""), as_get()),
    passes("a nominated name is no prefix", NOMINATED, connection(b" X-Hop", b"X-Hop-Two: 1\r\n"), as_get(b"/",
        b"X-Hop-Two: 1")),
    *(passes("Connection nominates " + name.decode(), "H2 P1", connection(b" close, " + name), as_get(), stays=False)
        for name in (
        b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Forwarded-Proto", b"X-Request-Id", b"Via", b"Host",
        b"Content-Length", b"Connection")),
    passes("Connection nominates a cookie", "H2 P5", connection(b" Cookie", b"Cookie: a=b\r\n"), as_get()),
    refused("a Connection in quotes", HOP, connection(b' "close"')),
    refused("a Connection with a space inside", HOP, connection(b" keep alive")),
    refused("a Connection with a semicolon", HOP, connection(b" close; X-Hop")),
    refused("a Connection with a control", "X3, RFC 9110 §5.5", connection(b" close\x00")),
    refused("a Connection beyond ASCII", HOP, connection(b" \xc3\xa9")),
    # Closing and staying
    passes("Connection: close", CLOSING, connection(b" close"), as_get(), stays=False),
    passes("Connection: CLOSE", CLOSING, connection(b" CLOSE"), as_get(), stays=False),
    passes("close amid a list", CLOSING, connection(b" X-Hop, close, keep-alive"), as_get(), stays=False),
    passes("keep-alive and close", CLOSING, connection(b" keep-alive", b"Connection: close\r\n"), as_get(),
        stays=False),
    passes("a request behind close is nobody's", "X19 H5", connection(b" close") + SMUGGLED, as_get(), stays=False),
    passes("a name that begins with close", CLOSING, connection(b" closed"), as_get()),
    refused("a request behind a bad one is nobody's", "X19 E1", get(b"/", b"X A: b\r\n") + SMUGGLED),
    Case("a request behind an unread chunked body is nobody's", "X19 S9", head(
        b"POST /closed HTTP/1.1", HOST + CHUNKED, b"5\r\nhello\r\n0\r\n\r\n" + SMUGGLED), (401,)),
    Case("a request behind an unread body is answered", "S9 H5", head(
        b"POST /closed HTTP/1.1", HOST + b"Content-Length: 5\r\n", b"hello" + SMUGGLED), (401, 200), stays=True,
        saw=(as_get(b"/smuggled"),)),
    Case("an unread body that looks like a request", "S9 H5 E1", head(
        b"POST /closed HTTP/1.1", HOST + b"Content-Length: %d\r\n" % len(SMUGGLED), SMUGGLED), (401,), stays=True),
    # HTTP/1.0
    passes("HTTP/1.0 is closed", OLD, old(), as_get(), stays=False),
    passes("HTTP/1.0 with keep-alive", OLD, old(b"Connection: keep-alive\r\n"), as_get()),
    passes("HTTP/1.0 with Keep-Alive in capitals", OLD, old(b"Connection: KEEP-ALIVE\r\n"), as_get()),
    passes("HTTP/1.0 with keep-alive and close", OLD, old(b"Connection: keep-alive, close\r\n"), as_get(), stays=False),
    passes("HTTP/1.0 with the field Keep-Alive alone", OLD, old(b"Keep-Alive: timeout=5\r\n"), as_get(), stays=False),
    passes("HTTP/1.0 with a body", OLD, old(b"Content-Length: 5\r\n", b"POST / HTTP/1.0", b"hello"), as_post(b"hello"),
        stays=False),
    passes("HTTP/1.0 and a request behind", OLD, old() + SMUGGLED, as_get(), stays=False),
    passes("HTTP/1.0 expects nothing", OLD, old(b"Content-Length: 5\r\nExpect: 100-continue\r\n", b"POST / HTTP/1.0",
        b"hello"),
           as_post(b"hello"), stays=False),
    # Upgrade
    passes("an upgrade is passed on", UPGRADE, connection(b" Upgrade",
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"),
           as_get(b"/", b"Sec-WebSocket-Version: 13", *UPGRADES)),
    passes("h2c is not passed on", UPGRADE, connection(b" Upgrade, HTTP2-Settings",
        b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"), as_get()),
    passes("TLS is not begun", UPGRADE, connection(b" Upgrade", b"Upgrade: TLS/1.0, HTTP/1.1\r\n"), as_get()),
    Case("a frame behind an upgrade is a bad request", UPGRADE, connection(b" Upgrade",
        b"Upgrade: websocket\r\n") + FRAME,
         (200, 400), saw=(as_get(b"/", *UPGRADES),)),
    passes("a request behind an upgrade is a request", UPGRADE, connection(b" Upgrade",
        b"Upgrade: websocket\r\n") + SMUGGLED,
           as_get(b"/", *UPGRADES), as_get(b"/smuggled")),
    refused("HTTP/2 by prior knowledge", "E3 X3",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", 505),
    refused("a TLS handshake", "X3 E1", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64)),
    refused("a line of PROXY protocol", "E8 P1", b"PROXY TCP4 203.0.113.9 127.0.0.1 1 2\r\n" + get()),
    refused("PROXY protocol in its second form", "E8 P1",
        b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12) + get()),
    # Expect
    passes("100-continue", EXPECT, expects(b" 100-continue"), as_post(b"hello", b"Expect: 100-continue"), interim=(100,
        )),
    passes("100-CONTINUE", EXPECT, expects(b" 100-CONTINUE"), as_post(b"hello", b"Expect: 100-CONTINUE")),
    passes("100-continue in chunks", EXPECT, post(CHUNKED + b"Expect: 100-continue\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
           as_post(b"hello", b"Expect: 100-continue", chunked=True), interim=(100,)),
    *(refused("an expectation:" + value.decode("latin-1"), EXPECT, expects(value), 417) for value in (
        b" 200-ok", b"", b" 100-continue, 100-continue", b" 100-continue;x", b" 100", b" 100-continu",
        b" 100\xe2\x80\x91continue")),
    refused("two expectations, one unknown", EXPECT, expects(b" 100-continue", b"").replace(
        b"Expect", b"Expect: 200-ok\r\nExpect", 1) + b"hello", 417),
    Case("an expectation of a closed route", EXPECT, head(
        b"POST /closed HTTP/1.1", HOST + b"Content-Length: 5\r\nExpect: 100-continue\r\n"), (401,)),
    passes("an expectation in another spelling ends here", "H1 X15", post(b"Content-Length: 5\r\nEx_pect: x\r\n",
        b"hello"),
           as_post(b"hello", b"Ex_pect: x")),
    # Ends
    Case("a client that says nothing", "X21 H5", b"", (), then=LEAVES),
    Case("a client that leaves within the request line", "X18 H5", b"GET / HT", (), then=LEAVES),
    Case("a client that leaves within the head", "X18 H5", b"GET / HTTP/1.1\r\nHost: app.test\r\n", (), then=LEAVES),
    Case("a client that leaves before the last line feed", "X18 H5", b"GET / HTTP/1.1\r\nHost: app.test\r\n\r", (),
        then=LEAVES),
    Case("a client that resets within the head", "X18 H5", b"GET / HTTP/1.1\r\nHost: ap", (), then=RESETS),
    Case("a client that resets within the body", "X18 H5", post(b"Content-Length: 50\r\n", b"hello"), (),
        cut=as_post(b"hello"), then=RESETS),
    Case("a client that half-closes within the body", "X18 H5", post(b"Content-Length: 50\r\n", b"hello"), (),
         cut=as_post(b"hello"), then=HALF_CLOSES),
    Case("a client that half-closes within the head", "X18 H5", b"GET / HTTP/1.1\r\nHost: ap", (), then=HALF_CLOSES),
    # Requests in a row
    passes("three in a row", "H5, RFC 9112 §9.3.2", get(b"/1") + get(b"/2") + get(b"/3"), as_get(b"/1"), as_get(b"/2"),
        as_get(b"/3")),
    passes("bodies in a row", "H5 E1, RFC 9112 §9.3.2", post(b"Content-Length: 5\r\n", b"hello") + post(
        CHUNKED, b"2\r\nhi\r\n0\r\n\r\n") + get(b"/3"), as_post(b"hello"), as_post(b"hi", chunked=True), as_get(b"/3")),
    passes("HEAD in a row", "H5 X16", head(b"HEAD /1 HTTP/1.1") + get(b"/2"), Saw(b"HEAD /1 HTTP/1.1"), as_get(b"/2"),
           methods=("HEAD", "GET")),
    Case("a refusal amid a row", "H5", get(b"/1") + get(b"/closed") + get(b"/3"), (200, 401, 200), stays=True,
         saw=(as_get(b"/1"), as_get(b"/3"))),
    Case("a bad request amid a row", "H5 X19", get(b"/1") + get(b"/a b") + get(b"/3"), (200, 400), saw=(as_get(b"/1"),
        )),
    Case("a bad chunk amid a row", "H5 X19", get(b"/1") + post(CHUNKED, b"x\r\n") + get(b"/3"), (200, 400),
        saw=(as_get(b"/1"),),
         cut=as_post(chunked=True)),
    passes("sixty in a row", "H5, RFC 9112 §9.3.2", b"".join(get(b"/%d" % n) for n in range(60)),
           *(as_get(b"/%d" % n) for n in range(60))),
    passes("ten in a row, octet by octet", "H5, RFC 9112 §9.3.2", b"".join(get(b"/%d" % n) for n in range(10)),
           *(as_get(b"/%d" % n) for n in range(10)), pieces=1),
]
