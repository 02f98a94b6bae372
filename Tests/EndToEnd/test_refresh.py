"""Tokens are renewed exactly once: 200 requests at a time, one node or two, with a provider that kills the chain on reuse."""
import threading
import time

import httpx
import pytest

from support.browser import shown
from support.crowd import CROWD, crowd, refreshes, slowly, statuses
from support.gatehouse import openid_connect, plugin, route, service
from support.processes import free_port, wait_until
from support.provider import Provider
from support.tokens import claims_of

METHODS = ["authorization_code", "session", "refresh_token"]


def configuration(upstream, issuer, **config) -> dict:
    return {"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(
        issuer, auth_methods=METHODS, **config)]))]}


# By script

def test_a_crowd_on_one_node_renews_once(start, upstream, issuer, light):
    """A17, D9, complaint 1: the cookie's session; all of them get the new token, and the cookie with it."""
    issuer.access_seconds = 2
    gatehouse = start(configuration(upstream, issuer))
    browser = light()
    browser.follow(gatehouse.url)
    time.sleep(2)
    issuer.access_seconds = 600
    slowly(issuer)
    answers = crowd([gatehouse.url], shown(browser))
    assert statuses(answers) == {200: CROWD}
    assert refreshes(issuer) == 1
    assert len({answer.json()["headers"]["authorization"] for answer in answers}) == 1


def test_a_crowd_on_three_nodes_renews_once(start, upstream, issuer, redis, light):
    """D9: three replicas with one store: one call, no logout, and all nodes go on with its result."""
    issuer.access_seconds = 2
    first = start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=redis.url)
    keys = first.environment["GATEHOUSE_KEYS_DIR"]
    nodes = [first] + [start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=redis.url,
                             GATEHOUSE_KEYS_DIR=keys) for _ in range(2)]
    browser = light()
    browser.follow(first.url)
    time.sleep(2)
    issuer.access_seconds = 600
    slowly(issuer)
    answers = crowd([node.url for node in nodes], shown(browser))
    assert statuses(answers) == {200: CROWD}
    assert refreshes(issuer) == 1
    assert len({answer.json()["headers"]["authorization"] for answer in answers}) == 1
    assert redis.keys("*:lease") == []


def test_tokens_are_renewed_ahead_beside_the_requests(start, upstream, issuer, redis, light):
    """Complaint 25: while the old token is good nobody waits for the issuer; later requests have the new one."""
    issuer.access_seconds = 10
    gatehouse = start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=redis.url)
    browser = light()
    old = browser.follow(gatehouse.url).json()["headers"]["authorization"]
    began = time.monotonic()
    asked, goes_on = threading.Event(), threading.Event()

    def held(handler):
        form = issuer.asked[-1].form
        asked.set()
        assert goes_on.wait(20)
        handler.token(form)

    issuer.trouble["/token"], issuer.access_seconds = held, 600
    fields = shown(browser)
    while not asked.is_set():
        assert httpx.get(gatehouse.url, headers=fields).json()["headers"]["authorization"] == old
        assert time.monotonic() - began < 10
    assert 7.5 < time.monotonic() - began, "a fifth of the lifetime before the end"
    sent = time.monotonic()
    assert httpx.get(gatehouse.url, headers=fields).json()["headers"]["authorization"] == old
    assert time.monotonic() - sent < 0.5
    goes_on.set()
    wait_until(lambda: httpx.get(gatehouse.url, headers=fields).json()["headers"]["authorization"] != old,
               "the new token", 3)
    assert refreshes(issuer) == 1


