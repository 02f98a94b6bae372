"""One row: its contestants are started, probed, measured in rotating order and ended."""
import pathlib
import re
import subprocess
import sys

from bench import servers, websocket
from bench.allocations import allocations
from bench.contestants import Contestant, World
from bench.figures import row_figures
from bench.load import ask_in_turn, asked_over_http2, asked_over_tls, h2load, idle, wrk
from bench.machine import CPUS, PROXY_CPU, memory, pin
from bench.rows import Row
from support.processes import free_port, wait_until
from support.rawsocket import get

PEER_STARTS = {"haproxy": servers.haproxy, "envoy": servers.envoy, "apache": servers.apache}


def say(text: str):
    print(text, file=sys.stderr, flush=True)


def peer(name: str, row: Row, world: World, folder: pathlib.Path, first: Contestant) -> Contestant:
    """A peer that answers the row's requests, and refuses those without a token where it checks them."""
    port, rule = free_port(), world.rules[row.algorithm] if row.algorithm else None
    process = PEER_STARTS[name](folder / name, port, backend(row, world), row.workers, rule, row.speaks, world.certificate)
    found = Contestant(name, process, port, first.requests)
    if row.speaks != "http1":
        return found
    wait_until(lambda: get(port, first.requests[0].path).status == (401 if rule else 200), f"{name} answers", 30)
    return found


def backend(row: Row, world: World) -> int:
    """The port of what the row's proxies ask."""
    return {"grpc": world.grpc_backend, "websocket": world.echo}.get(row.speaks, world.backend)


def load(row: Row, one: Contestant, seconds: float, connections: int, folder: pathlib.Path) -> dict:
    """One round in the protocol that the row speaks."""
    if row.speaks in ("http1", "tls"):
        scheme = "https" if row.speaks == "tls" else "http"
        return wrk(one, seconds, connections, folder, cpus(row), scheme)
    if row.speaks == "websocket":
        return websocket.load(one, seconds, connections, folder, cpus(row))
    return h2load(one, seconds, connections, folder, cpus(row), row.speaks in ("grpc", "call"))


def nginx(row: Row, world: World, folder: pathlib.Path, first: Contestant) -> Contestant:
    """The reference: nginx without any check, asked the same; for callouts, one that only compares a string."""
    port = free_port()
    if row.callout:
        process = servers.placeholder(folder / "nginx", port, first.requests[0].field, row.speaks == "call")
        found = Contestant("nginx", process, port, first.requests)
        found.path, found.call = first.path, first.call
        return found
    process = servers.reference(folder / "nginx", port, backend(row, world), row.workers, row.speaks, world.certificate)
    found = Contestant("nginx", process, port, first.requests)
    found.anew = (lambda: first.requests) if first.anew else None
    return found


def start(row: Row, world: World, folder: pathlib.Path, peers: set[str], begun: list[Contestant]) -> list[Contestant]:
    """nginx first, then Gatehouse, then the peers; `begun` has whatever runs, for whoever must end it."""
    mine = []
    for ours in row.ours:
        mine.append(ours.start(world, folder / f"ours-{len(mine)}", row.workers))
        begun.append(mine[-1])
    reference = nginx(row, world, folder, mine[0])
    begun.append(reference)
    others = []
    for name in row.peers:
        if name in peers:
            others.append(peer(name, row, world, folder, mine[0]))
            begun.append(others[-1])
    for one in begun:
        pin(one.pid, cpus(row))
        probe(row, world, one, checks=one is not reference)
    return [reference, *mine, *others]


