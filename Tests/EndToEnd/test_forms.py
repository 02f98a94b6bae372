"""Forms that were sent without a session (complaint 26): kept through the login, sent again by a click and not otherwise."""
import html
import json
import random
import re
from urllib.parse import urlencode

import httpx
import pytest

from support.browser import NAVIGATION
from support.gatehouse import openid_connect, route, service
from support.http2 import RawHTTP2, request
from support.processes import free_port, wait_until
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
    """A body without what a browser makes anew for each form: the boundary."""
    kind = seen.first("content-type")
    boundary = kind.partition("boundary=")[2]
    return seen.body.replace(boundary.encode(), b"BOUNDARY") if boundary else seen.body


def octets(count: int) -> bytes:
    """A file that is no text: every octet, line ends and what looks like a boundary among them."""
    return (bytes(range(256)) + b"\r\n--x\r\n\r\n----WebKitFormBoundary--" + random.Random(7).randbytes(count))[:count]


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


def test_a_file_is_sent_again_octet_by_octet(gatehouse, upstream, browser, tmp_path):
    """S9: the session ends while a file is chosen; after the login and one click the upstream has all of it."""
    file = tmp_path / "photo.bin"
    file.write_bytes(octets(40_000))
    browser.open(gatehouse.url + "/form")
    lose_session(browser)
    submit(browser, "multipart/form-data", "/photos?id=7", file=file)
    wait_until(lambda: "/oauth2/resume" in browser.address, "the page that asks")
    assert posts(upstream) == []
    browser.click("button")
    wait_until(lambda: posts(upstream), "the file arrives")
    sent = posts(upstream)[0]
    kind = sent.first("content-type")
    assert kind.startswith("multipart/form-data; boundary=") and sent.target == "/photos?id=7"
    assert int(sent.first("content-length")) == len(sent.body)
    last = sent.body.split(b"--" + kind.partition("boundary=")[2].encode())[-2]
    head, _, content = last.partition(b"\r\n\r\n")
    assert b'name="file"; filename="photo.bin"' in head
    assert content == file.read_bytes() + b"\r\n"
    assert b"gatehouse-kept" not in sent.body and sent.first("origin") == gatehouse.url
    assert browser.address == gatehouse.url + "/photos?id=7"
    # Back to the page and again: what was sent is not sent twice.
    browser.driver.back()
    wait_until(lambda: "no longer here" in browser.text or browser.visible("button"), "the page before")
    if browser.visible("button"):
        browser.click("button")
        wait_until(lambda: "no longer here" in browser.text, "the page that says so")
    assert len(posts(upstream)) == 1


def test_what_cannot_be_kept_stays_in_the_browser(gatehouse, upstream, browser, tmp_path):
    """Nothing is lost in silence: sign in beside the page, reload it, and the browser sends everything."""
    file = tmp_path / "notes.bin"
    file.write_bytes(octets(100_000))
    browser.open(gatehouse.url + "/form")
    lose_session(browser)
    submit(browser, "multipart/form-data", "/orders?id=7", file=file)
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
    assert file.read_bytes() in posts(upstream)[0].body


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

def begin(gatehouse, browser, body: str | bytes, path: str = "/orders?id=7", **fields) -> httpx.Response:
    content = body.encode() if isinstance(body, str) else body
    return browser.client.post(gatehouse.url + path, content=content, headers={**FORM, **fields})


def land(browser, answer: httpx.Response) -> str:
    """Logs in where an answer leads; gives the address at the end."""
    back = browser.open(answer.headers["location"])
    return str(browser.open(back.headers["location"]).headers["location"])


def small(page: httpx.Response) -> tuple[str, str]:
    """Where the page's form goes, and what it sends."""
    assert page.status_code == 200, page.text
    action = re.search(r'<form method="post" action="([^"]*)">', page.text)[1]
    ((name, value),) = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page.text)
    return html.unescape(action), urlencode({name: html.unescape(value)})


def wait(gatehouse, browser, body: str | bytes, path: str = "/orders?id=7", **fields) -> tuple[str, str]:
    """Sends a form without a session and logs in; gives what the page's button would send, and where."""
    answer = begin(gatehouse, browser, body, path, **fields)
    assert answer.status_code == 303, answer.text
    return small(browser.open(gatehouse.url + land(browser, answer)))


def click(browser, form: tuple[str, str], **fields) -> httpx.Response:
    return browser.client.post(form[0], content=form[1].encode(), headers={**FORM, **fields})


BODIES = {
    "a file": ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
               + octets(30_000) + b"\r\n--x--\r\n"),
    "JSON": ("application/json", json.dumps({"text": "\u00e9" * 3000}).encode()),
    "another charset": ("application/x-www-form-urlencoded; charset=iso-8859-1", b"a=%E9&b=\xe9"),
    "short": ("application/x-www-form-urlencoded", b"a=1&b"), "octets": ("application/octet-stream", octets(300)),
    "text": ("text/plain", "a=ä\r\n".encode()), "nothing": ("application/x-www-form-urlencoded", b""),
}


