"""Logins in steps: back from the issuer and not yet redeemed, one by one or many at once."""
import concurrent.futures
import time
from dataclasses import dataclass

import httpx

from support.browser import LightBrowser
from support.gatehouse import Gatehouse


@dataclass
class End:
    """What the last step of a login came to."""

    status: int
    seconds: float
    is_page: bool
    is_in: bool


class Journey:
    """A browser whose next step is the callback."""

    def __init__(self, gatehouse: Gatehouse, path: str = "/"):
        self.browser = LightBrowser()
        away = self.browser.open(gatehouse.url + path)
        back = self.browser.open(away.headers["location"])
        self.callback = back.headers["location"]

    def end(self) -> End:
        """Takes the last step."""
        began = time.monotonic()
        try:
            answer = self.browser.open(self.callback, timeout=60)
        except httpx.TransportError:
            return End(0, time.monotonic() - began, is_page=False, is_in=False)
        is_page = answer.headers.get("content-type", "").startswith("text/html")
        return End(answer.status_code, time.monotonic() - began, is_page, is_in=answer.status_code == 302)

    def cookies(self) -> str:
        """The session as a `Cookie` field."""
        return "; ".join(f"{name}={value}" for name, value in self.browser.cookies.items() if "session-" in name)

    def close(self):
        self.browser.close()


def all_at_once(journeys: list[Journey]) -> list[End]:
    """Takes the last step of all of them side by side."""
    with concurrent.futures.ThreadPoolExecutor(len(journeys)) as pool:
        return list(pool.map(Journey.end, journeys))


def until_in(gatehouse: Gatehouse, seconds: float, path: str = "/") -> float:
    """How long it takes until a new login succeeds; beyond `seconds`, infinity."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            journey = Journey(gatehouse, path)
        except (httpx.TransportError, KeyError):
            continue
        is_in = journey.end().is_in
        journey.close()
        if is_in:
            return time.monotonic() - began
    return float("inf")
