"""Bodies and ends of hostile upstreams: RFC 9112 §6.3, §7.1, §8, §9; X9, X10, X16–X18, X21, H5, E4, D4."""
from hostile.case import CHUNKED, Hostile, bad, cut, fine

ANSWERED, BEGUN, CLOSE, RESET = "when answered", "when begun", "closes", "resets"
CHUNK = "X9 X18, RFC 9112 §7.1"
SHORT = "X16 X18, RFC 9112 §8"
SURPLUS = "H5 X16, RFC 9112 §6.3"
EARLY = "H5 X15, RFC 9112 §9.3"
OK = b"HTTP/1.1 200 OK\r\n"
FIVE = OK + b"Content-Length: 5\r\n\r\n"
CODED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
OPEN = OK + b"\r\n"
POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Marker: poison\r\n\r\npoison"
EXPECTS = b"Expect: 100-continue\r\nContent-Length: 5\r\n"

# What stands where `5 CR LF` should, and where `CR LF 0 CR LF CR LF` should.
NO_SIZES = {
    "a word": b"x\r\n", "a sign": b"+5\r\n", "a negative size": b"-5\r\n", "0x": b"0x5\r\n", "no size": b"\r\n", "a space before": b" 5\r\n",
    "a space behind": b"5 \r\n", "a bare line feed": b"5\n", "a bare carriage return": b"5\r", "sixteen digits": b"0000000000000005\r\n",
    "seventeen digits that wrap to 5": b"10000000000000005\r\n", "2^63": b"8000000000000000\r\n", "a NUL": b"5\x00\r\n",
    "an empty extension": b"5;\r\n", "an extension without end": b"5;" + b"a" * 20_000 + b"\r\n", "a bare line feed in an extension": b"5;a\nb\r\n",
}
NO_ENDS = {
    "nothing behind the data": b"0\r\n\r\n", "a bare line feed behind the data": b"\n0\r\n\r\n", "an octet too many": b"X\r\n0\r\n\r\n",
    "a last chunk that ends with a bare line feed": b"\r\n0\n\r\n", "an octet in place of a trailer": b"\r\n0\r\nX\r\n\r\n",
    "a trailer with a space before the colon": b"\r\n0\r\nX-A : b\r\n\r\n", "a folded trailer": b"\r\n0\r\nX-A: b\r\n c\r\n\r\n",
    "a trailer with a NUL": b"\r\n0\r\nX-A: \x00\r\n\r\n", "trailers over the bound": b"\r\n0\r\n" + b"X-A: b\r\n" * 1100 + b"\r\n",
    "another answer for a chunk": b"\r\n" + POISON,
}

