"""Forms that were sent without a session (complaint 26): kept through the login, sent again by a click and not otherwise."""
import html
import re
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest

from support.browser import NAVIGATION
from support.gatehouse import openid_connect, route, service
from support.processes import wait_until
from test_browser import login as real_login

FORM = {**NAVIGATION, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
VALUES = [["name", "Ann & Bob"], ["note", "<b>\n\"two\" lines\u00e4\u20ac'"], ["name", "again"], ["empty", ""],
          ["q\"u=o&te", "\t tab"]]
SUBMIT = """
const [values, kind, where, hasFile] = arguments;
const form = document.createElement('form');
form.method = 'post'; form.action = where; form.enctype = kind; form.acceptCharset = 'utf-8';
for (const [name, value] of values) {
  const input = document.createElement('textarea');
  input.name = name; input.value = value; form.append(input);
}
if (hasFile) {
  const input = document.createElement('input');
  input.type = 'file'; input.name = 'file'; form.append(input);
}
document.body.append(form);
"""


@pytest.fixture
def gatehouse(start, upstream, issuer):
    """Everything behind a login."""
    return start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(issuer)]))]})


def submit(browser, kind: str, where: str, values=None, file=None):
    """Sends a form from the page that is open; `file` is a path, or an empty text for one that is not chosen."""
    browser.driver.execute_script(SUBMIT, VALUES if values is None else values, kind, where, file is not None)
    if file:
        browser.driver.find_element("css selector", "input[type=file]").send_keys(str(file))
    browser.driver.execute_script("document.forms[document.forms.length - 1].submit()")


def lose_session(browser):
    """Ends the session in the browser alone, as time would."""
    for cookie in browser.driver.get_cookies():
        if "session-" in cookie["name"]:
            browser.driver.delete_cookie(cookie["name"])


def posts(upstream) -> list:
    return [seen for seen in upstream.seen if seen.method == "POST"]


def plain(seen) -> bytes:
    """A body without what is made anew for each: the boundary."""
    kind = seen.first("content-type")
    boundary = kind.partition("boundary=")[2]
    return seen.body.replace(boundary.encode(), b"BOUNDARY") if boundary else seen.body


KINDS = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_form_is_sent_again_as_it_was(gatehouse, upstream, browser, kind):
    """S9, complaint 26: nothing is sent by itself; one click sends the same octets to the same address."""
    browser.open(gatehouse.url + "/form")
    file = "" if kind == "multipart/form-data" else None
    submit(browser, kind, "/orders?id=7", file=file)
    wait_until(lambda: posts(upstream), "the form arrives")
    usual = posts(upstream)[0]
    browser.open(gatehouse.url + "/form")
    lose_session(browser)
    submit(browser, kind, "/orders?id=7", file=file)
    wait_until(lambda: "/oauth2/resume" in browser.address, "the page that asks")
    assert len(posts(upstream)) == 1
    assert gatehouse.url + "/orders?id=7" in browser.text
    assert browser.driver.execute_script("return document.querySelectorAll('button').length") == 1
    browser.click("button")
    wait_until(lambda: len(posts(upstream)) == 2, "the form arrives")
    again = posts(upstream)[1]
    assert again.target == "/orders?id=7" and plain(again) == plain(usual)
    assert again.first("content-type").split(";")[0] == usual.first("content-type").split(";")[0]
    assert again.first("origin") == usual.first("origin") == gatehouse.url
    assert again.first("authorization").startswith("Bearer ")
    assert browser.address == gatehouse.url + "/orders?id=7"


def test_a_form_may_be_left_alone(gatehouse, upstream, browser):
    browser.open(gatehouse.url + "/form")
    lose_session(browser)
    submit(browser, KINDS[0], "/orders?id=7")
    wait_until(lambda: "/oauth2/resume" in browser.address, "the page that asks")
    browser.click("a")
    wait_until(lambda: browser.address == gatehouse.url + "/orders?id=7", "the page itself")
    assert posts(upstream) == [] and any(seen.target == "/orders?id=7" for seen in upstream.seen)


