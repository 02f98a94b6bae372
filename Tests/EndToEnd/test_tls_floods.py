"""Floods of handshakes: what one address begins and never ends is bounded, and everybody else is served."""
import contextlib
import socket
import ssl
import subprocess
import threading

import pytest

from support.certificates import Authority
from support.gatehouse import route, service
from support.handshakes import Handshake, client_context
from support.processes import free_port, wait_until

pytestmark = pytest.mark.alone

# All of 127.0.0.0/8 is this machine: the flood comes from an address of its own.
FLOOD, LIMIT = "127.0.0.9", 10


@pytest.fixture
def gatehouse(start, upstream):
    """The program with few connections an address, and one second for a handshake."""
    plain, port = free_port(), free_port()
    program = start(
        {"services": [service(upstream.url, route("api", "/"))],
         "certificates": [Authority().sign("localhost").entity("*")]}, plain,
        GATEHOUSE_PROXY_LISTEN=f"127.0.0.1:{plain}, 127.0.0.1:{port} ssl http2",
        GATEHOUSE_LIMIT_CONNECTIONS_PER_ADDRESS=str(LIMIT), GATEHOUSE_LIMIT_HEAD_SECONDS="1")
    program.tls_port = port
    return program


def hello() -> bytes:
    """What a client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def connect(gatehouse) -> socket.socket:
    return socket.create_connection(("127.0.0.1", gatehouse.tls_port), timeout=10, source_address=(FLOOD, 0))


def is_closed(client: socket.socket) -> bool:
    try:
        while client.recv(65536):
            pass
    except OSError:
        pass
    return True


class Others:
    """Clients at another address, each request on a connection of its own, while something else happens."""

    def __init__(self, gatehouse):
        self.gatehouse, self.count, self.failures, self.stop = gatehouse, 0, [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop.is_set():
            try:
                with Handshake(self.gatehouse.tls_port, "localhost") as client:
                    assert client.get().startswith(b"HTTP/1.1 200")
                self.count += 1
            except Exception as error:
                self.failures.append(repr(error))

    def go_on(self, more: int = 10):
        """Waits until so many more were served."""
        before = self.count
        wait_until(lambda: self.count >= before + more or self.failures, "others are served", 30)
        assert self.failures == []

    def __enter__(self):
        self.thread.start()
        self.go_on(1)
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


@pytest.mark.parametrize("begun", [b"", hello()[:40], hello()], ids=["nothing", "half a hello", "a hello and no more"])
def test_handshakes_that_never_end_are_bounded_by_count_and_time(gatehouse, begun):
    with Others(gatehouse) as others, contextlib.ExitStack() as held:
        clients = []
        for _ in range(LIMIT):
            client = held.enter_context(connect(gatehouse))
            client.sendall(begun)
            clients.append(client)
        # No more than the limit get in while those are there; whoever finds room finds it because one's time is up.
        for _ in range(100):
            client = held.enter_context(connect(gatehouse))
            with contextlib.suppress(OSError):
                client.sendall(begun)
            clients.append(client)
        others.go_on()
        assert gatehouse.metric("gatehouse_connections") <= LIMIT + 2
        for client in clients:
            assert is_closed(client)
        others.go_on()
    away = gatehouse.metric("gatehouse_connections_refused_total", reason="address-full")
    late = gatehouse.metric("gatehouse_connections_dropped_total", reason="timed-out")
    assert away > 0 and late >= LIMIT and away + late == LIMIT + 100
    # Its time over, the address is as good as any.
    with ssl_client(gatehouse) as client:
        assert client.getpeercert(binary_form=True)
    wait_until(lambda: gatehouse.metric("gatehouse_connections") == 0, "all are gone")


def ssl_client(gatehouse) -> ssl.SSLSocket:
    return client_context().wrap_socket(connect(gatehouse), server_hostname="localhost")


def test_whole_handshakes_one_after_the_other_hold_up_nobody(gatehouse):
    """A handshake costs the same as any; there are as many at once as the address may have connections."""
    done, refused = [], []

    def flood():
        for _ in range(40):
            try:
                with ssl_client(gatehouse):
                    done.append(1)
            except OSError:
                refused.append(1)

    with Others(gatehouse) as others:
        threads = [threading.Thread(target=flood) for _ in range(LIMIT + 6)]
        for thread in threads:
            thread.start()
        others.go_on()
        for thread in threads:
            thread.join()
        others.go_on()
    assert len(done) > LIMIT and len(done) + len(refused) == 40 * (LIMIT + 6)
    wait_until(lambda: gatehouse.metric("gatehouse_connections") == 0, "all are gone")


def test_renegotiation_ends_the_connection(gatehouse):
    """TLS 1.2: the client's wish for another handshake within the first is refused, and nothing is answered any more."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{gatehouse.tls_port}", "-tls1_2", "-servername", "localhost"],
        input="R\nGET /after HTTP/1.1\nHost: localhost\n\n", capture_output=True, text=True, timeout=20)
    said = done.stdout + done.stderr
    assert "RENEGOTIATING" in said and "Secure Renegotiation IS supported" in said
    assert "HTTP/1.1" not in done.stdout and done.returncode != 0, said
    wait_until(lambda: gatehouse.metric("gatehouse_connections") == 0, "the connection is gone")


def test_a_flood_of_resumptions_costs_no_more(gatehouse):
    """One ticket, shown again and again: each is a handshake like any other."""
    context = client_context(newest=ssl.TLSVersion.TLSv1_2)
    with Handshake(gatehouse.tls_port, "localhost", context=context) as client:
        client.get()
        session = client.socket.session
    with Others(gatehouse) as others:
        for _ in range(50):
            with Handshake(gatehouse.tls_port, "localhost", context=context, session=session) as client:
                assert client.socket.session_reused
        others.go_on()
