"""Chunks of requests, their extensions and trailers: RFC 9112 §7.1; X9, X10, E1."""
from hostile.case import LEAVES, SMUGGLED, Case, Saw, as_get, as_post, chunked, passes, refused

SIZE = "X9 E1, RFC 9112 §7.1"
EXTENSION = "X9 E1, RFC 9112 §7.1.1"
TRAILER = "X10 E1, RFC 9112 §7.1.2"
END = b"0\r\n\r\n"
WHOLE = as_post(b"hello", chunked=True)

# What stands where `5 CR LF` should.
NO_SIZES = {
    "a word": b"x\r\n", "a sign": b"+5\r\n", "a negative size": b"-5\r\n", "0x": b"0x5\r\n", "an h behind": b"5h\r\n",
    "no size": b"\r\n", "a space before": b" 5\r\n", "a space behind": b"5 \r\n", "a tab behind": b"5\t\r\n",
    "a bare line feed": b"5\n", "a bare carriage return": b"5\r", "two carriage returns": b"5\r\r\n",
    "a NUL behind": b"5\x00\r\n", "a vertical tab": b"5\x0b\r\n", "a digit of another script": "٥\r\n".encode(),
    "a comma": b"5,5\r\n", "an underscore": b"0_5\r\n", "a fraction": b"5.0\r\n", "a size in quotes": b'"5"\r\n',
    "sixteen digits": b"0000000000000005\r\n", "seventeen digits that wrap to 5": b"10000000000000005\r\n",
    "2^63": b"8000000000000000\r\n", "2^64 - 1": b"ffffffffffffffff\r\n",
    "a size of a thousand zeros": b"0" * 1000 + b"5\r\n", "an empty extension": b"5;\r\n",
    "two semicolons": b"5;;a\r\n", "an extension of an equals sign": b"5;=a\r\n",
    "a space before an extension": b"5 ;a\r\n", "a space in an extension": b"5;a b\r\n",
    "a space after the semicolon": b"5; a\r\n", "a quoted space in an extension": b'5;a="b c"\r\n',
    "a NUL in an extension": b"5;a\x00\r\n", "a bare line feed in an extension": b"5;a\nb\r\n",
    "a bare carriage return in an extension": b"5;a\rb\r\n", "a line end in quotes in an extension": b'5;a="\r\n"\r\n',
    "a letter beyond ASCII in an extension": b"5;\xe9\r\n", "a parenthesis in an extension": b"5;a(b)\r\n",
    "an extension without end": b"5;" + b"a" * 20_000 + b"\r\n",
    "an extension just over its bound": b"5;" + b"a" * 1024 + b"\r\n",
}
# What stands where `CR LF 0 CR LF CR LF` should, behind the first chunk's data.
NO_ENDS = {
    "nothing behind the data": b"0\r\n\r\n", "a bare line feed behind the data": b"\n0\r\n\r\n",
    "a bare carriage return behind the data": b"\r0\r\n\r\n", "an octet too many": b"X\r\n0\r\n\r\n",
    "an empty line behind the data": b"\r\n\r\n0\r\n\r\n", "two octets in place of the line end": b"XX0\r\n\r\n",
    "a last chunk that ends with a bare line feed": b"\r\n0\n\r\n", "an end with a bare line feed": b"\r\n0\r\n\n",
    "an end with a bare carriage return": b"\r\n0\r\n\rX", "minus nothing as the last chunk": b"\r\n-0\r\n\r\n",
    "an octet in place of a trailer": b"\r\n0\r\nX\r\n\r\n", "a trailer without a name": b"\r\n0\r\n: a\r\n\r\n",
    "a trailer with a space before the colon": b"\r\n0\r\nX-A : b\r\n\r\n",
    "a folded trailer": b"\r\n0\r\nX-A: b\r\n c\r\n\r\n", "a first trailer behind a space": b"\r\n0\r\n X-A: b\r\n\r\n",
    "a trailer with a bare line feed": b"\r\n0\r\nX-A: b\nX-B: c\r\n\r\n",
    "a trailer with a bare carriage return": b"\r\n0\r\nX-A: b\rc\r\n\r\n",
    "a trailer with a NUL": b"\r\n0\r\nX-A: \x00\r\n\r\n",
    "a trailer whose name has a control": b"\r\n0\r\nX\x01A: b\r\n\r\n",
    "a trailer over the bound": b"\r\n0\r\nX-A: " + b"b" * 8192 + b"\r\n\r\n",
    "trailers over the bound": b"\r\n0\r\n" + b"X-A: b\r\n" * 1100 + b"\r\n",
    "more trailers than the bound": b"\r\n0\r\n" + b"X-A: b\r\n" * 101 + b"\r\n",
}

