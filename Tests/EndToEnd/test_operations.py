"""Running it: readiness, logs, metrics, reloading under load, and an end that loses nothing."""
import concurrent.futures
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import threading
import time

import httpx
import pytest

from support.gatehouse import Gatehouse, openid_connect, plugin, route, service
from support.processes import wait_until
from support.rawsocket import RawConnection, exchange


@pytest.fixture
def gatehouse(start, upstream):
    return start({"services": [service(
        upstream.url, route("api", "/api"), route("closed", "/closed", plugins=[plugin("key-auth")]))],
        "consumers": [{"username": "ann", "keyauth_credentials": [{"key": "anns-key"}]}]})


def test_status_listener_answers(gatehouse):
    assert httpx.get(gatehouse.status_url + "/status").status_code == 200
    assert httpx.get(gatehouse.status_url + "/status/ready").status_code == 200
    assert httpx.get(gatehouse.status_url + "/elsewhere").status_code == 404
    assert httpx.get(gatehouse.url + "/status").status_code == 404
    assert httpx.get(gatehouse.url + "/metrics").status_code == 404


def test_health_opens_nothing_else(gatehouse):
    """P6: no user agent, method or content type opens a closed path."""
    for agent in ("GoogleHC/1.0", "kube-probe/1.30", "ELB-HealthChecker/2.0"):
        assert httpx.get(gatehouse.url + "/closed", headers={"User-Agent": agent}).status_code == 401
    assert httpx.options(gatehouse.url + "/closed").status_code == 401


def test_every_exchange_is_one_json_line(gatehouse):
    """E6: whatever is put into the request; never the query."""
    for raw in [
            b"GET /api/plain?apikey=in-the-query&token=secret-in-query HTTP/1.1\r\nHost: a\r\n\r\n",
            b'GET /api/"quoted"\xff HTTP/1.1\r\nHost: a\r\nUser-Agent: evil\x1b[31m "x"\r\n\r\n',
            b"GET /closed HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /closed?apikey=anns-key HTTP/1.1\r\nHost: a\r\n\r\n",
            b"nonsense\r\n\r\n"]:
        exchange(gatehouse.port, raw)
    wait_until(lambda: any("ann" in line.values() for line in gatehouse.whole_lines()), "the last line")
    text = gatehouse.text()
    assert "in-the-query" not in text and "secret-in-query" not in text and "\x1b" not in text
    lines = gatehouse.whole_lines()
    plain = next(line for line in lines if line.get("route") == "api" and "/api/plain" in str(line))
    assert plain["status"] == 200
    assert any("request_id" in name or name == "id" for name in plain)
    assert any("latency" in name or name.endswith(("_ms", "_us", "_seconds")) for name in plain)


def test_the_request_id_joins_answer_log_and_upstream(gatehouse, upstream):
    answer = httpx.get(gatehouse.url + "/closed")
    request_id = answer.json()["request_id"]
    assert gatehouse.wait_for_line(lambda line: request_id in line.values())
    httpx.get(gatehouse.url + "/api")
    assert gatehouse.wait_for_line(lambda line: upstream.last.first("x-request-id") in line.values())


def test_metrics_count(gatehouse):
    before = gatehouse.metric("gatehouse_exchanges_total", route="api", status="200")
    for _ in range(5):
        httpx.get(gatehouse.url + "/api")
        httpx.get(gatehouse.url + "/closed")
    assert gatehouse.metric("gatehouse_exchanges_total", route="api", status="200") == before + 5
    assert gatehouse.metric("gatehouse_exchanges_total", route="closed", status="401") == 5
    assert gatehouse.metric("gatehouse_refusals_total") == 5


def test_fetches_are_counted(start, upstream, issuer):
    gatehouse = start({"services": [service(upstream.url, route("api", "/", plugins=[
        openid_connect(issuer, auth_methods=["bearer"])]))]})
    httpx.get(gatehouse.url, headers={"Authorization": f"Bearer {issuer.access_token()}"})
    text = gatehouse.metrics()
    assert gatehouse.metric("gatehouse_fetches_total", issuer=issuer.url) >= 2, text
    assert issuer.client_secret not in text


# Reloading

