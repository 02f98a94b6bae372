"""CPU time per request of Gatehouse, next to nginx in the same run. See README.md.

    scripts/bench [--rounds N] [--seconds S] [--connections C] [--only plain,jwt-same,session] [--json FILE]
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Tests/Support"))

from support.browser import LightBrowser  # noqa: E402
from support.gatehouse import Gatehouse, openid_connect, program, route, run, service  # noqa: E402
from support.issuer import Issuer  # noqa: E402
from support.processes import Process, accepts, free_port, wait_until  # noqa: E402
from support.rawsocket import get  # noqa: E402

PROXY_CPU, LOAD_CPU = 0, min(1, (os.cpu_count() or 1) - 1)
PATH = "/api/ping"
TICKS = os.sysconf("SC_CLK_TCK")
NGINX = """
daemon off;
worker_processes 1;
pid {folder}/{name}.pid;
error_log {folder}/{name}.error.log error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  server_tokens off;
  keepalive_requests 100000000;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  {rest}
}}
"""
BACKEND = """server {{
    listen 127.0.0.1:{port};
    location / {{ default_type application/json; return 200 '{body}'; }}
  }}"""
PROXY = """upstream backend {{ server 127.0.0.1:{backend}; keepalive 256; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}"""
BODY = json.dumps({"message": "pong", "items": [{"id": n, "name": f"item {n}"} for n in range(5)]})


class Contestant:
    """A running proxy, the port to ask and the fields to ask with."""

    def __init__(self, name: str, process: Process, port: int, fields: list[str] | None = None):
        self.name, self.process, self.port, self.fields = name, process, port, fields or []
        self.rounds: list[dict] = []


def pids(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
        for child in (task / "children").read_text().split():
            found += pids(int(child))
    return found


def cpu_seconds(process: Process) -> float:
    """The CPU time that a program and its children have used, in user and kernel."""
    total = 0
    for pid in pids(process.popen.pid):
        values = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(values[11]) + int(values[12])
    return total / TICKS


def others_seconds(cpu: int) -> float:
    """The busy time of a whole CPU, whoever used it."""
    line = next(line for line in pathlib.Path("/proc/stat").read_text().splitlines() if line.startswith(f"cpu{cpu} "))
    values = list(map(int, line.split()[1:9]))
    return (sum(values) - values[3] - values[4]) / TICKS


def pin(process: Process, cpu: int):
    """Keeps a program, its threads and its children on one CPU."""
    for pid in pids(process.popen.pid):
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
            os.sched_setaffinity(int(task.name), {cpu})


def nginx(folder: pathlib.Path, name: str, rest: str, cpu: int, port: int) -> Process:
    """nginx with one worker."""
    file = folder / f"{name}.conf"
    file.write_text(NGINX.format(folder=folder, name=name, rest=rest))
    process = Process(["/usr/sbin/nginx", "-c", str(file), "-p", str(folder)], str(folder / f"{name}.log"))
    wait_until(lambda: accepts(port), f"{name} listens")
    wait_until(lambda: len(pids(process.popen.pid)) > 1, f"{name} has its worker")
    pin(process, cpu)
    return process


def wrk(contestant: Contestant, seconds: float, connections: int, folder: pathlib.Path) -> dict:
    """One round of load; what it cost."""
    fields = folder / f"{contestant.name}.fields"
    fields.write_text("\n".join(contestant.fields))
    before, busy = cpu_seconds(contestant.process), others_seconds(PROXY_CPU)
    said = subprocess.run(
        ["taskset", "-c", str(LOAD_CPU), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s",
         str(ROOT / "Benchmarks/load.lua"), f"http://127.0.0.1:{contestant.port}{PATH}", "--", str(fields)],
        capture_output=True, text=True, check=True).stdout
    used, busy = cpu_seconds(contestant.process) - before, others_seconds(PROXY_CPU) - busy
    answers, failures, p50, p99 = map(float, re.search(r"result (\S+) (\S+) (\S+) (\S+)", said).groups())
    return {"answers": int(answers), "failures": int(failures), "cpu_us": used / max(answers, 1) * 1e6,
            "per_second": answers / seconds, "p50_ms": p50 / 1000, "p99_ms": p99 / 1000,
            "others_percent": max(0.0, (busy - used) / seconds * 100)}


def gatehouse(folder: pathlib.Path, name: str, backend: int, plugins: list) -> Gatehouse:
    """Gatehouse with one worker and no access log."""
    started = Gatehouse(
        folder / name, {"services": [service(f"http://127.0.0.1:{backend}", route("ping", "/", plugins=plugins))]},
        GATEHOUSE_WORKERS="1", GATEHOUSE_ACCESS_LOG="off", GATEHOUSE_LOG_LEVEL="error").start()
    pin(started.process, PROXY_CPU)
    return started


def session_cookies(started: Gatehouse, count: int) -> list[str]:
    """The cookies of `count` logins, each as a field."""
    found = []
    for _ in range(count):
        browser = LightBrowser()
        answer = browser.follow(started.url + PATH)
        assert answer.status_code == 200, answer.status_code
        found.append("Cookie: " + "; ".join(
            f"{name}={value}" for name, value in browser.cookies.items() if "session-" in name))
        browser.close()
    return found


def contestants(folder: pathlib.Path, issuer: Issuer, backend: int, only: set[str]) -> list[Contestant]:
    """nginx without any check, and Gatehouse as each scenario wants it."""
    port = free_port()
    found = [Contestant("nginx", nginx(
        folder, "nginx", PROXY.format(port=port, backend=backend), PROXY_CPU, port), port)]
    if "plain" in only:
        started = gatehouse(folder, "plain", backend, [])
        found.append(Contestant("plain", started.process, started.port))
    if "jwt-same" in only:
        started = gatehouse(folder, "jwt-same", backend, [openid_connect(
            issuer, auth_methods=["bearer"], audience_required=[issuer.client_id])])
        token = issuer.access_token()
        found.append(Contestant("jwt-same", started.process, started.port, [f"Authorization: Bearer {token}"]))
        assert get(started.port, PATH).status == 401
    if "session" in only:
        started = gatehouse(folder, "session", backend, [openid_connect(
            issuer, auth_methods=["authorization_code", "session"])])
        found.append(Contestant("session", started.process, started.port, session_cookies(started, 20)))
        assert get(started.port, PATH).status == 401
    for one in found:
        assert get(one.port, PATH, None, *one.fields[:1]).status == 200, one.name
    return found


def measure(found: list[Contestant], arguments, folder: pathlib.Path):
    """Warms each up, then rounds in rotating order."""
    for one in found:
        wrk(one, 1, arguments.connections, folder)
    for number in range(arguments.rounds):
        turn = number % len(found)
        for one in found[turn:] + found[:turn]:
            result = wrk(one, arguments.seconds, arguments.connections, folder)
            one.rounds.append(result)
            print(f"round {number + 1}  {one.name:9} {result['cpu_us']:7.2f} µs  {result['per_second']:8.0f}/s"
                  f"  others {result['others_percent']:.0f} %  failures {result['failures']}", file=sys.stderr)


def median(values) -> float:
    return statistics.median(values)


def report(found: list[Contestant]) -> dict:
    """Medians, and the ratio to nginx taken within each round."""
    reference = found[0]
    return {one.name: {
        "cpu_us": round(median(r["cpu_us"] for r in one.rounds), 2),
        "to_nginx": round(median(
            mine["cpu_us"] / theirs["cpu_us"] for mine, theirs in zip(one.rounds, reference.rounds)), 2),
        "per_second": round(median(r["per_second"] for r in one.rounds)),
        "p50_ms": round(median(r["p50_ms"] for r in one.rounds), 2),
        "p99_ms": round(median(r["p99_ms"] for r in one.rounds), 2),
        "failures": sum(r["failures"] for r in one.rounds),
        "others_percent": round(median(r["others_percent"] for r in one.rounds), 1),
    } for one in found}


def show(figures: dict):
    """The table for a reader."""
    print("| | CPU µs a request | to nginx | requests a second | p50 ms | p99 ms | failures |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, row in figures.items():
        print(f"| {name} | {row['cpu_us']:.1f} | {row['to_nginx']:.2f} | {row['per_second']:,} | {row['p50_ms']:.2f}"
              f" | {row['p99_ms']:.2f} | {row['failures']} |")


def main() -> int:
    parser = argparse.ArgumentParser(description="CPU time per request, next to nginx")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", default="plain,jwt-same,session")
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    started: list[Contestant] = []
    with tempfile.TemporaryDirectory() as temporary, Issuer() as issuer:
        folder, backend = pathlib.Path(temporary), free_port()
        issuer.access_seconds = 3600
        serving = nginx(folder, "backend", BACKEND.format(port=backend, body=BODY), LOAD_CPU, backend)
        try:
            started = contestants(folder, issuer, backend, set(arguments.only.split(",")))
            measure(started, arguments, folder)
        finally:
            for process in [serving, *(one.process for one in started)]:
                process.stop(5)
    figures = report(started)
    show(figures)
    if arguments.json:
        version = run("--version").stdout.strip()
        arguments.json.write_text(json.dumps({
            "program": pathlib.Path(program()).name, "version": version, "when": time.strftime("%Y-%m-%d"),
            "cpus": os.cpu_count(), "figures": figures}, indent=2) + "\n")
    return 1 if any(row["failures"] for row in figures.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
