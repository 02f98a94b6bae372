"""Line endings, field names and field values: RFC 9112 §2.2, §5, RFC 9110 §5; X3, X4, H1, P1."""
from hostile.case import HOST, SMUGGLED, Case, Saw, as_get, as_post, get, head, passes, refused

NAME = "X3, RFC 9110 §5.1, RFC 9112 §5"
VALUE = "X3, RFC 9110 §5.5"
ENDING = "X3 E1, RFC 9112 §2.2"
FOLD = "X4, RFC 9112 §5.2"
LINE = b"GET / HTTP/1.1\r\n"

HEARSAY = [
    b"Forwarded: for=203.0.113.9", b"X-Forwarded-For: 203.0.113.9", b"X-Forwarded-Host: evil.test",
    b"X-Forwarded-Proto: https", b"X-Forwarded-Port: 1", b"X-Forwarded-Path: /evil", b"X-Forwarded-Prefix: /evil",
    b"X-Forwarded-Uri: /evil", b"X-Forwarded-Method: PUT", b"X-Original-URL: /evil", b"X-Original-URI: /evil",
    b"X-Original-Method: PUT", b"X-Rewrite-URL: /evil", b"X-Real-IP: 203.0.113.9", b"X-Request-Id: evil",
    b"X_Forwarded_For: 203.0.113.9", b"x.real.ip: 203.0.113.9", b"X-Forwarded_Host: evil.test",
]

