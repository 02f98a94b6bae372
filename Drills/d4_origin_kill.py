"""D4 upstream kill: an origin that dies, hangs, and lies about its lengths."""
import asyncio
import collections
import signal
import socket
import socketserver
import threading
import time

from Drills.bars import most
from Drills.crowd import ABORT
from Drills.origin import field
from Drills.good import GoodClient
from Drills.paced import Asked, Paced
from Drills.site import Site, Vitals, plain
from support.processes import Process, accepts, free_port, wait_until
from support.rawsocket import RawConnection
from support.upstream import Server

LIMIT = 1.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
# How an origin breaks an answer: what it sends, whether it ends with RST, and whether a client may see a whole 200.
BROKEN = {
    "RST within the body": (HEAD % 100_000 + b"x" * 5000, True, False),
    "closed behind the head": (HEAD % 100, False, False),
    "closed within the head": (b"HTTP/1.1 200 OK\r\nContent-", False, False),
    "shorter than its length": (HEAD % 100 + b"x" * 99, False, False),
    "closed within a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nxxxx", False, False),
    "closed before the last chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nxxxx\r\n", False, False),
    "longer than its length": (HEAD % 4 + b"xxxxHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", False, True),
}
BARS = [
    most("strange", "answers other than 200, 502, 503 and 504, and broken connections", 0),
    most("slowest", f"slowest answer; connect and read limits {LIMIT:.0f} s", LIMIT + 0.5, " s", full_only=True),
    most("twice", "POSTs that reached the origin twice", 0),
    most("unseen", "200s to POSTs that the origin never saw", 0),
    most("killed", "last failure after a restart", 1, " s", full_only=True),
    most("stopped", "last failure after a hang's end", 1, " s", full_only=True),
    most("truncated", "broken answers that looked whole, or whole ones that did not", 0),
    most("poisoned", "answers to the next client that were another's", 0),
    most("leak", "origin away: memory kept of a failed request", 0.1, " KB"),
    most("connections", "connections left after all", 0),
    most("files", "descriptors back to the start within", 10, " s"),
]


def drill(site: Site) -> dict:
    port, ledger = free_port(), site.folder / "ledger"
    ledger.touch()
    gatehouse = site.gatehouse(
        plain(port, connect_timeout=int(LIMIT * 1000), read_timeout=int(LIMIT * 1000), write_timeout=int(LIMIT * 1000)))
    vitals, pause = Vitals(gatehouse), site.pick(5, 1.5)
    origin, load = [start(site, port)], Paced(gatehouse.port, site.pick(500, 200))
    moments = {}

    async def trouble():
        await asyncio.sleep(pause)
        origin[0].kill()
        await asyncio.sleep(pause)
        origin[0] = await asyncio.to_thread(start, site, port)
        moments["killed"] = time.monotonic()
        await asyncio.sleep(pause + 1)
        moments["hung"] = time.monotonic()
        origin[0].signal(signal.SIGSTOP)
        await asyncio.sleep(pause)
        origin[0].signal(signal.SIGCONT)
        moments["stopped"] = time.monotonic()
        await asyncio.sleep(pause + 1)

    load.run(trouble())
    origin[0].kill()
    origin[0].wait()
    kept = leak(site, vitals)
    said = collections.Counter(asked.fault or asked.status for asked in load.asked)
    site.note(f"{len(load.asked)} requests at {load.rate:.0f}/s: {dict(said)}")
    figures = {
        "strange": sum(1 for asked in load.asked if asked.fault or asked.status not in (200, 502, 503, 504)),
        "slowest": max(asked.seconds for asked in load.asked),
        "killed": last_failure(load.since(moments["killed"], moments["hung"] - 0.5), moments["killed"]),
        "stopped": last_failure(load.since(moments["stopped"]), moments["stopped"]),
        "leak": kept, **at_the_origin(load.asked, ledger.read_text()), **broken(site, port, gatehouse.port)}
    deadline = time.monotonic() + 10
    while (left := vitals.connections()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return {**figures, "connections": left, "files": vitals.files_back()}


def start(site: Site, port: int) -> Process:
    """The origin on its port, from now on."""
    process = site.python("Drills.origin", str(port), str(site.folder / "ledger"))
    wait_until(lambda: accepts(port), "the origin listens")
    return process


def last_failure(asked: list[Asked], moment: float) -> float:
    """Seconds from `moment` to the start of the last request that failed."""
    return max((one.began - moment for one in asked if one.status != 200), default=0.0)


def at_the_origin(asked: list[Asked], ledger: str) -> dict:
    """What the origin's ledger says of the POSTs."""
    seen = collections.Counter(line.split()[1] for line in ledger.splitlines() if line.startswith("post "))
    served = [one for one in asked if one.method == "POST" and one.status == 200]
    return {"twice": sum(1 for count in seen.values() if count > 1),
            "unseen": sum(1 for one in served if str(one.number) not in seen)}


def leak(site: Site, vitals: Vitals) -> float:
    """How much memory a request to an origin that is away keeps for good, after the first of them."""
    client = GoodClient(vitals.gatehouse.port)
    client.round(site.pick(5, 2))
    before = vitals.memory()
    failed = client.round(site.pick(10, 2)).answers
    site.note(f"origin away: {failed} more requests, {before} KB before, {vitals.memory()} after")
    return max(0, vitals.memory() - before) / max(1, failed)


def broken(site: Site, port: int, entrance: int) -> dict:
    """Each broken answer, and after it a fresh request that has to be answered rightly."""
    wrong, poisoned = [], 0
    origin = Server(("127.0.0.1", port), Breaking)
    thread = threading.Thread(target=origin.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        for index, (name, (_, _, may_be_whole)) in enumerate(BROKEN.items()):
            for _ in range(site.pick(20, 3)):
                if looks_whole(entrance, index) != may_be_whole:
                    wrong.append(name)
                with RawConnection(entrance) as link:
                    link.send(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
                    reply = link.read()
                    poisoned += reply is None or reply.body != b"next"
    finally:
        origin.shutdown()
        origin.server_close()
        thread.join()
    if wrong:
        site.note(f"wrong: {dict(collections.Counter(wrong))}")
    return {"truncated": len(wrong), "poisoned": poisoned}


def looks_whole(port: int, index: int) -> bool:
    """Whether a client would take the answer for a whole 200."""
    with RawConnection(port) as link:
        link.send(b"GET /broken/%d HTTP/1.1\r\nHost: a\r\n\r\n" % index)
        heard = b""
        try:
            while part := link.socket.recv(65536):
                heard += part
                if is_whole(heard):
                    break
        except ConnectionResetError:
            return False
    return heard.startswith(b"HTTP/1.1 200") and is_whole(heard)


def is_whole(heard: bytes) -> bool:
    """Whether an answer has come to its end, by its own word."""
    head, end, body = heard.partition(b"\r\n\r\n")
    length = field(head.lower(), b"content-length")
    return bool(end) and (len(body) >= int(length) if length else body.endswith(b"0\r\n\r\n"))


class Breaking(socketserver.BaseRequestHandler):
    """Answers /broken/N as the table says and everything else rightly."""

    def handle(self):
        while head := self.request.recv(65536):
            target = head.split(b" ")[1]
            if not target.startswith(b"/broken/"):
                self.request.sendall(HEAD % 4 + b"next")
                continue
            answer, resets, _ = list(BROKEN.values())[int(target[8:])]
            self.request.sendall(answer)
            time.sleep(0.01)
            if resets:
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
                self.request.close()
            return
