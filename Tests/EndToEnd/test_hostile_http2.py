"""Requests of HTTP/2 that mean something else once they are HTTP/1.1 (downgrade; E1, E3, X1, X3, X5, X11, X14)."""
import pytest

from support.gatehouse import Gatehouse, plugin, route, service
from support.http2 import DATA, END_HEADERS, END_STREAM, HEADERS, Exchange, RawHTTP2, request
from support.origin import StrictOrigin


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    origin = StrictOrigin()
    key = [plugin("key-auth")]
    program = Gatehouse(tmp_path_factory.mktemp("hostile") / "g", {"services": [
        service(origin.url, route("api", "/"), route("closed", "/closed", plugins=key),
                route("hosted", "/", hosts=["only.test"], plugins=key))]}, GATEHOUSE_WORKERS="1")
    program.environment["GATEHOUSE_PROXY_LISTEN"] += " http2"
    with program:
        yield program, origin
    origin.stop()


INJECTED = "x\r\nX-Injected: yes"
SMUGGLED = "x\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n"

# Heads that no request may have: refused by a status, by the stream's end or by the connection's, and never seen.
REFUSED = {
    "value-crlf": request("GET", "/", ("x-a", INJECTED)),
    "value-lf": request("GET", "/", ("x-a", "x\nX-Injected: yes")),
    "value-cr": request("GET", "/", ("x-a", "x\rX-Injected: yes")),
    "value-nul": request("GET", "/", ("x-a", "x\0y")),
    "value-smuggled": request("GET", "/", ("x-a", SMUGGLED)),
    "name-crlf": request("GET", "/", ("x-a: b\r\nX-Injected", "yes")),
    "name-colon": request("GET", "/", ("x-a:b", "yes")),
    "name-space": request("GET", "/", ("x-injected ", "yes")),
    "name-upper": request("GET", "/", ("X-Injected", "yes")),
    "name-empty": request("GET", "/", ("", "yes")),
    "name-nul": request("GET", "/", ("x-\0a", "yes")),
    "method-space": request("GET /smuggled HTTP/1.1\r\nX-Injected: yes\r\n\r\nGET", "/"),
    "method-tab": request("GET\t", "/"),
    "method-empty": request("", "/"),
    "method-connect": [(":method", "CONNECT"), (":authority", "app.test:443")],
    "method-connect-path": request("CONNECT", "/"),
    "method-trace": request("TRACE", "/"),
    "path-space": request("GET", "/ HTTP/1.1"),
    "path-crlf": request("GET", "/ HTTP/1.1\r\nX-Injected: yes\r\nX: "),
    "path-empty": request("GET", ""),
    "path-relative": request("GET", "smuggled"),
    "path-absolute": request("GET", "http://only.test/"),
    "path-authority": request("GET", "only.test:80"),
    "path-fragment": request("GET", "/#x"),
    "path-nul": request("GET", "/\0"),
    "path-non-ascii": request("GET", "/\xe9"),
    "path-star": request("GET", "*"),
    "path-up": request("GET", "/a/%2e%2e%2fclosed"),
    "path-backslash": request("GET", "/a\\..\\closed"),
    "authority-crlf": request("GET", "/", authority="app.test\r\nX-Injected: yes"),
    "authority-space": request("GET", "/", authority="app.test only.test"),
    "authority-user": request("GET", "/", authority="user@app.test"),
    "authority-path": request("GET", "/", authority="app.test/closed"),
    "authority-empty": request("GET", "/", authority=""),
    "authority-none": request("GET", "/", authority=None),
    "authority-list": request("GET", "/", authority="app.test,only.test"),
    "host-differs": request("GET", "/", ("host", "only.test")),
    "host-twice": request("GET", "/", ("host", "app.test"), ("host", "app.test"), authority=None),
    "host-empty": request("GET", "/", ("host", ""), authority=None),
    "scheme-other": request("GET", "/", scheme="ftp"),
    "scheme-crlf": request("GET", "/", scheme="http\r\nX-Injected: yes"),
    "scheme-path": request("GET", "/", scheme="http://only.test/closed?"),
    "pseudo-twice-method": [(":method", "GET"), *request()],
    "pseudo-twice-path": [(":path", "/closed"), *request()],
    "pseudo-twice-authority": [(":authority", "only.test"), *request()],
    "pseudo-late": [*request(), ("x-a", "b"), (":path", "/closed")],
    "pseudo-unknown": [*request(), (":other", "x")],
    "pseudo-status": [*request(), (":status", "200")],
    "pseudo-protocol": [(":method", "CONNECT"), (":protocol", "websocket"), *request()[1:]],
    "pseudo-missing-method": request()[1:],
    "pseudo-missing-path": [one for one in request() if one[0] != ":path"],
    "pseudo-missing-scheme": [one for one in request() if one[0] != ":scheme"],
    "connection": request("GET", "/", ("connection", "close")),
    "connection-nominates": request("GET", "/", ("connection", "x-forwarded-for")),
    "keep-alive": request("GET", "/", ("keep-alive", "timeout=5")),
    "proxy-connection": request("GET", "/", ("proxy-connection", "keep-alive")),
    "upgrade": request("GET", "/", ("upgrade", "websocket")),
    "te-chunked": request("GET", "/", ("te", "chunked")),
    "te-list": request("GET", "/", ("te", "trailers, deflate")),
    "transfer-encoding": request("POST", "/", ("transfer-encoding", "chunked")),
    "transfer-encoding-misspelt": request("POST", "/", ("transfer-encoding ", "chunked")),
    "length-without-body": request("POST", "/", ("content-length", "5")),
    "length-negative": request("POST", "/", ("content-length", "-1")),
    "length-plus": request("POST", "/", ("content-length", "+0")),
    "length-list": request("POST", "/", ("content-length", "0, 0")),
    "length-hex": request("POST", "/", ("content-length", "0x0")),
    "length-huge": request("POST", "/", ("content-length", "9" * 30)),
    "length-empty": request("POST", "/", ("content-length", "")),
    "expect-other": request("POST", "/", ("expect", "200-maybe")),
    "head-too-large": request("GET", "/", *[("x-a", "b" * 3000)] * 12),
    "fields-too-many": request("GET", "/", *[("x-a", "b")] * 101),
    "line-too-long": request("GET", "/" + "a" * 17_000),
}

