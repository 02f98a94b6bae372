"""Headless Chromium at both real identity providers."""
import httpx
import pytest
from selenium.common.exceptions import WebDriverException

from support.browser import Browser
from support.gatehouse import plugin, route, service
from support.processes import wait_until


def login(provider, **config) -> dict:
    """The plugin for a real provider's web client; Glewlwyd's access tokens name no audience of ours."""
    name, secret = provider.client("web")
    return plugin(
        "openid-connect", issuer=provider.issuer, client_id=[name], client_secret=[secret],
        scopes=["openid", "profile", "email", "groups"], groups_claim=["groups"],
        auth_methods=["authorization_code", "session", "bearer"], audience_required=[],
        **{"upstream_headers_claims": ["preferred_username"], "upstream_headers_names": ["X-User"], **config})


@pytest.fixture
def gatehouse(start, upstream, provider, gateway_port):
    """One route for everybody who is known, one for administrators, one open."""
    return start({"services": [service(
        upstream.url,
        route("app", "/app", plugins=[login(provider)]),
        route("admin", "/admin", plugins=[login(provider, groups_required=["admins"])]),
        route("open", "/open"))]}, gateway_port)


def log_in(browser, gatehouse, provider, path: str = "/app", user: str = "alice"):
    """Opens a page of ours and logs in on the way."""
    browser.open(gatehouse.url + path)
    browser.log_in(user, provider.password(user), lambda address: address.startswith(gatehouse.url + path))


def cookies(browser) -> str:
    """The browser's cookies as a request would carry them."""
    return "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in browser.driver.get_cookies())


def test_a_login_lands_where_the_user_was_going(gatehouse, provider, browser, upstream):
    log_in(browser, gatehouse, provider, "/app/reports?sort=date")
    assert browser.address == gatehouse.url + "/app/reports?sort=date"
    assert upstream.last.target == "/app/reports?sort=date"
    assert upstream.last.first("x-user") == "alice"
    assert "session-" not in (upstream.last.first("cookie") or "")


def test_a_wrong_password_stays_at_the_provider(gatehouse, provider, browser, upstream):
    browser.open(gatehouse.url + "/app")
    with pytest.raises(TimeoutError):
        browser.log_in("alice", "not the password", lambda address: address.startswith(gatehouse.url), seconds=6)
    assert browser.address.startswith(f"http://127.0.0.1:{provider.port}/")
    assert upstream.seen == []


def test_a_user_without_the_group_gets_a_page(gatehouse, provider, browser, upstream):
    log_in(browser, gatehouse, provider, "/admin", user="bob")
    assert "403" in browser.driver.title + browser.text or "Forbidden" in browser.text
    assert upstream.seen == []
    log = gatehouse.wait_for_line(lambda line: line.get("status") == 403)
    assert log


def test_a_user_with_the_group_passes(gatehouse, provider, browser, upstream):
    log_in(browser, gatehouse, provider, "/admin", user="alice")
    assert upstream.last.target == "/admin"


def test_signing_out_ends_both_sessions(gatehouse, provider, browser, upstream):
    """Here and at the provider: the next visit asks for the password again."""
    log_in(browser, gatehouse, provider)
    kept = cookies(browser)
    assert httpx.get(gatehouse.url + "/app", headers={"Cookie": kept}).status_code == 200
    browser.open(gatehouse.url + "/oauth2/sign_out")
    browser.click("button")
    wait_until(lambda: signed_out(browser, gatehouse), "the way back from signing out")
    before = len(upstream.seen)
    browser.open(gatehouse.url + "/app")
    wait_until(lambda: browser.visible("input[name=login], input[name=username], input[type=password]"),
               "the provider asks who it is")
    assert len(upstream.seen) == before


def signed_out(browser, gatehouse) -> bool:
    """Clicks on where the provider asks, until the browser is back.

    Glewlwyd asks on a page, and when it is answered its script says so and goes nowhere; its session ends a moment later.
    """
    address = browser.address
    if address.startswith(gatehouse.url):
        return "/oauth2/sign_out" not in address
    if "Session closed" in browser.text:
        return browser.driver.execute_async_script(
            "fetch('/api/profile_list', {credentials: 'include'}).then(answer => arguments[0](answer.status))") == 401
    try:
        button = browser.visible("button[name=answer][value=logout], .btn-danger:not(.dropdown-toggle)")
        if button:
            button.click()
    except WebDriverException:
        pass  # the page changed under our hands: look again
    return False


