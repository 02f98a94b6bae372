"""Where a row's CPU time goes, by sampling and by counting instructions.

    Benchmarks/profile ROW [--of NAME] [--seconds N] [--top N] [--calls N] [--callers NAME] [--no-perf] [--no-callgrind]
                           [--keep FOLDER]
"""
import argparse
import collections
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from bench import servers, websocket
from bench.callgrind import Callgrind
from bench.contestants import Contestant, Ours, World
from bench.load import ask_in_turn, ask_over_http2
from bench.machine import LOAD_CPU, PROXY_CPU, pin
from bench.measuring import load
from bench.rows import ROWS, Row
from bench.symbols import GROUPS, group, readable
from support import gatehouse as support_gatehouse
from support.issuer import Issuer
from support.processes import free_port, wait_until

WARM = 300


def show(cost: dict[tuple[str, str], float], total: float, unit: str, top: int):
    """The groups, then the dearest symbols; `total` is what a request costs."""
    whole = sum(cost.values()) or 1
    groups = collections.Counter()
    for (symbol, image), value in cost.items():
        groups[group(symbol, image)] += value
    print(f"| group | {unit} a request | % |\n| --- | ---: | ---: |")
    for name in sorted(GROUPS, key=lambda name: -groups[name]):
        print(f"| {name} | {groups[name] / whole * total:,.2f} | {groups[name] / whole * 100:.1f} |")
    print(f"| all | {total:,.2f} | 100 |\n")
    dearest = sorted(cost.items(), key=lambda one: -one[1])[:top]
    names = [name.strip() for name in readable([symbol for (symbol, _), _ in dearest])]
    print(f"| symbol | group | {unit} a request | % |\n| --- | --- | ---: | ---: |")
    for name, ((symbol, image), value) in zip(names, dearest):
        print(f"| `{name[:120]}` | {group(symbol, image)} | {value / whole * total:,.2f} | {value / whole * 100:.1f} |")
    print()


def show_callers(calls: dict[tuple[str, str], float], part: str, top: int):
    """Who calls the functions whose names hold `part`, and how often a request."""
    found = sorted(((value, *pair) for pair, value in calls.items() if part in pair[1] and value > 0), reverse=True)
    print(f"| calls a request | of | by | {sum(one[0] for one in found):,.1f} in all |\n| ---: | --- | --- | --- |")
    names = readable([name for _, caller, callee in found[:top] for name in (caller, callee)])
    for number, (value, caller, _) in enumerate(found[:top]):
        print(f"| {value:,.2f} | `{names[2 * number + 1][:60]}` | `{names[2 * number][:120]}` | {group(caller, '')} |")
    print()


def samples(data: pathlib.Path) -> dict[tuple[str, str], float]:
    """perf's samples by symbol and image."""
    said = subprocess.run(
        ["perf", "report", "-i", str(data), "--sort", "dso,symbol", "--stdio", "-q", "-g", "none", "-F",
         "sample,dso,symbol", "--no-demangle", "--field-separator", ";"],
        capture_output=True, text=True, check=False).stdout
    cost: dict[tuple[str, str], float] = collections.Counter()
    for line in said.splitlines():
        parts = [part.strip() for part in line.split(";", 2)]
        if len(parts) == 3 and parts[0].isdigit():
            mode, symbol = parts[2][1:2], parts[2][4:]
            cost[symbol, "kernel" if mode == "k" else parts[1]] += int(parts[0])
    return cost


def ask(row: Row, one: Contestant, count: int, folder: pathlib.Path):
    """`count` requests over one connection, in the protocol that the row speaks."""
    if row.speaks in ("http2", "grpc"):
        ask_over_http2(one, count, folder, row.speaks == "grpc")
    elif row.speaks == "websocket":
        websocket.ask(one, count, folder)
    else:
        ask_in_turn(one, count, is_secure=row.speaks == "tls")