CASES = [
    # Names
    *(refused(f"0x{octet:02x} in a name", NAME, get(b"/", b"X-" + bytes([octet]) + b"A: b\r\n"))
      for octet in (0x00, 0x01, 0x09, 0x0b, 0x1f, 0x20, *b'"(),/;<=>?@[\\]{}', 0x7f, 0x80, 0xff)),
    refused("an empty name", "E1 X3, RFC 9112 §5", get(b"/", b": value\r\n")),
    refused("an empty name, and a length behind", "E1 X3, RFC 9112 §5", get(b"/", b":\r\nContent-Length: 5\r\n")),
    refused("no colon", NAME, get(b"/", b"X-Name\r\n")),
    refused("no colon in the first line", NAME, head(fields=b"X-Name\r\n" + HOST)),
    refused("a tab before the colon", "X3, RFC 9112 §5.1", get(b"/", b"X-Name\t: value\r\n")),
    refused("a space before the colon of Host", "X3, RFC 9112 §5.1", head(fields=b"Host : app.test\r\n")),
    refused("a line of colons", NAME, get(b"/", b"::::\r\n")),
    refused("a second request line for a field", "X3 E1", get(b"/", b"GET /smuggled HTTP/1.1\r\n")),
    passes("every octet of a token in a name", NAME, get(b"/", b"!#$%&'*+-.^_`|~09azAZ: b\r\n"),
           as_get(b"/", b"!#$%&'*+-.^_`|~09azAZ: b")),
    passes("a name of one octet", NAME, get(b"/", b"!: b\r\n"), as_get(b"/", b"!: b")),
    passes("a name of 4,000 octets", NAME, get(b"/", b"X" * 4000 + b": b\r\n"), as_get(b"/", b"X" * 4000 + b": b")),
    passes("a name keeps its case", NAME, get(b"/", b"x-a: 1\r\nX-B: 2\r\n"), as_get(b"/", b"x-a: 1", b"X-B: 2")),
    # Values
    *(refused(f"0x{octet:02x} in a value", VALUE, get(b"/", b"X-A: b" + bytes([octet]) + b"c\r\n"))
      for octet in (0x00, 0x01, 0x08, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x1b, 0x1f, 0x7f)),
    refused("a NUL before a value", VALUE, get(b"/", b"X-A:\x00b\r\n")),
    refused("a NUL behind a value", VALUE, get(b"/", b"X-A: b\x00\r\n")),
    refused("a carriage return before the line end", VALUE, get(b"/", b"X-A: b\r\r\n")),
    passes("a value of nothing", VALUE, get(b"/", b"X-A:\r\n"), as_get(b"/", b"X-A:")),
    passes("a value of spaces", VALUE, get(b"/", b"X-A: \t \r\n"), as_get(b"/", b"X-A:")),
    passes("a value in spaces and tabs", VALUE, get(b"/", b"X-A:\t b\tc \t\r\n"), as_get(b"/", b"X-A: b\tc")),
    passes("a value without a space before", VALUE, get(b"/", b"X-A:b\r\n"), as_get(b"/", b"X-A: b")),
    passes("a value with octets beyond ASCII", VALUE, get(b"/", b"X-A: \x80\xff\xc3\xa9\r\n"), as_get(b"/",
        b"X-A: \x80\xff\xc3\xa9")),
    passes("a value with colons and quotes", VALUE, get(b"/", b'X-A: a:"b:\r\n'), as_get(b"/", b'X-A: a:"b:')),
    passes("a value that looks like a line end", VALUE, get(b"/", b"X-A: a%0d%0aB: c\\r\\n\r\n"), as_get(b"/",
        b"X-A: a%0d%0aB: c\\r\\n")),
    passes("a field thrice, in order", "P5, RFC 9110 §5.3", get(b"/", b"X-A: 1\r\nx-a: 2\r\nX-A:\r\n"),
           as_get(b"/", b"X-A: 1", b"x-a: 2", b"X-A:")),
    passes("cookies in two fields", "P5, RFC 9110 §5.3", get(b"/", b"Cookie: a=1\r\nCookie: b=2\r\n"),
           as_get(b"/", b"Cookie: a=1", b"Cookie: b=2")),
    # Folds
    refused("a folded line", FOLD, get(b"/", b"X-A: one\r\n two\r\n")),
    refused("a folded line with a tab", FOLD, get(b"/", b"X-A: one\r\n\ttwo\r\n")),
    refused("a line of a space", FOLD, get(b"/", b"X-A: one\r\n \r\nX-B: two\r\n")),
    refused("a first line that begins with a space", FOLD, head(fields=b" X-A: one\r\n" + HOST)),
    refused("a first line that begins with a tab", FOLD, head(fields=b"\tX-A: one\r\n" + HOST)),
    refused("Host in a folded line", FOLD, head(fields=b"X-A: b\r\n Host: other.test\r\n" + HOST)),
    refused("a folded Host", FOLD, head(fields=b"Host:\r\n app.test\r\n")),
    refused("a last line that is folded", FOLD, head(fields=HOST + b" \r\n")),
    # Line endings
    refused("the request line ends with a line feed", ENDING, b"GET / HTTP/1.1\n" + HOST + b"\r\n"),
    refused("a field ends with a line feed", ENDING, LINE + b"Host: app.test\n\r\n"),
    refused("a field amid others ends with a line feed", ENDING, get(b"/", b"X-A: b\nX-B: c\r\n")),
    refused("the head ends with a line feed", ENDING, LINE + HOST + b"\n"),
    refused("all lines end with line feeds", ENDING, b"GET / HTTP/1.1\nHost: app.test\n\n"),
    refused("line feed before carriage return", ENDING, b"GET / HTTP/1.1\n\rHost: app.test\n\r\n\r"),
    refused("two carriage returns before a line feed", ENDING, b"GET / HTTP/1.1\r\r\n" + HOST + b"\r\n"),
    refused("two carriage returns at the head's end", ENDING, LINE + HOST + b"\r\r\n\r\n"),
    refused("a carriage return for a line end", ENDING, b"GET / HTTP/1.1\rHost: app.test\r\r\n\r\n"),
    refused("a request behind a bare line feed", ENDING, LINE + HOST + b"X-A: b\n\n" + SMUGGLED),
    refused("a request behind a bare carriage return", ENDING, LINE + HOST + b"X-A: b\r\r" + SMUGGLED),
    refused("vertical tab for a line end", ENDING, LINE + b"Host: app.test\x0bX-A: b\r\n\r\n"),
    refused("next line for a line end", ENDING, LINE + b"Host: app.test\xc2\x85X-A: b\r\n\r\n"),
    passes("next line in a value", ENDING, get(b"/", b"X-A: b\xc2\x85X-B: c\r\n"), as_get(b"/",
        b"X-A: b\xc2\x85X-B: c")),
    # What comes before a request line
    passes("one empty line before", ENDING, b"\r\n" + get(), as_get()),
    passes("one empty line between two requests", ENDING, get(b"/1") + b"\r\n" + get(b"/2"), as_get(b"/1"),
        as_get(b"/2")),
    refused("two empty lines before", ENDING, b"\r\n\r\n" + get()),
    refused("a line feed before", ENDING, b"\n" + get()),
    refused("a carriage return before", ENDING, b"\r" + get()),
    refused("a space before", ENDING, b" " + get()),
    refused("a NUL before", ENDING, b"\x00" + get()),
    refused("a byte order mark before", ENDING, b"\xef\xbb\xbf" + get()),
    refused("a line of a space before", ENDING, b" \r\n" + get()),
    refused("a field before the request line", ENDING, b"X-A: b\r\n" + get()),
    refused("an empty line and a space before", ENDING, b"\r\n " + get()),
    Case("an answer for a request", ENDING, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", (400,)),
    # Octet by octet, the head is the same.
    passes("octet by octet", ENDING, get(b"/a", b"X-A:  b \r\n"), as_get(b"/a", b"X-A: b"), pieces=1),
    refused("a bare line feed, octet by octet", ENDING, b"GET / HTTP/1.1\r\nX-A: b\n" + HOST + b"\r\n", pieces=1),
    # What strangers say of themselves
    *(passes("hearsay " + line.decode(), "P1 H1 X20", get(b"/", line + b"\r\nX-A: b\r\n"), as_get(b"/", b"X-A: b"))
        for line in HEARSAY),
    passes("a name of ours, in a body's head", "H1 X20", head(
        b"POST / HTTP/1.1", HOST + b"X_Consumer_Username: ann\r\nX-Consumer.Id: 1\r\nContent-Length: 2\r\n", b"hi"),
        as_post(b"hi")),
    passes("our own Via is no stranger's", "X13, RFC 9110 §7.6.3", get(b"/", b"Via: 1.1 far\r\n"), as_get(b"/",
        b"Via: 1.1 far")),
    passes("a PUT keeps its fields", "P5", head(b"PUT /x HTTP/1.1", HOST + b"X-A: b\r\nContent-Length: 1\r\nX-B: c\r\n",
        b"z"),
           Saw(b"PUT /x HTTP/1.1", (b"X-A: b", b"X-B: c"), b"z")),
]
