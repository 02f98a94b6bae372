"""Whose answer it is, and who gets to see what: identities, cookies and secrets stay where they belong."""
import concurrent.futures
import http.client
import random
import re
import threading
from urllib.parse import urlsplit

import httpx
import pytest

from support import issuer as trouble
from support.gatehouse import openid_connect, route, service
from support.issuer import Issuer
from support.upstream import Upstream

USERS, REQUESTS, CLIENTS = 200, 10_000, 8


def test_ten_thousand_verdicts_among_two_hundred_users(start, upstream, issuer):
    """H4: tokens in random order on a few connections; each verdict names the token's own subject."""
    gatehouse = start(
        {"services": [service(upstream.url, route("api", "/", plugins=[openid_connect(
            issuer, auth_methods=["bearer"])]))]},
        GATEHOUSE_TRUSTED_IPS="127.0.0.1/32")
    tokens = {f"user-{number}": issuer.access_token(subject=f"user-{number}") for number in range(USERS)}

    def client(seed: int) -> list[tuple[str, str | None]]:
        chance, mismatches = random.Random(seed), []
        connection = http.client.HTTPConnection("127.0.0.1", gatehouse.port, timeout=30)
        for _ in range(REQUESTS // CLIENTS):
            subject = chance.choice(list(tokens))
            connection.request("GET", "/oauth2/auth", headers={
                "X-Original-URI": f"/{chance.random()}", "Authorization": f"Bearer {tokens[subject]}"})
            answer = connection.getresponse()
            answer.read()
            if (answer.status, answer.getheader("X-Auth-Request-User")) != (202, subject):
                mismatches.append((subject, answer.getheader("X-Auth-Request-User")))
        connection.close()
        return mismatches

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        assert sum(pool.map(client, range(CLIENTS)), []) == []
    assert issuer.count("/jwks") == 1


@pytest.fixture
def two_logins(start, upstream):
    """Two logins and an open route on one host, and the sample API of the open route."""
    with Issuer(name="first") as first, Issuer(name="second") as second, Upstream() as other:
        gatehouse = start({"services": [
            service(upstream.url, route("one", "/one", plugins=[openid_connect(first)]),
                    route("two", "/two", plugins=[openid_connect(second)])),
            service(other.url, route("open", "/open"), name="other")]})
        yield gatehouse, other


def test_no_upstream_sees_a_cookie_of_ours(two_logins, upstream, light):
    """H6, K8: a browser sends a session to every route of its host; an upstream behind another route gets nothing."""
    gatehouse, other = two_logins
    browser = light()
    browser.follow(gatehouse.url + "/one")
    browser.follow(gatehouse.url + "/two")
    browser.to_callback(gatehouse.url + "/oauth2/start?rd=/one")
    browser.client.cookies.set("theirs", "kept", domain="127.0.0.1")
    assert len([name for name in browser.cookies if "session-" in name]) == 2
    assert any("authorization" in name for name in browser.cookies)
    for path, seen in [("/open", other), ("/one", upstream), ("/two", upstream)]:
        assert browser.open(gatehouse.url + path).status_code == 200
        assert seen.last.all("cookie") == ["theirs=kept"]


def test_no_upstream_sets_a_cookie_of_ours(two_logins, light):
    """K8, S4: an application behind an open route cannot slip a session into the browser."""
    gatehouse, _ = two_logins
    browser = light()
    browser.follow(gatehouse.url + "/one")
    session = next(name for name in browser.cookies if "session-" in name)
    browser.to_callback(gatehouse.url + "/oauth2/start?rd=/one")
    attempt = next(name for name in browser.cookies if "authorization" in name)
    for name in (session, f"{session}_1", attempt):
        assert httpx.get(f"{gatehouse.url}/open?cookie={name}").headers.get_list("set-cookie") == []
    assert httpx.get(f"{gatehouse.url}/open?cookie=theirs").headers.get_list("set-cookie") == [
        "theirs=from-upstream; Path=/"]


@pytest.mark.parametrize("status", [302, 307, 308])
@pytest.mark.parametrize("path", ["/token", "/jwks", "/userinfo"])
def test_no_redirect_of_the_issuer_is_followed(start, upstream, issuer, light, path, status):
    """H6, A20: neither the client's secret, the code nor a token follows a redirect to another place."""
    with Issuer(name="elsewhere") as elsewhere:
        issuer.trouble[path] = trouble.status(status, Location=elsewhere.url + path)
        gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(
            issuer, search_user_info=True, groups_claim=["nowhere"], groups_required=["owners"])]))]})
        browser = light()
        assert browser.open(browser.to_callback(gatehouse.url)).status_code != 200
        browser.open(gatehouse.url)
        assert issuer.count(path) >= 1
        assert elsewhere.asked == []
    assert upstream.seen == []


