"""D11 reload under load: thirty in thirty seconds beside downloads and tunnels, then a thousand; wrong files in between."""
import contextlib
import os
import socket
import socketserver
import subprocess
import threading
import time

from Drills.bars import NotHere, least, most
from Drills.good import GoodClient
from Drills.site import Site, Vitals
from support.gatehouse import Gatehouse, plugin, route, run, service
from support.processes import wait_until
from support.rawsocket import RawConnection
from support.upstream import Server

BARS = [
    most("failures", "failed requests beside the reloads", 0),
    least("reloads", "reloads while they were asked", 1000),
    most("downloads", "of 20 long downloads, not whole", 0),
    most("tunnels", "of 10 tunnels, broken", 0),
    most("bad", "wrong files taken, or not said to be wrong", 0),
    most("good", "right files not taken", 0),
    most("files", "growth of descriptors", 1, " %"),
    most("memory", "growth of resident memory", 1, " %", full_only=True),
]
DOWNLOADS, TUNNELS = 20, 10


def drill(site: Site) -> dict:
    port = site.backend()
    echo = tunnels_end()
    site.ending.callback(echo.server_close)
    site.ending.callback(echo.shutdown)
    site.file("long", site.pick(1_500_000, 100_000))
    shapes = [configuration(port, echo.server_address[1], count) for count in (40, 60)]
    gatehouse = site.gatehouse(shapes[0], GATEHOUSE_WORKERS="2")
    vitals, good, total = Vitals(gatehouse), GoodClient(gatehouse.port, connections=50), site.pick(1000, 40)
    tunnels = Tunnels(gatehouse.port)
    downloads = [download(gatehouse.port) for _ in range(DOWNLOADS)]
    with good.beside() as calm:
        wrong = [reloads(gatehouse, shapes, site.pick(30, 4), site.pick(1, 0.2))]
        cut = sum(not whole(one, site) for one in downloads)
    before, began = at_rest(vitals, tunnels), time.monotonic()
    with good.beside() as during:
        wrong.append(reloads(gatehouse, shapes, total, 0))
    seconds, after, broken = time.monotonic() - began, at_rest(vitals, tunnels), tunnels.broken()
    tunnels.close()
    site.note(f"{calm[0].answers + during[0].answers} requests, {total} reloads in {seconds:.0f} s; at rest {before} before "
              f"them, {after} after (descriptors, KB)")
    return {
        "failures": calm[0].failures + during[0].failures if during[0].answers else float("inf"),
        "reloads": total if not site.quick else NotHere(f"{total} in a quick run"), "downloads": cut, "tunnels": broken,
        "bad": sum(one[1] for one in wrong), "good": sum(one[0] for one in wrong),
        "files": growth(before[0], after[0]), "memory": growth(before[1], after[1])}


def growth(before: int, after: int) -> float:
    return 100 * (after - before) / before


def configuration(port: int, echo: int, count: int) -> dict:
    """An open route, the downloads, the tunnels, and `count` others whose number changes with a reload."""
    return {
        "services": [
            service(f"http://127.0.0.1:{port}", route("all", "/"), *(
                route(f"r{number}", f"~/r{number}/[a-z]+/(x|y)$", plugins=[plugin("key-auth")]) for number in range(count))),
            service(f"http://127.0.0.1:{echo}", route("tunnel", "/tunnel"), name="tunnels")],
        "consumers": [{"username": f"c{number}", "keyauth_credentials": [{"key": f"key-{number}"}]} for number in range(count)]}


def reloads(gatehouse: Gatehouse, shapes: list[dict], count: int, pause: float) -> tuple[int, int]:
    """`count` reloads, each tenth of a wrong file; how many right ones were not taken, and wrong ones not refused."""
    wrong = [0, 0]
    for number in range(count):
        is_bad = number % 10 == 3
        gatehouse.write("servcies: []\n" if is_bad else shapes[number % 2])
        answer = run("reload", environment={"GATEHOUSE_DATA_DIR": gatehouse.environment["GATEHOUSE_DATA_DIR"]})
        if is_bad:
            wrong[1] += answer.returncode == 0 or "servcies" not in answer.stdout + answer.stderr
        else:
            wrong[0] += answer.returncode != 0
        time.sleep(pause)
    return wrong[0], wrong[1]


def at_rest(vitals: Vitals, tunnels: "Tunnels") -> tuple[int, int]:
    """Descriptors and memory once nothing is under way; a tunnel has two descriptors."""
    wait_until(lambda: vitals.files() <= vitals.start_files + 2 * len(tunnels.links), "nothing is under way", 15)
    return vitals.files(), vitals.memory()


def download(port: int) -> subprocess.Popen:
    return subprocess.Popen(
        ["curl", "-s", "-o", os.devnull, "-w", "%{http_code} %{size_download}", f"http://127.0.0.1:{port}/slow/long"],
        stdout=subprocess.PIPE, text=True)


def whole(process: subprocess.Popen, site: Site) -> bool:
    said = process.communicate(timeout=120)[0]
    return process.returncode == 0 and said == f"200 {site.pick(1_500_000, 100_000)}"


# Tunnels

class Echo(socketserver.BaseRequestHandler):
    """Switches to a protocol in which every octet comes back."""

    def handle(self):
        head = b""
        while b"\r\n\r\n" not in head:
            part = self.request.recv(4096)
            if not part:
                return
            head += part
        self.request.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
        while part := self.request.recv(4096):
            self.request.sendall(part)


def tunnels_end() -> Server:
    """The origin of the tunnels."""
    server = Server(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


class Tunnels:
    """Upgraded connections, if there is such a thing here."""

    ASK = (b"GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")

    def __init__(self, port: int):
        self.links = []
        for _ in range(TUNNELS):
            link = RawConnection(port)
            link.send(self.ASK)
            self.head = b""
            with contextlib.suppress(OSError):
                while b"\r\n\r\n" not in self.head and (part := link.socket.recv(1)):
                    self.head += part
            if not self.head.startswith(b"HTTP/1.1 101"):
                link.close()
                return
            self.links.append(link)

    def broken(self) -> int | NotHere:
        """How many give back no octet any more."""
        if not self.links and not self.head.startswith(b"HTTP/1.1 101"):
            return NotHere(f"an upgrade is answered with {self.head[9:12].decode()}: not served yet")
        broken = TUNNELS - len(self.links)
        for link in self.links:
            try:
                link.send(b"still here")
                broken += link.socket.recv(10, socket.MSG_WAITALL) != b"still here"
            except OSError:
                broken += 1
        return broken

    def close(self):
        for link in self.links:
            link.close()
