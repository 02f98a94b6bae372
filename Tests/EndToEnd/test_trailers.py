"""Fields behind a body, both ways and from each version to each (X10; RFC 9110 §6.5, RFC 9112 §7.1.2, RFC 9113 §8.1)."""
import pytest

from support.gatehouse import Gatehouse, plugin, route, service
from support.http2 import END_HEADERS, END_STREAM, HEADERS, PROTOCOL_ERROR, RawHTTP2, request
from support.http2_origin import HTTP2Origin
from support.origin import StrictOrigin
from support.rawsocket import RawConnection
from support.wire import Wire

VERSIONS = ["http1", "http2"]
# What crosses, in any combination, and what never does: each of these would mean something in a head.
FINE = [("x-checksum", "abc"), ("repr-digest", "sha-256=:AAAA:"), ("server-timing", "db;dur=53")]
FORBIDDEN = [
    ("host", "other.test"), ("content-length", "50"), ("content-type", "text/html"), ("content-encoding", "gzip"),
    ("authorization", "Bearer stolen"), ("cookie", "session=stolen"), ("set-cookie", "session=stolen"),
    ("www-authenticate", "Basic"), ("cache-control", "public"), ("if-match", "*"), ("range", "bytes=0-1"),
    ("location", "https://evil.test/"), ("x-forwarded-for", "6.6.6.6"), ("x_forwarded_host", "evil.test"),
    ("x-real-ip", "6.6.6.6"), ("forwarded", "for=6.6.6.6"), ("x-original-url", "/closed"), ("trailer", "x-checksum"),
    ("access-control-allow-origin", "*"), ("max-forwards", "0"), ("expect", "100-continue")]
# What the plan never takes from a client, and what a transformer removes.
IDENTITY = [("x-consumer-username", "ann"), ("x.consumer.id", "1"), ("x_authenticated_groups", "admin"),
            ("x-removed", "1"), ("x-set", "theirs")]
# Only HTTP/1.1 may even say these.
OF_A_CONNECTION = [("connection", "x-checksum"), ("transfer-encoding", "gzip"), ("upgrade", "h2c"), ("te", "trailers")]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    first, second = StrictOrigin(), HTTP2Origin()
    key = [plugin("key-auth")]
    changes = [plugin("request-transformer", remove={"headers": ["x-removed"]}, add={"headers": ["x-set:ours"]}),
               plugin("response-transformer", remove={"headers": ["x-secret"]})]
    program = Gatehouse(tmp_path_factory.mktemp("trailers") / "g", {"services": [
        service(first.url, route("one", "/http1"), route("closed", "/closed", plugins=key), name="one", plugins=changes),
        service(f"grpc://127.0.0.1:{second.port}", route("two", "/http2"), name="two", plugins=changes),
    ], "consumers": [{"username": "ann"}]}, GATEHOUSE_WORKERS="1")
    program.environment["GATEHOUSE_PROXY_LISTEN"] += " http2"
    with program:
        yield program, {"http1": first, "http2": second}
    first.stop()
    second.stop()


def lines(fields) -> bytes:
    return b"".join(b"%s: %s\r\n" % (name.encode(), value.encode()) for name, value in fields)


def send(port: int, client: str, target: str, trailers, head=(), takes: bool = True):
    """Asks with a body and trailers; gives the answer's status, body, head fields and trailers."""
    if client == "http1":
        with RawConnection(port) as connection:
            more = lines([*head, *([("TE", "trailers"), ("Connection", "TE")] if takes else [])])
            connection.send(b"POST %s HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n%s\r\n5\r\nhello\r\n0\r\n%s\r\n" % (
                target.encode(), more, lines(trailers)))
            answer = Wire(connection.socket).answer()
            assert answer.whole
            return answer.status, answer.body, texts(answer.fields), texts(answer.trailers)
    with RawHTTP2(port) as connection:
        stream = connection.open(request("POST", target, *head, *([("te", "trailers")] if takes else [])), end=False)
        connection.data(stream, b"hello")
        connection.frame(HEADERS, END_HEADERS | END_STREAM, stream, connection.block(trailers))
        answer = connection.finish(stream)
        assert answer.ended and answer.reset is None
        return answer.status, answer.body, [pair for pair in answer.fields if pair[0] != ":status"], answer.trailers


