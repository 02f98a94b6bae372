"""Where logins end that went otherwise than planned: where the user was going, or one page with one way on."""
import html
import re
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx
import pytest

from support.browser import NAVIGATION
from support.gatehouse import openid_connect, route, service
from support.issuer import Issuer
from support.processes import wait_until


@pytest.fixture
def gatehouse(start, upstream, issuer):
    """Everything behind a login, browsers alone."""
    return start({"services": [service(upstream.url, route("app", "/", plugins=[
        openid_connect(issuer, auth_methods=["authorization_code", "session"])]))]})


def ways(page: str) -> list[tuple[str, str]]:
    """The links of a page of ours: where they lead and what they say."""
    found = re.findall(r'<a[^>]* href="([^"]*)"[^>]*>([^<]*)</a>', page)
    return [(html.unescape(target), html.unescape(label)) for target, label in found]


def one_way_on(answer: httpx.Response, target: str, label: str = "Start again"):
    """Asserts that an answer is a page with this one way on."""
    assert "text/html" in answer.headers["content-type"] and "location" not in answer.headers
    assert ways(answer.text) == [(target, label)], answer.text
    assert "<form" not in answer.text and "<script" not in answer.text


# Tabs (complaints 2 to 4)

def test_twelve_tabs_at_once_all_end_where_they_were_going(gatehouse, issuer, light):
    """Complaint 2, A1: eight attempts are kept; the tabs beyond find the session that the others began."""
    browser = light()
    tabs = {f"/tab/{number}?n={number}": None for number in range(12)}
    for path in tabs:
        tabs[path] = browser.to_callback(gatehouse.url + path)
    assert sum("authorization-" in name for name in browser.cookies) == 8
    for path, way_back in reversed(tabs.items()):
        assert browser.open(way_back).headers["location"] == path
    assert browser.open(gatehouse.url + "/after").status_code == 200
    assert issuer.count("/token") == 8
    assert not any("authorization-" in name and "landing" not in name for name in browser.cookies)


def test_a_stale_tab_goes_on_with_the_session_there_is(gatehouse, issuer, light):
    """Complaint 3: with its code, its error or an old state; nothing is redeemed, and the session stands."""
    browser = light()
    stale = browser.to_callback(gatehouse.url + "/stale?x=1")
    for cookie in list(browser.client.cookies.jar):
        browser.client.cookies.delete(cookie.name)
    browser.follow(gatehouse.url + "/fresh")
    before, asked = browser.cookies, issuer.count("/token")
    for url in [stale, stale.replace("code=", "error=login_required&x=")]:
        answer = browser.open(url)
        assert answer.status_code == 302 and answer.headers["location"] == "/stale?x=1"
    assert issuer.count("/token") == asked
    assert browser.cookies == before
    assert gatehouse.refusals("unknown-state") == 2


def test_a_reload_of_the_way_back_goes_on(gatehouse, issuer, light):
    """The back button and a reload: the code is not redeemed again."""
    browser = light()
    way_back = browser.to_callback(gatehouse.url + "/here?q=1")
    for _ in range(3):
        assert browser.open(way_back).headers["location"] == "/here?q=1"
    assert issuer.count("/token") == 1


def test_background_requests_leave_no_attempts_behind(gatehouse, light):
    """Complaint 4: what is no navigation begins no login, so no cookie is set."""
    browser = light()
    for fields in [{"Accept": "application/json"}, {"Accept": "*/*"}, {"Accept": "text/html", "Sec-Fetch-Mode": "cors"}]:
        for _ in range(10):
            assert browser.client.get(gatehouse.url + "/poll", headers=fields).status_code == 401
    assert browser.cookies == {}


# Pages (complaint 21)

def test_a_state_of_another_browser_leads_to_a_page(gatehouse, issuer, light):
    """S5, V12: 400, no token request; the page begins anew where that login was going."""
    answer = light().open(light().to_callback(gatehouse.url + "/here?q=1"))
    assert answer.status_code == 400
    one_way_on(answer, "/here?q=1")
    assert issuer.count("/token") == 0


def test_lost_cookies_lead_to_a_page_and_its_button_to_the_end(gatehouse, light):
    """Complaint 21: a browser that lost the attempt still gets where it was going, by one click."""
    browser = light()
    way_back = browser.to_callback(gatehouse.url + "/here?q=1")
    browser.client.cookies.clear()
    answer = browser.open(way_back)
    one_way_on(answer, "/here?q=1")
    page = browser.follow(urljoin(gatehouse.url, ways(answer.text)[0][0]))
    assert page.status_code == 200 and page.json()["target"] == "/here?q=1"


