"""Gatehouse next to nginx, HAProxy, Envoy and Apache in the same run. Benchmarks/README.md says how to read it.

    scripts/bench [--rounds N] [--seconds S] [--only plain,session] [--peers haproxy,envoy,apache] [--json FILE]
"""
import argparse
import json
import os
import pathlib
import resource
import signal
import sys
import tempfile
import time

from bench import servers, websocket
from bench.contestants import SESSION_SECONDS, World
from bench.machine import LOAD_CPU, pin
from bench.measuring import measure_row
from bench.report import report
from bench.rows import ROWS, TOKEN_PEERS
from support.gatehouse import program, run
from support.issuer import Issuer
from support.processes import free_port
from support.redis import Redis


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Gatehouse next to nginx, HAProxy, Envoy and Apache")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--warm-up", type=int, default=1, help="seconds before the first round")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=20_000, help="distinct tokens")
    parser.add_argument("--routes", type=int, default=100_000, help="how many routes are many")
    parser.add_argument("--idle", type=int, default=10_000, help="idle connections")
    parser.add_argument("--only", default=",".join(row.name for row in ROWS), help="rows, by comma (default: %(default)s)")
    parser.add_argument("--peers", default=",".join(TOKEN_PEERS), help="by comma; '' for none (default: %(default)s)")
    parser.add_argument("--json", type=pathlib.Path, help="a file for all figures")
    arguments = parser.parse_args()
    arguments.only = list(filter(None, arguments.only.split(",")))
    arguments.peers = set(filter(None, arguments.peers.split(",")))
    for kind, named, known in (
            ("row", arguments.only, [row.name for row in ROWS]), ("peer", arguments.peers, TOKEN_PEERS)):
        unknown = sorted(set(named) - set(known))
        if unknown:
            parser.error(f"no {kind} {', '.join(unknown)}; there are {', '.join(known)}")
    absent = servers.missing(arguments.peers)
    if absent:
        parser.error(f"{', '.join(absent)} not installed: scripts/setup --bench, or leave them out with --peers")
    if "session" in arguments.only and arguments.seconds > SESSION_SECONDS:
        parser.error(f"--seconds {arguments.seconds}: a session is renewed after a minute, at most {SESSION_SECONDS}")
    return arguments


def main() -> int:
    arguments = read_arguments()
    # What was started is ended on the way out, also when somebody ends us.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as temporary, Issuer() as issuer:
        folder, backend, grpc_backend = pathlib.Path(temporary), free_port(), free_port()
        echo = free_port()
        folder.chmod(0o755)
        serving = []
        try:
            serving.append(servers.backend(folder / "backend", backend))
            serving.append(servers.grpc_backend(folder / "grpc-backend", grpc_backend, backend))
            serving.append(websocket.echo(folder / "echo", echo))
            store = Redis(folder / "redis").start()
            serving.append(store.process)
            for one in serving:
                pin(one.popen.pid, {LOAD_CPU})
            world = World(folder, issuer, backend, arguments.tokens, arguments.routes, grpc_backend, store.url, echo)
            figures = {
                row.name: measure_row(row, world, arguments, arguments.peers)
                for row in ROWS if row.name in arguments.only}
        finally:
            for one in serving:
                one.stop(5)
    versions = servers.versions(arguments.peers) | {"gatehouse": run("--version").stdout.split()[-1]}
    print(report(figures, versions))
    if arguments.json:
        arguments.json.write_text(json.dumps({
            "program": pathlib.Path(program()).name, "versions": versions,
            "when": time.strftime("%Y-%m-%d"), "cpus": os.cpu_count(), "rounds": arguments.rounds,
            "seconds": arguments.seconds, "connections": arguments.connections, "rows": figures}, indent=2) + "\n")
    failures = sum(one["failures"] for row in figures.values() for one in row["contestants"].values())
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