@pytest.mark.parametrize("case", BODIES)
def test_any_body_is_sent_again_once(gatehouse, upstream, light, case):
    """S9: octet for octet with its type and length, by the click; a second one sends nothing."""
    kind, body = BODIES[case]
    browser = light()
    form = wait(gatehouse, browser, body, **{"Content-Type": kind, "X-Own": "once"})
    assert form[0] == gatehouse.url + "/orders?id=7" and len(form[1]) == 113
    assert all(len(f"{name}={value}") <= 4096 for name, value in browser.cookies.items())
    before = browser.cookies
    assert upstream.seen == []
    assert click(browser, form).status_code == 200
    sent = upstream.last
    assert (sent.method, sent.target, sent.body) == ("POST", "/orders?id=7", body)
    assert sent.all("content-type") == [kind] and sent.all("content-length") == [str(len(body))]
    assert sent.first("authorization").startswith("Bearer ") and "-form-" not in (sent.first("cookie") or "")
    assert not any("-form-" in name for name in browser.cookies)
    for fields in [{}, {"Cookie": "; ".join(f"{name}={value}" for name, value in before.items())}]:
        again = click(browser, form, **fields)
        assert again.status_code == 404 and "no longer here" in again.text
        assert f'href="{gatehouse.url}/orders?id=7"' in again.text
    assert len(upstream.seen) == 1


REFUSED = {
    "cross-site": {"Sec-Fetch-Site": "cross-site"}, "same-site": {"Sec-Fetch-Site": "same-site"},
    "by hand": {"Sec-Fetch-Site": "none"}, "a script": {"Sec-Fetch-Mode": "cors", "Accept": "*/*"},
    "an opaque origin": {"Sec-Fetch-Site": "", "Origin": "null"},
    "another origin": {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.test"},
}


@pytest.mark.parametrize("case", REFUSED)
def test_only_a_click_of_the_same_origin_sends_a_form(gatehouse, upstream, light, case):
    """S9, K9: even who knew the name and had all cookies gains nothing; the form waits on."""
    browser = light()
    form = wait(gatehouse, browser, BODIES["a file"][1], **{"Content-Type": BODIES["a file"][0]})
    answer = click(browser, form, **REFUSED[case])
    assert answer.status_code == 404 and upstream.seen == []
    assert gatehouse.refusals("form-not-found") == 1
    assert click(browser, form).status_code == 200 and upstream.last.body == BODIES["a file"][1]


def test_the_click_is_worth_nothing_elsewhere(gatehouse, upstream, light):
    """S3: another browser with a session, an altered cookie, another address; an altered name is an application's own."""
    browser, other = light(), light()
    form = wait(gatehouse, browser, octets(3000), **{"Content-Type": "application/octet-stream"})
    other.follow(gatehouse.url + "/x")
    upstream.seen.clear()
    assert click(other, form).status_code == 404
    assert click(browser, (gatehouse.url + "/orders?id=8", form[1])).status_code == 404
    kept = browser.cookies
    broken = {name: value[:-9] + value[-9:].swapcase() if "-form-" in name else value for name, value in kept.items()}
    cookie = "; ".join(f"{name}={value}" for name, value in broken.items())
    assert click(browser, form, Cookie=cookie).status_code == 404
    assert upstream.seen == []
    altered = form[1][:-9] + form[1][-9:].swapcase()
    assert click(browser, (form[0], altered)).status_code == 200
    assert upstream.last.body == altered.encode()
    assert click(browser, form).status_code == 200 and upstream.last.body == octets(3000)


def test_an_applications_own_field_of_that_name_is_left_alone(gatehouse, upstream, light):
    browser = light()
    browser.follow(gatehouse.url + "/x")
    for body in ["gatehouse-kept=" + "a" * 98, "gatehouse-kept=1", "gatehouse-kept=" + "a" * 98 + "&b=1"]:
        assert click(browser, (gatehouse.url + "/orders", body)).status_code == 200
        assert upstream.last.body == body.encode()


def test_a_click_without_a_session_leads_to_the_login_first(gatehouse, upstream, light):
    browser = light()
    form = wait(gatehouse, browser, octets(3000), **{"Content-Type": "application/octet-stream"})
    for cookie in list(browser.client.cookies.jar):
        if "session-" in cookie.name:
            browser.client.cookies.delete(cookie.name)
    answer = click(browser, form)
    assert answer.status_code == 303 and upstream.seen == []
    again = small(browser.open(gatehouse.url + land(browser, answer)))
    assert click(browser, again).status_code == 200 and upstream.last.body == octets(3000)


def test_what_reached_no_upstream_waits_on(start, issuer, light):
    """Where no connection can be made nothing was sent: the next click finds the form."""
    gatehouse = start({"services": [
        service("http://127.0.0.1:1", route("gone", "/gone", plugins=[openid_connect(issuer)]), retries=0)]})
    browser = light()
    for body in ["short", "long" * 2000]:
        form = wait(gatehouse, browser, body, "/gone")
        assert [click(browser, form).status_code for _ in range(2)] == [502, 502]
        assert any("-form-" in name for name in browser.cookies)
        assert click(browser, form, **{"Sec-Fetch-Site": "cross-site"}).status_code == 404
        browser.client.cookies.clear()


def test_a_callout_is_told_that_nothing_is_kept(start, upstream, issuer, light):
    """The body is with the gateway that asks: the page says how nothing is lost, and scripts get what they got."""
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(issuer)]))]},
                      GATEHOUSE_TRUSTED_IPS="127.0.0.1/32")
    browser = light()
    page = begin(gatehouse, browser, "", "/oauth2/ext-authz/orders?id=7")
    assert page.status_code == 401 and "nothing has been sent" in page.text and browser.cookies == {}
    assert gatehouse.refusals("form-not-kept") == 1
    script = begin(gatehouse, browser, "", "/oauth2/ext-authz/orders?id=7", Accept="application/json")
    assert script.status_code == 401 and script.json()["message"] == "Unauthorized"
    assert begin(gatehouse, browser, "", "/oauth2/ext-authz/orders", **{"Sec-Fetch-Site": "cross-site"}).status_code == 401
    assert gatehouse.refusals("no-credential") == 2 and upstream.seen == []


