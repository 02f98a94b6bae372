"""Content-Length and Transfer-Encoding of requests: RFC 9112 §6; X5–X8, E1, P5."""
from hostile.case import (
    CHUNKED, HOST, LEAVES, SMUGGLED, Case, Saw, as_get, as_post, chunked, get, head, passes, post, refused)

LENGTH = "X8 E1, RFC 9112 §6.3, RFC 9110 §8.6"
CODING = "X6 E1, RFC 9112 §6.1, §7"
BOTH = "X5 E1 P5, RFC 9112 §6.1"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"


def length(value: bytes, body: bytes = b"hello") -> bytes:
    return post(b"Content-Length:" + value + b"\r\n", body)


def coding(value: bytes) -> bytes:
    return post(b"Transfer-Encoding:" + value + b"\r\n", HELLO)


NO_LENGTHS = {
    "a list of lengths": b" 5, 5", "a list of unequal lengths": b" 5, 6", "a length and a comma": b" 5,",
    "a comma and a length": b" ,5", "an empty length": b"", "a length of a space": b" ", "a signed length": b" +5",
    "a negative length": b" -1", "minus nothing": b" -0", "plus nothing": b" +0", "a hexadecimal length": b" 0x5",
    "an octal length": b" 0o5", "hexadecimal digits": b" 5a", "a length with a space inside": b" 1 0",
    "a length with a tab inside": b" 1\t0", "a length beyond 64 bits": b" 18446744073709551621",
    "a length that wraps to 5 in 32 bits, with a sign": b" +4294967301", "a length of 2^63": b" 9223372036854775808",
    "a length of nineteen digits": b" 0000000000000000005", "a fraction": b" 5.0", "an exponent": b" 5e0",
    "a length with a parameter": b" 5;x=y", "a length in quotes": b' "5"', "a word": b" five", "not a number": b" NaN",
    "an underscore between digits": b" 1_0", "digits of another script": " ٥".encode(), "a wide digit": " ５".encode(),
    "a superscript": b" \xb2", "a no-break space": b"\xa05", "a vertical tab": b" \x0b5", "a form feed": b" 5\x0c",
    "a NUL behind the length": b" 5\x00",
}
NO_CODINGS = {
    "an unknown coding alone": b" gzip", "chunked is not the last coding": b" chunked, gzip",
    "chunked twice": b" chunked, chunked", "chunked and identity": b" chunked, identity", "an empty coding": b"",
    "identity": b" identity", "chunked in quotes": b' "chunked"', "chunked in apostrophes": b" 'chunked'",
    "chunked with a parameter": b" chunked;q=1", "chunked with a semicolon": b" chunked;",
    "chunked and a comma": b" chunked,", "a comma and chunked": b" ,chunked",
    "chunked with a letter before": b" xchunked", "chunked with a letter behind": b" chunkedx",
    "chunked in two words": b" chun ked", "chunked and a word": b" chunked foo",
    "chunked with a vertical tab": b" \x0bchunked", "chunked with a form feed": b"\x0cchunked",
    "chunked with a NUL": b" chunked\x00", "chunked with a no-break space": b"\xa0chunked",
    "chunked with a long s": " ſchunked".encode(), "chunked with a Kelvin sign": "chun\u212aed".encode(),
    "chunked with a backslash": b" chunke\\d", "a byte order mark before chunked": b"\xef\xbb\xbfchunked",
}

