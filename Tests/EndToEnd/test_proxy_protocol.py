"""The PROXY protocol: who the client is, as a balancer in front says it (E8)."""
import socket
import struct

import pytest

from support.certificates import Authority
from support.gatehouse import plugin, route, service
from support.handshakes import client_context
from support.processes import free_port, wait_until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def text(client: str) -> bytes:
    return f"PROXY TCP4 {client} 10.0.0.1 54321 443\r\n".encode()


def binary(client: str) -> bytes:
    body = socket.inet_aton(client) + socket.inet_aton("10.0.0.1") + struct.pack(">HH", 54321, 443)
    return SIGNATURE + b"\x21\x11" + struct.pack(">H", len(body)) + body


@pytest.fixture
def serve(start, upstream):
    def begin(words: str = "", trusted: str = "127.0.0.1", plugins: list | None = None, **more):
        port, plain = free_port(), free_port()
        settings = {name: more.pop(name) for name in list(more) if name.startswith("GATEHOUSE_")}
        gatehouse = start(
            {"services": [service(upstream.url, route("api", "/"))], "plugins": plugins or [], **more}, plain,
            GATEHOUSE_PROXY_LISTEN=f"127.0.0.1:{plain}, 127.0.0.1:{port} proxy_protocol {words}",
            GATEHOUSE_TRUSTED_IPS=trusted, **settings)
        gatehouse.balanced_port = port
        return gatehouse

    return begin


def ask(connection, path: str = "/x", more: str = "") -> bytes:
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}Connection: close\r\n\r\n".encode())
    return everything(connection)


def everything(connection) -> bytes:
    answer = b""
    try:
        while part := connection.recv(65536):
            answer += part
    except ConnectionResetError:
        pass
    return answer


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


@pytest.mark.parametrize("header", [text, binary])
def test_the_client_is_the_one_that_the_header_names(serve, upstream, header):
    gatehouse = serve()
    with connect(gatehouse.balanced_port) as client:
        client.sendall(header("192.0.2.7"))
        assert ask(client).startswith(b"HTTP/1.1 200")
    assert upstream.last.all("X-Forwarded-For") == ["192.0.2.7"] and upstream.last.first("X-Real-IP") in (None, "192.0.2.7")


def test_header_and_request_may_come_octet_by_octet_or_at_once(serve, upstream):
    gatehouse = serve()
    octets = text("192.0.2.7") + b"GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with connect(gatehouse.balanced_port) as client:
        client.sendall(octets)
        assert everything(client).startswith(b"HTTP/1.1 200")
    with connect(gatehouse.balanced_port) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in octets:
            client.sendall(bytes([octet]))
        assert everything(client).startswith(b"HTTP/1.1 200")
    assert upstream.last.all("X-Forwarded-For") == ["192.0.2.7"]


def test_the_header_stands_before_tls(serve, upstream):
    gatehouse = serve("ssl", certificates=[Authority().sign("localhost").entity("*")])
    raw = connect(gatehouse.balanced_port)
    raw.sendall(binary("192.0.2.7"))
    with client_context().wrap_socket(raw, server_hostname="localhost") as client:
        assert ask(client).startswith(b"HTTP/1.1 200")
    assert upstream.last.all("X-Forwarded-For") == ["192.0.2.7"]
    assert upstream.last.first("X-Forwarded-Proto") == "https"


def test_a_stranger_is_closed_with_and_without_a_header(serve):
    gatehouse = serve(trusted="10.0.0.0/8")
    for begin in (b"", text("192.0.2.7"), binary("192.0.2.7")):
        with connect(gatehouse.balanced_port) as client:
            try:
                client.sendall(begin)
                assert ask(client) == b""
            except (BrokenPipeError, ConnectionResetError):
                pass
    wait_until(lambda: gatehouse.metric("gatehouse_connections_dropped_total", reason="proxy-header") == 3, "counted")


@pytest.mark.parametrize("begin", [
    b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", b"PROXY TCP4 x 10.0.0.1 1 2\r\n", SIGNATURE + b"\x31\x11\0\x0c" + b"x" * 12])
def test_without_a_good_header_the_connection_is_closed(serve, upstream, begin):
    gatehouse = serve()
    with connect(gatehouse.balanced_port) as client:
        client.sendall(begin)
        assert everything(client) == b""
    assert upstream.seen == []


def test_a_header_counts_once(serve, upstream):
    gatehouse = serve()
    with connect(gatehouse.balanced_port) as client:
        client.sendall(text("192.0.2.7") + text("192.0.2.8"))
        assert b" 400 " in ask(client).split(b"\r\n")[0]
    assert upstream.seen == []


def test_the_named_client_is_no_trusted_peer(serve, upstream):
    """P1: what the client itself says of its way is dropped, though the balancer is trusted."""
    gatehouse = serve()
    with connect(gatehouse.balanced_port) as client:
        client.sendall(text("192.0.2.7"))
        ask(client, more="X-Forwarded-For: 10.9.9.9\r\nX-Forwarded-Proto: https\r\n")
    assert upstream.last.all("X-Forwarded-For") == ["192.0.2.7"]
    assert upstream.last.first("X-Forwarded-Proto") == "http"


def test_rules_and_limits_look_at_the_named_client(serve):
    gatehouse = serve(plugins=[plugin("ip-restriction", deny=["192.0.2.0/24"])],
                      GATEHOUSE_LIMIT_CONNECTIONS_PER_ADDRESS="1")
    with connect(gatehouse.balanced_port) as client:
        client.sendall(text("192.0.2.7"))
        assert ask(client).startswith(b"HTTP/1.1 403")
    with connect(gatehouse.balanced_port) as one, connect(gatehouse.balanced_port) as two:
        one.sendall(text("198.51.100.1"))
        one.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        assert one.recv(4096).startswith(b"HTTP/1.1 200")
        two.sendall(text("198.51.100.1") + b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        assert everything(two) == b"", "one address has one connection"
        with connect(gatehouse.balanced_port) as three:
            three.sendall(text("198.51.100.2"))
            assert ask(three).startswith(b"HTTP/1.1 200")
    wait_until(lambda: gatehouse.metric("gatehouse_connections") == 0, "all are gone")
    assert gatehouse.metric("gatehouse_connections_refused_total", reason="address-full") == 1


def test_a_header_that_does_not_come_is_waited_for_in_vain(serve):
    gatehouse = serve(GATEHOUSE_LIMIT_HEAD_SECONDS="1")
    with connect(gatehouse.balanced_port) as client:
        client.sendall(b"PROXY TCP4 ")
        assert everything(client) == b""