def test_an_expired_attempt_leads_to_a_page(start, upstream, issuer, light):
    """A1, S5: what the attempt's cookie says inside decides, whatever the browser keeps."""
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[
        openid_connect(issuer, authorization_rolling_timeout=1)]))]})
    browser = light()
    way_back = browser.to_callback(gatehouse.url + "/here")
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())

    def answer() -> httpx.Response:
        return httpx.get(way_back.replace("code=", "code=x"), headers={**NAVIGATION, "Cookie": cookie})

    wait_until(lambda: gatehouse.refusals("unknown-state") or answer().status_code == 400, "it has expired", 5)
    one_way_on(answer(), "/here")


@pytest.mark.parametrize("query", ["", "?code=c", "?state=&code=c", "?state=x&code=c", "?state=%&code=c", "?state=a&state=b"])
def test_a_way_back_that_says_nothing_leads_to_the_start(gatehouse, light, query):
    answer = light().open(gatehouse.url + "/oauth2/callback" + query)
    assert answer.status_code == 400
    one_way_on(answer, "/")


@pytest.mark.parametrize("error, status", [
    ("access_denied", 403), ("login_required", 401), ("server_error", 503), ("temporarily_unavailable", 503)])
def test_an_error_of_the_issuer_has_a_way_on(gatehouse, issuer, light, error, status):
    """A9."""
    issuer.parameters = {"code": None, "error": error}
    browser = light()
    answer = browser.open(browser.to_callback(gatehouse.url + "/here?q=1"))
    assert answer.status_code == status
    one_way_on(answer, "/here?q=1")


def test_a_refused_code_has_a_way_on(gatehouse, issuer, light):
    browser = light()
    way_back = browser.to_callback(gatehouse.url + "/here")
    issuer.codes.clear()
    answer = browser.open(way_back)
    assert answer.status_code == 401
    one_way_on(answer, "/here")


def test_an_issuer_that_is_down_has_a_way_on(gatehouse, issuer, light):
    issuer.stop()
    try:
        url = gatehouse.url + "/here?q=%3Cb%3E"
        wait_until(lambda: light().open(url).status_code == 503, "the issuer is not heard of any more", 15)
        answer = light().open(url)
        assert "retry-after" in answer.headers
        one_way_on(answer, "/here?q=%3Cb%3E", "Try again")
    finally:
        issuer.start()


# Loops (A9, complaint 20)

def navigations(gatehouse, issuer, light, forget) -> list[httpx.Response]:
    """Follows what a browser follows by itself, forgetting the session each time; at most thirty steps."""
    browser, url, seen = light(), gatehouse.url + "/here", []
    for _ in range(30):
        answer = browser.open(url)
        seen.append(answer)
        forget(browser)
        if not answer.is_redirect:
            return seen
        url = urljoin(url, answer.headers["location"])
    raise AssertionError("it never ends")


def without_session(browser):
    """A browser that refuses the session's cookie, and no other."""
    for cookie in list(browser.client.cookies.jar):
        if "session-" in cookie.name:
            browser.client.cookies.delete(cookie.name)


def test_a_session_that_does_not_hold_ends_on_a_page(gatehouse, issuer, light):
    """A9: one retry by itself within a minute, then a page; its button begins anew."""
    seen = navigations(gatehouse, issuer, light, without_session)
    last = seen[-1]
    assert last.status_code == 401 and issuer.count("/token") == 2
    assert [label for _, label in ways(last.text)] == ["Start again"]
    assert "cookies" in last.text
    assert gatehouse.refusals("login-loop") == 1
    out = light().open(urljoin(gatehouse.url, ways(last.text)[0][0]))
    assert out.status_code == 302 and out.headers["location"].startswith(issuer.url)


def test_a_browser_without_cookies_ends_on_a_page(gatehouse, issuer, light):
    seen = navigations(gatehouse, issuer, light, lambda browser: browser.client.cookies.clear())
    assert seen[-1].status_code == 400 and issuer.count("/token") == 0
    one_way_on(seen[-1], "/here")


