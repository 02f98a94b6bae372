"""Chromium is closed and opened again, with its profile on the disk: the session comes back, or does not."""
from contextlib import suppress

import pytest
from selenium.common.exceptions import WebDriverException

from support.browser import Browser
from support.gatehouse import openid_connect, route, service
from support.processes import wait_until


class Person:
    """Somebody whose browser keeps its profile; what a browser writes down at its end is there when it is gone."""

    def __init__(self, profile):
        self.profile, self.browser = profile, None

    def open(self, url: str) -> str:
        self.browser = self.browser or Browser(f"--user-data-dir={self.profile}")
        self.browser.open(url)
        return self.browser.text

    def names(self) -> set[str]:
        return {cookie["name"].split("-")[0] for cookie in self.browser.driver.get_cookies()}

    def close(self):
        if self.browser is None:
            return
        # Closed as a person does it: a browser that is killed writes no cookies down.
        driver, self.browser = self.browser.driver, None
        with suppress(WebDriverException):
            driver.execute_cdp_cmd("Browser.close", {})
        wait_until(lambda: not (self.profile / "SingletonLock").is_symlink(), "the browser's end")
        with suppress(WebDriverException):
            driver.quit()


@pytest.fixture
def person(tmp_path):
    somebody = Person(tmp_path / "p")
    yield somebody
    if somebody.browser:
        somebody.browser.close()


def begin(start, upstream, issuer, gateway_port, **config):
    routes = [route("app", "/app", plugins=[openid_connect(issuer, **config)]), route("open", "/")]
    return start({"services": [service(upstream.url, *routes)]}, gateway_port)


@pytest.mark.parametrize("is_remembered", [True, False])
def test_a_browser_that_was_closed_comes_back(start, upstream, issuer, gateway_port, person, is_remembered):
    """Without session_remember the same way leads to a login, so that this shows what the setting does."""
    gatehouse = begin(start, upstream, issuer, gateway_port, session_remember=is_remembered)
    person.open(gatehouse.url + "/app/here")
    wait_until(lambda: upstream.seen, "the login's end")
    logins = issuer.count("/authorize")
    person.close()
    upstream.seen.clear()
    person.open(gatehouse.url + "/app/again")
    wait_until(lambda: upstream.seen, "the page")
    assert issuer.count("/authorize") == logins + (0 if is_remembered else 1)
    assert ("remember" in person.names()) is is_remembered
    assert "remember" not in (upstream.last.first("cookie") or "")


def test_a_browser_that_signed_out_and_was_closed_does_not(start, upstream, issuer, gateway_port, person):
    """S4, V4: nothing is left in the profile that would bring the session back."""
    gatehouse = begin(start, upstream, issuer, gateway_port, session_remember=True)
    person.open(gatehouse.url + "/app/here")
    wait_until(lambda: upstream.seen, "the login's end")
    person.open(gatehouse.url + "/oauth2/sign_out")
    person.browser.click("button")
    wait_until(lambda: not {"session", "remember"} & person.names(), "the sign-out")
    logins = issuer.count("/authorize")
    person.close()
    person.open(gatehouse.url + "/app/again")
    wait_until(lambda: issuer.count("/authorize") == logins + 1, "a new login")
