"""What scripts and browsers are told where a request does not pass, and what another site's page may not do."""
import httpx
import pytest

from support.gatehouse import openid_connect, plugin, route, service
from support.processes import wait_until

FACTS = ["id", "audience", "subject", "timeout", "idling-timeout", "rolling-timeout", "absolute-timeout"]
SCRIPT = {"Accept": "application/json", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}


def gateway(start, upstream, issuer, *more: dict, **config):
    """A protected route, and an open one that any page may be loaded from."""
    return start({"services": [service(
        upstream.url, route("api", "/api", plugins=[openid_connect(issuer, **config), *more]), route("open", "/"))]})


def signed_in(browser, gatehouse):
    browser.follow(gatehouse.url + "/api")
    return browser


def reason(gatehouse, status: int) -> str:
    return gatehouse.wait_for_line(lambda line: line.get("status") == status and line.get("reason"))["reason"]


# Scripts (complaints 7 and 8)

def test_a_script_is_told_where_to_log_in_and_may_read_it(start, upstream, issuer, light):
    """Never a redirect, which the script would follow and not its user."""
    gatehouse = gateway(start, upstream, issuer, plugin(
        "cors", origins=["https://spa.test"], credentials=True))
    shown = {**SCRIPT, "Origin": "https://spa.test", "Referer": "https://spa.test/inbox"}
    for method in ("GET", "POST", "DELETE"):
        answer = httpx.request(method, gatehouse.url + "/api/mail?x=1", headers=shown)
        assert answer.status_code == 401 and answer.headers["content-type"].startswith("application/json")
        assert answer.headers["access-control-allow-origin"] == "https://spa.test"
        assert answer.headers["access-control-allow-credentials"] == "true"
        # The page's own address is none of `redirect_hosts`: back to what was asked for.
        assert answer.json()["login_url"] == "/oauth2/start?rd=%2Fapi%2Fmail%3Fx%3D1"
    page = httpx.get(gatehouse.url + "/api", headers={**SCRIPT, "Referer": gatehouse.url + "/inbox?box=2"})
    url = page.json()["login_url"]
    assert url == "/oauth2/start?rd=%2Finbox%3Fbox%3D2"
    landed = light().follow(gatehouse.url + url)
    assert landed.status_code == 200 and landed.json()["target"] == "/inbox?box=2"
    assert "login_url" not in httpx.get(gatehouse.url + "/api", headers={
        **SCRIPT, "Authorization": "Bearer made-up"}).json()
    assert [seen.target for seen in upstream.seen] == ["/inbox?box=2"]


def test_a_page_of_another_origin_reads_the_401_in_a_real_browser(start, upstream, issuer, browser):
    gatehouse = start({"services": [service(
        upstream.url,
        route("api", "/api", plugins=[openid_connect(issuer), plugin("cors", origins=[f"http://localhost:{upstream.port}"])]),
        route("closed", "/closed", plugins=[openid_connect(issuer)]))]})
    browser.open(f"http://localhost:{upstream.port}/page")
    script = """
        const done = arguments[1];
        fetch(arguments[0]).then(async answer => done([answer.status, await answer.json()]), error => done([0, "" + error]));
    """
    status, body = browser.driver.execute_async_script(script, gatehouse.url + "/api/mail")
    assert (status, body["login_url"]) == (401, "/oauth2/start?rd=%2Fapi%2Fmail")
    assert browser.driver.execute_async_script(script, gatehouse.url + "/closed")[0] == 0


# Other sites' pages (CSRF)

FOREIGN = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"}


@pytest.mark.parametrize("fields, status", [
    (FOREIGN, 403), ({"Origin": "https://evil.test"}, 403), ({"Origin": "null"}, 403), ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-origin"}, 200), ({"Sec-Fetch-Site": "same-site", "Origin": "https://a.test"}, 200),
    ({"Sec-Fetch-Site": "none"}, 200), ({}, 200),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "https://spa.test"}, 200),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "https://named.test"}, 200)])
def test_a_cookie_alone_does_not_let_another_sites_page_change_anything(start, upstream, issuer, light, fields, status):
    gatehouse = gateway(
        start, upstream, issuer, plugin("cors", origins=["https://spa.test", "https://b.test"], credentials=True),
        csrf_trusted_origins=["https://named.test"])
    browser = signed_in(light(), gatehouse)
    before = len(upstream.seen)
    answer = browser.client.post(gatehouse.url + "/api", headers=fields)
    assert answer.status_code == status
    assert len(upstream.seen) == before + (status == 200)
    if status == 403:
        assert reason(gatehouse, 403) == "cross-site-request"
        # The session goes on, and what changes nothing passes.
        assert browser.open(gatehouse.url + "/api", headers=fields).status_code == 200
        bearer = {"Authorization": f"Bearer {issuer.access_token()}", **fields}
        assert httpx.post(gatehouse.url + "/api", headers=bearer).status_code == 200


@pytest.mark.parametrize("choice, status", [("cross-site", 200), ("same-origin", 403), ("off", 200)])
def test_a_page_of_the_same_site_may_unless_the_setting_is_strict(start, upstream, issuer, browser, choice, status):
    """In a real browser: another port of the same host is another origin of the same site."""
    gatehouse = gateway(start, upstream, issuer, csrf_protection=choice)
    browser.open(gatehouse.url + "/api")
    assert browser.address.startswith(gatehouse.url + "/api")
    script = """
        const [address, mode, done] = arguments;
        fetch(address, {method: "POST", mode, credentials: "include", body: "x=1",
            headers: {"Content-Type": "application/x-www-form-urlencoded"}}).then(a => done(a.status), e => done("" + e));
    """
    assert browser.driver.execute_async_script(script, "/api/own", "cors") == 200
    browser.open(upstream.url + "/page")
    browser.driver.execute_async_script(script, gatehouse.url + "/api/other", "no-cors")
    line = gatehouse.wait_for_line(lambda line: line.get("path") == "/api/other")
    assert line["status"] == status
    assert ("/api/other" in [seen.target for seen in upstream.seen]) == (status == 200)