def test_tokens_of_a_cookie_are_renewed_ahead_on_the_way_of_one_request(start, upstream, issuer, light):
    """A17: nobody but the browser keeps them, so that the answer has to carry them; a slow issuer holds nobody up."""
    issuer.access_seconds = 10
    gatehouse = start(configuration(upstream, issuer))
    browser = light()
    old = browser.follow(gatehouse.url).json()["headers"]["authorization"]
    began, before = time.monotonic(), shown(browser)["Cookie"]
    issuer.access_seconds = 600
    new = wait_until(lambda: next((answer for answer in [browser.open(gatehouse.url)]
                                   if answer.json()["headers"]["authorization"] != old), None), "the new token", 10)
    assert 7.5 < time.monotonic() - began < 9.9
    assert new.headers.get_list("set-cookie") and shown(browser)["Cookie"] != before
    assert refreshes(issuer) == 1


def test_an_issuer_that_hangs_holds_up_one_request_and_for_a_second(start, upstream, issuer, light):
    """D5: while the old token is good nobody needs the new one."""
    issuer.access_seconds = 10
    gatehouse = start(configuration(upstream, issuer))
    browser = light()
    browser.follow(gatehouse.url)
    began, goes_on = time.monotonic(), threading.Event()

    def held(handler):
        assert goes_on.wait(20)
        handler.token(issuer.asked[-1].form)

    issuer.trouble["/token"] = held
    fields, times = shown(browser), []
    while time.monotonic() - began < 9.5:
        sent = time.monotonic()
        assert httpx.get(gatehouse.url, headers=fields).status_code == 200
        times.append(time.monotonic() - sent)
    goes_on.set()
    assert refreshes(issuer) == 1
    assert [spent for spent in times if spent > 0.7] == [spent for spent in times if 0.9 < spent < 2.5]
    assert sum(spent > 0.7 for spent in times) == 1


def test_the_loser_of_a_race_with_cookies_alone_is_not_logged_out(start, upstream, issuer, light):
    """Two nodes without a store: whoever comes second is told `invalid_grant`, and his session goes on until its token
    ends; the browser has the winner's cookie by then."""
    issuer.access_seconds = 10
    first = start(configuration(upstream, issuer))
    second = start(configuration(upstream, issuer), GATEHOUSE_KEYS_DIR=first.environment["GATEHOUSE_KEYS_DIR"])
    browser = light()
    old = browser.follow(first.url).json()["headers"]["authorization"]
    fields = shown(browser)
    issuer.access_seconds = 600
    wait_until(lambda: httpx.get(first.url, headers=fields).json()["headers"]["authorization"] != old, "renewed", 10)
    late = httpx.get(second.url, headers=fields)
    assert late.status_code == 200 and late.json()["headers"]["authorization"] == old
    assert refreshes(issuer) == 2 and late.headers.get_list("set-cookie") == []


def test_a_fatal_answer_ends_the_session_on_every_node(start, upstream, issuer, redis, light):
    """A17: `invalid_grant` is the issuer's word: the record goes, nobody asks again."""
    issuer.access_seconds = 2
    first = start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=redis.url)
    second = start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=redis.url,
                   GATEHOUSE_KEYS_DIR=first.environment["GATEHOUSE_KEYS_DIR"])
    browser = light()
    browser.follow(first.url)
    time.sleep(2)
    issuer.refresh_tokens.clear()
    assert statuses(crowd([first.url, second.url], shown(browser), 40)) == {401: 40}
    assert refreshes(issuer) == 1 and redis.sessions() == []


def test_an_outage_of_the_issuer_ends_no_session(start, upstream, issuer, redis, light):
    """D5: transient failures leave the session as it is; when the issuer is back its token is renewed."""
    issuer.access_seconds = 2
    gatehouse = start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=redis.url)
    browser = light()
    browser.follow(gatehouse.url)
    issuer.stop()
    time.sleep(2)
    assert statuses(crowd([gatehouse.url], shown(browser), 20)) == {200: 20}
    issuer.access_seconds = 600
    issuer.start()

    def renewed() -> bool:
        assert httpx.get(gatehouse.url, headers=shown(browser)).status_code == 200
        return refreshes(issuer) == 1

    wait_until(renewed, "the token is renewed", 15)