# Heads with a body that contradicts them.
CONTRADICTED = {
    "length-short": ([("content-length", "3")], b"hello"),
    "length-long": ([("content-length", "30")], b"hello"),
    "length-zero": ([("content-length", "0")], b"hello"),
    "length-twice": ([("content-length", "5"), ("content-length", "6")], b"hello"),
    "length-smuggles": ([("content-length", "0")], b"GET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n"),
}

# Odd and allowed: what the origin must see.
NORMALISED = {
    "host-alone": (request("GET", "/", ("host", "app.test"), authority=None), b"GET / HTTP/1.1"),
    "host-same": (request("GET", "/", ("host", "APP.test")), b"GET / HTTP/1.1"),
    "dots": (request("GET", "/a/../b/./c"), b"GET /b/c HTTP/1.1"),
    "method-unknown": (request("BREW", "/pot"), b"BREW /pot HTTP/1.1"),
    "query": (request("GET", "/a?b=%0d%0a&c"), b"GET /a?b=%0d%0a&c HTTP/1.1"),
    "settings-field": (request("GET", "/", ("http2-settings", "AAMAAABkAAQAAP__")), b"GET / HTTP/1.1"),
}


def expect_untouched(program: Gatehouse, origin: StrictOrigin, before: int):
    """Somebody else's next request is the next thing the origin sees."""
    with RawHTTP2(program.port) as other:
        answer = other.get("/probe", ("x-marker", "probe"))
        assert (answer.status, answer.body, answer.first("x-marker")) == (200, b"GET /probe HTTP/1.1\n", "probe")
    new = origin.records[before:]
    for record in new:
        assert record.fault is None, record.fault
        assert record.message is None or b"smuggled" not in record.message.line
        assert record.message is None or record.message.first(b"x-injected") is None
    return [record for record in new if record.message is not None and record.marker != b"probe"]


