"""What one client, or a thousand, can take from the others: connections, open files, memory."""
import os
import resource
import socket
import time

import httpx
import pytest

from support.gatehouse import Gatehouse, plugin, route, service
from support.load import Flood
from support.processes import wait_until
from support.rawsocket import RawConnection

pytestmark = pytest.mark.alone

OWN = {"routes": [route("own", "/own", plugins=[plugin("request-termination", status_code=200)])]}
GET = b"GET /own HTTP/1.1\r\nHost: a\r\n\r\n"


def connect(port: int, count: int) -> list[socket.socket]:
    """Connections that were opened; nothing is sent on them."""
    return [socket.create_connection(("127.0.0.1", port), 10) for _ in range(count)]


def closed(connection: socket.socket) -> bool:
    """Whether the other side has closed already."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def asks(connection: socket.socket) -> bool:
    """Whether a request is answered on this connection."""
    connection.setblocking(True)
    connection.settimeout(10)
    connection.sendall(GET)
    return connection.recv(65536).startswith(b"HTTP/1.1 200")


def resident(gatehouse: Gatehouse) -> int:
    """Octets of memory."""
    with open(f"/proc/{gatehouse.process.popen.pid}/statm", encoding="ascii") as text:
        return int(text.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(gatehouse: Gatehouse) -> float:
    with open(f"/proc/{gatehouse.process.popen.pid}/stat", encoding="ascii") as text:
        fields = text.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("setting, reason", [
    ("GATEHOUSE_LIMIT_CONNECTIONS_TOTAL", "server-full"), ("GATEHOUSE_LIMIT_CONNECTIONS_PER_ADDRESS", "address-full")])
def test_connections_over_a_limit_are_closed_and_counted(start, setting, reason):
    """Over both workers; those that are in go on, and a place that comes free is given away again."""
    gatehouse = start(OWN, **{setting: "10"})
    inside = connect(gatehouse.port, 10)
    assert all(asks(connection) for connection in inside)
    outside = connect(gatehouse.port, 20)
    wait_until(lambda: all(closed(connection) for connection in outside), "those over the limit are closed")
    assert gatehouse.metric("gatehouse_connections_refused_total", reason=reason) == 20
    assert gatehouse.metric("gatehouse_connections_refused_total") == 20
    assert gatehouse.metric("gatehouse_connections") == 10
    assert all(asks(connection) for connection in inside)
    inside.pop().close()
    wait_until(lambda: gatehouse.metric("gatehouse_connections") == 9, "a place is free")
    last = connect(gatehouse.port, 1)
    assert asks(last[0])


def test_trusted_peers_have_no_limit_by_address(start):
    gatehouse = start(OWN, GATEHOUSE_LIMIT_CONNECTIONS_PER_ADDRESS="1", GATEHOUSE_TRUSTED_IPS="127.0.0.1")
    assert all(asks(connection) for connection in connect(gatehouse.port, 5))


def test_open_files_are_raised_and_bound_the_clients(tmp_path):
    """RLIMIT_NOFILE: the soft bound becomes the hard one, and the log says what that leaves for clients."""
    gatehouse = Gatehouse(tmp_path / "own", OWN, GATEHOUSE_LIMIT_CONNECTIONS_TOTAL="5000")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        gatehouse.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        line = gatehouse.wait_for_line(lambda line: line.get("message", "") == "open files")
        assert line["before"] == "256" and line["now"] == str(hard)
        assert resource.prlimit(gatehouse.process.popen.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        gatehouse.stop()


def test_no_room_for_another_file_is_no_busy_loop(start):
    """D3: accept says EMFILE; who is in is served, who waits is let in later, and no loop turns in vain."""
    gatehouse = start(OWN)
    pid = gatehouse.process.popen.pid
    users = connect(gatehouse.port, 4)
    assert all(asks(user) for user in users)
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")) + 10, hard))
    waiting = connect(gatehouse.port, 200)
    assert gatehouse.wait_for_line(lambda line: line.get("message", "").startswith("no connection is accepted for a moment"))
    before, began = cpu_seconds(gatehouse), time.monotonic()
    while time.monotonic() - began < 2:
        assert all(asks(user) for user in users)
        time.sleep(0.1)
    busy = (cpu_seconds(gatehouse) - before) / (time.monotonic() - began)
    print(f"{busy:.1%} of a core")
    assert busy < 0.2
    for connection in waiting[:150]:
        connection.close()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
    assert all(asks(connection) for connection in waiting[150:])
    assert gatehouse.metric("gatehouse_accept_pauses_total") > 0


def test_clients_that_do_not_read_take_no_memory(start):
    """D17: 64 answers of 100 MB that nobody reads; 256 KiB for each at most."""
    with Flood(100_000_000) as upstream:
        gatehouse = start({"services": [service(upstream.url, route("api", "/api"))]})
        httpx.get(gatehouse.status_url + "/status")
        before = resident(gatehouse)
        clients = connect(gatehouse.port, 64)
        for client in clients:
            client.sendall(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: len(upstream.connections) == 64, "all answers have begun")
        high, end = 0, time.monotonic() + 3
        while time.monotonic() < end:
            high = max(high, resident(gatehouse))
            time.sleep(0.05)
        each = (high - before) / 64 / 1024
        print(f"{each:.0f} KiB each")
        assert each < 256
        # And whoever reads after all has the whole of it.
        client, total = clients[0], 0
        while total < 100_000_000 and (part := client.recv(1 << 20)):
            total += len(part)
        assert total >= 100_000_000


def test_an_upstream_that_does_not_read_takes_no_memory(start):
    """D17: 64 uploads of 100 MB that the upstream leaves lying."""
    with Flood(0, reads=False) as upstream:
        gatehouse = start({"services": [service(upstream.url, route("api", "/api"))]})
        httpx.get(gatehouse.status_url + "/status")
        before = resident(gatehouse)
        clients, piece = connect(gatehouse.port, 64), b"x" * 65536
        for client in clients:
            client.sendall(b"PUT /api HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
            client.setblocking(False)
        high, last, quiet = 0, time.monotonic(), 0.0
        while quiet < 2:
            for client in clients:
                try:
                    client.send(piece)
                    last = time.monotonic()
                except BlockingIOError:
                    pass
            quiet = time.monotonic() - last
            high = max(high, resident(gatehouse))
            time.sleep(0.005)
        each = (high - before) / 64 / 1024
        print(f"{each:.0f} KiB each")
        assert each < 256


def test_a_body_that_drips_is_given_up(start, upstream):
    """X21: an octet now and then keeps no connection for ever."""
    gatehouse = start({"services": [service(upstream.url, route("api", "/api"))]}, GATEHOUSE_LIMIT_BODY_SECONDS="1")
    with RawConnection(gatehouse.port, seconds=0.2) as connection:
        connection.send(b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        answer, end = b"", time.monotonic() + 10
        while not answer and time.monotonic() < end:
            connection.send(b"x")
            try:
                answer = connection.socket.recv(65536)
            except TimeoutError:
                pass
        assert answer.startswith(b"HTTP/1.1 408 ")
