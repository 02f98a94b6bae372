"""Bodies on their way through, and upstreams that misbehave."""
import http.client
import socket
import threading
import time

import httpx
import pytest

from support.gatehouse import route, service
from support.processes import free_port
from support.rawsocket import RawConnection, exchange
from support.upstream import Upstream


@pytest.fixture
def gatehouse(start, upstream):
    return start({"services": [service(upstream.url, route("api", "/"))]})


class Scripted:
    """An upstream that answers each connection with bytes as given, after it has read a head."""

    def __init__(self, *answers: bytes, close: bool = True):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url, self.heads = f"http://127.0.0.1:{self.port}", []
        self.answers, self.close = list(answers), close
        self.open = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            head = b""
            while b"\r\n\r\n" not in head and (part := connection.recv(65536)):
                head += part
            if not head:
                connection.close()
                continue
            self.heads.append(head)
            connection.sendall(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
            if self.close:
                connection.close()
            else:
                self.open.append(connection)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        for connection in self.open:
            connection.close()


def test_large_bodies_pass_both_ways(gatehouse, upstream):
    body = bytes(range(256)) * 20_000
    answer = httpx.post(gatehouse.url + "/up?size=5000000", content=body, timeout=60)
    assert upstream.last.body == body
    assert answer.content == b"x" * 5_000_000


def test_a_chunked_body_passes(gatehouse, upstream):
    httpx.post(gatehouse.url, content=(piece for piece in [b"one ", b"two ", b"three"]))
    assert upstream.last.body == b"one two three"


def test_an_answer_is_streamed_as_it_comes(gatehouse):
    """The first piece is there long before the last."""
    began, times = time.monotonic(), []
    with httpx.stream("GET", gatehouse.url + "/?drip=10") as answer:
        for _ in answer.iter_raw():
            times.append(time.monotonic() - began)
    assert times[0] < 0.5 < times[-1]


@pytest.mark.parametrize("method, status", [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_an_answer_without_a_body_ends_with_its_head(gatehouse, method, status):
    """X16: the connection goes on with the next request."""
    with RawConnection(gatehouse.port) as connection:
        for _ in range(2):
            connection.send(f"{method} /?status={status} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            reply = connection.read(method)
            assert reply.status == status and reply.body == b""


def test_what_follows_an_answer_without_a_body_is_nobodys_answer(start):
    """H5: bytes after a 204 end the connection to the upstream; the next client gets its own answer."""
    poison = b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
    clean = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nclean"
    with Scripted(poison, clean, close=False) as upstream:
        gatehouse = start({"services": [service(upstream.url, route("api", "/"))]}, GATEHOUSE_WORKERS="1")
        assert httpx.get(gatehouse.url).status_code in (204, 502)
        assert httpx.get(gatehouse.url).text == "clean"


def test_several_cookies_stay_apart(start):
    """X22."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; Path=/\r\n\r\n"
    with Scripted(answer) as upstream:
        gatehouse = start({"services": [service(upstream.url, route("api", "/"))]})
        assert httpx.get(gatehouse.url).headers.get_list("set-cookie") == ["a=1; Path=/", "b=2; Path=/"]


def test_connections_to_the_upstream_are_kept(start):
    with Upstream() as upstream:
        gatehouse = start({"services": [service(upstream.url, route("api", "/"))]}, GATEHOUSE_WORKERS="1")
        accepted = []
        plain = upstream.server.get_request
        upstream.server.get_request = lambda: accepted.append(1) or plain()
        with httpx.Client() as client:
            for _ in range(20):
                assert client.get(gatehouse.url).status_code == 200
        assert len(accepted) <= 2


def test_an_upstream_that_is_down_is_502_or_503(start):
    gatehouse = start({"services": [service(f"http://127.0.0.1:{free_port()}", route("api", "/"))]})
    answer = httpx.get(gatehouse.url)
    assert answer.status_code in (502, 503)
    assert set(answer.json()) == {"message", "request_id"}


def test_an_upstream_that_says_nothing_is_504(start):
    with Scripted(b"", close=False) as upstream:
        gatehouse = start({"services": [service(upstream.url, route("api", "/"), read_timeout=500, retries=0)]})
        began = time.monotonic()
        answer = httpx.get(gatehouse.url)
        assert answer.status_code == 504
        assert answer.json()["message"] == "The upstream server is timing out"
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("name, raw", [
    ("garbage", b"this is not HTTP\r\n\r\n"),
    ("closed at once", b""),
    ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    ("length and chunked", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("a NUL in a field", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: b\x00c\r\n\r\n"),
    ("a head without end", b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 30_000),
    ("switching protocols unasked", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
])
def test_a_bad_answer_is_502(start, name, raw):
    with Scripted(raw) as upstream:
        gatehouse = start({"services": [service(upstream.url, route("api", "/"), retries=0)]})
        answer = httpx.post(gatehouse.url, content=b"x")
        assert answer.status_code == 502, answer.status_code
        assert answer.json()["message"] == "An invalid response was received from the upstream server"


@pytest.mark.parametrize("raw", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
])
def test_a_cut_answer_never_looks_whole(start, raw):
    """X16, X18: the client sees the connection break."""
    with Scripted(raw) as upstream:
        gatehouse = start({"services": [service(upstream.url, route("api", "/"), retries=0)]})
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            httpx.get(gatehouse.url)


def test_what_is_not_idempotent_is_never_sent_twice(start):
    """X17 (RFC 9110 §9.2.2): the connection breaks after the head was sent."""
    with Scripted(b"") as upstream:
        gatehouse = start({"services": [service(upstream.url, route("api", "/"))]})
        assert httpx.post(gatehouse.url, content=b"pay once").status_code == 502
        assert len(upstream.heads) == 1


def test_expect_continue_is_answered_once(gatehouse):
    """X15 (RFC 9110 §10.1.1): an interim answer, then the final one."""
    with RawConnection(gatehouse.port) as connection:
        connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        line = connection.socket.recv(65536)
        assert line.startswith(b"HTTP/1.1 100 ") and line.count(b"HTTP/1.1") == 1
        connection.send(b"hello")
        reply = connection.read()
        assert reply.status == 200 and b'"hello"' in reply.body


def test_a_client_that_goes_away_frees_the_upstream(start):
    with Upstream() as upstream:
        gatehouse = start({"services": [service(upstream.url, route("api", "/"))]})
        with RawConnection(gatehouse.port) as connection:
            connection.send(b"GET /?drip=50 HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.socket.recv(1024)
        assert httpx.get(gatehouse.url).status_code == 200
        assert gatehouse.process.alive


def test_a_slow_head_is_given_up(start, upstream):
    """X21: the header time limit; the answer is 408 or a closed connection."""
    gatehouse = start({"services": [service(upstream.url, route("api", "/"))]})
    with RawConnection(gatehouse.port, seconds=30) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        try:
            reply = connection.read()
        except (http.client.HTTPException, TimeoutError) as error:
            raise AssertionError("the head was waited for too long") from error
        assert reply is None or reply.status == 408


def test_http_1_0_is_answered_and_closed(gatehouse):
    reply = exchange(gatehouse.port, b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    assert reply.status == 200