def test_a_refresh_that_ends_after_the_sign_out_brings_nothing_back(start, upstream, issuer, light):
    """S4: the session was ended while its tokens were being renewed; it stays ended."""
    issuer.access_seconds = 0
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(
        issuer, auth_methods=["authorization_code", "session", "refresh_token"])]))]})
    browser = light()
    browser.open(browser.to_callback(gatehouse.url))
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    asked, goes_on = threading.Event(), threading.Event()

    def held(handler):
        form = issuer.asked[-1].form
        asked.set()
        assert goes_on.wait(20)
        handler.token(form)

    issuer.trouble["/token"], issuer.access_seconds = held, 600
    fields = {"Cookie": cookies, "Accept": "application/json"}
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(httpx.get, gatehouse.url, headers=fields, timeout=30)
        assert asked.wait(20)
        out = httpx.post(gatehouse.url + "/oauth2/sign_out", headers={**fields, "Sec-Fetch-Site": "same-origin"})
        assert out.status_code == 303
        goes_on.set()
        late = waiting.result()
    assert late.status_code == 401
    assert [cookie for cookie in late.headers.get_list("set-cookie") if "max-age=0" not in cookie.lower()] == []
    assert httpx.get(gatehouse.url, headers=fields).status_code == 401
    assert upstream.seen == []


def test_hostile_session_cookies_cost_nothing(start, upstream, issuer, light):
    """E5, K4, K5: counters of parts that we never wrote, doubled, renamed and nameless cookies; no session, no time."""
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(issuer)]))]})
    browser = light()
    browser.follow(gatehouse.url)
    name, value = next((name, value) for name, value in browser.cookies.items() if "session-" in name)
    text = value.split(".", 1)[1]
    before = len(upstream.seen)
    for number, cookie in enumerate([
            *(f"{name}={count}.{text}" for count in ("0", "-1", "2", "5", "6", "1000000000", "", "+1", "1e9", "01")),
            f"{name}={value}; {name}={value}", f"{name}={value}; {name}=tossed", f"{name}=tossed; {name}={value}",
            f"{name.upper()}={value}", f"={name}={value}", f"__Host-{name}={value}", f"__host-{name}={value}",
            f"{name}_1={value}", "; ".join(f"{name}_{part}={text}" for part in range(9)), f"{name}={'1.' * 12000}"]):
        answer = httpx.get(f"{gatehouse.url}/hostile/{number}", headers={"Cookie": cookie, "Accept": "*/*"})
        assert answer.status_code == 401, cookie[:60]
        # The best of several, because a busy machine may interrupt any one.
        for _ in range(2):
            httpx.get(f"{gatehouse.url}/hostile/{number}", headers={"Cookie": cookie, "Accept": "*/*"})
        gatehouse.wait_for_line(lambda line: sum(
            line.get("path") == f"/hostile/{number}" for line in gatehouse.whole_lines()) == 3)
        times = [line["gateway_ms"] for line in gatehouse.whole_lines() if line.get("path") == f"/hostile/{number}"]
        assert min(times) < 5, (cookie[:60], times)
    assert len(upstream.seen) == before
    assert browser.open(gatehouse.url).status_code == 200


def test_two_cookies_of_our_name_are_logged(start, upstream, issuer, light):
    """K4: somebody tossed a cookie into the browser; nobody is let in by either, and the log says why."""
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(issuer)]))]})
    browser = light()
    browser.follow(gatehouse.url)
    name, value = next((name, value) for name, value in browser.cookies.items() if "session-" in name)
    answer = httpx.get(gatehouse.url, headers={"Cookie": f"{name}={value}; {name}=x", "Accept": "application/json"})
    assert answer.status_code == 401
    assert gatehouse.refusals("broken-session-cookie") == 1
    assert gatehouse.wait_for_line(lambda line: line.get("reason") == "broken-session-cookie")


def test_a_session_beyond_five_cookies_is_not_begun(start, upstream, issuer, light):
    """K3: what does not fit is refused with a page, not cut."""
    issuer.access_claims = {"long": "".join(format(number, "x") for number in range(6000))}
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(issuer)]))]})
    browser = light()
    answer = browser.open(browser.to_callback(gatehouse.url))
    assert answer.status_code == 500 and "text/html" in answer.headers["content-type"]
    assert gatehouse.refusals("session-too-large") == 1
    assert not any("session-" in name for name in browser.cookies)


def test_a_login_attempts_cookie_is_short(start, upstream, issuer, light):
    """K2, K7, A1: ten minutes at most for the attempt; a session's cookie ends with the browser."""
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(issuer)]))]})
    browser = light()
    out = browser.open(gatehouse.url)
    attempt = out.headers["set-cookie"].lower()
    assert 1 <= int(re.search(r"max-age=(\d+)", attempt)[1]) <= 600
    assert "samesite=lax" in attempt and "httponly" in attempt
    back = browser.open(out.headers["location"])
    answer = browser.open(back.headers["location"])
    session = next(cookie for cookie in answer.headers.get_list("set-cookie") if cookie.startswith("session-"))
    assert "max-age" not in session.lower() and "expires" not in session.lower()
    assert urlsplit(answer.headers["location"]).path == "/"
