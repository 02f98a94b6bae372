"""D18 soak: half an hour of everything at once, at a part of what the program can do, then rest; nothing may grow."""
import asyncio
import contextlib
import itertools
import random
import signal
import threading
import time

import httpx

from Drills.bars import Bar, least, most
from Drills.logins import Logins
from Drills.paced import Paced
from Drills.site import Site, Vitals
from support.gatehouse import openid_connect, route, service
from support.issuer import Issuer
from support.tokens import Key
from support.upstream import Upstream

SHARE = 0.7
BARS: list[Bar] = [
    least("requests", "requests", 3_000_000, full_only=True),
    least("logins", "sessions begun", 100_000, full_only=True),
    most("errors", "answers that should not be", 0),
    most("slope", "resident memory over the last two thirds, by least squares", 1.0, " MB/h", full_only=True),
    most("rest", "resident memory after the rest, to the start", 1.1, "x", full_only=True),
    most("files", "descriptors after the rest, to the start", 1.05, "x", full_only=True),
    most("threads", "threads after the rest, to the start", 1.05, "x"),
    most("p99", "p99 of the last sixth, to the first", 1.1, "x", full_only=True),
]


def drill(site: Site) -> dict:
    seconds, rest = site.pick(1800, 15), site.pick(600, 3)
    port = site.backend()
    with Issuer() as issuer, Upstream() as echo:
        issuer.access_seconds = 60
        shapes = [configuration(issuer, port, echo.url, number) for number in (1, 2)]
        gatehouse = site.gatehouse(shapes[0])
        soak = Soak(site, issuer, gatehouse, shapes)
        figures = soak.run(seconds, rest)
    return figures


def configuration(issuer: Issuer, port: int, echo: str, routes: int) -> dict:
    """Tokens, sessions, tunnels; and as many other routes as a reload wants.

    A session that was ended is remembered until its cookie is worth nothing by itself: for five minutes here, so that what
    comes and what goes are in balance when memory begins to be judged.
    """
    login = openid_connect(issuer, rediscovery_lifetime=1, session_idling_timeout=120, session_absolute_timeout=300)
    return {"services": [
        service(f"http://127.0.0.1:{port}", route("api", "/", plugins=[login]),
                *(route(f"other-{number}", f"/other/{number}") for number in range(routes))),
        service(echo, route("echo", "/echo"), name="echo")]}


class Soak:
    """All that goes on at once, and what is seen of it."""

    def __init__(self, site: Site, issuer: Issuer, gatehouse, shapes: list[dict]):
        self.site, self.issuer, self.gatehouse, self.shapes = site, issuer, gatehouse, shapes
        self.vitals = Vitals(gatehouse)
        self.over = threading.Event()
        self.errors: list[str] = []
        self.logins = Logins(gatehouse.port, issuer.port, site.pick(60, 20))
        self.reloads = self.rotations = self.aborts = 0
        self.memory: list[tuple[float, int]] = []

    def run(self, seconds: float, rest: float) -> dict:
        start = Start(self.vitals)
        load = Paced(self.gatehouse.port, SHARE * self.capacity(), posts=0, fields=self.bearer())
        beside = [threading.Thread(target=work, daemon=True) for work in (self.changes, self.rude)]
        for thread in beside:
            thread.start()
        load.run(self.logins.all(self.watch(load, seconds)))
        self.over.set()
        for thread in beside:
            thread.join(60)
        self.errors += self.logins.errors
        self.errors += [str(asked.fault or asked.status) for asked in load.asked if asked.status != 200]
        time.sleep(rest)
        for text in self.errors[:5]:
            self.site.note(f"error: {text}")
        self.site.note(f"{len(load.asked)} requests, {self.logins.begun} sessions, {self.reloads} reloads, {self.rotations} rotations, "
                       f"{self.aborts} clients that broke off")
        return {"requests": len(load.asked), "logins": self.logins.begun, "errors": len(self.errors), "slope": slope(self.memory),
                "p99": p99_ratio(load), **start.compared(self.vitals)}

    def capacity(self) -> float:
        """Requests a second that this program can answer beside everything else here, at most what Python can send."""
        return self.site.pick(2400, 400)

    def bearer(self) -> str:
        return f"Authorization: Bearer {self.issuer.access_token(exp=int(time.time()) + 7200)}\r\n"

    async def watch(self, load: Paced, seconds: float):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await asyncio.sleep(min(5, seconds / 10))
            self.memory.append((time.monotonic(), self.vitals.memory()))
            load.fields = self.bearer()

    # What goes on beside

    def changes(self):
        """A reload each minute, new keys each five."""
        minute = self.site.pick(60, 2)
        for turn in itertools.count(1):
            if self.over.wait(minute):
                return
            self.gatehouse.write(self.shapes[turn % 2])
            self.gatehouse.process.signal(signal.SIGHUP)
            self.reloads += 1
            if turn % 5 == 0:
                self.issuer.keys.insert(0, Key(f"turn-{turn}"))
                self.issuer.published[:] = self.issuer.keys[:3]
                self.rotations += 1

    def rude(self):
        """Clients that leave amid an answer, and bodies that are cut off."""
        while not self.over.is_set():
            with self.noting("a rude client"), contextlib.suppress(httpx.TransportError):
                httpx.post(self.gatehouse.url + "/echo", content=b"x" * random.randrange(100_000), timeout=0.01)
            self.aborts += 1
            self.over.wait(0.05)

    @contextlib.contextmanager
    def noting(self, what: str):
        try:
            yield
        except (httpx.TransportError, RuntimeError, KeyError) as error:
            self.errors.append(f"{what}: {type(error).__name__} {error}")


class Start:
    """What the program held before."""

    def __init__(self, vitals: Vitals):
        self.memory, self.files, self.threads = vitals.memory(), vitals.files(), threads(vitals)

    def compared(self, vitals: Vitals) -> dict:
        return {"rest": vitals.memory() / self.memory, "files": vitals.files() / self.files, "threads": threads(vitals) / self.threads}


def threads(vitals: Vitals) -> int:
    return len(list((vitals.folder / "task").iterdir()))


def slope(memory: list[tuple[float, int]]) -> float:
    """Megabytes an hour of the last two thirds, by least squares."""
    late = memory[len(memory) // 3:]
    middle, mean = (sum(column) / len(late) for column in zip(*late))
    spread = sum((when - middle) ** 2 for when, _ in late)
    return sum((when - middle) * (size - mean) for when, size in late) / spread * 3600 / 1024 if spread else 0.0


def p99_ratio(load: Paced) -> float:
    """p99 of the last sixth of the requests, to that of the first."""
    part = max(1, len(load.asked) // 6)
    first, last = (sorted(asked.seconds for asked in some) for some in (load.asked[:part], load.asked[-part:]))
    return last[int(len(last) * 0.99)] / first[int(len(first) * 0.99)]