@pytest.mark.parametrize("moment", ["before the issuer answers", "after it"])
def test_a_refresh_that_ends_after_the_sign_out_brings_nothing_back(
        start, upstream, issuer, redis, light, moment):
    """S4: the session was ended, on another node, while its tokens were being renewed: it is not written back."""
    issuer.access_seconds = 2
    first = start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=redis.url)
    second = start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=redis.url,
                   GATEHOUSE_KEYS_DIR=first.environment["GATEHOUSE_KEYS_DIR"])
    browser = light()
    browser.follow(first.url)
    time.sleep(2)
    asked, goes_on = threading.Event(), threading.Event()

    def held(handler):
        form = issuer.asked[-1].form
        if moment == "after it":
            handler.token(form)
        asked.set()
        assert goes_on.wait(20)
        if moment != "after it":
            handler.token(form)

    issuer.trouble["/token"], issuer.access_seconds = held, 600
    fields, late = shown(browser), []
    waiting = threading.Thread(target=lambda: late.append(httpx.get(first.url, headers=fields, timeout=30)))
    waiting.start()
    assert asked.wait(20)
    out = httpx.post(second.url + "/oauth2/sign_out", headers={**fields, "Sec-Fetch-Site": "same-origin"}, timeout=30)
    assert out.status_code == 303
    wait_until(lambda: redis.sessions() == [], "the record is gone", 3)
    goes_on.set()
    waiting.join(30)
    if moment != "after it":
        assert late[0].status_code == 401
    wait_until(lambda: httpx.get(first.url, headers=fields).status_code == 401, "ended on the other node", 3)
    assert httpx.get(second.url, headers=fields).status_code == 401
    assert redis.sessions() == []


def test_a_result_that_could_not_be_stored_is_kept_until_it_is(start, upstream, issuer, redis, light):
    """A17: the store dies while the issuer answers: nobody uses the new tokens, nobody asks again, and when it is back
    they are there."""
    issuer.access_seconds = 2
    first = start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=redis.url)
    second = start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=redis.url,
                   GATEHOUSE_KEYS_DIR=first.environment["GATEHOUSE_KEYS_DIR"])
    browser = light()
    browser.follow(first.url)
    time.sleep(2)

    def killed(handler):
        redis.kill()
        handler.token(issuer.asked[-1].form)

    issuer.trouble["/token"], issuer.access_seconds = killed, 600
    fields = shown(browser)
    answers = crowd([first.url, second.url], fields)
    assert statuses(answers) == {503: CROWD}
    assert all(answer.headers["retry-after"] and not answer.headers.get("set-cookie") for answer in answers)
    assert refreshes(issuer) == 1
    redis.start()
    for node in (first, second):
        wait_until(lambda: httpx.get(node.url, headers=fields).status_code == 200, "the session goes on", 4)
    assert refreshes(issuer) == 1


# With Glewlwyd, which takes a refresh token once and kills the chain of one that comes again

@pytest.fixture(scope="module")
def glewlwyd(tmp_path_factory):
    """Its access tokens last twelve seconds."""
    port = free_port()
    provider = Provider("glewlwyd", tmp_path_factory.mktemp("brief"), f"http://127.0.0.1:{port}/oauth2/callback",
                        ACCESS_TOKEN_SECONDS="12").start()
    provider.gateway_port = port
    yield provider
    provider.stop()


def at_glewlwyd(upstream, provider) -> dict:
    name, secret = provider.client("web")
    return {"services": [service(upstream.url, route("app", "/", plugins=[plugin(
        "openid-connect", issuer=provider.issuer, client_id=[name], client_secret=[secret], auth_methods=METHODS,
        scopes=["openid", "profile"])]))]}


def renewals(*nodes) -> float:
    """How often the token endpoint was asked, beyond the login."""
    return sum(node.metric("gatehouse_fetches_total", kind="token") for node in nodes) - 1