def test_sighup_takes_the_file_whole_or_keeps_the_old_one(gatehouse, upstream):
    gatehouse.write({"services": [service(upstream.url, route("new", "/new"))]})
    gatehouse.process.signal(signal.SIGHUP)
    wait_until(lambda: httpx.get(gatehouse.url + "/new").status_code == 200, "the new file is served")
    assert httpx.get(gatehouse.url + "/api").status_code == 404
    lines = len(gatehouse.whole_lines())
    gatehouse.write({"services": [service(upstream.url, route("other", "/other"), surprise=1)]})
    gatehouse.process.signal(signal.SIGHUP)
    wait_until(lambda: any("surprise" in str(line) for line in gatehouse.whole_lines()[lines:]), "the error is logged")
    assert httpx.get(gatehouse.url + "/new").status_code == 200
    assert httpx.get(gatehouse.url + "/other").status_code == 404
    assert httpx.get(gatehouse.status_url + "/status/ready").status_code == 200


def test_reloading_under_load_loses_nothing(start, upstream, tmp_path):
    """D11 in small: good and bad files in turn while clients ask without pause."""
    good = {"services": [service(upstream.url, route("api", "/api"))]}
    gatehouse = start(good)
    done, failures, count = threading.Event(), [], [0]

    def client():
        with httpx.Client(timeout=20) as session:
            while not done.is_set():
                try:
                    answer = session.get(gatehouse.url + "/api")
                    count[0] += 1
                    if answer.status_code != 200:
                        failures.append(answer.status_code)
                except httpx.HTTPError as error:
                    failures.append(repr(error))

    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        clients = [pool.submit(client) for _ in range(4)]
        download = pool.submit(lambda: httpx.get(gatehouse.url + "/api?drip=20", timeout=30).text.count("piece"))
        for number in range(12):
            if number % 3 == 2:
                gatehouse.write("servcies: []\n")
            else:
                gatehouse.write({**good, "routes": [route(f"extra-{number}", f"/extra/{number}", plugins=[
                    plugin("request-termination", status_code=200)])]})
            before = gatehouse.metric("gatehouse_reloads_total")
            gatehouse.process.signal(signal.SIGHUP)
            wait_until(lambda: gatehouse.metric("gatehouse_reloads_total") > before, "the file was read")
        done.set()
        for future in clients:
            future.result()
        assert download.result() == 20
    assert failures == [] and count[0] > 100
    assert httpx.get(gatehouse.url + "/extra/10").status_code == 200


def test_a_reload_keeps_sessions_and_tokens(start, upstream, issuer, light):
    def configuration(path: str) -> dict:
        return {"services": [service(upstream.url, route("app", path, plugins=[openid_connect(issuer)]))]}

    gatehouse = start(configuration("/app"))
    browser = light()
    browser.follow(gatehouse.url + "/app")
    fetched = issuer.count("/jwks")
    gatehouse.write(configuration("/moved"))
    gatehouse.process.signal(signal.SIGHUP)
    wait_until(lambda: browser.open(gatehouse.url + "/moved").status_code == 200, "the session goes on")
    assert issuer.count("/jwks") == fetched


def test_an_exchange_ends_under_the_plan_it_began_with(gatehouse, upstream):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(httpx.get, gatehouse.url + "/api?drip=15", timeout=30)
        wait_until(lambda: upstream.seen, "the exchange is under way")
        gatehouse.write({"routes": [route("closed", "/", plugins=[plugin("request-termination", status_code=503)])]})
        gatehouse.process.signal(signal.SIGHUP)
        wait_until(lambda: httpx.get(gatehouse.url + "/api").status_code == 503, "the new file is served")
        assert slow.result().status_code == 200


# The end

