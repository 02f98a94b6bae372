"""Messages of WebSocket: the service that sends them back, and one round of them."""
import pathlib
import re
import subprocess

from bench import ROOT
from bench.contestants import Contestant
from bench.machine import LOAD_CPU, busy_seconds, cpu_seconds
from bench.servers import started
from support.allocations import compile_c
from support.processes import Process

PEER_SECONDS = 60


def build(folder: pathlib.Path) -> pathlib.Path:
    """The program that sends messages and sends them back."""
    built = folder / "messages"
    if not built.exists():
        compile_c(ROOT / "Benchmarks/websocket.c", built)
    return built


def echo(folder: pathlib.Path, port: int) -> Process:
    """A service that answers each message with the same."""
    folder.mkdir(parents=True, exist_ok=True)
    return started([str(build(folder)), "echo", str(port)], folder, port, "the echo of WebSocket")


def told(folder: pathlib.Path, *words: str) -> tuple[int, int, float, float]:
    """Messages, failures, and the times in milliseconds that half and 99 of 100 took."""
    said = subprocess.run(["taskset", "-c", str(LOAD_CPU), str(build(folder)), *words], capture_output=True, text=True,
                          check=True).stdout
    messages, failures, p50, p99 = map(int, re.search(r"result (\d+) (\d+) (\d+) (\d+)", said).groups())
    return messages, failures, p50 / 1000, p99 / 1000


def load(contestant: Contestant, seconds: float, connections: int, folder: pathlib.Path, cpus: set[int]) -> dict:
    """One round of messages through tunnels that were opened for it; what it cost."""
    build(folder)
    before, busy = cpu_seconds(contestant.pid), busy_seconds(cpus)
    messages, failures, p50, p99 = told(folder, "load", str(contestant.port), str(connections), str(seconds))
    used, busy = cpu_seconds(contestant.pid) - before, busy_seconds(cpus) - busy
    return {"answers": messages, "failures": failures, "cpu_us": used / max(messages, 1) * 1e6,
            "per_second": messages / seconds, "p50_ms": p50, "p99_ms": p99,
            "others_percent": max(0.0, (busy - used) / seconds / len(cpus) * 100)}


def ask(contestant: Contestant, count: int, folder: pathlib.Path):
    """`count` messages through one tunnel; each must come back."""
    messages, failures, *_ = told(folder, "ask", str(contestant.port), str(count))
    if (messages, failures) != (count, 0):
        raise RuntimeError(f"{contestant.name}: of {count} messages {messages} came back")


def answers(port: int, folder: pathlib.Path) -> bool:
    """Whether one message comes back."""
    said = subprocess.run([str(build(folder)), "ask", str(port), "1"], capture_output=True, text=True, check=False,
                          timeout=PEER_SECONDS).stdout
    return said.startswith("result 1 0 ")
