"""WebSocket and other tunnels: a real client and server through the gateway, and what must not become one (X15, H5)."""
import asyncio
import contextlib
import socket
import threading
import time

import pytest
import websockets.exceptions
import websockets.sync.client
import websockets.sync.server

from support.gatehouse import Gatehouse, plugin, route, service
from support.processes import wait_until
from support.rawsocket import RawConnection

ASKS = (b"GET %s HTTP/1.1\r\nHost: app.test\r\nConnection: %s\r\nUpgrade: %s\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


class Echo:
    """A WebSocket server that says everything again; `bye` makes it close, `shout` send a lot."""

    def __init__(self):
        self.seen: list[dict[str, str]] = []
        self.open = 0
        self.server = websockets.sync.server.serve(self.serve, "127.0.0.1", 0, max_size=None)
        self.port = self.server.socket.getsockname()[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, connection):
        self.seen.append({name.lower(): value for name, value in connection.request.headers.raw_items()})
        self.open += 1
        try:
            for message in connection:
                if message == "bye":
                    return
                if message == "shout":
                    for _ in range(200):
                        connection.send(b"x" * 100_000)
                connection.send(message)
        except websockets.exceptions.ConnectionClosed:
            pass
        finally:
            self.open -= 1


@pytest.fixture
def echo():
    server = Echo()
    yield server
    server.server.shutdown()


def configuration(port: int, **more) -> dict:
    key = [plugin("key-auth", key_names=["apikey"])]
    return {"services": [service(f"http://127.0.0.1:{port}", route("open", "/"), route("closed", "/closed", plugins=key),
                                 **more)],
            "consumers": [{"username": "ann", "keyauth_credentials": [{"key": "open-sesame"}]}]}


@pytest.fixture
def gatehouse(start, echo):
    return start(configuration(echo.port))


def connect(gatehouse: Gatehouse, path: str = "/", **more):
    return websockets.sync.client.connect(
        f"ws://127.0.0.1:{gatehouse.port}{path}", max_size=None, open_timeout=10, close_timeout=5, **more)


def test_messages_cross_both_ways(gatehouse, echo):
    with connect(gatehouse, compression=None) as client:
        for message in ["hello", b"\0\1\2", "x" * 1_000_000, ""]:
            client.send(message)
            assert client.recv(timeout=10) == message
    saw = echo.seen[-1]
    assert saw["upgrade"] == "websocket" and saw["via"] == "1.1 gatehouse" and saw["x-forwarded-proto"] == "http"
    line = gatehouse.wait_for_line(lambda line: line.get("status") == 101)
    assert line["request_bytes"] > 1_000_000 and line["answer_bytes"] > 1_000_000 and "broken_off" not in line


def test_compression_is_the_two_sides_own(gatehouse):
    with connect(gatehouse) as client:
        client.send("a" * 100_000)
        assert client.recv(timeout=10) == "a" * 100_000


def test_a_slow_reader_holds_the_server_back_and_gets_all(gatehouse):
    with connect(gatehouse, compression=None) as client:
        client.send("shout")
        time.sleep(0.5)
        with open(f"/proc/{gatehouse.process.popen.pid}/statm", encoding="ascii") as statm:
            before = int(statm.read().split()[1]) * 4096
        assert sum(len(client.recv(timeout=10)) for _ in range(200)) == 20_000_000
        assert before < 200_000_000


def test_a_credential_is_asked_for_before_the_tunnel(gatehouse, echo):
    with pytest.raises(websockets.exceptions.InvalidStatus) as caught:
        connect(gatehouse, "/closed")
    assert caught.value.response.status_code == 401 and not echo.seen
    with connect(gatehouse, "/closed", additional_headers={"apikey": "open-sesame"}) as client:
        client.send("in")
        assert client.recv(timeout=10) == "in"
    assert echo.seen[-1]["x-consumer-username"] == "ann" and "apikey" not in echo.seen[-1]


def test_the_servers_close_reaches_the_client(gatehouse):
    with connect(gatehouse) as client:
        client.send("bye")
        with pytest.raises(websockets.exceptions.ConnectionClosedOK):
            client.recv(timeout=10)


def test_the_clients_end_reaches_the_server(gatehouse, echo):
    client = connect(gatehouse)
    wait_until(lambda: echo.open == 1, "the server has the client")
    client.socket.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: echo.open == 0, "the server knows that the client has left")


def test_a_tunnel_that_nobody_uses_is_closed(start, echo):
    gatehouse = start(configuration(echo.port, read_timeout=500))
    with connect(gatehouse, ping_interval=None) as client:
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            client.recv(timeout=10)


def test_a_tunnel_in_use_outlives_the_read_timeout(start, echo):
    gatehouse = start(configuration(echo.port, read_timeout=500))
    with connect(gatehouse, ping_interval=None) as client:
        for _ in range(8):
            time.sleep(0.2)
            client.send("still here")
            assert client.recv(timeout=10) == "still here"


