"""What ends, lasts or switches, over TLS on both sides: bodies, tunnels, kept connections (X15, X18)."""
import hashlib
import socket
import ssl
import threading

import pytest
import websockets.exceptions
import websockets.sync.client
import websockets.sync.server
import yaml

from support.arriving import arriving
from support.certificates import Authority
from support.gatehouse import Gatehouse, route, run
from support.handshakes import Handshake, client_context
from support.processes import free_port, wait_until

AUTHORITY = "5f1d1b8c-31a2-4b86-8c7d-0c0f8f0b5a11"


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture(scope="module")
def upstream_context(authority, tmp_path_factory):
    """What an upstream called `localhost` brings to a handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("localhost").files(tmp_path_factory.mktemp("upstream")))
    return context


@pytest.fixture
def serve(start, authority):
    """Starts the program with TLS on both sides; the upstream is `localhost`."""

    def begin(port: int, host: str = "localhost", environment: dict | None = None, **more) -> Gatehouse:
        plain, secure = free_port(), free_port()
        service = {"name": "api", "url": f"https://{host}:{port}", "ca_certificates": [AUTHORITY],
                   "routes": [route("api", "/")], "retries": 0, **more}
        gatehouse = start(
            {"services": [service], "ca_certificates": [{"id": AUTHORITY, "cert": authority.cert}],
             "certificates": [authority.sign("localhost").entity("localhost")]},
            plain, GATEHOUSE_PROXY_LISTEN=f"127.0.0.1:{plain}, 127.0.0.1:{secure} ssl",
            **(environment or {}))
        gatehouse.tls_port = secure
        return gatehouse

    return begin


class Scripted:
    """A TLS upstream that reads a head and its body, then does as it is told with the connection."""

    def __init__(self, context: ssl.SSLContext, act):
        self.context, self.act = context, act
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.requests, self.connections = 0, 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        for raw in arriving(self.listener):
            self.connections += 1
            threading.Thread(target=self.serve, args=(raw,), daemon=True).start()

    def serve(self, raw: socket.socket):
        try:
            with self.context.wrap_socket(raw, server_side=True) as client:
                while request := self.request(client):
                    self.requests += 1
                    if self.act(client, *request) == "closed":
                        return
        except OSError:
            pass

    @staticmethod
    def request(client: ssl.SSLSocket) -> tuple[bytes, bytes] | None:
        octets = b""
        while b"\r\n\r\n" not in octets:
            part = client.recv(65536)
            if not part:
                return None
            octets += part
        head, _, body = octets.partition(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                       if line.startswith(b"content-length:")), 0)
        parts, count = [body], len(body)
        while count < length:
            parts.append(client.recv(65536))
            count += len(parts[-1])
        return head, b"".join(parts)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


def goodbye(client: ssl.SSLSocket):
    """Says `close_notify`, and closes."""
    try:
        client.unwrap()
    except OSError:
        pass
    client.close()
    return "closed"


def cut(client: ssl.SSLSocket):
    """Ends the connection beneath TLS: a FIN, and no `close_notify`."""
    raw = socket.socket(fileno=client.detach())
    raw.shutdown(socket.SHUT_RDWR)
    raw.close()
    return "closed"


def everything(client: ssl.SSLSocket) -> tuple[bytes, bool]:
    """What comes until the end, and whether it ended with `close_notify`."""
    client.suppress_ragged_eofs = False
    octets = b""
    try:
        while part := client.recv(65536):
            octets += part
    except (ConnectionError, ssl.SSLEOFError):
        return octets, False
    return octets, True


# Handshakes that stand still

def test_a_handshake_that_stands_still_behind_its_hello_is_let_go(start, authority):
    """The client has got certificate and all, and says no more: it was counted, and is timed."""
    plain, secure = free_port(), free_port()
    gatehouse = start(
        {"certificates": [authority.sign("localhost").entity("localhost")]}, plain,
        GATEHOUSE_PROXY_LISTEN=f"127.0.0.1:{plain}, 127.0.0.1:{secure} ssl", GATEHOUSE_LIMIT_HEAD_SECONDS="1")
    hello = ssl.MemoryBIO()
    half = client_context(authority.cert).wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        half.do_handshake()
    with socket.create_connection(("127.0.0.1", secure), timeout=10) as client:
        client.sendall(hello.read())
        assert client.recv(1) == b"\x16", "the server's flight begins"
        assert gatehouse.metric("gatehouse_connections") == 1
        try:
            while client.recv(65536):
                pass
        except ConnectionResetError:
            pass
    wait_until(lambda: gatehouse.metric("gatehouse_connections") == 0, "it is gone")


# Bodies

HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


@pytest.mark.parametrize("head", [HEAD + b"\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\n", HEAD + b"Content-Length: 9\r\n\r\n"],
                         ids=["until-close", "chunked", "length"])
@pytest.mark.parametrize("end", [goodbye, cut])
def test_an_answer_is_whole_only_if_its_end_was_said(serve, upstream_context, head, end):
    """A body that goes on until the close is ended by close_notify alone (RFC 9112 §9.8); the others by their framing."""
    part = b"5\r\nbegun\r\n" if b"chunked" in head else b"begun"

    def act(client, *_):
        client.sendall(head + part)
        return end(client)

    with Scripted(upstream_context, act) as upstream:
        gatehouse = serve(upstream.port)
        with Handshake(gatehouse.tls_port, "localhost") as client:
            client.socket.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            octets, ended = everything(client.socket)
    isWhole = end is goodbye and head == HEAD + b"\r\n"
    assert b"begun" in octets and ended == isWhole
    line = gatehouse.wait_for_line(lambda line: line.get("status") == 200)
    assert ("broken_off" in line) == (not isWhole), line


@pytest.mark.parametrize("end", [goodbye, cut])
def test_an_answer_with_its_whole_length_needs_no_further_word(serve, upstream_context, end):
    def act(client, *_):
        client.sendall(HEAD + b"Content-Length: 5\r\n\r\nwhole")
        return end(client)

    with Scripted(upstream_context, act) as upstream:
        gatehouse = serve(upstream.port)
        with Handshake(gatehouse.tls_port, "localhost") as client:
            for _ in range(2):
                assert client.get().endswith(b"\r\n\r\nwhole")


def test_a_long_request_arrives_as_it_was_sent(serve, upstream_context):
    def act(client, head, body):
        digest = hashlib.sha256(body).hexdigest().encode()
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n" + digest)

    body = b"".join(hashlib.sha256(bytes([number % 251, number // 251 % 251])).digest() for number in range(200_000))
    with Scripted(upstream_context, act) as upstream:
        gatehouse = serve(upstream.port)
        with Handshake(gatehouse.tls_port, "localhost") as client:
            client.socket.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            octets = b""
            while len(octets.partition(b"\r\n\r\n")[2]) < 64:
                octets += client.some()
    assert octets.endswith(hashlib.sha256(body).hexdigest().encode())


@pytest.mark.parametrize("end", [goodbye, cut])
def test_a_kept_connection_that_ended_is_replaced(serve, upstream_context, end):
    """The second request meets the end of the first one's connection."""
    ended = threading.Event()

    def act(client, *_):
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")
        if not ended.is_set():
            end(client)
            ended.set()
            return "closed"

    with Scripted(upstream_context, act) as upstream:
        gatehouse = serve(upstream.port, retries=1)
        with Handshake(gatehouse.tls_port, "localhost") as client:
            assert client.get().endswith(b"fine")
            assert ended.wait(10)
            for _ in range(3):
                assert client.get().endswith(b"fine")
        assert upstream.requests == 4 and upstream.connections <= 3