def test_tokens_that_end_at_once_end_on_a_page(gatehouse, issuer, light):
    """An issuer whose tokens are over when they come: a login that succeeds and never holds."""
    issuer.access_seconds = 0
    token_set = issuer.token_set
    issuer.token_set = lambda *arguments, **more: {
        name: value for name, value in token_set(*arguments, **more).items() if name != "refresh_token"}
    seen = navigations(gatehouse, issuer, light, lambda browser: None)
    assert seen[-1].status_code == 401 and gatehouse.refusals("login-loop") == 1
    assert issuer.count("/token") == 2


def test_signing_out_and_in_is_no_loop(gatehouse, issuer, light):
    browser = light()
    for _ in range(4):
        assert browser.follow(gatehouse.url + "/here").status_code == 200
        answer = browser.client.post(gatehouse.url + "/oauth2/sign_out", headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status_code == 303


# Several logins

def test_the_user_chooses_among_several_logins(start, upstream, light):
    """`sign_in` without `rd`: a page with one link for each login of this host."""
    with Issuer(name="first") as first, Issuer(name="second") as second:
        gatehouse = start({"services": [service(
            upstream.url, route("one", "/one", plugins=[openid_connect(first, login_title="Staff <b>")]),
            route("two", "/two", plugins=[openid_connect(second)]))]})
        browser = light()
        page = browser.open(gatehouse.url + "/oauth2/sign_in")
        assert page.status_code == 200
        assert ways(page.text) == [
            ("/oauth2/start?rd=%2Fone", "Staff <b>"), ("/oauth2/start?rd=%2Ftwo", "127.0.0.1")]
        assert browser.follow(gatehouse.url + "/oauth2/start?rd=%2Ftwo").json()["target"] == "/two"
        assert second.count("/token") == 1 and first.count("/token") == 0
        assert browser.open(gatehouse.url + "/oauth2/sign_in?rd=/one").status_code == 302


# Pages as such

@pytest.mark.parametrize("field, tag, words", [
    ("de-CH,de;q=0.9,en;q=0.5", "de", ["Diese Anmeldung lässt sich nicht abschließen", "Neu beginnen", "Anfrage"]),
    ("en-GB", "en", ["This login cannot be completed", "Start again", "request"]),
    ("fr", "en", ["This login cannot be completed", "Start again"]),
])
def test_a_page_speaks_the_readers_language(gatehouse, light, field, tag, words):
    answer = light().open(gatehouse.url + "/oauth2/callback", headers={"Accept-Language": field})
    assert answer.headers["content-language"] == tag and f'<html lang="{tag}">' in answer.text
    assert all(word in answer.text for word in words)


PAGES = {
    "error": "/oauth2/callback", "sign out": "/oauth2/sign_out", "refused": "/oauth2/start?rd=//evil.test",
    "resume": "/oauth2/resume?form=x", "no method": "/oauth2/callback",
}


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_closed(gatehouse, light, name):
    """V18, S2, A10: CSP, nosniff, no frames, no referrer, no store; no script and nothing from elsewhere."""
    browser = light()
    if name == "no method":
        answer = browser.client.put(gatehouse.url + PAGES[name], headers=NAVIGATION)
        assert answer.status_code == 405
    else:
        answer = browser.open(gatehouse.url + PAGES[name])
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-") and "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy and "unsafe" not in policy and "script-src" not in policy
    for field, value in [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"),
                         ("referrer-policy", "no-referrer"), ("cache-control", "no-store")]:
        assert answer.headers[field] == value
    assert not re.search(r"<script|<img|<link|<iframe|<object|\bon\w+=|https?://", answer.text)


def test_a_state_that_is_changed_leads_nowhere(gatehouse, light):
    """S1, S3: the way on that is sealed into the state is ours or none."""
    way_back = light().to_callback(gatehouse.url + "/here")
    parts = urlsplit(way_back)
    query = dict(parse_qsl(parts.query))
    head, random, sealed = query["state"].split(".")
    other = dict(parse_qsl(urlsplit(light().to_callback(gatehouse.url + "/other")).query))["state"].split(".")
    for state in [f"{head}.{other[1]}.{sealed}", f"{head}.{random}.{sealed[:-2]}AA", f"{head}.{random}.{sealed}x",
                  f"{head}.{random}", f"{head}.{random}.", f"{head}.{random}.{sealed}.{sealed}"]:
        answer = light().open(parts._replace(query=urlencode({**query, "state": state})).geturl())
        assert answer.status_code == 400
        one_way_on(answer, "/")
