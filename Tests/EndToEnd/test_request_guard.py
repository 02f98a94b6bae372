"""Requests that two readers could understand differently, byte by byte: refused, and nothing of them sent on (E1)."""
import pytest

from support.gatehouse import plugin, route, service
from support.rawsocket import RawConnection, exchange

HEAD = b"Host: app.test\r\n"
PROBE = b"GET /probe HTTP/1.1\r\nHost: app.test\r\n\r\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One program and one upstream for the whole table."""
    from support.gatehouse import Gatehouse
    from support.upstream import Upstream
    with Upstream() as upstream:
        gatehouse = Gatehouse(tmp_path_factory.mktemp("guard"), {"services": [service(
            upstream.url, route("api", "/"), route("closed", "/closed", plugins=[plugin("key-auth")]))]})
        with gatehouse:
            yield gatehouse, upstream


def request(line: bytes = b"GET / HTTP/1.1", fields: bytes = HEAD, body: bytes = b"") -> bytes:
    return line + b"\r\n" + fields + b"\r\n" + body


def post(fields: bytes, body: bytes = b"") -> bytes:
    return request(b"POST / HTTP/1.1", HEAD + fields, body)


CHUNKED = b"Transfer-Encoding: chunked\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n"

REFUSED = {
    # Lengths (RFC 9112 §6; P5, X5–X9)
    "length and chunked": post(b"Content-Length: 5\r\n" + CHUNKED, b"0\r\n\r\n" + SMUGGLED),
    "chunked and length": post(CHUNKED + b"Content-Length: 5\r\n", b"0\r\n\r\n" + SMUGGLED),
    "two equal lengths": post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"),
    "two different lengths": post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!"),
    "a list of lengths": post(b"Content-Length: 5, 5\r\n", b"hello"),
    "an empty length": post(b"Content-Length:\r\n", SMUGGLED),
    "a signed length": post(b"Content-Length: +5\r\n", b"hello"),
    "a negative length": post(b"Content-Length: -1\r\n"),
    "a hexadecimal length": post(b"Content-Length: 0x5\r\n", b"hello"),
    "a length with a space inside": post(b"Content-Length: 1 0\r\n", b"hello"),
    "a length beyond 64 bits": post(b"Content-Length: 18446744073709551621\r\n", b"hello"),
    "an unknown coding": post(b"Transfer-Encoding: gzip\r\n", b"hello"),
    "chunked is not the last coding": post(b"Transfer-Encoding: chunked, gzip\r\n", b"0\r\n\r\n"),
    "chunked twice": post(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"),
    "chunked in two fields": post(CHUNKED + CHUNKED, b"0\r\n\r\n"),
    "chunked with a vertical tab": post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"),
    "chunked in quotes": post(b'Transfer-Encoding: "chunked"\r\n', b"0\r\n\r\n"),
    "an empty coding": post(b"Transfer-Encoding:\r\n", b"0\r\n\r\n"),
    "identity": post(b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n", b"hello"),
    "chunked in HTTP/1.0": request(b"POST / HTTP/1.0", HEAD + CHUNKED, b"0\r\n\r\n"),
    # Field lines (RFC 9112 §5; X3, X4)
    "a space before the colon": request(fields=HEAD + b"X-Name : value\r\n"),
    "a tab before the colon": request(fields=HEAD + b"X-Name\t: value\r\n"),
    "a length with a space before the colon": post(b"Content-Length : 5\r\n", b"hello"),
    "a folded line": request(fields=HEAD + b"X-Name: one\r\n two\r\n"),
    "a folded line with a tab": request(fields=HEAD + b"X-Name: one\r\n\ttwo\r\n"),
    "a first line that begins with a space": request(fields=b" X-Name: one\r\n" + HEAD),
    "a bare line feed ends a line": request(fields=HEAD + b"X-Name: one\nX-Other: two\r\n"),
    "a bare carriage return in a value": request(fields=HEAD + b"X-Name: one\rX-Other: two\r\n"),
    "a NUL in a value": request(fields=HEAD + b"X-Name: o\x00ne\r\n"),
    "a control in a value": request(fields=HEAD + b"X-Name: o\x07ne\r\n"),
    "no colon": request(fields=HEAD + b"X-Name\r\n"),
    "an empty name": request(fields=HEAD + b": value\r\n"),
    "a control in a name": request(fields=HEAD + b"X-\x01Name: value\r\n"),
    "a name beyond ASCII": request(fields=HEAD + b"X-N\xc3\xa4me: value\r\n"),
    "parentheses in a name": request(fields=HEAD + b"X(Name): value\r\n"),
    # Host (RFC 9112 §3.2; X1)
    "no host": request(fields=b"X-Name: value\r\n"),
    "two hosts": request(fields=HEAD + b"Host: other.test\r\n"),
    "two equal hosts": request(fields=HEAD + HEAD),
    "a host with a path": request(fields=b"Host: app.test/evil\r\n"),
    "a host with a user": request(fields=b"Host: user@app.test\r\n"),
    "a list of hosts": request(fields=b"Host: app.test, other.test\r\n"),
    "a host with a space": request(fields=b"Host: app test\r\n"),
    "a host with a bad port": request(fields=b"Host: app.test:99999\r\n"),
    # Request line (RFC 9112 §3; X3, P2)
    "two spaces": request(b"GET  / HTTP/1.1"),
    "a tab": request(b"GET\t/ HTTP/1.1"),
    "a space in the target": request(b"GET /a b HTTP/1.1"),
    "a control in the target": request(b"GET /a\x01b HTTP/1.1"),
    "a fragment in the target": request(b"GET /a#b HTTP/1.1"),
    "a target without a slash": request(b"GET closed HTTP/1.1"),
    "no version": request(b"GET /"),
    "a version in lower case": request(b"GET / http/1.1"),
    "a method that is no token": request(b"G(T / HTTP/1.1"),
    "a space after the version": request(b"GET / HTTP/1.1 "),
    # Chunks (RFC 9112 §7.1; X9)
    "a chunk size that is no number": post(CHUNKED, b"x\r\nhello\r\n0\r\n\r\n"),
    "a chunk size with a sign": post(CHUNKED, b"+5\r\nhello\r\n0\r\n\r\n"),
    "a chunk size with 0x": post(CHUNKED, b"0x5\r\nhello\r\n0\r\n\r\n"),
    "a chunk size beyond 64 bits": post(CHUNKED, b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "a chunk size that ends with a bare line feed": post(CHUNKED, b"5\nhello\r\n0\r\n\r\n"),
    "a chunk longer than said": post(CHUNKED, b"5\r\nhelloX\r\n0\r\n\r\n"),
    "a chunk extension with a bare carriage return": post(CHUNKED, b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "a chunk extension without end": post(CHUNKED, b"5;" + b"a" * 20000 + b"\r\nhello\r\n0\r\n\r\n"),
    # Paths (P3)
    "an encoded slash": request(b"GET /a%2fb HTTP/1.1"),
    "an encoded backslash": request(b"GET /a%5cb HTTP/1.1"),
    "a backslash": request(b"GET /a\\b HTTP/1.1"),
    "an encoded NUL": request(b"GET /a%00b HTTP/1.1"),
    "dot-dot above the root": request(b"GET /../closed HTTP/1.1"),
    "encoded dots": request(b"GET /a/%2e%2e/closed HTTP/1.1"),
    "a segment with parameters": request(b"GET /a;b/closed HTTP/1.1"),
    "dot-dot with parameters": request(b"GET /a/..;/closed HTTP/1.1"),
    "an overlong encoding": request(b"GET /a/%c0%ae%c0%ae/closed HTTP/1.1"),
    "a percent sign alone": request(b"GET /a%zzb HTTP/1.1"),
    # Methods (X14)
    "CONNECT": request(b"CONNECT app.test:443 HTTP/1.1"),
    "TRACE": request(b"TRACE / HTTP/1.1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_ambiguous_request_is_refused_and_the_connection_closed(served, name):
    """E1, P2, P3, X1–X9, X14: 4xx or 501, no byte of a second request is taken for one, the next connection works."""
    gatehouse, upstream = served
    before = len(upstream.seen)
    with RawConnection(gatehouse.port) as connection:
        connection.send(REFUSED[name])
        reply = connection.read()
        assert reply is not None, "closed without an answer"
        assert reply.status in (400, 405, 413, 414, 431, 501), reply.status
        assert reply.first("connection") == "close" or name in ("CONNECT", "TRACE")
        if reply.first("connection") == "close":
            assert connection.closed()
    assert exchange(gatehouse.port, PROBE).status == 200
    seen = [request.target for request in upstream.seen[before:]]
    assert all(not target.startswith(("/smuggled", "/closed")) for target in seen), seen
    # A body that turns out bad may have had its head sent on; a head that is bad never is.
    if "chunk" not in name or "coding" in name:
        assert seen == ["/probe"], seen


@pytest.mark.parametrize("target, expected", [
    (b"/a/./b", "/a/b"), (b"/a/../b", "/b"), (b"/a//b", "/a//b"), (b"/%61bc", "/abc"), (b"/a?b/../c", "/a?b/../c"),
    (b"/a%20b", "/a%20b"), (b"/%C3%A9", "/%C3%A9"), (b"/a?x=%2f%5c", "/a?x=%2f%5c"),
])
def test_the_path_that_was_judged_is_the_path_that_is_sent(served, target, expected):
    """P3: one canonical path, for the rule and for the upstream."""
    gatehouse, upstream = served
    reply = exchange(gatehouse.port, request(b"GET " + target + b" HTTP/1.1"))
    assert reply.status == 200
    assert upstream.last.target.replace("//", "/") == expected.replace("//", "/")


@pytest.mark.parametrize("target", [
    b"/closed", b"/%63losed", b"/./closed", b"/x/../closed", b"//closed", b"/closed/", b"/closed?x", b"/closed/%2e/x"])
def test_no_spelling_walks_around_a_closed_route(served, target):
    """P3: each spelling of the closed path is refused for want of a key, or refused as malformed."""
    gatehouse, upstream = served
    before = len(upstream.seen)
    reply = exchange(gatehouse.port, request(b"GET " + target + b" HTTP/1.1"))
    assert reply.status in (400, 401), reply.status
    assert len(upstream.seen) == before


def test_an_absolute_target_replaces_the_host(served):
    """X2 (RFC 9112 §3.2.2)."""
    gatehouse, upstream = served
    reply = exchange(gatehouse.port, request(b"GET http://real.test/thing HTTP/1.1", b"Host: lie.test\r\n"))
    assert reply.status == 200
    assert upstream.last.target == "/thing"
    assert upstream.last.first("x-forwarded-host") == "real.test"


def test_hop_by_hop_fields_stay_behind(served):
    """X11, X12 (RFC 9110 §7.6.1)."""
    gatehouse, upstream = served
    fields = HEAD + (
        b"Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n"
        b"Proxy-Authorization: Basic eDp5\r\nTE: trailers\r\nUpgrade: h2c\r\nX-Stays: 1\r\n")
    assert exchange(gatehouse.port, request(fields=fields)).status == 200
    names = {name.lower() for name, _ in upstream.last.fields}
    assert "x-stays" in names
    assert not names & {"x-hop", "keep-alive", "proxy-connection", "proxy-authorization", "te", "upgrade"}


def test_trailers_do_not_become_fields(served):
    """X10: a trailer cannot bring an identity."""
    gatehouse, upstream = served
    raw = post(CHUNKED + b"Trailer: X-Consumer-Username\r\n", b"5\r\nhello\r\n0\r\nX-Consumer-Username: ann\r\n\r\n")
    assert exchange(gatehouse.port, raw).status == 200
    assert upstream.last.body == b"hello"
    assert upstream.last.first("x-consumer-username") is None


def test_a_repeated_field_arrives_repeated(served):
    """P5: all values, in order."""
    gatehouse, upstream = served
    exchange(gatehouse.port, request(fields=HEAD + b"X-Many: one\r\nX-Many: two\r\n"))
    assert [value.strip() for field in upstream.last.all("x-many") for value in field.split(",")] == ["one", "two"]


def test_requests_in_a_row_are_answered_in_order(served):
    gatehouse, _ = served
    with RawConnection(gatehouse.port) as connection:
        connection.send(b"".join(
            b"GET /number/%d HTTP/1.1\r\nHost: app.test\r\n\r\n" % number for number in range(20)))
        for number in range(20):
            reply = connection.read()
            assert reply.status == 200 and f'"/number/{number}"'.encode() in reply.body


@pytest.mark.parametrize("name, raw, statuses", [
    ("a long target", b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n", (414, 431)),
    ("a long field", request(fields=HEAD + b"X-Long: " + b"a" * 70_000 + b"\r\n"), (431,)),
    ("many fields", request(fields=HEAD + b"".join(b"X-%d: 1\r\n" % n for n in range(2000))), (431,)),
    ("a head without end", b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 20_000, (431,)),
])
def test_heads_are_bounded(served, name, raw, statuses):
    """E2: a size beyond the limit is refused, and the connection closed."""
    gatehouse, _ = served
    with RawConnection(gatehouse.port) as connection:
        try:
            connection.send(raw)
        except (BrokenPipeError, ConnectionResetError):
            pass
        reply = connection.read()
        assert reply is not None and reply.status in statuses
        assert connection.closed()


def test_unknown_methods_pass_like_any_other(served):
    """P7: a method is compared with its case; an unknown one finds the route and its rules."""
    gatehouse, upstream = served
    assert exchange(gatehouse.port, request(b"get /closed HTTP/1.1")).status in (400, 401)
    assert exchange(gatehouse.port, request(b"PROPFIND /closed HTTP/1.1")).status == 401
    assert exchange(gatehouse.port, request(b"OPTIONS /closed HTTP/1.1")).status == 401