@pytest.mark.parametrize("chunked", [False, True])
def test_a_form_is_sent_again_over_http2(start, upstream, issuer, light, chunked):
    """With a length and without: the upstream gets one length, that of what was kept."""
    port = free_port()
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(issuer)]))]},
                      port, GATEHOUSE_PROXY_LISTEN=f"127.0.0.1:{port} http2")
    browser = light()
    kind, body = BODIES["a file"]
    form = wait(gatehouse, browser, body, **{"Content-Type": kind})
    fields = [("content-type", "application/x-www-form-urlencoded"), ("accept", "text/html"), ("sec-fetch-mode", "navigate"),
              ("sec-fetch-site", "same-origin"),
              ("cookie", "; ".join(f"{name}={value}" for name, value in browser.cookies.items()))]
    if not chunked:
        fields.append(("content-length", str(len(form[1]))))
    with RawHTTP2(gatehouse.port) as client:
        for status in [200, 404]:
            stream = client.open(request("POST", "/orders?id=7", *fields, authority=f"127.0.0.1:{gatehouse.port}"), end=False)
            client.data(stream, form[1][:50].encode())
            client.data(stream, form[1][50:].encode(), end=True)
            assert client.finish(stream).status == status
        # The connection goes on, with its windows whole.
        stream = client.open(request("POST", "/x", *fields, authority=f"127.0.0.1:{gatehouse.port}"), end=False)
        client.data(stream, b"a" * 113, end=True)
        assert client.finish(stream).status == 200
    assert len(upstream.seen) == 2 and upstream.seen[0].body == body
    assert upstream.seen[0].all("content-length") == [str(len(body))] and upstream.seen[0].all("content-type") == [kind]


def test_a_form_outlives_a_restart_if_it_is_short_and_says_so_if_not(gatehouse, upstream, light):
    short, long = light(), light()
    ways = [land(short, begin(gatehouse, short, "a=1")), land(long, begin(gatehouse, long, "a=" + "b" * 5000))]
    form = small(long.open(gatehouse.url + ways[1]))
    assert gatehouse.stop() == 0
    gatehouse.start()
    lost = [long.open(gatehouse.url + ways[1]), click(long, form)]
    for answer in lost:
        assert answer.status_code == 404 and "no longer here" in answer.text
        assert f'href="{gatehouse.url}/orders?id=7"' in answer.text
    assert upstream.seen == []
    assert click(short, small(short.open(gatehouse.url + ways[0]))).status_code == 200
    assert upstream.last.body == b"a=1"


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
    assert click(browser, small(browser.open(gatehouse.url + land(browser, answers[-1])))).status_code == 200
    assert upstream.last.body == b"text=" + b"x" * length


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
    assert click(browser, small(page)).status_code == 200
    assert issuer.count("/token") == 2


def test_the_memory_for_forms_is_bounded(start, upstream, issuer):
    """Whoever fills it makes nobody's form go away: what does not fit is not taken."""
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[
        openid_connect(issuer, kept_body_bytes=1 << 20)]))]})
    body = b"a=" + b"b" * ((1 << 20) - 2)
    taken = [httpx.post(gatehouse.url + "/x", content=body, headers=FORM, timeout=60).status_code for _ in range(17)]
    assert taken == [303] * 15 + [401] * 2
    assert upstream.seen == []
