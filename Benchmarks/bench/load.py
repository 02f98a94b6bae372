"""Load, and what it cost: a round of wrk, requests one by one, and connections that only stay."""
import http.client
import os
import pathlib
import re
import socket
import ssl
import struct
import subprocess

from bench import ROOT
from bench.contestants import PATH, Contestant
from bench.machine import LOAD_CPU, busy_seconds, cpu_seconds, memory
from support.processes import wait_until
from support.rawsocket import Unbuffered


def wrk(contestant: Contestant, seconds: float, connections: int, folder: pathlib.Path, cpus: set[int],
        scheme: str = "http") -> dict:
    """One round of load; what it cost."""
    file = folder / "requests"
    file.write_text("\n".join(request.line() for request in contestant.requests) + "\n")
    passed = sum(one["answers"] + connections for one in contestant.rounds)
    before, busy = cpu_seconds(contestant.pid), busy_seconds(cpus)
    said = subprocess.run(
        ["taskset", "-c", str(LOAD_CPU), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s",
         str(ROOT / "Benchmarks/load.lua"), f"{scheme}://127.0.0.1:{contestant.port}/", "--", str(file), str(passed)],
        capture_output=True, text=True, check=True).stdout
    used, busy = cpu_seconds(contestant.pid) - before, busy_seconds(cpus) - busy
    answers, failures, p50, p99 = map(float, re.search(r"result (\S+) (\S+) (\S+) (\S+)", said).groups())
    return {"answers": int(answers), "failures": int(failures), "cpu_us": used / max(answers, 1) * 1e6,
            "per_second": answers / seconds, "p50_ms": p50 / 1000, "p99_ms": p99 / 1000,
            "others_percent": max(0.0, (busy - used) / seconds / len(cpus) * 100)}


def h2load(contestant: Contestant, seconds: float, connections: int, folder: pathlib.Path, cpus: set[int],
           is_grpc: bool) -> dict:
    """One round of load over HTTP/2, eight streams a connection; what it cost."""
    log, more = folder / "times", call_of_grpc(contestant, folder, is_grpc)
    log.unlink(missing_ok=True)
    before, busy = cpu_seconds(contestant.pid), busy_seconds(cpus)
    said = subprocess.run(
        ["taskset", "-c", str(LOAD_CPU), "h2load", "-t1", f"-c{connections}", "-m8", f"-D{round(seconds)}",
         f"--log-file={log}", *more, f"http://127.0.0.1:{contestant.port}{contestant.path}"],
        capture_output=True, text=True, check=True).stdout
    used, busy = cpu_seconds(contestant.pid) - before, busy_seconds(cpus) - busy
    answers, failures = map(int, re.search(r"(\d+) done, \d+ succeeded, (\d+) failed", said).groups())
    times = sorted(int(line.split()[2]) for line in log.read_text().splitlines()) or [0]
    return {"answers": answers, "failures": failures, "cpu_us": used / max(answers, 1) * 1e6,
            "per_second": answers / seconds, "p50_ms": times[len(times) // 2] / 1000,
            "p99_ms": times[len(times) * 99 // 100] / 1000,
            "others_percent": max(0.0, (busy - used) / seconds / len(cpus) * 100)}


def ask_over_http2(contestant: Contestant, count: int, folder: pathlib.Path, is_grpc: bool):
    """`count` requests over one connection, eight at a time; each must be answered with 2xx."""
    said = subprocess.run(
        ["taskset", "-c", str(LOAD_CPU), "h2load", "-t1", "-c1", "-m8", f"-n{count}", *call_of_grpc(contestant, folder, is_grpc),
         f"http://127.0.0.1:{contestant.port}{contestant.path}"], capture_output=True, text=True, check=True).stdout
    if f"{count} succeeded" not in said:
        raise RuntimeError(f"{contestant.name} answered: {said}")


def call_of_grpc(contestant: Contestant, folder: pathlib.Path, is_grpc: bool) -> list[str]:
    """What h2load is told so that it calls as gRPC does."""
    if not is_grpc:
        return []
    call = folder / "call"
    call.write_bytes(contestant.call)
    shown = [option for request in contestant.requests[:1] if request.field for option in ("-H", request.field)]
    return ["-d", str(call), "-H", "content-type: application/grpc", "-H", "te: trailers", *shown]


def asked_over_tls(port: int) -> bool:
    """Whether one request over TLS 1.3 is answered with 200."""
    said = subprocess.run(
        ["curl", "-sk", "--tlsv1.3", "-o", "/dev/null", "-w", "%{http_code}", f"https://127.0.0.1:{port}{PATH}"],
        capture_output=True, text=True, check=False).stdout
    return said == "200"


def asked_over_http2(port: int, is_grpc: bool) -> bool:
    """Whether one request of HTTP/2 is answered with 200."""
    more = ["-H", "content-type: application/grpc", "-H", "te: trailers", "-d", "0"] if is_grpc else []
    said = subprocess.run(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", "--http2-prior-knowledge", *more,
         f"http://127.0.0.1:{port}{PATH}"], capture_output=True, text=True, check=False).stdout
    return said == "2 200"


class Client:
    """One connection that stays, asking one request after the other."""

    def __init__(self, port: int, is_secure: bool = False):
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if is_secure:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)

    def ask(self, raw: bytes, method: str = "GET") -> int:
        """The answer's status, its body read."""
        self.socket.sendall(raw)
        answer = http.client.HTTPResponse(Unbuffered(self.socket), method=method)
        answer.begin()
        answer.read()
        return answer.status

    def open(self) -> bool:
        """Whether the peer still holds the connection."""
        self.socket.setblocking(False)
        try:
            return self.socket.recv(1) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            self.socket.settimeout(60)

    def reset(self):
        """Closes at once and leaves no TIME_WAIT behind."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def ask_in_turn(contestant: Contestant, count: int, is_secure: bool = False):
    """`count` requests over one connection; each must be answered with 200."""
    client = Client(contestant.port, is_secure)
    try:
        for number in range(count):
            request = contestant.requests[number % len(contestant.requests)]
            status = client.ask(request.raw(contestant.port), request.method)
            if status != 200:
                raise RuntimeError(f"{contestant.name} answered {status}")
    finally:
        client.reset()


def idle(contestant: Contestant, count: int) -> dict:
    """What a connection that asked once and then stays costs in memory."""
    ask_in_turn(contestant, 100)
    before = settled(contestant.pid)
    clients = []
    affinity = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {LOAD_CPU})
    try:
        raw = contestant.requests[0].raw(contestant.port)
        for _ in range(count):
            clients.append(Client(contestant.port))
            if clients[-1].ask(raw) != 200:
                raise RuntimeError(f"{contestant.name} refused connection {len(clients)}")
        after = settled(contestant.pid)
        held = sum(client.open() for client in clients)
    finally:
        os.sched_setaffinity(0, affinity)
        for client in clients:
            client.reset()
    return {"connections": count, "held": held, "failures": count - held,
            "octets_each": round((after["pss"] - before["pss"]) / count), **after}


def settled(pid: int) -> dict[str, int]:
    """The memory of a program once two readings agree."""
    last = memory(pid)

    def same():
        nonlocal last
        now, last_one = memory(pid), last
        last = now
        return now["pss"] == last_one["pss"]

    try:
        wait_until(same, "its memory is settled", 5)
    except TimeoutError:
        pass  # a program that never rests is measured as it stands
    return last
