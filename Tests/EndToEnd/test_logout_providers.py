"""Logouts at a real identity provider, with Chromium: what Glewlwyd tells the gateway, and what is over then."""
import threading
import time

import httpx
import pytest
from selenium.common.exceptions import WebDriverException

from support import ledger
from support.gatehouse import route, service
from support.processes import wait_until
from support.tokens import claims_of
from test_browser import cookies, log_in, login

LOGOUT = "button[name=answer][value=logout], .btn-danger:not(.dropdown-toggle)"


@pytest.fixture
def glewlwyd(providers):
    return providers("glewlwyd")


@pytest.fixture
def gatehouse(start, upstream, glewlwyd, gateway_port):
    """The gateway where Glewlwyd knows it; the upstream sees the ID token, so that a test has a hint."""
    return start({"services": [service(
        upstream.url,
        route("app", "/app", plugins=[login(glewlwyd, upstream_id_token_header="X-ID-Token")]))]}, gateway_port)


def status(gatehouse, kept: str) -> int:
    """What a copy of the cookies gets."""
    return httpx.get(gatehouse.url + "/app", headers={"Cookie": kept, "Accept": "application/json"}).status_code


def log_out_at(browser, glewlwyd, hint: str):
    """Opens Glewlwyd's own logout and says yes there; gives the moment of the yes."""
    browser.open(f"{glewlwyd.document()['end_session_endpoint']}?id_token_hint={hint}")
    said = time.monotonic()

    def closed() -> bool:
        nonlocal said
        try:
            if "Session closed" in browser.text:
                return True
            button = browser.visible(LOGOUT)
            if button:
                said = time.monotonic()
                button.click()
        except WebDriverException:
            pass  # the page changed under our hands: look again
        return False

    wait_until(closed, "Glewlwyd has ended its session")
    return said


def test_a_logout_at_glewlwyd_ends_the_cookies_session_within_a_second(gatehouse, glewlwyd, browser, upstream):
    """V6, complaint 11: over the back channel; a stranger's session and a copy of the cookie are told apart."""
    log_in(browser, gatehouse, glewlwyd)
    hint = ledger.keep(upstream.last.first("x-id-token"), "ID token")
    assert claims_of(hint)["sid"]
    kept = cookies(browser)
    assert status(gatehouse, kept) == 200
    over: list[float] = []
    ending = threading.Event()

    def watch():
        while not ending.wait(0.02):
            if status(gatehouse, kept) == 401:
                over.append(time.monotonic())
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        said = log_out_at(browser, glewlwyd, hint)
        wait_until(lambda: over, "the session has ended", 5)
    finally:
        ending.set()
        thread.join()
    assert 0 < over[0] - said < 1
    line = gatehouse.wait_for_line(lambda line: line.get("path") == "/oauth2/backchannel-logout")
    assert line["status"] == 200, line
    assert gatehouse.wait_for_line(lambda line: line.get("reason") == "session-ended")["status"] == 401
    assert gatehouse.metric("gatehouse_logouts_total", kind="back-channel", outcome="ended") == 1
    # The browser has no session at either.
    before = len(upstream.seen)
    browser.open(gatehouse.url + "/app")
    wait_until(lambda: browser.visible("input[name=login], input[name=username], input[type=password]"),
               "the provider asks who it is")
    assert len(upstream.seen) == before


def test_logged_out_everywhere(gatehouse, glewlwyd, browser, upstream):
    """Complaint 12: one click here ends the session here, in other tabs, in copies of the cookie, and at Glewlwyd."""
    log_in(browser, gatehouse, glewlwyd)
    kept = cookies(browser)
    first = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("tab")
    browser.open(gatehouse.url + "/app/second")
    assert upstream.last.target == "/app/second"
    browser.open(gatehouse.url + "/oauth2/sign_out")
    browser.click("button")
    wait_until(lambda: status(gatehouse, kept) == 401, "the session has ended here", 5)

    def closed() -> bool:
        try:
            button = browser.visible(LOGOUT)
            if button:
                button.click()
            return "Session closed" in browser.text or browser.address.startswith(gatehouse.url + "/app")
        except WebDriverException:
            return False

    wait_until(closed, "Glewlwyd has ended its session")
    before = len(upstream.seen)
    browser.driver.switch_to.window(first)
    browser.open(gatehouse.url + "/app")
    wait_until(lambda: browser.visible("input[name=login], input[name=username], input[type=password]"),
               "the provider asks who it is")
    assert len(upstream.seen) == before
