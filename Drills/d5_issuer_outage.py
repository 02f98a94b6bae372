"""D5 issuer outage: an issuer that is down, failing, late, silent, dripping or talking nonsense, amid logins and traffic."""
import time

from Drills.bars import Bar, least, most
from Drills.good import GoodClient
from Drills.journeys import Journey, all_at_once, until_in
from Drills.site import Site
from support import issuer as faults
from support.gatehouse import openid_connect, route, service
from support.issuer import Issuer

LIMIT = 4


def late(handler):
    """Thinks for half a minute, unless its peer goes away."""
    handler.connection.settimeout(30)
    try:
        gone = handler.connection.recv(1) == b""
    except TimeoutError:
        gone = False
    except OSError:
        gone = True
    if gone:
        handler.close_connection = True
    else:
        handler.json(503, {"error": "temporarily_unavailable"})


PHASES = {
    "down": ("is down", None),
    "failing": ("answers 503", faults.status(503)),
    "late": ("is 30 s late", late),
    "silent": ("says nothing", faults.never),
    "dripping": ("drips its answer", faults.slow(30)),
    "nonsense": ("talks nonsense", faults.garbage),
}


def bars() -> list[Bar]:
    return [bar for phase, (said, _) in PHASES.items() for bar in [
        most(f"{phase} failures", f"the issuer {said}: failures of sessions", 0),
        most(f"{phase} p99", f"the issuer {said}: p99 of sessions, to before", 1.2, "x", full_only=True),
        most(f"{phase} slowest", f"the issuer {said}: the slowest of 200 new logins (timeout: {LIMIT * 1000})", 5, " s"),
        most(f"{phase} others", f"the issuer {said}: new logins that end at no page", 0),
        most(f"{phase} back", f"the issuer {said}: a new login succeeds after it", 5, " s")]]


BARS = [*bars(), least("logins", "logins that were under way in an outage", 1000, full_only=True)]


def drill(site: Site) -> dict:
    figures, logins = {}, 0
    port = site.backend()
    with Issuer() as issuer:
        issuer.access_seconds = 3600
        gatehouse = site.gatehouse({"services": [service(f"http://127.0.0.1:{port}", route("web", "/", plugins=[
            openid_connect(issuer, timeout=LIMIT * 1000)]))]})
        user = Journey(gatehouse)
        if not user.end().is_in:
            raise RuntimeError("the first login failed")
        good = GoodClient(gatehouse.port, fields=[f"Cookie: {user.cookies()}"])
        before = good.round(site.pick(10, 2))
        for phase, (said, fault) in PHASES.items():
            journeys = [Journey(gatehouse) for _ in range(site.pick(200, 20))]
            with outage(issuer, fault), good.beside() as rounds:
                ends = all_at_once(journeys)
                time.sleep(site.pick(3, 0.5))
            during = rounds[0]
            logins += len(ends)
            figures |= {
                f"{phase} failures": during.failures if during.answers else float("inf"),
                f"{phase} p99": during.p99 / before.p99, f"{phase} slowest": max(end.seconds for end in ends),
                f"{phase} others": sum(not end.is_page or end.status < 400 for end in ends),
                f"{phase} back": until_in(gatehouse, 10)}
            site.note(f"the issuer {said}: {during.answers} requests of a session, p99 {before.p99:.2f} ms before, {during.p99:.2f} during; "
                      f"logins end with {sorted({end.status for end in ends})}")
            for journey in journeys:
                journey.close()
    return {**figures, "logins": logins}


class outage:
    """The issuer has `fault` wherever it is asked; without one it is away."""

    PATHS = ("/token", "/jwks", "/.well-known/openid-configuration", "/userinfo")

    def __init__(self, issuer: Issuer, fault):
        self.issuer, self.fault = issuer, fault

    def __enter__(self):
        if self.fault is None:
            self.issuer.stop()
        else:
            self.issuer.trouble = dict.fromkeys(self.PATHS, self.fault)

    def __exit__(self, *_):
        if self.fault is None:
            self.issuer.start()
        self.issuer.trouble = {}
