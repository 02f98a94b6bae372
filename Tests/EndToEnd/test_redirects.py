"""The table of hostile addresses (Tests/Vectors/redirects.json) through the running program, with a browser as its judge."""
import json
from urllib.parse import quote, urljoin, urlsplit

import httpx
import pytest

from support.browser import NAVIGATION
from support.gatehouse import ROOT, openid_connect, route, service
from support.rawsocket import get

TABLE = json.loads((ROOT / "Tests/Vectors/redirects.json").read_text())
HOSTS = TABLE["hosts"]


@pytest.fixture
def gatehouse(start, upstream, issuer):
    """Everything behind a login; the hosts of the table are listed."""
    return start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(issuer)]))]},
                 GATEHOUSE_REDIRECT_HOSTS=",".join(HOSTS), GATEHOUSE_TRUSTED_IPS="127.0.0.1/32")


# A trusted proxy says that the browser asked for https://app.example.
OWN = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "app.example"}


def test_the_table_is_long_enough():
    assert len(set(TABLE["refused"])) >= 160


@pytest.mark.parametrize("path", ["/oauth2/start", "/oauth2/sign_in", "/oauth2/sign_out"])
def test_no_hostile_address_is_taken(gatehouse, issuer, path):
    """S1, A12: each is 400 with its word, at the beginning of a login and of a logout, encoded and in UTF-8."""
    with httpx.Client(headers={**NAVIGATION, **OWN}) as client:
        for address in TABLE["refused"]:
            answer = client.get(f"{gatehouse.url}{path}?rd={quote(address, safe='')}")
            assert answer.status_code == 400, address
            assert "location" not in answer.headers and "evil.example" not in answer.text, address
        for address, _ in TABLE["taken"]:
            answer = client.get(f"{gatehouse.url}{path}?rd={quote(address, safe='')}")
            assert answer.status_code == (200 if path.endswith("sign_out") else 302), address
    assert gatehouse.refusals("redirect-refused") == len(TABLE["refused"])
    assert all(asked.path != "/authorize" for asked in issuer.asked)


def test_what_is_taken_leads_where_a_browser_reads_it(gatehouse, light, browser):
    """Each harmless address ends a login; Chromium's own reading of its `Location` is on a listed host."""
    browser.open("about:blank")
    allowed = {"https://app.example", "https://other.example", "https://port.example:8443", "https://a.wild.example",
               "https://a.b.wild.example"}
    for address, location in TABLE["taken"]:
        person = light()
        person.client.headers.update(OWN)
        out = person.open(f"{gatehouse.url}/oauth2/start?rd={quote(address, safe='')}")
        back = urlsplit(person.open(out.headers["location"]).headers["location"])
        cookie = "; ".join(value.split(";")[0] for value in out.headers.get_list("set-cookie"))
        end = person.open(f"{gatehouse.url}{back.path}?{back.query}", headers={"Cookie": cookie})
        assert end.headers["location"] == location, address
        origin = browser.driver.execute_script(
            "return new URL(arguments[0], 'https://app.example/oauth2/callback').origin", end.headers["location"])
        assert origin in allowed, (address, origin)


def test_a_browser_would_have_left_for_most_of_what_is_refused(browser):
    """The table bites: by Chromium's own reading, many of its rows lead to another host."""
    browser.open("about:blank")
    origins = browser.driver.execute_script("""
        return arguments[0].map(text => {
          try { return new URL(text, 'https://app.example/oauth2/callback').origin } catch { return '' }
        })""", TABLE["refused"])
    elsewhere = [origin for origin in origins if origin not in ("", "null", "https://app.example")]
    assert len(elsewhere) >= 60, elsewhere


@pytest.mark.parametrize("path", ["//evil.example/x", "///evil.example", "/%2Fevil.example", "/%5Cevil.example", "/\\evil.example",
                                  "/.//evil.example", "/x/..//evil.example", "//127.0.0.1@evil.example/", "/%09/evil.example"])
def test_a_path_that_looks_like_a_host_stays_a_path(start, upstream, issuer, light, browser, path):
    """S1: the address that is asked for itself; refused at the door, or ended on this host as Chromium reads it."""
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(issuer)]))]})
    person = light()
    answer = get(gatehouse.port, path, None, *(f"{name}: {value}" for name, value in NAVIGATION.items()))
    if answer.status == 400:
        return
    assert answer.status == 302
    cookie = answer.first("set-cookie").split(";")[0]
    back = person.open(answer.first("location")).headers["location"]
    end = person.open(back, headers={"Cookie": cookie}).headers["location"]
    browser.open("about:blank")
    read = browser.driver.execute_script("return new URL(arguments[0], arguments[1]).origin", end, gatehouse.url + "/")
    assert read == gatehouse.url, (path, end)
    assert urljoin(gatehouse.url, end).startswith(gatehouse.url)
