"""D23 a million sessions: what a request with a session costs where a million lie in Redis, to where a few thousand do."""
import re
import secrets
import statistics
import subprocess
import time
from dataclasses import dataclass

import httpx

from Drills.bars import least, most
from Drills.good import Round
from Drills.site import LOAD_CORE, Site, Vitals
from support.browser import LightBrowser
from support.gatehouse import ROOT, Gatehouse, openid_connect, route, service
from support.issuer import Issuer
from support.processes import wait_until
from support.redis import Redis

LUA = ROOT / "Benchmarks/load.lua"
# A sibling of a record that the program has written: its fields, its time and its owner's list, under other names.
SIBLINGS = """
    for number = 1, tonumber(ARGV[5]) do
        local word = ARGV[6] .. number
        local id = redis.sha1hex(word) .. string.sub(redis.sha1hex(word .. 'b'), 1, 24)
        local owner = redis.sha1hex(word .. 'c') .. string.sub(redis.sha1hex(word .. 'd'), 1, 24)
        local folder, login = ARGV[1], ARGV[3]
        redis.call('HSET', folder .. id, 'd', ARGV[2], 'v', 1, 'c', login)
        redis.call('PEXPIRE', folder .. id, ARGV[4])
        redis.call('ZADD', folder .. 'owner:' .. owner, login, string.sub(folder, string.len(ARGV[7]) + 1) .. id)
        redis.call('PEXPIRE', folder .. 'owner:' .. owner, ARGV[4])
    end
    return redis.call('DBSIZE')
"""
BARS = [
    least("sessions", "sessions in Redis", 1_000_000, full_only=True),
    least("used", "of them used, each by its own cookie", 2000, full_only=True),
    most("failures", "requests that failed", 0),
    most("cpu", "CPU of a request, to where the used ones are alone", 1.1, "x", full_only=True),
    most("p99", "its p99, to there", 1.2, "x", full_only=True),
    most("bytes", "octets of Redis' memory for a session and its owner's list, beyond the sealed record", 2048),
    most("expiring", "keys that would stay for ever", 0),
    most("ended", "s until one user's sessions are ended among them", 1, " s", full_only=True),
]


def drill(site: Site) -> dict:
    port, people, total = site.backend(), site.pick(2000, 50), site.pick(1_000_000, 20_000)
    small, great = (Redis(site.folder / name, "--appendonly", "no", "--maxmemory-policy", "noeviction").start()
                    for name in ("small", "great"))
    for redis in (small, great):
        site.ending.callback(redis.stop)
    with Issuer() as issuer:
        issuer.access_seconds = 36_000
        rules = {"services": [service(f"http://127.0.0.1:{port}", route("web", "/", plugins=[openid_connect(
            issuer, session_idling_timeout=36_000, session_rolling_timeout=36_000)]))]}
        first = site.gatehouse(rules, "first", GATEHOUSE_SESSION_STORE=small.url)
        browser = LightBrowser()
        site.ending.callback(browser.close)
        cookies = [log_in(browser, first, issuer, number) for number in range(people)]
        copy(small, great)
        before, length = Contents(great), sow(great, total - people)
        after = Contents(great)
        second = site.gatehouse(rules, "second", GATEHOUSE_SESSION_STORE=great.url,
                                GATEHOUSE_KEYS_DIR=first.environment["GATEHOUSE_KEYS_DIR"])
        loads = [Load(site, gatehouse, cookies) for gatehouse in (first, second)]
        # In turn, so that whatever else the machine does is the same for both.
        rounds = [[load.round() for load in loads] for _ in range(site.pick(6, 2))]
        ended = until_ended(second, issuer, cookies[0])
    alone, among = (Cost.middle(costs) for costs in zip(*rounds))
    site.note(f"a sealed record has {length:,} octets; {before}, {after}")
    site.note(f"{people} sessions alone: {alone}")
    site.note(f"among {after.sessions:,} sessions: {among}")
    return {"sessions": after.sessions, "used": people, "failures": sum(cost.failures for pair in rounds for cost in pair),
            "cpu": among.cpu / alone.cpu, "p99": among.p99 / alone.p99,
            "bytes": (after.memory - before.memory) / (after.sessions - before.sessions) - length,
            "expiring": after.keys - after.expiring, "ended": ended}


def copy(source: Redis, target: Redis):
    """Gives a server all that another has."""
    target.ask("REPLICAOF", "127.0.0.1", str(source.port))
    wait_until(lambda: target.ask("ROLE")[3] == b"connected" and target.ask("DBSIZE") == source.ask("DBSIZE"), "it has all", 60)
    target.ask("REPLICAOF", "NO", "ONE")


