"""D8 cold start: 500 requests and 100 browsers at once at a program that knows nothing of its issuer yet."""
import asyncio
import collections
import time

from Drills.bars import most
from Drills.paced import once
from Drills.site import Site
from support import issuer as faults
from support.gatehouse import openid_connect, route, service
from support.issuer import Issuer

BARS = [
    most("discovery", "calls for the metadata", 1),
    most("keys", "calls for the keys", 1),
    most("failures", "of 500 good tokens, refused or unanswered", 0),
    most("passed", "of 100 forged tokens, passed", 0),
    most("logins", "of 100 browsers, not led to the login", 0),
]


def drill(site: Site) -> dict:
    port, count = site.backend(), site.pick(500, 100)
    with Issuer() as issuer:
        issuer.access_seconds = 3600
        keys, document = {"keys": [key.jwk() for key in issuer.published]}, issuer.document()
        issuer.trouble = {
            "/jwks": slowly(faults.key_set(keys)),
            "/.well-known/openid-configuration": slowly(lambda handler: handler.json(200, document))}
        tokens = [issuer.access_token() for _ in range(count)]
        forged = [token[:-8] + "AAAAAAAA" for token in tokens[:100]]
        gatehouse = site.gatehouse({"services": [service(f"http://127.0.0.1:{port}", route("api", "/", plugins=[
            openid_connect(issuer)]))]}, GATEHOUSE_WORKERS="2", GATEHOUSE_REDIRECT_HOSTS="a")
        good, bad, browsers = asyncio.run(everybody(gatehouse.port, tokens, forged))
        calls = {path: issuer.count(path) for path in issuer.trouble}
    said = {name: dict(collections.Counter(statuses)) for name, statuses in
            {"good": good, "forged": bad, "browsers": browsers}.items()}
    site.note(f"each call takes 1 s; {said}")
    return {
        "discovery": calls["/.well-known/openid-configuration"], "keys": calls["/jwks"],
        "failures": sum(status != 200 for status in good), "passed": sum(status == 200 for status in bad),
        "logins": sum(status != 302 for status in browsers)}


def slowly(answer):
    """The same a second later, so that everybody asks meanwhile."""
    def later(handler):
        time.sleep(1)
        answer(handler)
    return later


async def everybody(port: int, tokens: list[str], forged: list[str]) -> list[list[int]]:
    """All of them at once: the statuses."""
    groups = [[f"Authorization: Bearer {token}\r\n" for token in tokens], [f"Authorization: Bearer {token}\r\n" for token in forged],
              ["Accept: text/html\r\nSec-Fetch-Mode: navigate\r\n"] * 100]
    asked = await asyncio.gather(*(once(port, fields) for group in groups for fields in group))
    statuses = [one.status for one in asked]
    ends = [len(tokens), len(tokens) + len(forged)]
    return [statuses[:ends[0]], statuses[ends[0]:ends[1]], statuses[ends[1]:]]
