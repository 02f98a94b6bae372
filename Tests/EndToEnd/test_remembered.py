"""Sessions that come back, in the real program: on another node, after a restart, from many tabs at once, and not when ended."""
import threading
import time

import httpx
import pytest

from support.gatehouse import openid_connect, route, service
from support.processes import wait_until

METHODS = ["authorization_code", "session", "refresh_token"]


def node(start, upstream, issuer, store=None, keys=None, **config):
    """A node of its own; the same keys and store make two of them one gateway."""
    environment = {"GATEHOUSE_SESSION_STORE": store.url} if store else {}
    if keys:
        environment["GATEHOUSE_KEYS_DIR"] = keys
    return start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(
        issuer, auth_methods=METHODS, session_remember=True, session_idling_timeout=600, **config)]))]}, **environment)


def remembered(browser) -> dict[str, str]:
    """What a browser has that was closed: the cookies that outlive it."""
    lasting = [cookie for cookie in browser.client.cookies.jar if cookie.expires]
    assert lasting and all(cookie.name.startswith("remember") for cookie in lasting if "landing" not in cookie.name)
    return {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in lasting), "Accept": "application/json"}


def ask(gatehouse, fields, **more) -> httpx.Response:
    return httpx.get(gatehouse.url + "/", headers={**fields, **more}, timeout=30)


def test_it_comes_back_on_another_node_and_ends_on_every_one(start, upstream, issuer, redis, light):
    """S4, V4: a handle of its own in the browser, sealed records alone in Redis; a sign-out anywhere is heard everywhere."""
    first = node(start, upstream, issuer, redis)
    other = node(start, upstream, issuer, redis, first.environment["GATEHOUSE_KEYS_DIR"])
    browser = light()
    assert browser.follow(first.url).status_code == 200
    fields = remembered(browser)
    assert len(fields["Cookie"]) < 600 and len(redis.sessions()) == 2
    assert not any("alice" in entry for entry in redis.keys())
    back = ask(other, fields)
    assert back.status_code == 200 and issuer.count("/authorize") == 1
    lines = back.headers.get_list("set-cookie")
    assert any(line.startswith("session-") and "Max-Age" not in line for line in lines)
    assert other.metric("gatehouse_sessions_total", event="brought-back") == 1
    out = httpx.post(first.url + "/oauth2/sign_out", headers={**fields, "Sec-Fetch-Site": "same-origin"})
    assert out.status_code == 303 and "id_token_hint" in out.headers["location"]
    assert ask(first, fields).status_code == 401
    session = {"Cookie": "; ".join(line.split(";")[0] for line in lines), "Accept": "application/json"}
    wait_until(lambda: ask(other, fields).status_code == 401, "the other node has heard of it", 3)
    wait_until(lambda: ask(other, session).status_code == 401, "what came back has ended, too", 3)


def test_with_cookies_alone_it_outlives_a_restart(start, upstream, issuer, light):
    """Its refresh token is traded in once, whoever of twelve tabs comes first (D9)."""
    gatehouse = node(start, upstream, issuer)
    browser = light()
    assert browser.follow(gatehouse.url).status_code == 200
    fields = remembered(browser)
    assert gatehouse.stop() == 0
    gatehouse.start()
    before, codes = issuer.count("/token"), []
    tabs = [threading.Thread(target=lambda: codes.append(ask(gatehouse, fields).status_code)) for _ in range(12)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert codes == [200] * 12 and issuer.count("/token") == before + 1
    assert issuer.count("/authorize") == 1


@pytest.mark.parametrize("is_stored", [False, True], ids=["cookie", "redis"])
def test_whom_the_issuer_has_locked_out_does_not_come_back(start, upstream, issuer, redis, light, is_stored):
    """A17: asked once, then the cookie is gone; the log has the word."""
    issuer.access_seconds = 1
    gatehouse = node(start, upstream, issuer, redis if is_stored else None)
    browser = light()
    assert browser.follow(gatehouse.url).status_code == 200
    fields = remembered(browser)
    issuer.refresh_tokens.clear()
    ends = time.monotonic() + 1
    wait_until(lambda: time.monotonic() > ends, "the token's end")
    answer = ask(gatehouse, fields)
    assert answer.status_code == 401
    gone = [line for line in answer.headers.get_list("set-cookie") if line.startswith("remember")]
    assert len(gone) == 1 and "Max-Age=0" in gone[0]


def test_while_the_store_is_down_it_is_503_and_comes_back_with_it(start, upstream, issuer, redis, light):
    """D15: no login, no cookie is touched."""
    gatehouse = node(start, upstream, issuer, redis)
    browser = light()
    assert browser.follow(gatehouse.url).status_code == 200
    fields = remembered(browser)
    redis.kill()
    down = ask(gatehouse, fields)
    assert down.status_code == 503 and down.headers["retry-after"] and "set-cookie" not in down.headers
    redis.start()
    wait_until(lambda: ask(gatehouse, fields).status_code == 200, "the store is back", 8)
    assert issuer.count("/authorize") == 1
