"""Heads of hostile upstreams: RFC 9112 §4, §5, §6, RFC 9110 §15; X3–X8, X15, X16, X22, E1, E4, H5."""
from hostile.case import bad, cut, fine

LINE = "E4 H5, RFC 9112 §4"
FIELD = "X3 H5, RFC 9112 §5"
FRAMING = "X5 X8 E1 H5, RFC 9112 §6.3"
INTERIM = "X15 E4, RFC 9110 §15.2"
BODILESS = "X16 H5, RFC 9112 §6.3"
OK = b"HTTP/1.1 200 OK\r\n"
END = b"Content-Length: 5\r\n\r\nhello"
POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Marker: poison\r\n\r\npoison"

NO_LINES = {
    "garbage": b"this is not HTTP\r\n\r\n", "nothing but line ends": b"\r\n\r\n\r\n",
    "an empty line before": b"\r\n" + OK + END, "no reason and no status": b"HTTP/1.1\r\n" + END,
    "a status of two digits": b"HTTP/1.1 20 OK\r\n" + END, "a status of four digits": b"HTTP/1.1 2000 OK\r\n" + END,
    "a status of letters": b"HTTP/1.1 abc OK\r\n" + END, "a status with a sign": b"HTTP/1.1 +20 OK\r\n" + END,
    "a negative status": b"HTTP/1.1 -20 OK\r\n" + END, "status 000": b"HTTP/1.1 000 OK\r\n" + END,
    "status 099": b"HTTP/1.1 099 OK\r\n" + END, "status 600": b"HTTP/1.1 600 OK\r\n" + END,
    "status 999": b"HTTP/1.1 999 OK\r\n" + END, "a reason that touches the status": b"HTTP/1.1 200OK\r\n" + END,
    "two spaces before the status": b"HTTP/1.1  200 OK\r\n" + END,
    "a tab before the status": b"HTTP/1.1\t200 OK\r\n" + END, "no space before the status": b"HTTP/1.1200 OK\r\n" + END,
    "a space before the version": b" HTTP/1.1 200 OK\r\n" + END,
    "a version in small letters": b"http/1.1 200 OK\r\n" + END, "version 2": b"HTTP/2 200\r\n" + END,
    "version 2.0": b"HTTP/2.0 200 OK\r\n" + END, "version 0.9": b"HTTP/0.9 200 OK\r\n" + END,
    "version 1.2": b"HTTP/1.2 200 OK\r\n" + END, "another protocol": b"ICY 200 OK\r\n" + END,
    "a NUL in the reason": b"HTTP/1.1 200 O\x00K\r\n" + END,
    "a control in the reason": b"HTTP/1.1 200 O\x07K\r\n" + END,
    "a bare carriage return in the reason": b"HTTP/1.1 200 OK\rX-A: b\r\n" + END,
    "a line that ends with a line feed": b"HTTP/1.1 200 OK\n" + END,
    "a request": b"GET / HTTP/1.1\r\nHost: app.test\r\n\r\n", "a page without a head": b"<html>hello</html>\r\n\r\n",
    "octets of TLS": b"\x15\x03\x01\x00\x02\x02\x28" + b"\r\n\r\n",
    "frames of HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\r\n\r\n",
}
NO_FIELDS = {
    "a space before the colon": b"X-A : b\r\n", "a length with a space before the colon": b"Content-Length : 5\r\n",
    "a folded line": b"X-A: b\r\n c\r\n", "a folded line with a tab": b"X-A: b\r\n\tc\r\n",
    "a first line behind a space": b" X-A: b\r\n", "no colon": b"X-A\r\n", "an empty name": b": b\r\n",
    "a control in a name": b"X\x01A: b\r\n", "a name beyond ASCII": b"X\xe9: b\r\n",
    "a parenthesis in a name": b"X(A): b\r\n", "a NUL in a name": b"X\x00A: b\r\n",
    "a NUL in a value": b"X-A: b\x00c\r\n", "a NUL behind a value": b"X-A: b\x00\r\n",
    "a control in a value": b"X-A: b\x07c\r\n", "a DEL in a value": b"X-A: b\x7f\r\n",
    "a bare carriage return in a value": b"X-A: b\rSet-Cookie: c=d\r\n",
    "a bare line feed in a value": b"X-A: b\nSet-Cookie: c=d\r\n", "two carriage returns": b"X-A: b\r\r\n",
    "a second status line for a field": b"HTTP/1.1 200 OK\r\n",
}
NO_FRAMES = {
    "two unequal lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n",
    "two equal lengths": b"Content-Length: 5\r\nContent-Length: 5\r\n",
    "a list of lengths": b"Content-Length: 5, 5\r\n", "a list of unequal lengths": b"Content-Length: 5, 6\r\n",
    "an empty length": b"Content-Length:\r\n", "a negative length": b"Content-Length: -1\r\n",
    "a signed length": b"Content-Length: +5\r\n", "a hexadecimal length": b"Content-Length: 0x5\r\n",
    "a length of a word": b"Content-Length: five\r\n", "a fraction": b"Content-Length: 5.0\r\n",
    "a length beyond 64 bits": b"Content-Length: 18446744073709551621\r\n",
    "a length of 2^63": b"Content-Length: 9223372036854775808\r\n",
    "length and chunked": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "chunked and length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "chunked twice": b"Transfer-Encoding: chunked, chunked\r\n",
    "chunked in two fields": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "gzip under chunked": b"Transfer-Encoding: gzip, chunked\r\n", "an unknown coding": b"Transfer-Encoding: x\r\n",
    "identity": b"Transfer-Encoding: identity\r\n", "chunked before gzip": b"Transfer-Encoding: chunked, gzip\r\n",
    "an empty coding": b"Transfer-Encoding:\r\n", "chunked in quotes": b'Transfer-Encoding: "chunked"\r\n',
}


