"""Headless Chromium over HTTPS and HTTP/2: cookies with their prefix, one connection for everything, a login on the way."""
import json

import httpx
import pytest

from support.browser import Browser
from support.certificates import Authority
from support.gatehouse import openid_connect, plugin, route, service
from support.processes import free_port, wait_until


@pytest.fixture
def trusting():
    """Chromium that takes certificates of authorities that only this test knows."""
    person = Browser("--ignore-certificate-errors")
    yield person
    person.close()


@pytest.fixture
def gatehouse(start, upstream, issuer):
    port, plain = free_port(), free_port()
    certificate = Authority().sign("localhost")
    parts = "".join(f'<img src="/open/{number}?wait=0.2">' for number in range(60))
    page = plugin("request-termination", status_code=200, content_type="text/html", body=f"<title>parts</title>{parts}")
    started = start(
        {"services": [service(
            upstream.url, route("app", "/app", plugins=[openid_connect(issuer)]), route("open", "/open"),
            route("page", "/page", plugins=[page]))],
         "certificates": [certificate.entity("localhost")]},
        plain, GATEHOUSE_PROXY_LISTEN=f"127.0.0.1:{plain}, 127.0.0.1:{port} ssl http2")
    started.secure = f"https://localhost:{port}"
    return started


def protocols(browser: Browser, begin: str) -> set[str]:
    """What carried the answers of URLs that begin so, since the last look."""
    told = [json.loads(entry["message"])["message"] for entry in browser.driver.get_log("performance")]
    answers = [message["params"]["response"] for message in told if message["method"] == "Network.responseReceived"]
    return {answer["protocol"] for answer in answers if answer["url"].startswith(begin)}


def test_a_login_over_https_and_http2(gatehouse, trusting, upstream):
    """K1: `__Host-`, Secure, no domain, the whole site; the upstream sees none of it (K8)."""
    trusting.open(gatehouse.secure + "/app/reports?sort=date")
    assert trusting.address == gatehouse.secure + "/app/reports?sort=date"
    assert protocols(trusting, gatehouse.secure) == {"h2"}
    seen = upstream.last
    assert seen.target == "/app/reports?sort=date" and "session-" not in (seen.first("cookie") or "")
    assert seen.first("x-forwarded-proto") == "https"
    [cookie] = [one for one in trusting.driver.get_cookies() if "session-" in one["name"]]
    assert cookie["name"].startswith("__Host-session-")
    assert (cookie["secure"], cookie["httpOnly"], cookie["path"], cookie["domain"], cookie["sameSite"]) == (
        True, True, "/", "localhost", "Lax")


def test_a_session_of_https_is_none_over_http(gatehouse, trusting, upstream):
    """K1: the same cookie under its name of http opens nothing: the name is sealed in."""
    trusting.open(gatehouse.secure + "/app")
    [cookie] = [one for one in trusting.driver.get_cookies() if "session-" in one["name"]]
    before = len(upstream.seen)
    for name in (cookie["name"], cookie["name"].removeprefix("__Host-")):
        answer = httpx.get(gatehouse.url + "/app", headers={"Cookie": f"{name}={cookie['value']}"})
        assert answer.status_code == 401
    assert len(upstream.seen) == before


def test_signing_out_over_http2(gatehouse, trusting, upstream):
    """The button's POST goes over the same connection, and the cookie is gone afterwards."""
    trusting.open(gatehouse.secure + "/app")
    trusting.open(gatehouse.secure + "/oauth2/sign_out")
    trusting.click("button")
    wait_until(
        lambda: not [one for one in trusting.driver.get_cookies() if "session-" in one["name"]], "the cookie is gone")
    assert protocols(trusting, gatehouse.secure) == {"h2"}


def test_pages_load_their_parts_over_one_connection(gatehouse, trusting, upstream):
    """Sixty pictures at once are sixty streams: no client is counted more than once."""
    trusting.open(gatehouse.secure + "/page")
    assert trusting.driver.title == "parts"
    assert {seen.target for seen in upstream.seen} >= {f"/open/{number}?wait=0.2" for number in range(60)}
    assert protocols(trusting, gatehouse.secure + "/open/") == {"h2"}
    assert gatehouse.metric("gatehouse_connections") <= 2