def texts(fields) -> list[tuple[str, str]]:
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in fields]


def saw(origins, upstream: str):
    """The last request that the upstream got: head, body and trailers."""
    if upstream == "http1":
        message = origins["http1"].records[-1].message
        return texts(message.fields), message.body, texts(message.trailers)
    last = origins["http2"].requests[-1]
    return last.fields, last.body, last.trailers


def answers(origins, target: str, trailers, *more):
    """Lets both upstreams answer with these trailers."""
    origins["http1"].scripts[target.encode()] = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n%s\r\n5\r\nhello\r\n0\r\n%s\r\n" % (lines(more), lines(trailers))]
    origins["http2"].fields = [(":status", "200"), *more]
    origins["http2"].trailers = trailers


@pytest.mark.parametrize("upstream", VERSIONS)
@pytest.mark.parametrize("client", VERSIONS)
def test_trailers_of_a_request_cross(served, client, upstream):
    program, origins = served
    answers(origins, f"/{upstream}/there", [])
    status, *_ = send(program.port, client, f"/{upstream}/there", FINE, [("trailer", "X-Checksum, cookie, repr-digest")])
    fields, body, trailers = saw(origins, upstream)
    assert (status, body, trailers) == (200, b"hello", FINE)
    assert [value for name, value in fields if name == "trailer"] == ["X-Checksum, repr-digest"]
    assert [value for name, value in fields if name == "te"] == ["trailers"]
    assert not {name for name, _ in fields} & {name for name, _ in FINE}


@pytest.mark.parametrize("upstream", VERSIONS)
@pytest.mark.parametrize("client", VERSIONS)
def test_trailers_of_an_answer_cross(served, client, upstream):
    program, origins = served
    answers(origins, f"/{upstream}/back", FINE, ("trailer", "x-checksum, Set-Cookie, Repr-Digest"))
    status, body, fields, trailers = send(program.port, client, f"/{upstream}/back", [])
    assert (status, body, trailers) == (200, b"hello", FINE)
    assert [value for name, value in fields if name == "trailer"] == ["x-checksum, Repr-Digest"]
    assert not {name for name, _ in fields} & {name for name, _ in FINE}


@pytest.mark.parametrize("upstream", VERSIONS)
def test_a_client_that_does_not_take_trailers_gets_none(served, upstream):
    """RFC 9110 §6.5.1, §10.1.4: of HTTP/1.1 a client says that it takes them; neither upstream nor client sees one else."""
    program, origins = served
    answers(origins, f"/{upstream}/none", FINE, ("trailer", "x-checksum"))
    status, body, fields, trailers = send(program.port, "http1", f"/{upstream}/none", [], takes=False)
    assert (status, body, trailers) == (200, b"hello", [])
    assert "trailer" not in dict(fields)
    if upstream == "http1":
        assert not {"te", "connection"} & {name for name, _ in saw(origins, upstream)[0]}


@pytest.mark.parametrize("upstream", VERSIONS)
@pytest.mark.parametrize("client", VERSIONS)
def test_what_only_a_head_may_say_does_not_cross(served, client, upstream):
    """H1, P1, X10: neither as a trailer nor as a field, whoever says it."""
    program, origins = served
    bad = FORBIDDEN + (OF_A_CONNECTION if client == "http1" else [])
    answers(origins, f"/{upstream}/bad", [])
    send(program.port, client, f"/{upstream}/bad", bad + IDENTITY + [("x-fine", "1")])
    fields, body, trailers = saw(origins, upstream)
    assert (body, trailers) == (b"hello", [("x-fine", "1")])
    for name, value in bad + IDENTITY:
        assert (name, value) not in fields or (name, value) in [("te", "trailers")]
    assert [value for name, value in fields if name == "x-set"] == ["ours"]
    bad = FORBIDDEN + (OF_A_CONNECTION if upstream == "http1" else [])
    answers(origins, f"/{upstream}/bad", bad + [("x-secret", "1"), ("x-fine", "1")])
    _, body, fields, trailers = send(program.port, client, f"/{upstream}/bad", [])
    assert (body, trailers) == (b"hello", [("x-fine", "1")])
    for name, value in bad + [("x-secret", "1")]:
        assert (name, value) not in fields