def test_a_form_of_another_site_gains_nothing(gatehouse, upstream, browser):
    """S9, K9: what another site sends is never kept, though the user logs in next."""
    browser.open(gatehouse.url + "/form")
    lose_session(browser)
    browser.open(f"http://localhost:{upstream.port}/evil")
    submit(browser, KINDS[0], gatehouse.url + "/orders?id=7")
    wait_until(lambda: browser.address.startswith(gatehouse.url), "the gateway answers")
    wait_until(lambda: browser.text, "the page is there")
    assert "401" in browser.text and posts(upstream) == []
    assert not any("-form-" in cookie["name"] for cookie in browser.driver.get_cookies())
    browser.open(gatehouse.url + "/after")
    assert browser.address == gatehouse.url + "/after" and posts(upstream) == []


@pytest.mark.parametrize("case", ["a file", "too large"])
def test_what_cannot_be_kept_stays_in_the_browser(gatehouse, upstream, browser, tmp_path, case):
    """Nothing is lost in silence: sign in beside the page, reload it, and the browser sends everything."""
    browser.open(gatehouse.url + "/form")
    lose_session(browser)
    values = VALUES if case == "a file" else [["text", "a" * 100_000]]
    file = tmp_path / "notes.txt"
    file.write_text("a file's text")
    submit(browser, "multipart/form-data", "/orders?id=7", values, file if case == "a file" else None)
    wait_until(lambda: "nothing has been sent" in browser.text, "the page that says so")
    assert posts(upstream) == []
    driver = browser.driver
    form = driver.current_window_handle
    browser.click("a")
    wait_until(lambda: len(driver.window_handles) == 2, "the login beside it")
    driver.switch_to.window(next(handle for handle in driver.window_handles if handle != form))
    wait_until(lambda: browser.address == gatehouse.url + "/orders?id=7", "signed in")
    driver.switch_to.window(form)
    driver.refresh()
    wait_until(lambda: posts(upstream), "the form arrives")
    sent = posts(upstream)[0].body
    assert (b"a file's text" if case == "a file" else b"a" * 100_000) in sent


@pytest.mark.parametrize("kind", KINDS[:2])
def test_a_form_is_kept_at_a_real_provider(start, upstream, provider, gateway_port, browser, kind):
    """The same with a login page between: what was entered waits while the user types the password."""
    gatehouse = start({"services": [service(upstream.url, route("app", "/app", plugins=[
        real_login(provider)]))]}, gateway_port)
    browser.open(gatehouse.url + "/oauth2/sign_out")  # A page of this origin, without a session.
    submit(browser, kind, "/app/orders?id=7")
    browser.log_in("alice", provider.password("alice"), lambda address: "/oauth2/resume" in address)
    assert posts(upstream) == []
    browser.click("button")
    wait_until(lambda: posts(upstream), "the form arrives")
    sent = posts(upstream)[0]
    assert sent.target == "/app/orders?id=7" and sent.first("x-user") == "alice"
    assert b"Ann" in sent.body and b"again" in sent.body


# Without a browser engine

def begin(gatehouse, browser, body: str, path: str = "/orders?id=7", **fields) -> httpx.Response:
    return browser.client.post(gatehouse.url + path, content=body.encode(), headers={**FORM, **fields})


def land(browser, answer: httpx.Response) -> str:
    """Logs in where an answer leads; gives the address at the end."""
    back = browser.open(answer.headers["location"])
    return str(browser.open(back.headers["location"]).headers["location"])


def test_a_long_form_waits_in_memory(gatehouse, upstream, light):
    browser = light()
    body = urlencode({"text": "é" * 10_000, "more": "<&>\""})
    answer = begin(gatehouse, browser, body)
    assert answer.status_code == 303
    page = browser.open(gatehouse.url + land(browser, answer))
    assert page.status_code == 200 and page.headers["referrer-policy"] == "same-origin"
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page.text)
    assert [(html.unescape(name), html.unescape(value)) for name, value in found] == parse_qsl(body)
    assert all(len(f"{name}={value}") <= 4096 for name, value in browser.cookies.items())
    assert upstream.seen == []


def test_a_form_outlives_a_restart_if_it_is_short_and_says_so_if_not(gatehouse, upstream, light):
    short, long = light(), light()
    ways = [land(short, begin(gatehouse, short, "a=1")), land(long, begin(gatehouse, long, "a=" + "b" * 5000))]
    assert gatehouse.stop() == 0
    gatehouse.start()
    page = short.open(gatehouse.url + ways[0])
    assert page.status_code == 200 and 'name="a" value="1"' in page.text
    lost = long.open(gatehouse.url + ways[1])
    assert lost.status_code == 404 and "no longer here" in lost.text
    assert f'href="{gatehouse.url}/orders?id=7"' in lost.text
    assert upstream.seen == []