@pytest.mark.parametrize("name", REFUSED)
def test_a_head_that_breaks_a_rule_never_reaches_the_origin(served, name):
    program, origin = served
    before = len(origin.records)
    with RawHTTP2(program.port) as client:
        try:
            answer = client.finish(client.open(REFUSED[name]))
        except (BrokenPipeError, ConnectionResetError):
            answer = Exchange()
        # An exchange that is not over was ended with its connection.
        assert answer.status in (None, 400, 404, 405, 413, 414, 417, 431, 501), f"{name}: {answer.fields}"
    assert expect_untouched(program, origin, before) == []


@pytest.mark.parametrize("name", CONTRADICTED)
def test_a_body_that_contradicts_its_head_is_never_shown_as_whole(served, name):
    program, origin = served
    before = len(origin.records)
    fields, body = CONTRADICTED[name]
    with RawHTTP2(program.port) as client:
        stream = client.open(request("POST", "/", *fields), end=False)
        client.data(stream, body, end=True)
        answer = client.finish(stream)
        assert answer.status is None or answer.status >= 400
    # What did reach the origin was cut off there.
    with RawHTTP2(program.port) as other:
        assert other.get("/probe").body == b"GET /probe HTTP/1.1\n"
    for record in origin.records[before:]:
        assert record.message is None or b"smuggled" not in record.message.line


@pytest.mark.parametrize("name", NORMALISED)
def test_what_is_merely_odd_is_made_ordinary(served, name):
    program, origin = served
    before = len(origin.records)
    fields, line = NORMALISED[name]
    with RawHTTP2(program.port) as client:
        assert client.finish(client.open(fields)).status == 200
    saw = expect_untouched(program, origin, before)
    assert [record.message.line for record in saw] == [line]
    assert saw[0].message.first(b"http2-settings") is None


SPOOFED = ["x-consumer-username", "x-consumer-id", "x-credential-identifier", "x-authenticated-userid", "x_consumer_username",
           "x.consumer.username", "x-forwarded-for", "x-real-ip", "forwarded", "x-original-url"]


@pytest.mark.parametrize("name", SPOOFED)
def test_identity_cannot_be_brought_along(served, name):
    program, origin = served
    before = len(origin.records)
    with RawHTTP2(program.port) as client:
        assert client.get("/", (name, "6.6.6.6")).status == 200
    saw, = expect_untouched(program, origin, before)
    for field in saw.message.fields:
        assert b"6.6.6.6" not in field[1], field


def test_frames_on_streams_that_are_not_open_end_no_other(served):
    program, _ = served
    for kind, flags, payload in [(DATA, 0, b"x"), (HEADERS, END_HEADERS | END_STREAM, b"\xff\xff\xff\xff")]:
        with RawHTTP2(program.port) as neighbour, RawHTTP2(program.port) as client:
            client.frame(kind, flags, 5, payload)
            assert client.closed()
            assert neighbour.get("/").status == 200


@pytest.mark.parametrize("octets", [
    b"\x00\x00\x00", b"\x00\x00\x05\x06\x00\x00\x00\x00\x00hello", b"\x00\x40\x01\x00\x00\x00\x00\x00\x01",
    b"\xff" * 64, b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x00\x00\x00\x05\x00\x00\x00\x00\x02",
], ids=["cut", "ping-length", "frame-size", "garbage", "window-zero", "http1", "push-promise"])
def test_what_is_no_frame_ends_the_connection_alone(served, octets):
    program, _ = served
    with RawHTTP2(program.port) as neighbour, RawHTTP2(program.port) as client:
        client.send(octets)
        client.socket.shutdown(1)
        assert client.closed()
        assert neighbour.get("/").status == 200
