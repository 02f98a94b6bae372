"""D3 connection flood: more clients than there is room for, by our own limit and by the system's."""
import contextlib
import time

from Drills.bars import Bar, least, most
from Drills.crowd import Crowd
from Drills.site import Site, Vitals, plain
from support.gatehouse import Gatehouse
from support.rawsocket import RawConnection, get

ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LIMITS = {"own": "limit_connections=1000", "system": "prlimit --nofile=1024"}


def bars(name: str, text: str) -> list[Bar]:
    """The bars under one of the limits."""
    return [
        most(f"{name} users", f"{text}: failures of users who were there before", 0),
        most(f"{name} cpu", f"{text}: CPU while it is full and nothing is asked", 20, " %"),
        most(f"{name} over", f"{text}: clients held at once", 1024),
        most(f"{name} again", f"{text}: a new client is served, after the flood, within", 5, " s"),
        least(f"{name} alive", f"{text}: still running", 1),
        most(f"{name} files", f"{text}: descriptors back to the start within", 10, " s")]


BARS = [bar for name, text in LIMITS.items() for bar in bars(name, text)]


class Users:
    """Keep-alive users who ask in turn; the second half only after long pauses, so that nothing is kept warm for them."""

    def __init__(self, port: int, count: int):
        self.links = [RawConnection(port) for _ in range(count)]
        self.asked, self.failures, self.patient_at = 0, [], time.monotonic() + 6
        for link in self.links:
            self.ask(link)

    def ask(self, link: RawConnection):
        self.asked += 1
        try:
            link.send(ASK)
            answer = link.read()
            if answer is None or answer.status != 200:
                self.failures.append("closed" if answer is None else answer.status)
        except OSError as error:
            self.failures.append(type(error).__name__)

    def all_ask(self):
        """The eager always, the patient when their pause is over."""
        half = len(self.links) // 2
        for link in self.links[:half]:
            self.ask(link)
        if time.monotonic() > self.patient_at:
            self.patient_at = time.monotonic() + 6
            for link in self.links[half:]:
                link.send(ASK)
            for link in self.links[half:]:
                answer = link.read()
                self.asked += 1
                if answer is None or answer.status != 200:
                    self.failures.append("closed" if answer is None else answer.status)

    def close(self):
        for link in self.links:
            link.close()


def drill(site: Site) -> dict:
    port = site.backend()
    figures = {}
    for name in LIMITS:
        own = {"GATEHOUSE_LIMIT_CONNECTIONS": "1000"} if name == "own" else {}
        with site.under("prlimit", "--nofile=20000" if name == "own" else "--nofile=1024"):
            gatehouse = site.gatehouse(
                plain(port), name, GATEHOUSE_LIMIT_HEAD_SECONDS="30", GATEHOUSE_LIMIT_IDLE_SECONDS="300", **own)
        figures |= flood(site, name, gatehouse)
        gatehouse.stop()
    return figures


def flood(site: Site, name: str, gatehouse: Gatehouse) -> dict:
    """Users come, then the crowd; it stays, it comes and goes, it leaves."""
    vitals, users = Vitals(gatehouse), Users(gatehouse.port, 20)
    held = [0]

    def watch():
        users.all_ask()
        with contextlib.suppress(OSError):
            held[0] = max(held[0], vitals.files() - vitals.start_files)

    with Crowd(gatehouse.port, 3000, again=True, rate=2000) as crowd:
        crowd.run(site.pick(10, 3), watch)
        crowd.again = False
        crowd.run(1)
        quiet = site.pick(5, 2)
        before = vitals.cpu()
        time.sleep(quiet)
        cpu = 100 * (vitals.cpu() - before) / quiet
        crowd.again = True
        total = site.pick(20_000, 6000)
        crowd.run(120, lambda: watch() or coming(crowd, total))
        site.note(f"{LIMITS[name]}: {crowd.opened} connects, {len(crowd.lifetimes)} closed by us, {users.asked} questions "
                  f"of users, failures {sorted(set(map(str, users.failures)))}")
    began = time.monotonic()
    while (answer := attempt(gatehouse.port)) != 200 and time.monotonic() < began + 30:
        time.sleep(0.05)
    again = time.monotonic() - began if answer == 200 else float("inf")
    users.close()
    return {f"{name} users": len(users.failures), f"{name} cpu": cpu, f"{name} over": held[0], f"{name} again": again,
            f"{name} alive": int(vitals.alive()), f"{name} files": vitals.files_back()}


def coming(crowd: Crowd, total: int) -> bool:
    """Lets the oldest go so that others come, until `total` have come."""
    for member in list(crowd.members.values())[:1000]:
        crowd.drop(member)
    return crowd.opened >= total


def attempt(port: int) -> int:
    """A new client's status, 0 where there is none."""
    try:
        answer = get(port)
        return answer.status if answer else 0
    except OSError:
        return 0