def probe(row: Row, world: World, one: Contestant, checks: bool):
    """Sees that the row's request is answered, and that whoever checks tokens refuses the wrong ones."""
    if row.speaks == "tls":
        wait_until(lambda: asked_over_tls(one.port), f"{one.name} answers over TLS", 30)
        return
    if row.speaks == "call":
        return
    if row.speaks == "websocket":
        wait_until(lambda: websocket.answers(one.port, world.folder), f"{one.name} passes a message on", 30)
        return
    if row.speaks != "http1":
        wait_until(lambda: asked_over_http2(one.port, row.speaks == "grpc"), f"{one.name} answers over HTTP/2", 30)
        return
    ask_in_turn(one, 1)
    for request in world.wrong_tokens(row.algorithm) if checks and row.algorithm else ():
        status = get(one.port, request.path, None, request.field).status
        if status not in (401, 403):
            raise RuntimeError(f"{row.name}: {one.name} answers a wrong token with {status}")


def cpus(row: Row) -> set[int]:
    """Where a row's proxies run."""
    return set(range(min(row.workers, CPUS))) if row.workers > 1 else {PROXY_CPU}


def verify_us(algorithm: str) -> float:
    """One signature's verification by `openssl speed`, in microseconds, on the proxy's CPU."""
    name, line = {"RS256": ("rsa2048", r"^rsa +2048 bits.*"), "ES256": ("ecdsap256", r"^ *256 bits ecdsa.*"),
                  "EdDSA": ("ed25519", r"^ *253 bits EdDSA.*")}[algorithm]
    said = subprocess.run(
        ["taskset", "-c", str(PROXY_CPU), "openssl", "speed", "-seconds", "1", name], capture_output=True, text=True,
        check=True).stdout
    return 1e6 / float(re.search(line, said, re.MULTILINE)[0].split()[-1])


def lookups(one: Contestant) -> tuple[float, float]:
    """(hits, all) of the cache of proven tokens and cookies."""
    hits, misses = (one.gatehouse.metric("gatehouse_proven_cache_total", outcome=word) for word in ("hit", "miss"))
    return hits, hits + misses


def measure(row: Row, found: list[Contestant], arguments, folder: pathlib.Path):
    """Warms each up, then rounds in rotating order."""
    for one in found if arguments.warm_up else ():
        load(row, one, arguments.warm_up, arguments.connections, folder)
    before = {one.name: lookups(one) for one in found if one.gatehouse}
    for number in range(arguments.rounds):
        verified = verify_us(row.verifies) if row.verifies else None
        turn = number % len(found)
        for one in found[turn:] + found[:turn]:
            one.refresh()
            result = load(row, one, arguments.seconds, arguments.connections, folder)
            if verified:
                result["verify_us"] = verified
            one.rounds.append(result)
            say(f"{row.name:13} round {number + 1}  {one.name:15} {result['cpu_us']:7.2f} µs  {result['per_second']:8.0f}/s"
                f"  others {result['others_percent']:.0f} %  failures {result['failures']}")
    for one in found:
        one.facts.update(memory(one.pid))
        if one.gatehouse:
            hits, asked = (now - then for now, then in zip(lookups(one), before[one.name]))
            one.facts |= {"hit_rate": hits / asked} if asked else {}
            if row.verifies:
                one.facts["verify_us"] = sorted(result["verify_us"] for result in one.rounds)[len(one.rounds) // 2]


def measure_row(row: Row, world: World, arguments, peers: set[str]) -> dict:
    """Starts a row's contestants, measures them and ends them."""
    folder, begun = world.folder / row.name, []
    folder.mkdir()
    say(f"{row.name}: {row.what}")
    try:
        found = start(row, world, folder, peers, begun)
        if row.idle:
            for one in found:
                one.rounds.append(idle(one, arguments.idle))
                one.facts |= one.rounds[-1]
                say(f"{row.name:13} {one.name:15} {one.facts['octets_each']} octets a connection")
        else:
            measure(row, found, arguments, folder)
    finally:
        for one in begun:
            one.process.stop(5)
    if not row.idle and row.workers == 1 and row.speaks == "http1":
        for number, ours in enumerate(row.ours):
            of = next(one for one in found if one.name == ours.name)
            of.facts["allocations"] = allocations(ours, world, folder / f"counted-{number}")
    return row_figures(row, found)
