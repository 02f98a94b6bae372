"""What shapes a login from outside, and what is shown when one fails: nothing of it, and nothing that runs."""
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from support.browser import NAVIGATION
from support.gatehouse import openid_connect, plugin, route, run, service

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.fixture
def gatehouse(start, upstream, issuer):
    """Everything behind a login that shows its errors."""
    return start({"services": [service(upstream.url, route("app", "/", plugins=[
        openid_connect(issuer, display_errors=True, auth_methods=["authorization_code", "session"])]))]})


def edited(url: str, **changes) -> str:
    """The URL with parameters of its query changed; None leaves one out."""
    parts = urlsplit(url)
    query = {name: value for name, value in {**dict(parse_qsl(parts.query)), **changes}.items() if value is not None}
    return parts._replace(query=urlencode(query)).geturl()


def test_the_way_on_is_what_was_sealed_at_the_start(gatehouse, light):
    """S1, A12: nothing that the way back carries changes where it ends."""
    browser = light()
    way_back = edited(
        browser.to_callback(gatehouse.url + "/wanted?x=1"), rd="https://evil.test/", target_link_uri="https://evil.test/",
        redirect_uri="https://evil.test/", redirect="//evil.test", next="//evil.test", RelayState="https://evil.test/")
    assert browser.open(way_back).headers["location"] == "/wanted?x=1"


def test_tokens_in_place_of_a_code_are_nothing(gatehouse, issuer, upstream, light):
    """A5: an answer of the implicit flow starts no session."""
    browser = light()
    way_back = edited(browser.to_callback(gatehouse.url), code=None, token_type="Bearer", expires_in="600",
                      access_token=issuer.access_token(), id_token=issuer.id_token(None))
    assert 400 <= browser.open(way_back).status_code < 500
    assert not any("session-" in name for name in browser.cookies)
    assert issuer.count("/token") == 0 and upstream.seen == []


@pytest.mark.parametrize("path", ["/oauth2/start?rd=/a&rd=/b", "/oauth2/sign_out?rd=/a&rd=/b",
                                  "/oauth2/start?iss=https://a.test&iss=https://b.test"])
def test_a_parameter_that_is_said_twice_is_400(gatehouse, light, path):
    """S6: nobody can say which of the two counts."""
    browser = light()
    browser.follow(gatehouse.url)
    assert browser.open(gatehouse.url + path).status_code == 400
    assert browser.client.post(gatehouse.url + path, headers={"Sec-Fetch-Site": "same-origin"}).status_code in (400, 405)
    assert browser.open(gatehouse.url).status_code == 200


def closed(answer: httpx.Response):
    """Asserts that nothing on the page can run, be framed, be guessed at or be kept."""
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'") and "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "<script" not in answer.text and "<img" not in answer.text


@pytest.mark.parametrize("status", [400, 401, 500])
def test_what_the_token_endpoint_says_does_not_run(gatehouse, issuer, light, status):
    """S2, A10: an error with markup in every member, on a page that shows errors."""
    issuer.trouble["/token"] = lambda handler: handler.json(status, {
        "error": MARKUP, "error_description": MARKUP, "error_uri": "javascript:alert(1)"})
    browser = light()
    answer = browser.open(browser.to_callback(gatehouse.url))
    assert answer.status_code in (401, 502, 503) and "text/html" in answer.headers["content-type"]
    closed(answer)
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "javascript:" not in answer.text


@pytest.mark.parametrize("name", ["error", "error_description", "error_uri", "state", "code", "iss"])
def test_what_the_way_back_says_does_not_run(gatehouse, light, name):
    """S2, A9, A10: markup in any parameter of the way back."""
    browser = light()
    answer = browser.open(edited(browser.to_callback(gatehouse.url), **{"error": "access_denied", name: MARKUP}))
    assert 400 <= answer.status_code < 500
    closed(answer)
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "location" not in answer.headers