# Pages of the user's own, facts of the session

def test_a_browser_is_sent_to_the_users_own_pages(start, upstream, issuer, light):
    gatehouse = gateway(start, upstream, issuer, groups_required=["nobody"], forbidden_destroy_session=False,
                        unauthorized_redirect_uri=["/welcome"], forbidden_redirect_uri=["/denied"])
    browser = light()
    landed = browser.follow(gatehouse.url + "/api")
    assert landed.json()["target"] == "/denied"
    assert browser.open(gatehouse.url + "/api", headers={**SCRIPT}).status_code == 403
    navigation = {"Accept": "text/html", "Authorization": "Bearer made-up"}
    answer = httpx.get(gatehouse.url + "/api", headers=navigation)
    assert (answer.status_code, answer.headers["location"]) == (302, "/welcome")


def test_the_upstream_is_told_of_the_session_and_believes_no_client(start, upstream, issuer, light):
    gatehouse = gateway(start, upstream, issuer, session_request_headers=FACTS, session_response_headers=["timeout"])
    browser = signed_in(light(), gatehouse)
    answer = browser.open(gatehouse.url + "/api", headers={"Session_Id": "forged", "Session-Subject": "forged"})
    sent = answer.json()["headers"]
    assert (sent["session-subject"], sent["session-audience"]) == (issuer.user["sub"], "default")
    assert 800 < int(sent["session-timeout"]) <= 900 and int(answer.headers["session-timeout"]) <= 900
    assert 86000 < int(sent["session-absolute-timeout"]) <= 86400
    assert "forged" not in str(answer.json())
    # H1: on a route that knows nothing of sessions, too.
    browser.open(gatehouse.url + "/", headers={"Session-Id": "forged"})
    wait_until(lambda: upstream.last.target == "/", "the open route was asked")
    assert upstream.last.first("session-id") is None


def test_a_session_counts_with_the_client_that_began_it(start, upstream, issuer, light):
    gatehouse = gateway(start, upstream, issuer, session_bind=["ip", "user-agent", "scheme"])
    browser = signed_in(light(), gatehouse)
    stolen = {"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items()), "User-Agent": "another"}
    before = len(upstream.seen)
    answer = httpx.get(gatehouse.url + "/api", headers={**SCRIPT, **stolen})
    assert (answer.status_code, reason(gatehouse, 401)) == (401, "session-bound-elsewhere")
    assert httpx.get(gatehouse.url + "/oauth2/userinfo", headers=stolen).status_code == 401
    assert len(upstream.seen) == before
    assert browser.open(gatehouse.url + "/api").status_code == 200


def test_a_request_that_says_nothing_shows_a_token(start, upstream, issuer, light):
    """Old browsers and embedded views: the cookie that scripts read, in a field; nothing of it reaches the upstream."""
    gatehouse = gateway(start, upstream, issuer, csrf_token=True)
    person = signed_in(light(), gatehouse)
    token = person.cookies["csrf-token"]
    cookies = "; ".join(f"{name}={value}" for name, value in person.cookies.items())

    def post(**fields) -> int:
        return httpx.post(gatehouse.url + "/api/orders", headers={"Cookie": cookies, **fields}).status_code
    upstream.seen.clear()
    assert post() == 403 and reason(gatehouse, 403) == "csrf-token-missing"
    assert post(**{"X-CSRF-Token": token[:-2] + "AA"}) == 403 and upstream.seen == []
    assert post(**{"X-CSRF-Token": token}) == 200 == post(**{"Sec-Fetch-Site": "same-origin"})
    assert all("csrf" not in (seen.first("cookie") or "") for seen in upstream.seen)


# Silent renewal

RENEW = """
    const done = arguments[1];
    fetch(arguments[0], {method: "POST", credentials: "include"}).then(
        async answer => done([answer.status, await answer.json()]), error => done([0, "" + error]));
"""


def test_a_page_renews_its_session_in_a_real_browser(start, upstream, issuer, browser):
    """The page's script holds no token and sees no login; when the session is gone it is told where one begins."""
    issuer.access_seconds = 2
    gatehouse = gateway(start, upstream, issuer)
    browser.open(gatehouse.url + "/api/page")
    wait_until(lambda: browser.address == gatehouse.url + "/api/page", "the login's end")

    def renew() -> tuple[int, dict]:
        return tuple(browser.driver.execute_async_script(RENEW, gatehouse.url + "/oauth2/renew"))
    status, told = renew()
    assert status == 200 and 0 < told["expires_in"] <= 900 and 0 <= told["token_expires_in"] <= 2
    wait_until(lambda: renew()[0] == 200 and issuer.count("/token") >= 2, "the renewal")
    # A page of another origin keeps nobody's session going.
    browser.open(f"http://127.0.0.1:{upstream.port}/elsewhere")
    asked = issuer.count("/token")
    assert renew()[0] == 0 and reason(gatehouse, 403) == "cross-site-request" and issuer.count("/token") == asked
    browser.open(gatehouse.url + "/page")
    browser.driver.delete_all_cookies()
    status, told = renew()
    assert (status, told["login_url"]) == (401, "/oauth2/start?rd=%2Fpage")