def test_a_reload_leaves_tunnels_alone_and_draining_ends_them_at_its_limit(start, echo):
    gatehouse = start(configuration(echo.port), GATEHOUSE_DRAIN_SECONDS="1")
    with connect(gatehouse) as client:
        gatehouse.process.signal(1)
        gatehouse.wait_for_line(lambda line: "reload: the new" in line.get("message", ""))
        client.send("after")
        assert client.recv(timeout=10) == "after"
        gatehouse.process.signal(15)
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            client.recv(timeout=10)
    assert gatehouse.process.wait() == 0


# What must not become a tunnel


class Scripted:
    """An upstream that answers with octets as given, and keeps what it gets."""

    def __init__(self, answer: bytes):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.answer = self.listener.getsockname()[1], answer
        self.heard: list[bytes] = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.heard.append(b"")
                threading.Thread(target=self.serve, args=(connection, len(self.heard) - 1), daemon=True).start()

    def serve(self, connection, number):
        answered = False
        with contextlib.suppress(OSError):
            while part := connection.recv(65536):
                self.heard[number] += part
                if not answered and b"\r\n\r\n" in self.heard[number]:
                    answered = True
                    connection.sendall(self.answer)
        connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n"


def test_octets_behind_the_request_wait_for_the_switch(start):
    with Scripted(SWITCH % b"echo" + b"early") as upstream:
        gatehouse = start(configuration(upstream.port))
        with RawConnection(gatehouse.port) as client:
            client.send(ASKS % (b"/", b"upgrade", b"echo") + b"GET /smuggled HTTP/1.1\r\n\r\n")
            head = b""
            while b"early" not in head:
                head += client.socket.recv(4096)
            assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n") and b"Upgrade: echo\r\n" in head
            wait_until(lambda: upstream.heard[0].endswith(b"\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"), "the octets cross")


def test_octets_behind_a_request_that_is_not_switched_are_the_next_request(start):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
    with Scripted(answer) as upstream:
        gatehouse = start(configuration(upstream.port))
        with RawConnection(gatehouse.port) as client:
            client.send(ASKS % (b"/", b"upgrade", b"echo") + b"GET /closed HTTP/1.1\r\nHost: app.test\r\n\r\n")
            assert client.read().status == 200
            assert client.read().status == 401
        assert all(b"/closed" not in heard for heard in upstream.heard)


@pytest.mark.parametrize("offer", [b"h2c", b"H2C", b"websocket, h2c", b"HTTP/2.0", b"TLS/1.2", b"bad token", b""])
def test_protocols_that_are_ours_are_not_passed_on(start, offer):
    with Scripted(SWITCH % b"h2c") as upstream:
        gatehouse = start(configuration(upstream.port))
        with RawConnection(gatehouse.port) as client:
            client.send(ASKS % (b"/", b"upgrade, http2-settings", offer))
            assert client.read().status == 502
        assert b"upgrade" not in upstream.heard[0].lower()


@pytest.mark.parametrize("request_head", [
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nUpgrade: websocket\r\n\r\n",
    b"GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nhi",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nUpgrade: echo\r\n\r\n",
], ids=["not-nominated", "other-nominated", "http10", "with-body", "twice"])
def test_a_request_that_asks_wrongly_is_an_ordinary_one(start, request_head):
    with Scripted(SWITCH % b"websocket") as upstream:
        gatehouse = start(configuration(upstream.port))
        with RawConnection(gatehouse.port) as client:
            client.send(request_head)
            assert client.read().status == 502
        assert b"upgrade" not in upstream.heard[0].lower()
        assert gatehouse.refusals("upstream-unexpected-upgrade") == 1


@pytest.mark.parametrize("answer", [
    SWITCH % b"other", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n", SWITCH % b"websocket, other",
    b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n\r\n",
], ids=["other", "not-nominated", "none", "several", "twice"])
def test_a_switch_to_what_was_not_offered_is_refused(start, answer):
    with Scripted(answer) as upstream:
        gatehouse = start(configuration(upstream.port))
        with RawConnection(gatehouse.port) as client:
            client.send(ASKS % (b"/", b"upgrade", b"websocket"))
            assert client.read().status == 502


def test_many_tunnels_at_once(gatehouse):
    async def talk(number: int):
        async with websockets.connect(f"ws://127.0.0.1:{gatehouse.port}/") as client:
            for turn in range(5):
                await client.send(f"{number} {turn}")
                assert await asyncio.wait_for(client.recv(), 20) == f"{number} {turn}"

    async def all_of_them():
        await asyncio.gather(*(talk(number) for number in range(100)))

    asyncio.run(all_of_them())
