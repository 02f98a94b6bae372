"""D15 the store fails: stopped, killed, hung, paused, cut off without a word, refusing, full, its connections given up, failed over."""
import contextlib
import time

import httpx

from Drills.bars import Bar, most
from Drills.site import Site
from support.browser import LightBrowser, shown
from support.cluster import Cluster
from support.gatehouse import Gatehouse, openid_connect, route, service
from support.issuer import Issuer
from support.processes import wait_until
from support.redis import Redis
from support.relay import Relay
from support.replication import Replication
from support.visitors import MEMORY, Visitors, asked_at, good

PEOPLE = 6
# Those that say nothing show themselves only when the time of an answer is over, and so does their return.
SILENT = {"hung", "paused", "cut"}
# What is done to one server, and what is said of it.
OUTAGES = {
    "stopped": "it is stopped", "killed": "it is killed", "hung": "it hangs (SIGSTOP)", "paused": "CLIENT PAUSE",
    "cut": "a half-open connection", "refusing": "it wants another password"}
FAILOVERS = {"sentinel": "a failover by sentinels", "cluster": "a failover of a cluster"}


def bars() -> list[Bar]:
    found = [bar for way, said in OUTAGES.items() for bar in [
        most(f"{way} wrong", f"{said}: answers that are neither 200 nor 503 with Retry-After, or touch a cookie", 0),
        most(f"{way} unchecked", f"{said}: 200s that nobody can have looked up", 0),
        most(f"{way} logins", f"{said}: logins that began once that was known", 0),
        most(f"{way} back", f"{said}: until sessions go on", 3 if way in SILENT else 2, " s", full_only=True),
        most(f"{way} lost", f"{said}: sessions that were lost", 0)]]
    found += [bar for way, said in FAILOVERS.items() for bar in [
        most(f"{way} wrong", f"{said}: wrong answers", 0),
        most(f"{way} back", f"{said}: after the promotion, until sessions go on", 3, " s", full_only=True),
        most(f"{way} lost", f"{said}: sessions that were lost", 0)]]
    return found + [
        most("full sessions", "it is full (maxmemory): sessions that were there and failed", 0),
        most("full logins", "it is full: logins that were not answered by 503", 0),
        most("stale failures", "its connections are given up (CLIENT KILL): answers that were not 200", 0)]


BARS = bars()


def drill(site: Site) -> dict:
    port = site.backend()
    with Issuer() as issuer:
        issuer.access_seconds = 3600
        rules = {"services": [service(f"http://127.0.0.1:{port}", route("web", "/", plugins=[openid_connect(issuer)]))]}
        figures = Outages(site, rules).figures()
        for way, made in (("sentinel", Replication), ("cluster", Cluster)):
            store = made(site.folder / way).start()
            site.ending.callback(store.stop)
            figures |= failover(site, rules, way, store)
    return figures


def users(gatehouse: Gatehouse) -> list[LightBrowser]:
    people = [LightBrowser() for _ in range(PEOPLE)]
    for person in people:
        if person.follow(gatehouse.url).status_code != 200:
            raise RuntimeError("a login failed")
    return people


def answer(gatehouse: Gatehouse, person: LightBrowser) -> int:
    return httpx.get(gatehouse.url, headers=shown(person), timeout=30).status_code


def until_back(gatehouse: Gatehouse, people, seconds: float = 20) -> tuple[float, int]:
    """How long it takes until every session is answered by 200, and how many are not by then."""
    began, left = time.monotonic(), list(people)
    while left and time.monotonic() - began < seconds:
        left = [person for person in left if answer(gatehouse, person) != 200]
    return time.monotonic() - began if not left else float("inf"), len(left)