# Tunnels


@pytest.fixture
def echo(upstream_context):
    """A WebSocket server over TLS that says everything again; `shout` makes it send a lot, `bye` close."""

    def serve(connection):
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

    server = websockets.sync.server.serve(serve, "127.0.0.1", 0, ssl=upstream_context, max_size=None)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.socket.getsockname()[1]
    server.shutdown()


def connect(gatehouse: Gatehouse, authority: Authority, **more):
    context = ssl.create_default_context(cadata=authority.cert)
    return websockets.sync.client.connect(
        f"wss://localhost:{gatehouse.tls_port}/", ssl=context, max_size=None, compression=None,
        open_timeout=10, close_timeout=5, sock=socket.create_connection(("127.0.0.1", gatehouse.tls_port)), **more)


def test_websockets_cross_tls_on_both_sides(serve, echo, authority):
    gatehouse = serve(echo)
    with connect(gatehouse, authority) as client:
        for message in ["hello", b"\0\1\2", "x" * 1_000_000, ""]:
            client.send(message)
            assert client.recv(timeout=10) == message
        client.send("shout")
        assert sum(len(client.recv(timeout=20)) for _ in range(200)) == 20_000_000
        assert client.recv(timeout=10) == "shout"
        client.send("bye")
        with pytest.raises(websockets.exceptions.ConnectionClosedOK):
            client.recv(timeout=10)