CASES = [
    *(cut("chunk size: " + name, CHUNK, CODED + text + b"hello\r\n0\r\n\r\n") for name, text in NO_SIZES.items()),
    *(cut("chunk end: " + name, CHUNK, CODED + b"5\r\nhello" + text) for name, text in NO_ENDS.items()),
    # Too little
    cut("a body shorter than its length", SHORT, FIVE + b"he", CLOSE, body=b"he"),
    cut("a length of eighteen digits, and five octets", "X9 X18 E4", OK + b"Content-Length: 999999999999999999\r\n\r\nhello", CLOSE, body=b"hello"),
    cut("a chunk of fifteen digits, and five octets", "X9 X18 E4", CODED + b"fffffffffffffff\r\nhello", CLOSE, body=b"hello"),
    cut("a body that never begins", SHORT, FIVE, CLOSE, body=b""),
    cut("a body that a reset ends", SHORT, FIVE + b"he", BEGUN, RESET, body=b"he"),
    cut("chunks without the last", SHORT, CODED + b"5\r\nhello\r\n", CLOSE, body=b"hello"),
    cut("half a chunk", SHORT, CODED + b"5\r\nhe", CLOSE, body=b"he"),
    cut("no chunk at all", SHORT, CODED, CLOSE, body=b""),
    cut("a last chunk without its end", SHORT, CODED + b"5\r\nhello\r\n0\r\n", CLOSE, body=b"hello"),
    cut("trailers without their end", SHORT, CODED + b"5\r\nhello\r\n0\r\nX-A: b\r\n", CLOSE, body=b"hello"),
    cut("chunks that a reset ends", SHORT, CODED + b"5\r\nhello\r\n", BEGUN, RESET, body=b"hello"),
    cut("an open end that is a reset", SHORT, OPEN + b"hello", BEGUN, RESET, body=b"hello"),
    cut("an open end that is a reset, for HTTP/1.0", SHORT, OPEN + b"hello", BEGUN, RESET, body=b"hello", version="1.0"),
    cut("an answer that says to stay and breaks off", SHORT, OK + b"Connection: keep-alive\r\nContent-Length: 500\r\n\r\nhello", CLOSE,
        body=b"hello"),
    cut("a body that stops coming", "X21 X18", FIVE + b"he", BEGUN, ANSWERED, slow=True, body=b"he"),
    cut("chunks that stop coming", "X21 X18", CODED + b"5\r\nhello\r\n", BEGUN, ANSWERED, slow=True, body=b"hello"),
    cut("an open end that does not come", "X21 X18", OPEN + b"hello", BEGUN, ANSWERED, slow=True, body=b"hello"),
    bad("no octet and an end", "X17 X18 D4", CLOSE, method="POST"),
    bad("no octet and an end, for what may be asked twice", "X17 D4, RFC 9110 §9.2.2", CLOSE, times=2),
    bad("no octet and a reset", "X17 X18 D4", RESET, method="POST"),
    bad("no octet and an end, for a body that was sent", "X17 D4, RFC 9110 §9.2.2", CLOSE, method="PUT", fields=b"Content-Length: 5\r\n",
        content=b"hello"),
    bad("half a status line and an end", "X17 X18", b"HTTP/1.1 20", CLOSE),
    bad("half a head and an end", "X17 X18", OK + b"Content-Length: 5\r\n", CLOSE),
    bad("a head without its last octet, and an end", "X17 X18", FIVE[:-1], CLOSE),
    bad("half a head and a reset", "X17 X18", OK + b"Content-Le", RESET),
    Hostile("no octet in time", "X21, RFC 9110 §15.6.5", (ANSWERED,), 504, None, pooled=False, slow=True),
    Hostile("half a head in time", "X21, RFC 9110 §15.6.5", (OK + b"X-A", ANSWERED), 504, None, pooled=False, slow=True),
    Hostile("an interim answer in time, and no other", "X21 X15", (b"HTTP/1.1 103 A\r\n\r\n", ANSWERED), 504, None, pooled=False, slow=True,
            interim=(103,)),
    # Too much
    fine("a line end behind the body", SURPLUS, FIVE + b"hello\r\n", stays=False, pooled=False),
    fine("an octet behind the body", SURPLUS, FIVE + b"helloX", stays=False, pooled=False),
    fine("another answer behind the body", SURPLUS, FIVE + b"hello" + POISON, stays=False, pooled=False),
    fine("an interim answer behind the body", SURPLUS, FIVE + b"helloHTTP/1.1 100 Continue\r\n\r\n", stays=False, pooled=False),
    fine("another answer behind the last chunk", SURPLUS, CODED + b"5\r\nhello\r\n0\r\n\r\n" + POISON, stays=False, pooled=False),
    fine("another last chunk", SURPLUS, CODED + b"5\r\nhello\r\n0\r\n\r\n0\r\n\r\n", stays=False, pooled=False),
    fine("a body behind a length of nothing", SURPLUS, OK + b"Content-Length: 0\r\n\r\nhello", body=b"", stays=False, pooled=False),
    fine("a body behind a last chunk alone", SURPLUS, CODED + b"0\r\n\r\nhello", body=b"", stays=False, pooled=False),
    fine("another answer, later", SURPLUS, FIVE + b"hello", ANSWERED, POISON, pooled=False),
    fine("an octet, later", SURPLUS, FIVE + b"hello", ANSWERED, b"X", pooled=False),
    fine("a body of 204, later", SURPLUS, b"HTTP/1.1 204 X\r\n\r\n", ANSWERED, b"hello", status=204, body=b"", pooled=False),
    fine("an end, later", "X17 H5, RFC 9112 §9.5", FIVE + b"hello", ANSWERED, CLOSE, pooled=False),
    fine("a reset, later", "X17 H5, RFC 9112 §9.5", FIVE + b"hello", ANSWERED, RESET, pooled=False),
    fine("many answers, later", SURPLUS, FIVE + b"hello", ANSWERED, POISON * 100, CLOSE, pooled=False),
    # Odd and right
    fine("an open end", "X18, RFC 9112 §6.3", OPEN + b"hello", CLOSE, pooled=False),
    fine("an open end for HTTP/1.0", "X18, RFC 9112 §6.3", OPEN + b"hello", CLOSE, pooled=False, version="1.0", stays=False),
    fine("an open end of nothing", "X18, RFC 9112 §6.3", OPEN, CLOSE, pooled=False, body=b""),
    fine("an open end that says to stay", "X18, RFC 9112 §6.3", OK + b"Connection: keep-alive\r\n\r\nhello", CLOSE, pooled=False),
    fine("chunks for HTTP/1.0", "X16, RFC 9112 §6.1", CODED + b"5\r\nhello\r\n0\r\n\r\n", version="1.0", stays=False,
         lacks=(b"transfer-encoding",)),
    fine("chunks", CHUNK, CODED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
    fine("no data in chunks", CHUNK, CODED + b"0\r\n\r\n", body=b""),
    fine("chunks with extensions and trailers", "X9 X10", CODED + b'2;a=b\r\nhe\r\n3;c="d"\r\nllo\r\n0;e\r\nSet-Cookie: a=b\r\nContent-Length: 9\r\n\r\n',
         lacks=(b"set-cookie", b"content-length", b"trailer")),
    fine("chunks octet by octet", CHUNK, *(bytes([octet]) for octet in CODED + b"5\r\nhello\r\n0\r\n\r\n")),
    fine("a chunk that looks like an answer", "X9 H5", CODED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(POISON), POISON), body=POISON),
    fine("a body that looks like an answer", SURPLUS, OK + b"Content-Length: %d\r\n\r\n%s" % (len(POISON), POISON), body=POISON),
    fine("a long body", SHORT, OK + b"Content-Length: 300000\r\n\r\n" + b"x" * 300_000, body=b"x" * 300_000),
    fine("a length of nothing", SHORT, OK + b"Content-Length: 0\r\n\r\n", body=b""),
    # Answers before the request is whole
    fine("a final answer before the body, which was waited for", EARLY, FIVE + b"hello", method="POST", fields=EXPECTS, early=True,
         stays=False, pooled=False),
    fine("100 and a final answer before the body", EARLY, b"HTTP/1.1 100 Continue\r\n\r\n" + FIVE + b"hello", method="POST", fields=EXPECTS,
         early=True, interim=(100,), stays=False, pooled=False),
    fine("a refusal before a body in chunks", EARLY, b"HTTP/1.1 403 X\r\nContent-Length: 5\r\n\r\nhello", method="POST", fields=CHUNKED, early=True,
         status=403, stays=False, pooled=False),
    fine("a refusal amid a large body", EARLY, b"HTTP/1.1 413 X\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", method="POST",
         fields=b"Content-Length: 90000\r\n", content=b"x" * 10, early=True, status=413, stays=False, pooled=False),
    fine("an answer before the end of a small body", EARLY, FIVE + b"hello", method="POST", fields=b"Content-Length: 5\r\n", content=b"he",
         later=b"llo", early=True, pooled=False),
    fine("an answer before the end of a body that looks like a request", EARLY, FIVE + b"hello", method="POST",
         fields=b"Content-Length: 42\r\n", content=b"GET /smuggled HTTP", later=b"/1.1\r\nHost: app.test\r\n\r\n", early=True,
         pooled=False),
    fine("an answer while the whole body comes", EARLY, FIVE + b"hello", method="POST", fields=b"Content-Length: 5\r\n", content=b"hello",
         early=True),
    bad("a bad answer before the body", EARLY, b"HTTP/1.1 20 X\r\n\r\n", method="POST", fields=EXPECTS, early=True, stays=False),
    bad("an end before the body", EARLY, CLOSE, method="POST", fields=EXPECTS, early=True, stays=False),
    cut("an answer before the body, that breaks off", EARLY, FIVE + b"he", CLOSE, method="POST", fields=EXPECTS, early=True, body=b"he"),
]