def sampled(row: Row, contestant: Contestant, arguments, folder: pathlib.Path):
    """Samples of the CPU clock during one round of load."""
    pin(contestant.pid, {PROXY_CPU})
    load(row, contestant, 1, arguments.connections, folder)
    contestant.refresh()
    data = folder / "perf.data"
    perf = subprocess.Popen(
        ["taskset", "-c", str(LOAD_CPU), "perf", "record", "-q", "-e", "cpu-clock", "-F", "4999", "-o", str(data),
         "-p", str(contestant.pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: data.exists() or perf.poll() is not None, "perf records")
        result = load(row, contestant, arguments.seconds, arguments.connections, folder)
    finally:
        perf.send_signal(signal.SIGINT)
        perf.wait(60)
    cost = samples(data)
    print(f"## Sampled: {arguments.row}, {result['per_second']:,.0f} requests a second,"
          f" others {result['others_percent']:.0f} %, {int(sum(cost.values())):,} samples\n")
    show(cost, result["cpu_us"], "µs", arguments.top)


def counted(row: Row, ours: Ours, world: World, arguments, folder: pathlib.Path):
    """Instructions a request: `calls` requests and twice as many, so that what runs on its own falls out."""
    callgrind, program = Callgrind(folder), support_gatehouse.program()
    os.environ["GATEHOUSE"] = str(callgrind.wrap(program))
    try:
        contestant = ours.start(world, folder / "counted")
    finally:
        os.environ["GATEHOUSE"] = program
    try:
        ask(row, contestant, WARM, folder)
        callgrind.read(contestant.pid, "warm")
        ask(row, contestant, arguments.calls, folder)
        once = callgrind.read(contestant.pid, "once")
        ask(row, contestant, 2 * arguments.calls, folder)
        cost, calls = callgrind.read(contestant.pid, "twice").more_than(once, arguments.calls)
    finally:
        contestant.process.kill()
    print(f"## Counted: {arguments.row}, {ours.name}: user instructions a request, one connection, {arguments.calls} requests\n")
    show(cost, sum(cost.values()), "instructions", arguments.top)
    for part in arguments.callers:
        show_callers(calls, part, arguments.top)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="where a row's CPU time goes")
    parser.add_argument("row", choices=[row.name for row in ROWS if not row.idle and row.name != "handshakes"])
    parser.add_argument("--of", help="which Gatehouse of a row that has several, such as `many routes`")
    parser.add_argument("--routes", type=int, default=10_000, help="how many routes are many")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=5000)
    parser.add_argument("--top", type=int, default=30)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--callers", action="append", default=[], help="who calls it: a part of a name, as often as wanted")
    parser.add_argument("--no-perf", action="store_true")
    parser.add_argument("--no-callgrind", action="store_true")
    parser.add_argument("--keep", type=pathlib.Path, help="a folder for perf.data and callgrind's files")
    arguments = parser.parse_args()
    wanted = {"perf": not arguments.no_perf, "valgrind": not arguments.no_callgrind, "swift-demangle": True}
    absent = [tool for tool, is_wanted in wanted.items() if is_wanted and not shutil.which(tool)]
    if absent:
        parser.error(f"{' and '.join(absent)} not found: scripts/setup --bench installs what the benchmark needs")
    return arguments


def chosen(arguments: argparse.Namespace) -> tuple[Row, Ours]:
    """The row that was asked for, and its Gatehouse."""
    row = next(row for row in ROWS if row.name == arguments.row)
    names = {ours.name: ours for ours in row.ours}
    if arguments.of and arguments.of not in names:
        sys.exit(f"profile: {row.name} has {', '.join(names)}")
    return row, names[arguments.of] if arguments.of else row.ours[0]


def main() -> int:
    arguments = read_arguments()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    row, ours = chosen(arguments)
    with tempfile.TemporaryDirectory() as temporary, Issuer() as issuer:
        pathlib.Path(temporary).chmod(0o755)
        folder = (arguments.keep or pathlib.Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        port, grpc_port, echo, serving = free_port(), free_port(), free_port(), []
        try:
            serving.append(servers.backend(folder / "backend", port))
            serving.append(servers.grpc_backend(folder / "grpc-backend", grpc_port, port))
            serving.append(websocket.echo(folder / "echo", echo))
            for one in serving:
                pin(one.popen.pid, {LOAD_CPU})
            world = World(folder, issuer, port, arguments.tokens, arguments.routes, grpc_port, echo=echo)
            if not arguments.no_perf:
                contestant = ours.start(world, folder / "sampled")
                try:
                    sampled(row, contestant, arguments, folder)
                finally:
                    contestant.process.stop(5)
            if not arguments.no_callgrind:
                counted(row, ours, world, arguments, folder)
        finally:
            for one in serving:
                one.stop(5)
    return 0


if __name__ == "__main__":
    sys.exit(main())