def test_sigterm_drains(gatehouse, upstream):
    """What is under way is ended; readiness says 503 first; exit status 0."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(httpx.get, gatehouse.url + "/api?drip=15", timeout=30)
        wait_until(lambda: upstream.seen, "the exchange is under way")
        gatehouse.process.signal(signal.SIGTERM)

        def draining() -> bool:
            try:
                return httpx.get(gatehouse.status_url + "/status/ready", timeout=2).status_code == 503
            except httpx.TransportError:
                return False

        wait_until(draining, "readiness says 503")
        assert slow.result().text.count("piece") == 15
    assert gatehouse.process.wait(15) == 0


def test_sigterm_closes_what_is_idle(gatehouse):
    with RawConnection(gatehouse.port) as idle:
        idle.send(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
        assert idle.read().status == 200
        began = time.monotonic()
        gatehouse.process.signal(signal.SIGTERM)
        assert idle.closed()
        assert gatehouse.process.wait(10) == 0
        assert time.monotonic() - began < 8


def test_a_second_program_cannot_take_the_port(gatehouse, tmp_path, upstream):
    second = Gatehouse(tmp_path / "second", {"services": []}, gatehouse.port)
    second.spawn()
    try:
        assert second.process.wait(20) == 1
        assert str(gatehouse.port) in second.text() or "in use" in second.text()
    finally:
        second.stop()


def test_nobody_who_comes_while_it_starts_is_left_waiting(start, upstream):
    """Refused, reset or answered: a connection that is taken in is served."""
    gatehouse = start({"services": [service(upstream.url, route("api", "/"))]})
    waited, over = [], threading.Event()

    def come():
        while not over.is_set():
            try:
                with socket.create_connection(("127.0.0.1", gatehouse.port), 5) as client:
                    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    client.recv(1)
            except TimeoutError:
                waited.append(client)
            except OSError:
                pass

    for _ in range(12):
        gatehouse.process.kill()
        over.clear()
        clients = [threading.Thread(target=come) for _ in range(3)]
        for client in clients:
            client.start()
        gatehouse.start()
        over.set()
        for client in clients:
            client.join()
    assert not waited


def test_what_a_crash_left_half_made_goes_a_minute_later(start, upstream):
    """A socket that was not yet named, or a file; what is younger may be another program's that starts."""
    gatehouse = start({"services": [service(upstream.url, route("api", "/"))]})
    gatehouse.stop()
    data = pathlib.Path(gatehouse.environment["GATEHOUSE_DATA_DIR"])
    for name, age in ((".g1.new", 120), (".g2.new", 0)):
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(data / name))
        os.utime(data / name, (time.time() - age,) * 2)
    gatehouse.start()
    assert sorted(path.name for path in data.glob(".*")) == [".g2.new"]


def test_open_files_and_memory_stay_flat(gatehouse):
    """After many connections and as many requests, as few files are open as before."""
    pid = gatehouse.process.popen.pid

    def files() -> int:
        return len(subprocess.run(["ls", f"/proc/{pid}/fd"], capture_output=True, text=True, check=True).stdout.split())

    def resident() -> int:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    def burst(count: int):
        for _ in range(count):
            exchange(gatehouse.port, b"GET /api HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    burst(100)
    before = files(), resident()
    burst(400)
    wait_until(lambda: files() <= before[0] + 8, "connections are given back", 10)
    assert resident() < before[1] + 20_000


def test_settings_are_said_without_secrets(start, upstream, issuer):
    """The log of a start names no secret."""
    gatehouse = start({"services": [service(upstream.url, route("api", "/", plugins=[openid_connect(issuer)]))]})
    assert issuer.client_secret not in gatehouse.text()
    assert all(isinstance(json.loads(line), dict) for line in gatehouse.text().splitlines())


@pytest.mark.parametrize("setting, bound", [({}, "0"), ({"GATEHOUSE_CORE_DUMPS": "on"}, None)])
def test_a_crash_leaves_no_memory_behind(start, upstream, setting, bound):
    """D20: no core file, unless it is asked for; and what everybody can read of a program holds nothing."""
    gatehouse = start({"services": [service(upstream.url, route("api", "/"))]}, **setting)
    folder = f"/proc/{gatehouse.process.popen.pid}"
    with open(f"{folder}/limits", encoding="utf-8") as limits:
        line = next(line for line in limits if line.startswith("Max core file size"))
    own = resource.getrlimit(resource.RLIMIT_CORE)[0]
    assert line.split()[4] == (bound or ("unlimited" if own == resource.RLIM_INFINITY else str(own)))
    with open(f"{folder}/cmdline", encoding="utf-8") as command:
        assert command.read().split("\0")[1:-1] == ["serve", "--config", str(gatehouse.file)]