def interim(count: int) -> bytes:
    return b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * count


CASES = [
    *(bad("line: " + name, LINE, text) for name, text in NO_LINES.items()),
    *(bad("field: " + name, FIELD, OK + text + END) for name, text in NO_FIELDS.items()),
    *(bad("framing: " + name, FRAMING, OK + text + b"\r\n5\r\nhello\r\n0\r\n\r\n") for name, text in NO_FRAMES.items()),
    bad("chunked in HTTP/1.0", "X7, RFC 9112 §6.1",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    bad("a head over the limit", "E2 E4", OK + b"X-A: " + b"b" * 40_000 + b"\r\n" + END),
    bad("a head without end", "E2 E4", OK + b"X-A: b\r\n" * 20_000),
    bad("a line without end", "E2 E4", b"HTTP/1.1 200 " + b"a" * 70_000),
    bad("more fields than may be", "E2 E4", OK + b"A: b\r\n" * 101 + END),
    bad("a bad head that says to stay", FIELD, OK + b"Connection: keep-alive\r\nX A: b\r\n" + END + POISON),
    # Odd and right
    fine("no reason", LINE, b"HTTP/1.1 200 \r\n" + END),
    fine("no reason and no space", LINE, b"HTTP/1.1 200\r\n" + END),
    fine("a reason beyond ASCII", LINE, b"HTTP/1.1 200 \xc3\x9c\tber\r\n" + END),
    fine("an unknown status", "RFC 9110 §15", b"HTTP/1.1 299 Odd\r\n" + END, status=299),
    fine("an unknown failure", "RFC 9110 §15", b"HTTP/1.1 599 Odd\r\n" + END, status=599),
    fine("HTTP/1.0 that stays", "RFC 9112 §9.3", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + END),
    fine("HTTP/1.0 that does not", "RFC 9112 §9.3", b"HTTP/1.0 200 OK\r\n" + END, pooled=False),
    fine("an upstream that closes afterwards", "RFC 9112 §9.6", OK + b"Connection: close\r\n" + END, pooled=False),
    fine("an upstream that closes in capitals", "RFC 9112 §9.6", OK + b"Connection: X, CLOSE\r\n" + END, pooled=False),
    fine("fields of one hop", "X11, RFC 9110 §7.6.1",
        OK + b"Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\nUpgrade: h2c\r\n"
         b"Proxy-Authenticate: Basic\r\nProxy-Connection: close\r\nTrailer: X-A\r\nTE: trailers\r\nX-A: b\r\n" + END,
         has=((b"X-A", b"b"),), lacks=(b"x-hop", b"keep-alive", b"upgrade", b"proxy-authenticate", b"proxy-connection",
         b"trailer", b"te")),
    fine("a field that Connection nominates in any case", "X11, RFC 9110 §7.6.1",
        OK + b"X-HOP: 1\r\nConnection: x-hop\r\n" + END, lacks=(b"x-hop",)),
    fine("several cookies", "X22, RFC 9110 §5.3",
        OK + b"Set-Cookie: a=1, x\r\nSet-Cookie: b=2; Path=/\r\nset-cookie: c=3\r\n" + END,
         has=((b"Set-Cookie", b"a=1, x"), (b"Set-Cookie", b"b=2; Path=/"), (b"set-cookie", b"c=3"))),
    fine("values beyond ASCII and empty ones", FIELD, OK + b"X-A: \xff\xc3\xa9\r\nX-B:\r\nX-C:\t c \t\r\n" + END,
         has=((b"X-A", b"\xff\xc3\xa9"), (b"X-B", b""), (b"X-C", b"c"))),
    fine("a length with zeros before", FRAMING, OK + b"Content-Length: 0005\r\n\r\nhello", has=((b"Content-Length",
        b"5"),)),
    fine("a head octet by octet", LINE, *(bytes([octet]) for octet in OK + END)),
    # Interim answers
    fine("early hints", INTERIM, interim(1) + OK + END, interim=(103,)),
    fine("an interim answer that nobody asked for", INTERIM, b"HTTP/1.1 100 Continue\r\n\r\n" + OK + END, interim=(100,
        )),
    fine("interim answers of all kinds", INTERIM,
        b"HTTP/1.1 102 Processing\r\n\r\n" + interim(1) + b"HTTP/1.1 199 Odd\r\n\r\n" + OK + END,
         interim=(102, 103, 199)),
    fine("an interim answer with a length has no body", "X15 X16 H5",
        b"HTTP/1.1 103 A\r\nContent-Length: 5\r\n\r\n" + OK + END, interim=(103,)),
    fine("an interim answer that closes", "X15 X11",
        b"HTTP/1.1 103 A\r\nConnection: close, X-A\r\nX-A: b\r\n\r\n" + OK + END, interim=(103,)),
    fine("interim answers are not for HTTP/1.0", "X15, RFC 9110 §15.2", interim(3) + OK + END, version="1.0",
        stays=False),
    fine("ten interim answers", INTERIM, interim(10) + OK + END, interim=(103,) * 10),
    bad("interim answers without end", "E4 X15", interim(20_000), interim=(103,) * 32),
    bad("more interim answers than may be", "E4 X15", interim(33) + OK + END, interim=(103,) * 32),
    bad("an interim answer with two framings", FRAMING,
        b"HTTP/1.1 103 A\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + OK + END),
    bad("a bad line behind an interim answer", INTERIM, interim(1) + b"HTTP/1.1 20 OK\r\n" + END, interim=(103,)),
    bad("an interim answer and an end", "X15 X18", interim(1), "closes", interim=(103,), method="POST"),
    bad("another protocol that nobody asked for", "H5 X15, RFC 9110 §15.2.2",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n" + POISON),
    bad("another protocol that was asked for and not passed on", "H5 X15, RFC 9110 §7.8",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n" + POISON,
        fields=b"Connection: Upgrade\r\nUpgrade: h2c\r\n"),
    bad("another protocol behind an interim answer", "H5 X15", interim(1) + b"HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n",
        interim=(103,)),
    # Answers that have no body whatever they say
    fine("HEAD with a length", BODILESS, OK + b"Content-Length: 5\r\n\r\n", method="HEAD", body=b"",
        has=((b"Content-Length", b"5"),)),
    fine("HEAD with a coding", BODILESS, OK + b"Transfer-Encoding: chunked\r\n\r\n", method="HEAD", body=b""),
    fine("HEAD without framing", BODILESS, OK + b"\r\n", method="HEAD", body=b""),
    fine("HEAD with a body", BODILESS, OK + END, method="HEAD", body=b"", stays=False, pooled=False),
    fine("HEAD with a body in chunks", BODILESS, OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        method="HEAD", body=b"",
         stays=False, pooled=False),
    fine("HEAD with another answer behind", BODILESS, OK + b"Content-Length: 5\r\n\r\n" + POISON, method="HEAD",
        body=b"",
         stays=False, pooled=False),
    *(fine(f"{status} {name}", BODILESS, b"HTTP/1.1 %d X\r\n" % status + text, status=status, body=b"", stays=clean,
        pooled=clean)
      for status in (204, 304) for name, text, clean in (
          ("alone", b"\r\n", True), ("with a coding", b"Transfer-Encoding: chunked\r\n\r\n", True), ("with a body", END,
          False),
          ("with a body in chunks", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", False),
          ("with another answer behind", b"\r\n" + POISON, False))),
    fine("204 with a length loses it", BODILESS, b"HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\n", status=204, body=b"",
        lacks=(b"content-length",)),
    fine("304 with a length keeps it", BODILESS, b"HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n", status=304, body=b"",
         has=((b"Content-Length", b"5"),)),
    cut("205 with less than its length", "X18, RFC 9112 §8", b"HTTP/1.1 205 X\r\nContent-Length: 5\r\n\r\nhe", "closes",
        status=205, body=b"he"),
]