def logged_in(browser, gatehouse, provider) -> tuple[dict, str]:
    browser.open(gatehouse.url + "/app")
    browser.log_in("alice", provider.password("alice"), lambda address: address.startswith(gatehouse.url + "/app"))
    cookies = "; ".join(f"{cookie['name']}={cookie['value']}" for cookie in browser.driver.get_cookies()
                        if "session-" in cookie["name"])
    fields = {"Cookie": cookies, "Accept": "application/json"}
    token = httpx.get(gatehouse.url, headers=fields).json()["headers"]["authorization"]
    return fields, token


def expire(token: str):
    """Waits until the token has ended, for us too, who count from the answer that brought it."""
    time.sleep(max(0, claims_of(token.removeprefix("Bearer "))["exp"] - time.time() + 1))


def test_glewlwyd_kills_the_chain_of_a_token_that_comes_again(start, upstream, glewlwyd, browser):
    """What the races below would show: the second use of a refresh token ends everything that came of it."""
    gatehouse = start(at_glewlwyd(upstream, glewlwyd), glewlwyd.gateway_port)
    fields, token = logged_in(browser, gatehouse, glewlwyd)
    expire(token)
    assert httpx.get(gatehouse.url, headers=fields).status_code == 200
    # A node that knows nothing of the first renewal uses the old token once more.
    gatehouse.stop()
    gatehouse.start()
    assert httpx.get(gatehouse.url, headers=fields).status_code == 401


def test_a_crowd_at_glewlwyd_renews_once(start, upstream, glewlwyd, browser):
    """200 requests with an ended access token: one renewal, 200 answers, and the chain lives."""
    gatehouse = start(at_glewlwyd(upstream, glewlwyd), glewlwyd.gateway_port)
    fields, token = logged_in(browser, gatehouse, glewlwyd)
    expire(token)
    assert statuses(crowd([gatehouse.url], fields)) == {200: CROWD}
    assert renewals(gatehouse) == 1


@pytest.fixture
def pair(start, upstream, glewlwyd, redis):
    """Two nodes with one store."""
    first = start(at_glewlwyd(upstream, glewlwyd), glewlwyd.gateway_port, GATEHOUSE_SESSION_STORE=redis.url)
    second = start(at_glewlwyd(upstream, glewlwyd), GATEHOUSE_SESSION_STORE=redis.url,
                   GATEHOUSE_KEYS_DIR=first.environment["GATEHOUSE_KEYS_DIR"])
    return first, second


def test_a_crowd_over_two_nodes_at_glewlwyd_renews_once(pair, glewlwyd, browser):
    fields, token = logged_in(browser, pair[0], glewlwyd)
    for _ in range(2):
        expire(token)
        before = renewals(*pair)
        answers = crowd([node.url for node in pair], fields)
        assert statuses(answers) == {200: CROWD}
        assert renewals(*pair) - before == 1
        token, = {answer.json()["headers"]["authorization"] for answer in answers}


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.3])
def test_a_store_that_dies_in_the_midst_of_a_crowd_logs_nobody_out(pair, glewlwyd, redis, browser, delay):
    """At most one renewal; each answer is 200 or 503 with `Retry-After`; nobody is logged out once the store is back."""
    fields, token = logged_in(browser, pair[0], glewlwyd)
    expire(token)
    killer = threading.Timer(delay, redis.kill)
    killer.start()
    answers = crowd([node.url for node in pair], fields)
    killer.join()
    assert set(statuses(answers)) <= {200, 503}
    assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 503)
    assert not any(answer.headers.get("set-cookie") for answer in answers)
    assert renewals(*pair) <= 1
    redis.start()
    for node in pair:
        wait_until(lambda: httpx.get(node.url, headers=fields).status_code == 200, "the session goes on", 5)

    def renewed() -> bool:
        answers = [httpx.get(node.url, headers=fields) for node in pair]
        assert statuses(answers) == {200: 2}
        assert renewals(*pair) <= 1
        return all(answer.json()["headers"]["authorization"] != token for answer in answers)

    wait_until(renewed, "both nodes have the new token", 5)
    assert renewals(*pair) == 1
    assert statuses(crowd([node.url for node in pair], fields, 40)) == {200: 40}
