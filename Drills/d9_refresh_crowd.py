"""D9 refresh stampede: 50 requests of one session at once, over three nodes that share a store, when its token has just ended."""
import time

from Drills.bars import least, most
from Drills.site import Site
from support.browser import LightBrowser, shown
from support.crowd import crowd, refreshes, slowly, statuses
from support.gatehouse import Gatehouse, openid_connect, route, service
from support.issuer import Issuer
from support.redis import Redis

CROWD = 50
BARS = [
    least("rounds", "rounds", 20, full_only=True),
    most("calls", "calls to the issuer beyond one a round", 0),
    most("failures", f"of {CROWD} requests a round, not 200", 0),
    most("tokens", "rounds whose requests did not all go on with the new token", 0),
    most("logouts", "sessions that were over afterwards, on any node", 0),
    most("cookie calls", "the session in a cookie, one node: calls beyond one a round", 0),
    most("cookie failures", "the session in a cookie, one node: requests that were not 200", 0),
]


def drill(site: Site) -> dict:
    port, rounds = site.backend(more="location /token { return 200 $http_authorization; }"), site.pick(20, 3)
    redis = Redis(site.folder / "redis").start()
    site.ending.callback(redis.stop)
    with Issuer() as issuer:
        rules = {"services": [service(f"http://127.0.0.1:{port}", route("web", "/", plugins=[openid_connect(
            issuer, auth_methods=["authorization_code", "session", "refresh_token"])]))]}
        first = site.gatehouse(rules, "one", GATEHOUSE_SESSION_STORE=redis.url)
        keys = first.environment["GATEHOUSE_KEYS_DIR"]
        nodes = [first] + [site.gatehouse(rules, name, GATEHOUSE_SESSION_STORE=redis.url, GATEHOUSE_KEYS_DIR=keys)
                           for name in ("two", "three")]
        shared = Crowds(issuer, nodes)
        alone = Crowds(issuer, [site.gatehouse(rules, "alone")])
        for _ in range(rounds):
            shared.round()
            alone.round()
    site.note(f"each renewal takes 0.3 s; with Redis {shared.said}, in a cookie {alone.said}")
    return {"rounds": rounds, "calls": shared.calls, "failures": shared.failures, "tokens": shared.mixed,
            "logouts": shared.logouts, "cookie calls": alone.calls, "cookie failures": alone.failures}


class Crowds:
    """Round after round, each with a session of its own."""

    def __init__(self, issuer: Issuer, nodes: list[Gatehouse]):
        self.issuer, self.nodes = issuer, nodes
        self.calls = self.failures = self.mixed = self.logouts = 0
        self.said: dict[int, int] = {}

    def round(self):
        self.issuer.trouble.clear()
        self.issuer.access_seconds = 2
        user = LightBrowser()
        user.follow(self.nodes[0].url + "/token")
        time.sleep(2)
        self.issuer.access_seconds = 600
        slowly(self.issuer)
        before = refreshes(self.issuer)
        answers = crowd([node.url + "/token" for node in self.nodes], shown(user), CROWD)
        self.calls += abs(refreshes(self.issuer) - before - 1)
        for status, count in statuses(answers).items():
            self.said[status] = self.said.get(status, 0) + count
            self.failures += count if status != 200 else 0
        told = {answer.text for answer in answers}
        self.mixed += len(told) != 1 or not told.pop().startswith("Bearer ")
        later = crowd([node.url + "/token" for node in self.nodes], shown(user), len(self.nodes))
        self.logouts += any(answer.status_code != 200 for answer in later)
        user.close()
