"""Many tabs at once, back buttons and loops, in Chromium at both real identity providers."""
import pytest

from support.gatehouse import route, service
from support.processes import wait_until
from test_browser import log_in, login

TABS = 12


@pytest.fixture
def gatehouse(start, upstream, provider, gateway_port):
    """Everything under /app behind a login."""
    return start({"services": [service(upstream.url, route("app", "/app", plugins=[login(provider)]))]}, gateway_port)


def test_twelve_tabs_at_once(gatehouse, provider, browser, upstream):
    """Complaint 2: twelve tabs wait at the login; each ends where it was going, once the user has logged in in one.

    The four beyond the eight attempts that a browser keeps find the session. What the providers' own pages do with
    a form that waits in another tab is theirs: a tab goes on by asking the provider what it was sent there to ask.
    """
    driver, ways = browser.driver, {}
    for tab in range(TABS):
        if tab:
            driver.switch_to.new_window("tab")
        browser.open(f"{gatehouse.url}/app/tab/{tab}?n={tab}")
        ways[driver.current_window_handle] = (
            f"{gatehouse.url}/app/tab/{tab}?n={tab}", browser.last_request(provider.issuer, "state="))
    assert upstream.seen == []
    for number, (handle, (target, way)) in enumerate(reversed(ways.items())):
        driver.switch_to.window(handle)
        if number:
            browser.open(way)
        browser.log_in("alice", provider.password("alice"), lambda at, target=target: at == target, 60)
    wanted = {f"/app/tab/{tab}?n={tab}" for tab in range(TABS)}
    seen = [one for one in upstream.seen if one.target in wanted]
    assert {one.target for one in seen} == wanted and all(one.first("x-user") == "alice" for one in seen)
    assert gatehouse.refusals("unknown-state") == TABS - 8


def test_the_back_button_goes_on(gatehouse, provider, browser, upstream):
    """Back over the way back and forward again: no error, and the session stands."""
    log_in(browser, gatehouse, provider, "/app/here?q=1")
    browser.open(gatehouse.url + "/app/next")
    browser.driver.back()
    wait_until(lambda: browser.address == gatehouse.url + "/app/here?q=1", "back")
    browser.driver.back()
    browser.driver.forward()
    wait_until(lambda: browser.address == gatehouse.url + "/app/here?q=1", "forward")
    browser.open(gatehouse.url + "/app/last")
    assert browser.address == gatehouse.url + "/app/last"


def test_the_way_back_that_was_left_open_goes_on(gatehouse, provider, browser, upstream):
    """Complaint 3: the address of a way back, loaded again in another tab."""
    log_in(browser, gatehouse, provider, "/app/here?q=1")
    way_back = browser.last_request(gatehouse.url + "/oauth2/callback", "state=")
    browser.driver.switch_to.new_window("tab")
    browser.open(way_back)
    wait_until(lambda: browser.address == gatehouse.url + "/app/here?q=1", "where that login was going")
    assert browser.address == gatehouse.url + "/app/here?q=1"


def test_a_session_that_the_browser_refuses_ends_on_a_page(start, upstream, provider, gateway_port, browser):
    """Complaint 20: a cookie that the browser never sends back makes a page, not a loop."""
    gatehouse = start({"services": [service(upstream.url, route("app", "/app", plugins=[
        login(provider, session_cookie_path="/nowhere")]))]}, gateway_port)
    browser.open(gatehouse.url + "/app/x")
    browser.log_in("alice", provider.password("alice"), lambda _: "does not hold in this browser" in browser.text)
    assert browser.address == gatehouse.url + "/app/x" and upstream.seen == []
    assert gatehouse.refusals("login-loop") == 1
