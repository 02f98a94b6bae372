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


def configuration(upstream, glewlwyd, **config) -> dict:
    """Sessions in cookies; the upstream sees the ID token, so that a test has a hint."""
    return {"services": [service(upstream.url, route("app", "/app", plugins=[
        login(glewlwyd, upstream_id_token_header="X-ID-Token", session_storage="cookie", **config)]))]}


@pytest.fixture
def gatehouse(start, upstream, glewlwyd, gateway_port):
    """The gateway where Glewlwyd knows it."""
    return start(configuration(upstream, glewlwyd), gateway_port)


def status(gatehouse, kept: str) -> int:
    """What a copy of the cookies gets."""
    return httpx.get(gatehouse.url + "/app", headers={"Cookie": kept, "Accept": "application/json"}).status_code


def log_out_at(browser, glewlwyd, hint: str):
    """Opens Glewlwyd's own logout and says yes there."""
    browser.open(f"{glewlwyd.document()['end_session_endpoint']}?id_token_hint={hint}")

    def closed() -> bool:
        try:
            if "Session closed" in browser.text:
                return True
            button = browser.visible(LOGOUT)
            if button:
                button.click()
        except WebDriverException:
            pass  # the page changed under our hands: look again
        return False

    wait_until(closed, "Glewlwyd has ended its session")


def test_a_logout_at_glewlwyd_ends_the_cookies_session_within_a_second(
        start, glewlwyd, gateway_port, redis, tmp_path, browser, upstream):
    """V6, complaint 11: Glewlwyd tells one node over the back channel; the session is over on both."""
    shared = {"GATEHOUSE_KEYS_DIR": str(tmp_path / "keys"), "GATEHOUSE_SESSION_STORE": redis.url}
    # The cookie is not sent into the frame that Glewlwyd's page shows besides.
    configured = configuration(upstream, glewlwyd, session_cookie_path="/app")
    gatehouse, other = start(configured, gateway_port, **shared), start(configured, **shared)
    log_in(browser, gatehouse, glewlwyd)
    hint = ledger.keep(upstream.last.first("x-id-token"), "ID token")
    assert claims_of(hint)["sid"]
    kept = cookies(browser)
    assert (status(gatehouse, kept), status(other, kept)) == (200, 200)
    over: dict[int, float] = {}
    ending = threading.Event()

    def watch(node):
        while not ending.wait(0.02):
            if status(node, kept) == 401:
                over[node.port] = time.monotonic()
                return

    threads = [threading.Thread(target=watch, args=(node,)) for node in (gatehouse, other)]
    for thread in threads:
        thread.start()
    try:
        log_out_at(browser, glewlwyd, hint)
        wait_until(lambda: len(over) == 2, "the session has ended on both nodes", 5)
    finally:
        ending.set()
        for thread in threads:
            thread.join()
    line = gatehouse.wait_for_line(lambda line: line.get("path") == "/oauth2/backchannel-logout")
    assert line["status"] == 200, line
    assert abs(over[other.port] - over[gatehouse.port]) < 1
    assert gatehouse.metric("gatehouse_logouts_total", kind="back-channel", outcome="ended") == 1
    assert line["total_ms"] < 500
    assert gatehouse.metric("gatehouse_logouts_total", kind="front-channel", outcome="ended") == 0
    # The browser has no session at either.
    before = len(upstream.seen)
    browser.open(gatehouse.url + "/app")
    wait_until(lambda: browser.visible("input[name=login], input[name=username], input[type=password]"),
               "the provider asks who it is")
    assert len(upstream.seen) == before


def test_the_frame_of_glewlwyds_logout_ends_the_cookies_session(gatehouse, glewlwyd, browser, upstream):
    """S7, Front-Channel Logout: with an issuer of the same site the browser sends the cookie along."""
    log_in(browser, gatehouse, glewlwyd)
    hint = ledger.keep(upstream.last.first("x-id-token"), "ID token")
    log_out_at(browser, glewlwyd, hint)
    wait_until(lambda: gatehouse.metric("gatehouse_logouts_total", kind="front-channel", outcome="ended") == 1,
               "the frame has ended the session", 5)
    browser.open(gatehouse.url + "/oauth2/sign_out")
    assert not [cookie for cookie in browser.driver.get_cookies() if "session-" in cookie["name"]]


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
