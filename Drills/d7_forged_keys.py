"""D7 forged keys: a flood of tokens that each name a key that never was; the issuer hears of almost none of them."""
import math
import pathlib
import subprocess
import time

from Drills.bars import Bar, least, most
from Drills.good import Round
from Drills.site import LOAD_CORE, Site, Vitals
from support import issuer as trouble
from support.gatehouse import openid_connect, route, service
from support.issuer import Issuer
from support.tokens import encode

LUA = pathlib.Path(__file__).with_name("tokens.lua")
PHASES = {"plain": "the issuer answers", "hangs": "its keys' endpoint hangs"}


def bars() -> list[Bar]:
    return [bar for phase, said in PHASES.items() for bar in [
        most(f"{phase} fetches", f"{said}: fetches of keys in the pause of rediscovery_lifetime", 1),
        most(f"{phase} passed", f"{said}: forged tokens that passed", 0),
        most(f"{phase} failures", f"{said}: failures of good tokens", 0),
        most(f"{phase} p99", f"{said}: p99 of good tokens, to before", 1.5, "x", full_only=True),
        most(f"{phase} memory", f"{said}: resident memory, to before", 1.1, "x", full_only=True)]]


BARS = [*bars(), least("rate", "forged tokens a second while the issuer answers", 10_000, full_only=True)]


def drill(site: Site) -> dict:
    pause, seconds = site.pick(30, 4), site.pick(29, 3)
    port = site.backend()
    with Issuer() as issuer:
        issuer.access_seconds = 3600
        issuer.trouble["/jwks"] = trouble.key_set({"keys": [key.jwk() for key in issuer.published]})
        gatehouse = site.gatehouse({"services": [service(f"http://127.0.0.1:{port}", route("api", "/", plugins=[
            openid_connect(issuer, auth_methods=["bearer"], rediscovery_lifetime=pause, timeout=5000)]))]})
        good, tail = issuer.access_token(), issuer.access_token().split(".", 1)[1].split(".")[0] + "." + encode(b"s" * 256)
        url, vitals = gatehouse.url + "/", Vitals(gatehouse)
        ended(tokens(url, 1, 16, good=good))
        before = ended(tokens(url, site.pick(10, 2), 16, good=good))
        figures, memory = {}, vitals.memory()
        for phase in PHASES:
            if phase == "hangs":
                time.sleep(max(0.0, began + pause + 0.5 - time.monotonic()))
                issuer.trouble["/jwks"] = trouble.never
            asked, began = issuer.count("/jwks"), time.monotonic()
            flood = tokens(url, seconds, 100, tail=tail)
            during = ended(tokens(url, seconds, 16, good=good))
            forged = ended(flood)
            took, fetches = time.monotonic() - began, issuer.count("/jwks") - asked
            figures |= {
                f"{phase} fetches": fetches / math.ceil(took / pause), f"{phase} passed": max(0, forged.answers - forged.failures),
                f"{phase} failures": during.failures if during.answers else float("inf"),
                f"{phase} p99": during.p99 / before.p99, f"{phase} memory": vitals.memory() / memory}
            if phase == "plain":
                figures["rate"] = forged.answers / took
            site.note(f"{PHASES[phase]}: {forged.answers} forged tokens and {fetches} fetches in {took:.0f} s; {during.answers} good "
                      f"ones, p99 {before.p99:.2f} ms before, {during.p99:.2f} during")
    return figures


def tokens(url: str, seconds: int, connections: int, good: str | None = None, tail: str | None = None) -> subprocess.Popen:
    """Begins to show `good`, 800 times a second at most, or forged tokens with `tail`, 12,500 times."""
    field = ["-H", f"Authorization: Bearer {good}"] if good else []
    return subprocess.Popen(
        ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", *field, "-s", str(LUA),
         url, "--", *(["20"] if good else ["8", tail])],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ended(process: subprocess.Popen) -> Round:
    return Round(process.communicate(timeout=120)[0])