def log_in(browser: LightBrowser, gatehouse: Gatehouse, issuer: Issuer, number: int) -> str:
    """Another user's session, as a `Cookie` field, by one browser that forgets the former."""
    issuer.user["sub"] = f"user-{number}"
    browser.client.cookies.clear()
    if browser.open(browser.to_callback(gatehouse.url + "/")).status_code != 302:
        raise RuntimeError("a login failed")
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items() if "session-" in name)


def sow(redis: Redis, count: int) -> int:
    """Writes siblings of a record that the program has written, a thousand at a time; how long each is."""
    key = redis.sessions()[0]
    folder, prefix = key.rpartition(":")[0] + ":", "gatehouse:"
    record, life = redis.ask("HGET", key, "d").decode(), str(redis.ask("PTTL", key))
    for begin in range(0, count, 1000):
        made = redis.ask("EVAL", SIBLINGS, "0", folder, record, str(int(time.time() * 1000)), life,
                         str(min(1000, count - begin)), f"{begin}-", prefix)
        if made is None:
            raise RuntimeError("Redis takes no more sessions")
    return len(record)


def until_ended(gatehouse: Gatehouse, issuer: Issuer, cookies: str) -> float:
    """How long it takes until the issuer's word has ended the first user's session, by the list of its owner."""
    token = issuer.keys[0].sign({
        "iss": issuer.url, "aud": issuer.client_id, "iat": int(time.time()), "exp": int(time.time()) + 60, "sub": "user-0",
        "jti": secrets.token_hex(8), "events": {"http://schemas.openid.net/event/backchannel-logout": {}}}, typ="logout+jwt")
    began = time.monotonic()
    told = httpx.post(gatehouse.url + "/oauth2/backchannel-logout", data={"logout_token": token}, timeout=30)
    answer = httpx.get(gatehouse.url, headers={"Cookie": cookies, "Accept": "application/json"}, timeout=30)
    if told.status_code != 200 or answer.status_code != 401:
        return float("inf")
    return time.monotonic() - began


class Contents:
    """What lies in Redis, and how much memory that takes."""

    def __init__(self, redis: Redis):
        told = dict(re.findall(r"(\w+):(\S+)", redis.ask("INFO", "everything").decode()))
        self.memory = int(told["used_memory"])
        self.keys, self.expiring = map(int, re.match(r"keys=(\d+),expires=(\d+)", told["db0"]).groups())
        # Each user has one session, and with it a list.
        self.sessions = self.keys // 2

    def __str__(self) -> str:
        return f"{self.keys:,} keys in {self.memory / 1e6:,.0f} MB"


class Load:
    """All cookies in turn, over sixteen connections."""

    def __init__(self, site: Site, gatehouse: Gatehouse, cookies: list[str]):
        self.site, self.gatehouse, self.vitals = site, gatehouse, Vitals(gatehouse)
        self.file = site.folder / "requests"
        self.file.write_text("".join(f"GET / 0 Cookie: {cookie}\n" for cookie in cookies))

    def ask(self, seconds: int) -> Round:
        done = subprocess.run(
            ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", "-c16", f"-d{seconds}s", "--timeout", "5s", "-s", str(LUA),
             self.gatehouse.url, "--", str(self.file)], capture_output=True, text=True, timeout=600, check=True)
        return Round(done.stdout)

    def round(self) -> "Cost":
        """Warms up, and measures."""
        self.ask(1)
        looked = self.calls()
        cpu = self.vitals.cpu()
        answers = self.ask(self.site.pick(6, 2))
        return Cost.of(answers, self.vitals.cpu() - cpu, self.calls() - looked)

    def calls(self) -> float:
        return self.gatehouse.metric("gatehouse_store_calls_total", outcome="ok")


@dataclass
class Cost:
    """What a round's requests cost: seconds of CPU and calls to Redis each."""

    failures: float
    count: int
    p50: float
    p99: float
    cpu: float
    calls: float

    @staticmethod
    def of(answers: Round, cpu: float, calls: float) -> "Cost":
        count = max(1, answers.answers)
        failures = answers.failures if answers.answers else float("inf")
        return Cost(failures, answers.answers, answers.p50, answers.p99, cpu / count, calls / count)

    @staticmethod
    def middle(costs: tuple["Cost", ...]) -> "Cost":
        """The median of each figure, and all requests."""
        def median(name: str) -> float:
            return statistics.median(getattr(cost, name) for cost in costs)
        return Cost(sum(cost.failures for cost in costs), sum(cost.count for cost in costs), median("p50"), median("p99"),
                    median("cpu"), median("calls"))

    def __str__(self) -> str:
        return (f"{self.cpu * 1e6:.1f} us of CPU a request, p50 {self.p50:.2f} ms, p99 {self.p99:.2f} ms, "
                f"{self.calls:.2f} calls to Redis each, {self.count:,} requests")
