"""Bodies on their way through, and upstreams that misbehave."""
import socket
import threading
import time

import httpx
import pytest

from support.arriving import arriving
from support.gatehouse import route, service
from support.processes import free_port, wait_until
from support.rawsocket import RawConnection
from support.upstream import Upstream
from support.wire import Wire


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
        for connection in arriving(self.listener):
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


def test_a_client_that_goes_away_frees_the_upstream(start):
    with Upstream() as upstream:
        gatehouse = start({"services": [service(upstream.url, route("api", "/"))]})
        with RawConnection(gatehouse.port) as connection:
            connection.send(b"GET /?drip=50 HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.socket.recv(1024)
        assert httpx.get(gatehouse.url).status_code == 200
        assert gatehouse.process.alive


def test_a_client_that_does_not_read_is_not_served_on(start, upstream):
    """E2, X21: what it leaves unread bounds what is answered, and once it reads, every request has its answer."""
    gatehouse = start({"services": [service(upstream.url, route("api", "/api"))]}, GATEHOUSE_WORKERS="1")
    count, ask = 8000, b"GET /none HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nSec-Fetch-Mode: navigate\r\n\r\n"

    counts = []

    def rests() -> bool:
        counts.append(gatehouse.metric("gatehouse_exchanges_total", status="404"))
        return counts[-1] > 0 and len(set(counts[-10:])) == 1 and len(counts) > 10

    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(20)
        connection.connect(("127.0.0.1", gatehouse.port))
        writer = threading.Thread(target=connection.sendall, args=(ask * count,), daemon=True)
        writer.start()
        wait_until(rests, "no more is answered")
        assert counts[-1] < count
        # Room for the rest: what matters from here on is that nothing of it is lost.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        wire = Wire(connection)
        assert all(wire.answer().status == 404 for _ in range(count))
        writer.join()
