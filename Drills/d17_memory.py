"""D17 memory pressure: 64 large bodies at once, both ways, with little room and pauses on both ends."""
import os
import pathlib
import socket
import socketserver
import threading
import time

from Drills.bars import NotHere, most
from Drills.good import GoodClient
from Drills.origin import field
from Drills.site import Site, Vitals
from support.gatehouse import route, service
from support.upstream import Server

COUNT, ROOM = 64, 256
BARS = [
    most("uploads", f"{COUNT} uploads of 100 MB: not whole", 0),
    most("uploads memory", f"{COUNT} uploads: memory above the start", COUNT * ROOM, " KB"),
    most("downloads", f"{COUNT} downloads of 100 MB: not whole", 0),
    most("downloads memory", f"{COUNT} downloads: memory above the start", COUNT * ROOM, " KB"),
    most("group", "the same within a memory cgroup of 128 MB: not whole", 0),
    most("files", "descriptors back to the start within", 10, " s"),
]
PIECE = b"x" * 262_144


def drill(site: Site) -> dict:
    size = site.pick(100_000_000, 5_000_000)
    sink = Server(("127.0.0.1", 0), Sink)
    site.ending.callback(sink.server_close)
    site.ending.callback(sink.shutdown)
    threading.Thread(target=sink.serve_forever, args=(0.05,), daemon=True).start()
    port = site.backend()
    for part in (size, size // 4):
        site.file(str(part), part)
    with site.under("prlimit", "--as=1073741824"):
        gatehouse = site.gatehouse({"services": [
            service(f"http://127.0.0.1:{port}", route("down", "/")),
            service(f"http://127.0.0.1:{sink.server_address[1]}", route("up", "/up"), name="sink")]}, GATEHOUSE_WORKERS="2")
    vitals = Vitals(gatehouse)
    GoodClient(gatehouse.port, connections=COUNT).round(2)
    figures = {}
    for name, work in (("uploads", upload), ("downloads", download)):
        vitals.forget_peak()
        before, began = vitals.memory(), time.monotonic()
        broken = side_by_side(lambda work=work: work(gatehouse.port, size))
        seconds = time.monotonic() - began
        figures |= {name: len(broken), f"{name} memory": vitals.memory("VmHWM") - before}
        site.note(f"{name}: {COUNT} x {size / 1e6:.0f} MB in {seconds:.0f} s; {before} KB before, {vitals.memory('VmHWM')} at most"
                  + f"; {broken[:3]}" * bool(broken))
    return {**figures, "group": in_group(site, vitals, gatehouse.port, size), "files": vitals.files_back()}


def side_by_side(work) -> list[str]:
    """What went wrong with each of `COUNT`; empty for what went well."""
    results: list[str] = []

    def one():
        try:
            results.append(work())
        except OSError as error:
            results.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=one) for _ in range(COUNT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [text for text in results if text]


def upload(port: int, size: int) -> str:
    """Sends it all at once; the sink says how much came."""
    with socket.create_connection(("127.0.0.1", port), 120) as link:
        link.sendall(b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        left = size
        while left:
            link.sendall(PIECE[:left])
            left -= min(left, len(PIECE))
        heard = b""
        while not heard.endswith(b"octets") and (part := link.recv(65536)):
            heard += part
    is_whole = heard.startswith(b"HTTP/1.1 200") and heard.endswith(b"\r\n\r\n%d octets" % size)
    return "" if is_whole else f"upload: {heard[:60]!r}"


def download(port: int, size: int) -> str:
    """Takes a little, pauses so that all buffers fill, and takes the rest."""
    with socket.create_connection(("127.0.0.1", port), 120) as link:
        link.sendall(b"GET /files/%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % size)
        heard = b""
        while b"\r\n\r\n" not in heard and (part := link.recv(65536)):
            heard += part
        head, _, body = heard.partition(b"\r\n\r\n")
        time.sleep(2)
        came, room = len(body), bytearray(262_144)
        while count := link.recv_into(room):
            came += count
    return "" if head.startswith(b"HTTP/1.1 200") and came == size else f"download: {head[:40]!r}, {came} of {size}"


class Sink(socketserver.BaseRequestHandler):
    """Takes a body, with a pause amid it, and says how long it was."""

    def handle(self):
        head = b""
        while b"\r\n\r\n" not in head:
            part = self.request.recv(65536)
            if not part:
                return
            head += part
        head, _, body = head.partition(b"\r\n\r\n")
        came, room = len(body), bytearray(262_144)
        length = int(field(head.lower(), b"content-length") or 0)
        time.sleep(2)
        while came < length and (count := self.request.recv_into(room)):
            came += count
        said = b"%d octets" % came
        self.request.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))


def in_group(site: Site, vitals: Vitals, port: int, size: int) -> int | NotHere:
    """Both ways at once, in a control group that ends what takes more memory than it has."""
    old = pathlib.Path("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists()
    group = pathlib.Path("/sys/fs/cgroup/memory" if old else "/sys/fs/cgroup") / f"drill-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        return NotHere(f"no memory cgroup can be made: {error.strerror}")
    try:
        (group / ("memory.limit_in_bytes" if old else "memory.max")).write_text("134217728")
        (group / "cgroup.procs").write_text(str(vitals.pid))
        broken = side_by_side(lambda: upload(port, size // 4) and download(port, size // 4))
    except OSError as error:
        return NotHere(f"no memory cgroup can be used: {error.strerror}")
    finally:
        (group.parent / "cgroup.procs").write_text(str(vitals.pid))
        group.rmdir()
    if broken:
        site.note(f"in the group: {broken[:3]}")
    return len(broken) if vitals.alive() else COUNT
