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


def open_tabs(browser, gatehouse) -> dict[str, str]:
    """Twelve tabs that all ask for a login at the same moment: the address of each by its handle."""
    driver = browser.driver
    browser.open(gatehouse.url + "/oauth2/sign_out")  # A page of ours, from which a script opens the tabs.
    driver.execute_script("for (let tab = 1; tab < arguments[0]; tab++) window.open(`/app/tab/${tab}?n=${tab}`)", TABS)
    wait_until(lambda: len(driver.window_handles) == TABS, "all tabs are open")
    browser.open(gatehouse.url + "/app/tab/0?n=0")
    return driver.window_handles


def test_twelve_tabs_at_once(gatehouse, provider, browser, upstream):
    """Complaint 2: each tab ends where it was going, whichever logs in first."""
    driver = browser.driver
    for handle in reversed(open_tabs(browser, gatehouse)):
        driver.switch_to.window(handle)
        browser.log_in("alice", provider.password("alice"), lambda at: at.startswith(gatehouse.url + "/app/tab/"), 60)
    wanted = {f"/app/tab/{tab}?n={tab}" for tab in range(TABS)}
    assert {seen.target for seen in upstream.seen if seen.target.startswith("/app/tab/")} == wanted
    assert all(seen.first("x-user") == "alice" for seen in upstream.seen if seen.target in wanted)


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