@pytest.mark.parametrize("path", ["/oauth2/sign_out", "/oauth2/start?rd=//evil.test", "/oauth2/callback",
                                  f"/oauth2/start?rd={MARKUP}", f"/oauth2/sign_out?rd=/{MARKUP}"])
def test_our_own_pages_are_closed(gatehouse, path):
    """S2: every page under our own paths."""
    answer = httpx.get(gatehouse.url + path, headers=NAVIGATION)
    assert "text/html" in answer.headers["content-type"]
    closed(answer)


def test_redirects_after_a_post_are_303(gatehouse, light):
    """A11: a browser must not post again what it posted to us."""
    browser = light()
    browser.follow(gatehouse.url)
    for _ in range(2):
        answer = browser.client.post(
            gatehouse.url + "/oauth2/sign_out?rd=/after", headers={**NAVIGATION, "Sec-Fetch-Site": "same-origin"})
        assert answer.status_code == 303


def test_passwords_are_never_asked_of_browsers(start, upstream, issuer):
    """A13: a browser that navigates gets no challenge that would make it ask for a password; a program does."""
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[
        openid_connect(issuer, auth_methods=["password"])]))]})
    page = httpx.get(gatehouse.url, headers=NAVIGATION)
    assert page.status_code == 401 and "basic" not in page.headers["www-authenticate"].lower()
    program = httpx.get(gatehouse.url, headers={"Accept": "application/json"})
    assert program.status_code == 401 and program.headers["www-authenticate"].startswith("Basic ")
    assert gatehouse.wait_for_line(lambda line: line.get("level") == "warning" and "password" in line["message"])


# What cannot be read is no "no restriction"

GOOD = "services:\n- name: api\n  url: http://127.0.0.1:9\n  routes:\n  - name: api\n    paths: [/]\n"


@pytest.mark.parametrize("content", [None, "", "-----BEGIN CERTIFICATE-----\nno certificate\n"])
def test_authorities_that_cannot_be_read_stop_the_start(tmp_path, content):
    """P8: a `trusted_ca_file` that is missing, empty or holds no certificate."""
    authorities, file = tmp_path / "authorities.pem", tmp_path / "gatehouse.yaml"
    if content is not None:
        authorities.write_text(content)
    file.write_text('_format_version: "3.0"\n' + GOOD)
    answer = run("serve", "--config", str(file), folder=tmp_path, environment={
        "GATEHOUSE_DATA_DIR": str(tmp_path / "data"), "GATEHOUSE_KEYS_DIR": str(tmp_path / "keys"),
        "GATEHOUSE_PROXY_LISTEN": "off", "GATEHOUSE_STATUS_LISTEN": "off",
        "GATEHOUSE_TRUSTED_CA_FILE": str(authorities)}, seconds=20)
    assert answer.returncode == 1 and "trusted_ca_file" in answer.stderr


@pytest.mark.parametrize("name, config", [
    ("acl", {"allow": []}), ("acl", {"deny": []}), ("acl", {}),
    ("openid-connect", {"scopes_required": []}), ("openid-connect", {"groups_required": []}),
    ("openid-connect", {"roles_required": [""]}), ("openid-connect", {"group_required": ["a"]}),
    ("openid-connect", {"auth_methods": []}), ("openid-connect", {"client_id": []}),
    ("key-auth", {"key_names": []}),
])
def test_an_empty_rule_is_an_error(tmp_path, name, config):
    """P8: a list that allows nobody, or a rule of another name, is never "everybody"."""
    import yaml
    usual = {"issuer": "https://issuer.test", "client_id": ["a"]} if name == "openid-connect" else {}
    file = tmp_path / "gatehouse.yaml"
    file.write_text('_format_version: "3.0"\n' + GOOD + yaml.safe_dump({"plugins": [plugin(name, **{**usual, **config})]}))
    answer = run("check", str(file))
    assert answer.returncode == 1 and ": error: " in answer.stdout, answer.stdout
