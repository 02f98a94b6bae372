"""D10 clocks that jump: an hour on, an hour back, ten years, 2038, a leap second; with the monotonic clock jumping along and without."""
import email.utils
import time

import httpx

from Drills.bars import Bar, most
from Drills.journeys import Journey
from Drills.site import Site
from support.browser import NAVIGATION
from support.gatehouse import Gatehouse, openid_connect, route, service
from support.issuer import Issuer
from support.processes import wait_until
from support.rawsocket import RawConnection

# `env` takes out what the wrapper says itself, so that the file is what tells the time.
FAKETIME = ("faketime", "-m", "-f", "+0", "env", "-u", "FAKETIME")
HEAD_LIMIT = 2
HOUR = 3600
# The moments that programs stumble over, in seconds since 1970.
MOMENTS = {"2038-01-19": 2_147_483_647, "a leap second": 1_483_228_799, "ten years on": None}
MODES = {"both": ("both clocks jump", {}), "wall": ("the wall clock jumps", {"DONT_FAKE_MONOTONIC": "1"})}


def bars() -> list[Bar]:
    return [bar for mode, (said, _) in MODES.items() for bar in [
        most(f"{mode} crashes", f"{said}: crashes", 0),
        most(f"{mode} wrong", f"{said}: verdicts that the wall clock does not allow", 0),
        most(f"{mode} revived", f"{said}: sessions that were ended and came back", 0),
        most(f"{mode} failures", f"{said}: requests of an open route that failed", 0)]]


BARS = [*bars(), most("slow", "the wall clock jumps: a head that does not come is given up", HEAD_LIMIT + 3, " s")]


def drill(site: Site) -> dict:
    figures, port = {}, site.backend()
    for mode, (_, environment) in MODES.items():
        with Issuer() as issuer:
            figures |= Jumps(site, issuer, port, mode, environment).all()
    return figures


class Jumps:
    """One program whose clock we set, and what it says after each jump."""

    def __init__(self, site: Site, issuer: Issuer, port: int, mode: str, environment: dict):
        self.site, self.issuer, self.mode = site, issuer, mode
        self.clock = site.folder / f"clock-{mode}"
        self.set(0)
        self.gatehouse = self.start(port, environment)
        self.wrong: list[str] = []
        self.failures = 0

    def start(self, port: int, environment: dict) -> Gatehouse:
        service_with_login = service(f"http://127.0.0.1:{port}", route("open", "/open"), route("web", "/web", plugins=[
            openid_connect(self.issuer, session_idling_timeout=1800)]))
        with self.site.under(*FAKETIME):
            return self.site.gatehouse(
                {"services": [service_with_login]}, self.mode, FAKETIME_TIMESTAMP_FILE=str(self.clock),
                FAKETIME_CACHE_DURATION="1", GATEHOUSE_LIMIT_HEAD_SECONDS=str(HEAD_LIMIT), **environment)

    def set(self, offset: float):
        """The program's clock is `offset` seconds ahead from now on."""
        self.clock.write_text(f"{offset:+.0f}\n")
        self.offset = offset

    def jump(self, offset: float):
        """Sets the clock and waits until the program shows it."""
        self.set(offset)
        wait_until(lambda: abs(self.told() - time.time() - offset) < 5, f"the clock is {offset} s ahead")

    def told(self) -> float:
        """The time by the `Date` of an answer of its own."""
        answer = httpx.get(self.gatehouse.url + "/nowhere", timeout=10)
        return email.utils.parsedate_to_datetime(answer.headers["date"]).timestamp()

    def expect(self, what: str, said: int, status: int):
        if said != status:
            self.wrong.append(f"{what}: {said}, not {status}")

    def ask(self, path: str, **fields: str) -> int:
        answer = httpx.get(self.gatehouse.url + path, headers=fields, timeout=10)
        if path == "/open":
            self.failures += answer.status_code != 200
        return answer.status_code

    def all(self) -> dict:
        session, ended = self.login(), self.login()
        self.expect("a session", self.web(session), 200)
        self.expect("signing out", self.sign_out(ended), 303)
        token = self.issuer.access_token()
        self.expect("a token", self.ask("/web", Authorization=f"Bearer {token}"), 200)
        self.jump(HOUR)
        self.expect("a token an hour on", self.ask("/web", Authorization=f"Bearer {token}"), 401)
        self.expect("an idle session an hour on", self.web(session), 302)
        self.ask("/open")
        revived = self.web(ended) == 200
        self.jump(-HOUR)
        revived = revived or self.web(ended) == 200
        self.expect("a session of the future", self.web(session), 302)
        self.ask("/open")
        for name, moment in MOMENTS.items():
            self.jump(10 * 365 * 86_400 if moment is None else moment - time.time())
            self.ask("/open")
            self.expect(f"a token, {name}", self.ask("/web", Authorization=f"Bearer {token}"), 401)
            revived = revived or self.web(ended) == 200
        figures = {} if self.mode == "both" else {"slow": self.slow_head()}
        self.jump(0)
        self.expect("a token, back again", self.ask("/web", Authorization=f"Bearer {token}"), 200)
        revived = revived or self.web(ended) == 200
        for text in self.wrong:
            self.site.note(f"{MODES[self.mode][0]}: {text}")
        return {**figures, f"{self.mode} crashes": float(not self.gatehouse.process.alive), f"{self.mode} wrong": len(self.wrong),
                f"{self.mode} revived": float(revived), f"{self.mode} failures": self.failures}

    def login(self) -> str:
        journey = Journey(self.gatehouse, "/web")
        if not journey.end().is_in:
            raise RuntimeError("a login failed")
        cookies = journey.cookies()
        journey.close()
        return cookies

    def web(self, cookies: str) -> int:
        return self.ask("/web", **NAVIGATION, Cookie=cookies)

    def sign_out(self, cookies: str) -> int:
        return httpx.post(self.gatehouse.url + "/oauth2/sign_out", headers={"Cookie": cookies, "Sec-Fetch-Site": "same-origin"}).status_code

    def slow_head(self) -> float:
        """Seconds until a head that stops in the middle is given up, while the wall clock jumps back and forth."""
        began = time.monotonic()
        with RawConnection(self.gatehouse.port) as slow:
            slow.send(b"GET /open HTTP/1.1\r\nHost:")
            self.jump(HOUR)
            self.jump(-HOUR)
            is_closed = slow.closed(HEAD_LIMIT + 10)
        return time.monotonic() - began if is_closed else float("inf")
