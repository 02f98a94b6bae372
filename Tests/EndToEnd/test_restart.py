"""Restarts and reloads under load: a second program takes the first one's place, and nothing is lost."""
import concurrent.futures
import os
import signal
import socket
import stat

import httpx
import pytest

from support.gatehouse import Gatehouse, plugin, route, run, service
from support.load import Load
from support.processes import wait_until
from support.rawsocket import RawConnection

pytestmark = pytest.mark.alone

# The drills ask for more; a test shows that it holds.
RESTARTS = int(os.environ.get("TEST_RESTARTS", "4"))
RELOADS = int(os.environ.get("TEST_RELOADS", "100"))


def api(upstream, *more: dict) -> dict:
    return {"services": [service(upstream.url, route("api", "/api"), *more)]}


@pytest.fixture
def gatehouse(start, upstream):
    return start(api(upstream))


def control(gatehouse) -> str:
    return str(gatehouse.folder / "data/gatehouse.sock")


def ask(gatehouse, line: bytes) -> socket.socket:
    """Speaks to the running program as a command does."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(control(gatehouse))
    connection.sendall(line)
    return connection


# Taking over

@pytest.mark.parametrize("workers", [("2", "2"), ("1", "3"), ("3", "1")])
def test_restarts_under_load_lose_no_request(start, upstream, workers):
    """D12: connections that are kept and connections for one request, while one program follows the other."""
    gatehouse = start(api(upstream), GATEHOUSE_WORKERS=workers[0])
    older = []
    with Load(gatehouse.port) as load:
        for number in range(RESTARTS):
            gatehouse.environment["GATEHOUSE_WORKERS"] = workers[(number + 1) % 2]
            older.append(gatehouse.succeed())
            assert older[-1].wait(40) == 0
        count = dict(load.counts)
        wait_until(lambda: load.counts["fresh"] > count["fresh"] + 20, "the last program serves")
    assert load.failures == [] and min(load.counts.values()) > 100, load.counts
    print(f"{RESTARTS} restarts, workers {workers}: {load.counts} requests, {len(load.failures)} failures")


def test_what_is_under_way_ends_in_the_older_program(gatehouse, upstream):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(httpx.get, gatehouse.url + "/api?drip=20", timeout=30)
        wait_until(lambda: upstream.seen, "the exchange is under way")
        older = gatehouse.succeed()
        assert httpx.get(gatehouse.url + "/api").status_code == 200
        assert httpx.get(gatehouse.status_url + "/status/ready").status_code == 200
        assert older.alive
        assert slow.result().text.count("piece") == 20
        assert older.wait(15) == 0


def test_commands_go_to_the_younger_program(gatehouse, upstream):
    assert gatehouse.succeed().wait(15) == 0
    assert stat.S_IMODE(os.stat(control(gatehouse)).st_mode) == 0o600
    gatehouse.write(api(upstream, route("new", "/new")))
    answer = run("reload", "--data-dir", str(gatehouse.folder / "data"))
    assert answer.returncode == 0, answer
    assert httpx.get(gatehouse.url + "/new").status_code == 200
    assert gatehouse.stop() == 0
    assert not os.path.exists(control(gatehouse))
    assert sorted(path.name for path in (gatehouse.folder / "data").glob("g*")) == []


def test_the_younger_program_may_listen_elsewhere(gatehouse, upstream):
    """What both listen on passes over; the rest is opened or closed."""
    old = gatehouse.port
    with socket.create_server(("127.0.0.1", 0)) as probe:
        new = probe.getsockname()[1]
    gatehouse.environment["GATEHOUSE_PROXY_LISTEN"] = f"127.0.0.1:{new}"
    assert gatehouse.succeed().wait(15) == 0
    assert httpx.get(f"http://127.0.0.1:{new}/api").status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{old}/api")


def test_taking_over_from_nobody_is_a_plain_start(tmp_path, upstream):
    gatehouse = Gatehouse(tmp_path / "alone", api(upstream))
    gatehouse.spawn("--takeover")
    try:
        wait_until(gatehouse.ready, "gatehouse is ready")
        assert httpx.get(gatehouse.url + "/api").status_code == 200
    finally:
        assert gatehouse.stop() == 0


def test_a_program_that_cannot_start_takes_nothing_over(gatehouse, upstream):
    older = gatehouse.process
    gatehouse.write("servcies: []\n")
    gatehouse.spawn("--takeover")
    assert gatehouse.process.wait(20) == 1
    assert older.alive and httpx.get(gatehouse.url + "/api").status_code == 200
    gatehouse.process = older


def test_a_program_that_dies_amid_taking_over_leaves_the_older_one_serving(gatehouse):
    """It has got the sockets, and closes; the next one can still take over."""
    connection = ask(gatehouse, b"takeover\n")
    message, files, *_ = socket.recv_fds(connection, 65536, 64)
    assert len(files) == 2 + 1 + 1, "two workers, the status listener, the claim to data_dir"
    while not message.endswith(b"\n"):
        message += connection.recv(65536)
    assert message.count(f"127.0.0.1:{gatehouse.port}".encode()) == 2
    second = ask(gatehouse, b"takeover\n")
    assert b"taking over already" in second.recv(65536)
    second.close()
    for file in files:
        os.close(file)
    connection.close()
    assert gatehouse.wait_for_line(lambda line: "did not come up" in line.get("message", ""))
    with Load(gatehouse.port) as load:
        wait_until(lambda: min(load.counts.values()) > 20, "the older program serves")
    assert load.failures == []
    assert gatehouse.succeed().wait(15) == 0


def test_an_unknown_command_is_refused(gatehouse):
    with ask(gatehouse, b"dance\n") as connection:
        assert b"no such command" in connection.recv(65536)


def test_a_second_program_with_the_same_data_dir_is_refused(gatehouse, tmp_path, upstream):
    """It would take the socket for commands, and write over the same files."""
    second = Gatehouse(tmp_path / "second", api(upstream), GATEHOUSE_DATA_DIR=str(gatehouse.folder / "data"))
    second.spawn()
    try:
        assert second.process.wait(20) == 1
        assert "--takeover" in second.text() and str(gatehouse.folder / "data") in second.text()
    finally:
        second.stop()
    assert run("reload", "--data-dir", str(gatehouse.folder / "data")).returncode == 0


def test_a_program_that_was_killed_leaves_its_data_dir_to_the_next(gatehouse):
    gatehouse.process.kill()
    gatehouse.start()
    assert run("reload", "--data-dir", str(gatehouse.folder / "data")).returncode == 0


# Reloads

def test_reloads_under_load_lose_no_request(gatehouse, upstream):
    """D11 in small: connections are kept, to clients and to the upstream that stays."""
    accepted = []
    plain = upstream.server.get_request
    with Load(gatehouse.port, kept=3, fresh=1) as load:
        wait_until(lambda: load.counts["kept"] > 50, "connections to the upstream are there")
        upstream.server.get_request = lambda: accepted.append(1) or plain()
        for number in range(RELOADS):
            gatehouse.write(api(upstream, route(f"extra-{number}", f"/extra/{number}")))
            before = gatehouse.metric("gatehouse_reloads_total", result="taken")
            if number % 10:
                gatehouse.process.signal(signal.SIGHUP)
                wait_until(lambda: gatehouse.metric("gatehouse_reloads_total", result="taken") > before, "it is read")
            else:
                assert run("reload", "--data-dir", str(gatehouse.folder / "data")).returncode == 0
    assert load.failures == [] and min(load.counts.values()) > 100, load.counts
    assert len(accepted) < RELOADS / 2, "connections to an upstream that stays are made anew"
    print(f"{RELOADS} reloads: {load.counts} requests, {len(load.failures)} failures, {len(accepted)} connections")


def test_an_upstream_that_a_reload_removes_is_let_go(gatehouse, upstream):
    """Idle connections close at once, long before they are too old."""
    assert httpx.get(gatehouse.url + "/api").status_code == 200
    assert len(upstream.server.connections) == 1
    gatehouse.write({"routes": [route("own", "/", plugins=[plugin("request-termination", status_code=200)])]})
    assert run("reload", "--data-dir", str(gatehouse.folder / "data")).returncode == 0
    wait_until(lambda: not upstream.server.connections, "the connection is closed", 2)


# The end

def test_a_request_on_its_way_to_a_draining_program_is_answered(start, upstream):
    """On a kept connection that is idle when SIGTERM comes."""
    gatehouse = start(api(upstream), GATEHOUSE_DRAIN_IDLE_SECONDS="20")
    with RawConnection(gatehouse.port) as kept:
        kept.send(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        assert kept.read().first("connection") is None
        gatehouse.process.signal(signal.SIGTERM)
        gatehouse.wait_for_line(lambda line: line.get("message", "") == "draining")
        kept.send(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        reply = kept.read()
        assert reply.status == 200 and reply.first("connection") == "close"
        assert kept.closed()
    assert gatehouse.process.wait(10) == 0


def test_sigterm_under_load_loses_no_request_of_a_kept_connection(gatehouse):
    """Connections that the system has queued when the listening sockets close are refused; nothing else is."""
    with Load(gatehouse.port, kept=8, fresh=0, pause=0.05) as load:
        wait_until(lambda: load.counts["kept"] > 100, "the load runs")
        gatehouse.process.signal(signal.SIGTERM)
        assert gatehouse.process.wait(20) == 0
        wait_until(lambda: len(load.failures) >= 8, "every client has noticed")
    assert [failure for failure in load.failures if "first request" not in failure] == []


def test_metrics_go_on_while_draining(gatehouse, upstream):
    httpx.get(gatehouse.url + "/api")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(httpx.get, gatehouse.url + "/api?drip=15", timeout=30)
        wait_until(lambda: len(upstream.seen) == 2, "the exchange is under way")
        gatehouse.process.signal(signal.SIGTERM)
        gatehouse.wait_for_line(lambda line: line.get("message", "") == "draining")
        assert gatehouse.metric("gatehouse_exchanges_total", route="api", status="200") == 1
        assert slow.result().status_code == 200
    assert gatehouse.process.wait(15) == 0