# Trailers that would mean something in a head: none of them reaches an upstream, in whatever place.
NO_TRAILERS = [(does, f"{TRAILER}, {more}", line) for does, more, line in [
    ("says a length", "X4", b"Content-Length: 50"), ("says a coding", "X5", b"Transfer-Encoding: gzip"),
    ("says chunked", "X5", b"Transfer-Encoding: chunked"), ("misspells a coding", "X5 H1", b"Transfer_Encoding: chunked"),
    ("names a host", "X1 P4", b"Host: other.test"), ("forwards a host", "P1", b"X-Forwarded-Host: other.test"),
    ("forwards an address", "P1", b"X-Forwarded-For: 6.6.6.6"), ("forwards a client", "P1", b"Forwarded: for=6.6.6.6"),
    ("says a real address", "P1", b"X-Real-IP: 6.6.6.6"), ("says another target", "P1 P3", b"X-Original-URL: /closed"),
    ("says another method", "X14", b"X-HTTP-Method-Override: DELETE"), ("brings a token", "H1", b"Authorization: Bearer x"),
    ("brings a cookie", "H1 P5", b"Cookie: session=x"), ("brings a client's certificate", "H1", b"Client-Cert: :AA==:"),
    ("brings an identity", "H1", b"X-Consumer-Username: ann"), ("misspells an identity", "H1", b"X_Consumer.ID: 1"),
    ("brings groups", "H1", b"X-Authenticated-Groups: admin"), ("closes", "X11", b"Connection: close"),
    ("upgrades", "X11 H5", b"Upgrade: websocket"), ("expects", "X15", b"Expect: 100-continue"),
    ("asks for a part", "H2", b"Range: bytes=0-1"), ("asks on a condition", "H2", b"If-Match: *"),
    ("says a type", "H2", b"Content-Type: text/html"), ("says a coding of the content", "H2", b"Content-Encoding: gzip"),
    ("announces another", "X11", b"Trailer: X-A"), ("takes trailers", "X11", b"TE: trailers"),
    ("asks a proxy", "X12", b"Proxy-Authorization: Basic x"), ("counts hops", "X13", b"Max-Forwards: 0"),
    ("says a trace", "H2", b"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("says a request's name", "P1", b"X-Request-Id: 1"), ("says where it came by", "X13", b"Via: 1.1 other"),
]]


def ended(*trailers: bytes) -> Saw:
    return as_post(b"hello", chunked=True, trailers=trailers)


def with_trailers(*lines: bytes) -> bytes:
    return chunked(b"5\r\nhello\r\n0\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n")


CASES = [
    *(refused("chunk size: " + name, EXTENSION if b";" in text else SIZE, chunked(text + b"hello\r\n" + END + SMUGGLED),
              cut=as_post(chunked=True)) for name, text in NO_SIZES.items()),
    *(refused("chunk end: " + name, TRAILER if "trailer" in name else SIZE, chunked(b"5\r\nhello" + text + SMUGGLED),
        cut=WHOLE)
      for name, text in NO_ENDS.items()),
    refused("a chunk shorter than it says", SIZE, chunked(b"6\r\nhello\r\n" + END), cut=as_post(b"hello\r",
        chunked=True)),
    refused("extensions over the bound of a body", EXTENSION, chunked(
        (b"1;" + b"a" * 1000 + b"\r\nx\r\n") * 17 + END), cut=as_post(b"x" * 17, chunked=True)),
    refused("a second chunk without a size", SIZE, chunked(b"5\r\nhello\r\n\r\n" + SMUGGLED), cut=WHOLE),
    refused("a request in place of a chunk", SIZE, chunked(SMUGGLED), cut=as_post(chunked=True)),
    Case("a chunk of fifteen digits, and five octets", SIZE, chunked(b"fffffffffffffff\r\nhello"), (), cut=WHOLE,
        then=LEAVES),
    Case("no last chunk", "X9 H5, RFC 9112 §8", chunked(b"5\r\nhello\r\n"), (), cut=WHOLE, then=LEAVES),
    Case("a last chunk without its end", "X9 H5, RFC 9112 §8", chunked(b"5\r\nhello\r\n0\r\n"), (), cut=WHOLE,
        then=LEAVES),
    Case("trailers without their end", "X10 H5, RFC 9112 §8", chunked(b"5\r\nhello\r\n0\r\nX-A: b\r\n"), (), cut=WHOLE,
        then=LEAVES),
    # Odd and right: the upstream gets the data in chunks of ours, without extensions, and the trailers that may cross.
    passes("no data", SIZE, chunked(END), as_post(chunked=True)),
    passes("several chunks", SIZE, chunked(b"2\r\nhe\r\n1\r\nl\r\n2\r\nlo\r\n" + END), WHOLE),
    passes("a size in small letters", SIZE, chunked(b"a\r\nhellohello\r\n" + END), as_post(b"hellohello",
        chunked=True)),
    passes("a size in capitals", SIZE, chunked(b"A\r\nhellohello\r\n" + END), as_post(b"hellohello", chunked=True)),
    passes("a size with zeros before", SIZE, chunked(b"0005\r\nhello\r\n" + END), WHOLE),
    passes("a size of fifteen digits", SIZE, chunked(b"000000000000005\r\nhello\r\n" + END), WHOLE),
    passes("a last chunk of many zeros", SIZE, chunked(b"5\r\nhello\r\n00000\r\n\r\n"), WHOLE),
    passes("chunks octet by octet", SIZE, chunked(b"2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nX-A: b\r\n\r\n"), ended(b"X-A: b"), pieces=1),
    passes("a chunk that looks like an end", "X9 H5", chunked(b"5\r\n0\r\n\r\n\r\n" + END), as_post(b"0\r\n\r\n",
        chunked=True)),
    passes("a chunk that looks like a request", "X9 H5", chunked(b"%x\r\n%s\r\n%s" % (len(SMUGGLED), SMUGGLED, END)),
           as_post(SMUGGLED, chunked=True)),
    passes("an extension", EXTENSION, chunked(b"5;a\r\nhello\r\n" + END), WHOLE),
    passes("an extension with a value", EXTENSION, chunked(b"5;a=b;c=d\r\nhello\r\n" + END), WHOLE),
    passes("an extension with a quoted value", EXTENSION, chunked(b'5;a="b"\r\nhello\r\n' + END), WHOLE),
    passes("an extension of the last chunk", EXTENSION, chunked(b"5\r\nhello\r\n0;a=b\r\n\r\n"), WHOLE),
    passes("an extension just within its bound", EXTENSION, chunked(b"5;" + b"a" * 1022 + b"\r\nhello\r\n" + END),
        WHOLE),
    passes("a trailer crosses", TRAILER, with_trailers(b"X-A: b"), ended(b"X-A: b")),
    passes("trailers cross", TRAILER, with_trailers(b"X-A: b", b"X-B:", b"X-C: \xe9\t"), ended(b"X-A: b", b"X-B:",
        b"X-C: \xe9")),
    passes("as many trailers as the bound", TRAILER, with_trailers(*[b"X-A: b"] * 100), ended(*[b"X-A: b"] * 100)),
    *(passes("a trailer that " + does, rows, with_trailers(line, b"X-A: b"), ended(b"X-A: b"))
      for does, rows, line in NO_TRAILERS),
    passes("a trailer that Connection names", TRAILER + ", H2 X11", chunked(
        b"5\r\nhello\r\n0\r\nX-Hop: 1\r\nX-A: b\r\n\r\n", b"Connection: x-hop\r\n"), ended(b"X-A: b")),
    passes("an announced trailer", "X10 X11", chunked(b"5\r\nhello\r\n0\r\nX-A: b\r\n\r\n",
        b"Trailer: X-A, Content-Length, X-Consumer-Username\r\n"),
        as_post(b"hello", b"Trailer: X-A", chunked=True, trailers=(b"X-A: b",))),
    passes("a trailer that is announced and forbidden", "X10 X11", chunked(
        b"5\r\nhello\r\n0\r\nHost: other.test\r\n\r\n", b"Trailer: Host\r\n"), WHOLE),
    passes("a request in a trailer", "X10 H5", with_trailers(b"X-A: GET /smuggled HTTP/1.1"),
        ended(b"X-A: GET /smuggled HTTP/1.1")),
    passes("a request behind trailers", "X10 H5", with_trailers(b"X-A: b") + SMUGGLED, ended(b"X-A: b"),
        as_get(b"/smuggled")),
    passes("a request behind the end", "X9 H5", chunked(b"5\r\nhello\r\n" + END + SMUGGLED), WHOLE,
        as_get(b"/smuggled")),
]