class Outages:
    """One server behind a relay, and what is done to it."""

    def __init__(self, site: Site, rules: dict):
        self.redis, self.seconds = Redis(site.folder / "redis").start(), site.pick(10, 1)
        self.relay = Relay(self.redis.port)
        site.ending.callback(self.redis.stop)
        site.ending.callback(self.relay.close)
        self.site = site
        self.gatehouse = site.gatehouse(rules, GATEHOUSE_SESSION_STORE=f"redis://127.0.0.1:{self.relay.port}/0")
        self.people = users(self.gatehouse)

    def figures(self) -> dict:
        figures = {}
        for way in OUTAGES:
            figures |= self.outage(way)
        return {**figures, **self.full(), **self.stale()}

    @contextlib.contextmanager
    def trouble(self, way: str):
        """The store is in trouble while this goes on."""
        redis = self.redis
        begin, end = {
            "stopped": (redis.stop, redis.start), "killed": (redis.kill, redis.start),
            "hung": (redis.hang, redis.go_on), "cut": (self.relay.swallow, self.relay.go_on),
            "paused": (lambda: redis.ask("CLIENT", "PAUSE", "600000", "ALL"), lambda: (redis.kill(), redis.start())),
            "refusing": (self.refuse, self.relent)}[way]
        begin()
        yield
        end()

    def refuse(self):
        self.redis.ask("CONFIG", "SET", "requirepass", "another-password")
        self.redis.password = "another-password"
        self.redis.ask("CLIENT", "KILL", "TYPE", "normal")

    def relent(self):
        self.redis.ask("CONFIG", "SET", "requirepass", "")
        self.redis.password = None

    def outage(self, way: str) -> dict:
        visitors, logins, told = Visitors(self.gatehouse, self.people), 0, self.told()
        with self.trouble(way):
            # What was read a moment before is believed for a second.
            time.sleep(MEMORY + 0.1)
            blind = time.monotonic()
            wait_until(lambda: self.told() > told, "that the store is away is known", 10)
            known = time.monotonic()
            while time.monotonic() < known + self.seconds:
                time.sleep(0.2)
                stranger = LightBrowser()
                logins += stranger.open(self.gatehouse.url).status_code != 503
                stranger.close()
            over = time.monotonic()
        back, lost = until_back(self.gatehouse, self.people)
        answers = visitors.end()
        during = [one for one in answers if blind <= asked_at(one) and asked_at(one) + one.elapsed.total_seconds() < over]
        self.site.note(f"{OUTAGES[way]}: {len(answers)} answers, {len(during)} of them while nothing could be looked up; "
                       f"slowest {max(one.elapsed.total_seconds() for one in answers):.2f} s")
        return {f"{way} wrong": sum(not good(one) for one in answers),
                f"{way} unchecked": sum(one.status_code == 200 for one in during) if during else "nobody asked",
                f"{way} logins": logins, f"{way} back": back, f"{way} lost": lost}

    def told(self) -> int:
        """How often the log has said that the store is away."""
        return self.gatehouse.text().count("session store down")

    def full(self) -> dict:
        self.redis.ask("CONFIG", "SET", "maxmemory", "1")
        time.sleep(MEMORY)
        sessions = sum(answer(self.gatehouse, person) != 200 for person in self.people)
        logins = 0
        for _ in range(5):
            stranger = LightBrowser()
            logins += stranger.open(stranger.to_callback(self.gatehouse.url)).status_code != 503
            stranger.close()
        self.redis.ask("CONFIG", "SET", "maxmemory", "0")
        return {"full sessions": sessions, "full logins": logins}

    def stale(self) -> dict:
        failures = 0
        for _ in range(self.site.pick(20, 4)):
            self.redis.ask("CLIENT", "KILL", "TYPE", "normal")
            time.sleep(MEMORY)
            failures += sum(answer(self.gatehouse, person) != 200 for person in self.people)
        return {"stale failures": failures}


def failover(site: Site, rules: dict, way: str, store: Replication | Cluster) -> dict:
    """The master is killed under load, and its replica takes its place."""
    gatehouse = site.gatehouse(rules, way, GATEHOUSE_SESSION_STORE=store.url)
    people = users(gatehouse)
    store.settle()
    visitors = Visitors(gatehouse, people)
    wait_until(lambda: len(visitors.answers) > 20, "they visit")
    if isinstance(store, Cluster):
        master = max(store.masters, key=lambda one: len(one.sessions()))
        replica = store.replica(master)
        promoted = lambda: store.ranges(replica)  # noqa: E731
    else:
        master, replica = store.servers
        promoted = lambda: store.role(replica) == [b"master"]  # noqa: E731
    master.kill()
    killed = time.monotonic()
    wait_until(promoted, "the replica is promoted", 60)
    site.note(f"{FAILOVERS[way]}: promoted after {time.monotonic() - killed:.2f} s")
    back, lost = until_back(gatehouse, people)
    time.sleep(MEMORY)
    lost += sum(answer(gatehouse, person) != 200 for person in people)
    answers = visitors.end()
    return {f"{way} wrong": sum(not good(one) for one in answers), f"{way} back": back, f"{way} lost": lost}