CASES = [
    *(refused(name, LENGTH, length(value, SMUGGLED)) for name, value in NO_LENGTHS.items()),
    *(refused("coding: " + name, CODING, coding(value)) for name, value in NO_CODINGS.items()),
    refused("gzip under chunked", CODING, coding(b" gzip, chunked"), 501),
    refused("identity under chunked", CODING, coding(b" identity, chunked"), 501),
    refused("two equal lengths", LENGTH, post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello")),
    refused("two unequal lengths", LENGTH, post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!")),
    refused("two lengths in two cases", LENGTH, post(b"Content-Length: 5\r\ncontent-length: 5\r\n", b"hello")),
    refused("two lengths apart", LENGTH, post(b"Content-Length: 5\r\nX-A: 1\r\nContent-Length: 0\r\n", b"hello")),
    refused("a length and an empty one", LENGTH, post(b"Content-Length: 5\r\nContent-Length:\r\n", b"hello")),
    refused("two lengths of nothing", LENGTH, post(b"Content-Length: 0\r\nContent-Length: 0\r\n")),
    refused("chunked in two fields", CODING, chunked(HELLO, CHUNKED)),
    refused("chunked, and gzip in a field before", CODING, post(b"Transfer-Encoding: gzip\r\n" + CHUNKED, HELLO)),
    refused("chunked, and an empty field before", CODING, post(b"Transfer-Encoding:\r\n" + CHUNKED, HELLO)),
    refused("length and chunked", BOTH, post(b"Content-Length: 5\r\n" + CHUNKED, b"0\r\n\r\n" + SMUGGLED)),
    refused("chunked and length", BOTH, chunked(b"0\r\n\r\n" + SMUGGLED, b"Content-Length: 5\r\n")),
    refused("chunked and a length of nothing", BOTH, chunked(HELLO, b"Content-Length: 0\r\n")),
    refused("chunked and an empty length", BOTH, chunked(HELLO, b"Content-Length:\r\n")),
    refused("an unknown coding and a length", BOTH, post(b"Transfer-Encoding: gzip\r\nContent-Length: 5\r\n",
        b"hello")),
    refused("identity and a length", BOTH, post(b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n", b"hello")),
    refused("an empty coding and a length", BOTH, post(b"Transfer-Encoding:\r\nContent-Length: 5\r\n", b"hello")),
    refused("length and chunked in a GET", BOTH, get(b"/", CHUNKED + b"Content-Length: 6\r\n") + b"0\r\n\r\nX"),
    refused("chunked that Connection nominates, and a length", BOTH, post(
        b"Connection: Transfer-Encoding\r\nContent-Length: 5\r\n" + CHUNKED, HELLO)),
    refused("chunked in HTTP/1.0", "X7, RFC 9112 §6.1", head(b"POST / HTTP/1.0", HOST + CHUNKED, HELLO)),
    refused("chunked in HTTP/1.0 that is kept", "X7, RFC 9112 §6.1", head(
        b"POST / HTTP/1.0", HOST + CHUNKED + b"Connection: keep-alive\r\n", HELLO + SMUGGLED)),
    refused("a length with a space before the colon", "X3, RFC 9112 §5.1", post(b"Content-Length : 5\r\n", b"hello")),
    refused("chunked with a space before the colon", "X3, RFC 9112 §5.1", post(b"Transfer-Encoding : chunked\r\n",
        HELLO)),
    refused("chunked behind a space", "X4, RFC 9112 §5.2", post(b" Transfer-Encoding: chunked\r\n", HELLO)),
    refused("chunked in a folded line", "X4, RFC 9112 §5.2", post(b"Transfer-Encoding:\r\n chunked\r\n", HELLO)),
    refused("a length in a folded line", "X4, RFC 9112 §5.2", post(b"Content-Length:\r\n\t5\r\n", b"hello")),
    refused("chunked behind a bare line feed", "X3, RFC 9112 §2.2", post(b"X-A: b\nTransfer-Encoding: chunked\r\n",
        HELLO)),
    refused("chunked behind a bare carriage return", "X3, RFC 9112 §2.2", post(
        b"X-A: b\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", HELLO)),
    refused("a NUL in the name of the coding", "X3, RFC 9110 §5.1", post(b"Transfer\x00-Encoding: chunked\r\n", HELLO)),
    refused("the name of the coding in quotes", "X3, RFC 9110 §5.1", post(b'"Transfer-Encoding": chunked\r\n', HELLO)),
    # Odd and right: one reading, and the upstream gets the plain form.
    passes("a length with zeros before", LENGTH, length(b" 0005"), as_post(b"hello")),
    passes("a length in tabs", LENGTH, length(b"\t5\t "), as_post(b"hello")),
    passes("a length without a space", LENGTH, length(b"5"), as_post(b"hello")),
    passes("a length of two zeros", LENGTH, length(b" 00", b""), as_post()),
    passes("a length in capitals", LENGTH, post(b"CONTENT-LENGTH: 5\r\n", b"hello"), as_post(b"hello")),
    passes("a POST without framing has no body", "E1, RFC 9112 §6.3", post(b""), as_post()),
    passes("chunked in capitals", CODING, coding(b" CHUNKED"), as_post(b"hello", chunked=True)),
    passes("chunked in tabs", CODING, coding(b"\tchunked \t"), as_post(b"hello", chunked=True)),
    passes("chunked without a space", CODING, coding(b"chunked"), as_post(b"hello", chunked=True)),
    passes("a GET with a body", "E1, RFC 9110 §9.3.1", get(b"/", b"Content-Length: 5\r\n") + b"hello",
        as_get(body=b"hello")),
    passes("a GET with a length of nothing", "E1, RFC 9110 §8.6", get(b"/", b"Content-Length: 0\r\n"), as_get()),
    passes("a GET in chunks", "E1, RFC 9110 §9.3.1", get(b"/", CHUNKED) + HELLO, as_get(body=b"hello", chunked=True)),
    passes("a GET whose body looks like a request", "E1 H5, RFC 9110 §9.3.1",
           get(b"/", b"Content-Length: %d\r\n" % len(SMUGGLED)) + SMUGGLED, as_get(body=SMUGGLED)),
    passes("a HEAD with a body", "E1, RFC 9110 §9.3.2", head(b"HEAD / HTTP/1.1", HOST + b"Content-Length: 5\r\n",
        b"hello"),
           Saw(b"HEAD / HTTP/1.1", body=b"hello")),
    passes("a DELETE with a body", "E1, RFC 9110 §9.3.5", head(
        b"DELETE / HTTP/1.1", HOST + b"Content-Length: 5\r\n", b"hello"), Saw(b"DELETE / HTTP/1.1", body=b"hello")),
    passes("an unknown method in chunks", "E1 P7", head(b"BREW / HTTP/1.1", HOST + CHUNKED, HELLO),
           Saw(b"BREW / HTTP/1.1", body=b"hello", chunked=True)),
    passes("chunked that Connection nominates", "H2 X11, RFC 9110 §7.6.1", chunked(HELLO,
        b"Connection: Transfer-Encoding\r\n"),
           as_post(b"hello", chunked=True)),
    passes("a length that Connection nominates", "H2 X11, RFC 9110 §7.6.1", post(
        b"Connection: Content-Length\r\nContent-Length: 5\r\n", b"hello"), as_post(b"hello")),
    # Names that a backend might take for the real ones end here, and frame nothing.
    passes("a length with an underscore", "H1 E1", post(b"Content_Length: 5\r\n") + SMUGGLED, as_post(),
        as_get(b"/smuggled")),
    passes("a coding with an underscore, and a length", "H1 E1", post(
        b"Transfer_Encoding: chunked\r\nContent-Length: 15\r\n", HELLO), as_post(HELLO)),
    passes("a coding with a dot, and a length", "H1 E1", post(
        b"Transfer.Encoding: chunked\r\nContent-Length: 15\r\n", HELLO), as_post(HELLO)),
    passes("a longer name frames nothing", "E1", post(b"X-Content-Length: 5\r\nContent-Lengths: 6\r\n"),
           as_post(b"", b"X-Content-Length: 5", b"Content-Lengths: 6")),
    passes("a body shorter than what follows", "E1 H5, RFC 9112 §6.3", length(b" 5", b"hello" + SMUGGLED),
           as_post(b"hello"), as_get(b"/smuggled")),
    Case("a body longer than what comes", "E1 H5, RFC 9112 §8", length(b" 50"), (), cut=as_post(b"hello"), then=LEAVES),
]