def test_two_tabs_log_in_at_once(gatehouse, provider, browser):
    """Two logins begun before one is ended: both land.

    A provider keeps one login for all tabs; in the first tab the user asks it once more, as by the back button.
    """
    driver = browser.driver
    browser.open(gatehouse.url + "/app/first")
    first = driver.current_window_handle
    asked = browser.last_request(provider.issuer, "state=")
    driver.switch_to.new_window("tab")
    browser.open(gatehouse.url + "/app/second")
    browser.log_in("alice", provider.password("alice"), lambda at: at.startswith(gatehouse.url + "/app/second"))
    driver.switch_to.window(first)
    browser.open(asked)
    browser.log_in("alice", provider.password("alice"), lambda at: at.startswith(gatehouse.url + "/app/first"))


def test_a_restart_of_the_gateway_keeps_the_session(gatehouse, provider, browser, upstream):
    log_in(browser, gatehouse, provider)
    assert gatehouse.stop() == 0
    gatehouse.start()
    browser.open(gatehouse.url + "/app/after")
    assert browser.address == gatehouse.url + "/app/after"
    assert upstream.last.target == "/app/after"


def test_the_provider_dies_and_comes_back(gatehouse, provider, browser, light, upstream):
    """Known tokens and sessions go on, new logins say 503; when it is back, they work."""
    log_in(browser, gatehouse, provider)
    token = provider.tokens(
        grant_type="password", username="alice", password=provider.password("alice"),
        scope="openid groups")["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert httpx.get(gatehouse.url + "/app", headers=bearer).status_code == 200
    provider.kill()
    try:
        wait_until(lambda: light().open(gatehouse.url + "/app").status_code == 503, "new logins say 503", 20)
        browser.open(gatehouse.url + "/app/during")
        assert upstream.last.target == "/app/during"
        assert httpx.get(gatehouse.url + "/app", headers=bearer).status_code == 200
        assert httpx.get(gatehouse.url + "/open").status_code == 200
    finally:
        provider.start()
    wait_until(lambda: light().open(gatehouse.url + "/app").status_code == 302, "new logins work", 10)
    another = Browser()
    try:
        log_in(another, gatehouse, provider, user="bob")
        assert upstream.last.first("x-user") == "bob"
    finally:
        another.close()


def test_a_login_amid_an_outage_says_503(gatehouse, provider, light):
    """The way back finds the token endpoint gone: a page with 503, and Retry-After."""
    browser = light()
    out = browser.open(gatehouse.url + "/app")
    assert out.status_code == 302
    provider.kill()
    try:
        state = httpx.URL(out.headers["location"]).params["state"]
        answer = browser.open(gatehouse.url + "/oauth2/callback", params={
            "code": "some-code", "state": state, "iss": provider.issuer})
        assert answer.status_code == 503 and "retry-after" in answer.headers
        assert "text/html" in answer.headers["content-type"]
    finally:
        provider.start()


def test_the_provider_is_down_at_start(start, upstream, provider, gateway_port, browser):
    """The gateway starts and serves what it can; when the provider is there, it serves the rest."""
    provider.kill()
    try:
        gatehouse = start({"services": [service(
            upstream.url, route("app", "/app", plugins=[login(provider)]), route("open", "/open"))]}, gateway_port)
        assert httpx.get(gatehouse.url + "/open").status_code == 200
        answer = httpx.get(gatehouse.url + "/app", headers={"Accept": "text/html", "Sec-Fetch-Mode": "navigate"})
        assert answer.status_code == 503 and "retry-after" in answer.headers
    finally:
        provider.start()
    wait_until(lambda: httpx.get(gatehouse.url + "/app", headers={
        "Accept": "text/html", "Sec-Fetch-Mode": "navigate"}).status_code == 302, "the provider is found", 40)
    log_in(browser, gatehouse, provider)
    assert upstream.last.target == "/app"


def test_grants_at_a_real_provider(start, upstream, provider):
    """Client credentials and passwords, as the demo shows them."""
    name, secret = provider.client("service")
    config = {"issuer": provider.issuer, "client_id": [name], "client_secret": [secret]}
    gatehouse = start({"services": [service(
        upstream.url,
        route("service", "/service", plugins=[plugin(
            "openid-connect", auth_methods=["client_credentials"], scopes=[provider.info["service_scope"]], **config)]),
        route("person", "/person", plugins=[plugin(
            "openid-connect", auth_methods=["password"], scopes=["openid", "groups"], **config)]))]})
    assert httpx.get(gatehouse.url + "/service", auth=(name, secret)).status_code == 200
    assert httpx.get(gatehouse.url + "/service", auth=(name, "wrong")).status_code == 401
    assert httpx.get(gatehouse.url + "/person", auth=("alice", provider.password("alice"))).status_code == 200
    assert httpx.get(gatehouse.url + "/person", auth=("alice", "wrong")).status_code == 401