@pytest.mark.parametrize("upstream", VERSIONS)
def test_what_connection_names_ends_here_as_a_trailer_too(served, upstream):
    """H2, X11; RFC 9110 §7.6.1."""
    program, origins = served
    answers(origins, f"/{upstream}/named", [])
    send(program.port, "http1", f"/{upstream}/named", [("x-hop", "1"), ("x-fine", "1")], [("Connection", "x-hop")])
    assert saw(origins, upstream)[2] == [("x-fine", "1")]


@pytest.mark.parametrize("client", VERSIONS)
def test_a_body_of_known_length_has_no_trailers_in_http1(served, client):
    program, origins = served
    origins["http1"].scripts.pop(b"/http1/length", None)
    if client == "http2":
        with RawHTTP2(program.port) as connection:
            stream = connection.open(request("POST", "/http1/length", ("content-length", "5")), end=False)
            connection.data(stream, b"hello")
            connection.frame(HEADERS, END_HEADERS | END_STREAM, stream, connection.block(FINE))
            answer = connection.finish(stream)
            assert answer.status == 200 and answer.trailers == []
        fields, body, trailers = saw(origins, "http1")
        assert (body, trailers) == (b"hello", []) and dict(fields)["content-length"] == "5"
    else:
        origins["http2"].fields = [(":status", "200"), ("content-length", "5")]
        origins["http2"].trailers = FINE
        status, body, fields, trailers = send(program.port, "http1", "/http2/length", [])
        assert (status, body, trailers, dict(fields)["content-length"]) == (200, b"hello", [], "5")


@pytest.mark.parametrize("upstream", VERSIONS)
@pytest.mark.parametrize("trailers", [
    [(":path", "/closed")], [("X-Capital", "1")], [("connection", "close")], [("x-a", "b\r\nX-Injected: yes")], [("", "b")],
    [("x-a", "b")] * 101,
], ids=["pseudo", "capital", "connection", "line-end", "no-name", "too-many"])
def test_trailers_that_break_a_rule_of_http2_end_the_stream(served, upstream, trailers):
    """RFC 9113 §8.1.1: malformed; the upstream never sees the request's end."""
    program, origins = served
    before = len(origins["http2"].requests)
    answers(origins, f"/{upstream}/broken", [])
    with RawHTTP2(program.port) as connection:
        stream = connection.open(request("POST", f"/{upstream}/broken"), end=False)
        connection.data(stream, b"hello")
        connection.frame(HEADERS, END_HEADERS | END_STREAM, stream, connection.block(trailers))
        assert connection.finish(stream).reset == PROTOCOL_ERROR
        assert connection.get("/http1/other").status == 200
    assert len(origins["http2"].requests) == before
    broken = [one.message for one in origins["http1"].records if one.message and b"/broken" in one.message.line]
    assert not [message for message in broken if message.whole]


@pytest.mark.parametrize("client", VERSIONS)
@pytest.mark.parametrize("trailers", [[(":status", "200")], [("X-Capital", "1")], [("x-a", "b\nc")], [("x-a", "b")] * 101],
                         ids=["pseudo", "capital", "line-end", "too-many"])
def test_an_answer_whose_trailers_break_a_rule_is_not_whole(served, client, trailers):
    """X18; RFC 9113 §8.1.1."""
    program, origins = served
    answers(origins, "/http2/broken", trailers)
    if client == "http2":
        with RawHTTP2(program.port) as connection:
            answer = connection.finish(connection.open(request("GET", "/http2/broken")))
            assert not answer.ended and answer.trailers == []
    else:
        with RawConnection(program.port) as connection:
            connection.send(b"GET /http2/broken HTTP/1.1\r\nHost: app.test\r\nTE: trailers\r\n\r\n")
            answer = Wire(connection.socket).answer()
            assert answer is None or not answer.whole


def test_an_answer_of_http1_with_too_many_trailers_is_not_whole(served):
    """X10, X18: as many as the bound cross, one more breaks the answer off."""
    program, origins = served
    answers(origins, "/http1/bound", [("x-a", "b")] * 100)
    assert len(send(program.port, "http2", "/http1/bound", [])[3]) == 100
    answers(origins, "/http1/bound", [("x-a", "b")] * 101)
    with RawHTTP2(program.port) as connection:
        answer = connection.finish(connection.open(request("GET", "/http1/bound")))
        assert not answer.ended and answer.trailers == []