@pytest.mark.parametrize("length", [3, 20_000])
def test_a_session_that_ends_amid_the_work_keeps_the_form(start, upstream, issuer, light, length):
    """Complaint 26: the access token is over and the issuer renews it no more, which is known only after it was asked."""
    issuer.access_seconds = 1
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(
        issuer, auth_methods=["authorization_code", "session", "refresh_token"])]))]})
    browser = light()
    browser.follow(gatehouse.url + "/form")
    issuer.refresh_tokens.clear()
    issuer.access_seconds = 600
    answers = []

    def send() -> bool:
        answers.append(begin(gatehouse, browser, urlencode({"text": "x" * length})))
        return answers[-1].status_code != 200

    wait_until(send, "the session is over", 8)
    assert answers[-1].status_code == 303 and issuer.count("/token") == 2
    page = browser.open(gatehouse.url + land(browser, answers[-1]))
    assert page.status_code == 200 and f'value="{"x" * length}"' in page.text


@pytest.mark.parametrize("size, status", [(64, 303), (65, 401)])
def test_a_form_is_kept_up_to_its_limit(start, upstream, issuer, light, size, status):
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[
        openid_connect(issuer, kept_body_bytes=64)]))]})
    answer = begin(gatehouse, light(), "a=" + "b" * (size - 2))
    assert answer.status_code == status
    if status == 401:
        assert gatehouse.refusals("form-not-kept") == 1 and 'target="_blank" rel="noopener"' in answer.text
    assert upstream.seen == []


@pytest.mark.parametrize("fields", [
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Mode": "cors"}, {"Accept": "application/json"}, {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"},
])
def test_only_a_navigation_of_the_same_origin_is_kept(gatehouse, upstream, light, fields):
    browser = light()
    answer = begin(gatehouse, browser, "a=1", **fields)
    assert answer.status_code == 401 and browser.cookies == {}
    assert gatehouse.refusals("no-credential") == 1 and upstream.seen == []


def test_the_origin_counts_where_the_browser_says_no_site(gatehouse, light):
    fields = {name: value for name, value in FORM.items() if not name.startswith("Sec-")}
    for origin, status in [(gatehouse.url, 303), ("http://evil.test", 401), ("null", 401), (gatehouse.url + "0", 401)]:
        answer = httpx.post(gatehouse.url + "/x", content=b"a=1", headers={**fields, "Origin": origin})
        assert answer.status_code == status, origin


def test_another_browser_sees_no_form(gatehouse, light):
    """S3: the address alone opens nothing, with a session or without."""
    browser, other = light(), light()
    way = land(browser, begin(gatehouse, browser, "secret=1"))
    assert other.open(gatehouse.url + way).status_code == 404
    other.follow(gatehouse.url + "/x")
    answer = other.open(gatehouse.url + way)
    assert answer.status_code == 404 and "secret" not in answer.text


def test_a_form_is_a_page_of_its_session(gatehouse, issuer, light):
    """Without one the page leads to the login first, and then shows what waits."""
    browser = light()
    way = land(browser, begin(gatehouse, browser, "a=1"))
    for cookie in list(browser.client.cookies.jar):
        if "session-" in cookie.name:
            browser.client.cookies.delete(cookie.name)
    page = browser.follow(gatehouse.url + way)
    assert page.status_code == 200 and 'name="a" value="1"' in page.text
    assert issuer.count("/token") == 2


def test_the_memory_for_forms_is_bounded(start, upstream, issuer):
    """Whoever fills it makes nobody's form go away: what does not fit is not taken."""
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[
        openid_connect(issuer, kept_body_bytes=1 << 20)]))]})
    body = b"a=" + b"b" * ((1 << 20) - 2)
    taken = [httpx.post(gatehouse.url + "/x", content=body, headers=FORM, timeout=60).status_code for _ in range(17)]
    assert taken == [303] * 15 + [401] * 2
    assert upstream.seen == []