def test_a_reload_of_certificates_leaves_tunnels_alone(serve, echo, authority):
    gatehouse = serve(echo)
    with connect(gatehouse, authority) as client:
        client.send("before")
        assert client.recv(timeout=10) == "before"
        newer = authority.sign("localhost")
        configuration = yaml.safe_load(gatehouse.file.read_text())
        configuration["certificates"] = [newer.entity("localhost")]
        configuration["ca_certificates"] = [{"id": AUTHORITY, "cert": Authority("Another").cert}]
        gatehouse.write(yaml.safe_dump(configuration, sort_keys=False))
        assert run("reload", "--data-dir", str(gatehouse.folder / "data")).returncode == 0
        with Handshake(gatehouse.tls_port, "localhost") as other:
            assert other.serial == newer.serial
        client.send("after")
        assert client.recv(timeout=10) == "after"


def test_a_tunnel_that_the_upstream_ends_hands_over_all_that_it_sent(serve, upstream_context):
    sent = bytes(range(256)) * 20_000

    def act(client, *_):
        client.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: bulk\r\n\r\n" + sent)
        return goodbye(client)

    with Scripted(upstream_context, act) as upstream:
        gatehouse = serve(upstream.port)
        with Handshake(gatehouse.tls_port, "localhost") as client:
            client.socket.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: bulk\r\n\r\n")
            octets, _ = everything(client.socket)
    assert octets.startswith(b"HTTP/1.1 101 ")
    assert octets.partition(b"\r\n\r\n")[2] == sent
    wait_until(lambda: gatehouse.metric("gatehouse_connections") == 0, "both sides are gone")


def test_a_client_that_ends_its_tunnel_ends_the_upstreams(serve, upstream_context):
    over = threading.Event()

    def act(client, *_):
        client.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: quiet\r\n\r\n")
        try:
            while client.recv(4096):
                pass
        except OSError:
            pass
        over.set()
        return "closed"

    with Scripted(upstream_context, act) as upstream:
        gatehouse = serve(upstream.port)
        with Handshake(gatehouse.tls_port, "localhost") as client:
            client.socket.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: quiet\r\n\r\n")
            assert client.some().startswith(b"HTTP/1.1 101 ")
        assert over.wait(10)


# Names


def test_a_host_with_a_dot_at_its_end_is_asked_for_and_proven_without_it(serve, authority, tmp_path):
    """RFC 6066 §3: the name in a handshake has none."""
    asked = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("api.test").files(tmp_path))
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n127.0.0.1 api.test api.test.\n")
    context.sni_callback = lambda _, name, __: asked.append(name)
    with Scripted(context, lambda client, *_: client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as upstream:
        gatehouse = serve(
            upstream.port, "api.test.", {"LD_PRELOAD": "libnss_wrapper.so", "NSS_WRAPPER_HOSTS": str(hosts)})
        with Handshake(gatehouse.tls_port, "localhost") as client:
            assert client.get().startswith(b"HTTP/1.1 200")
    assert asked == ["api.test"]


def test_a_locked_key_is_told(tmp_path, authority):
    from cryptography.hazmat.primitives import serialization
    signed = authority.sign("a.example")
    locked = signed.private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase")).decode()
    file = tmp_path / "locked.yaml"
    entry = {"cert": signed.cert, "key": locked, "snis": [{"name": "a.example"}]}
    file.write_text(yaml.safe_dump({"_format_version": "3.0", "certificates": [entry]}, sort_keys=False))
    done = run("check", str(file))
    assert done.returncode == 1 and "without a passphrase" in done.stdout, done.stdout
    assert locked.splitlines()[1] not in done.stdout + done.stderr
