"""Browser login with a scripted issuer: the way there, the way back, and everything that may be wrong on it."""
import re
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import pytest

from support import issuer as trouble
from support.browser import NAVIGATION
from support.gatehouse import openid_connect, plugin, route, service
from support.issuer import Issuer
from support.tokens import Key, now, unsigned, with_secret


@pytest.fixture
def gatehouse(start, upstream, issuer):
    """Everything behind a login."""
    return start({"services": [service(
        upstream.url, route("app", "/", plugins=[openid_connect(issuer)]))]})


def edited(url: str, **changes) -> str:
    """The URL with parameters of its query changed; None leaves one out, a list repeats it."""
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query)), **changes}
    query = {name: value for name, value in query.items() if value is not None}
    return parts._replace(query=urlencode(query, doseq=True)).geturl()


# The way there and back

def test_a_login_lands_where_the_user_was_going(gatehouse, upstream, light):
    browser = light()
    page = browser.follow(gatehouse.url + "/reports/7?sort=date&x=%2F")
    assert page.status_code == 200
    assert page.json()["target"] == "/reports/7?sort=date&x=%2F"
    assert [seen.target for seen in upstream.seen] == ["/reports/7?sort=date&x=%2F"]


def test_the_authorization_request_is_as_the_standards_ask(gatehouse, issuer, light):
    """A1–A5, A16: state and nonce of 128 bits and more, S256, `code` only, the scopes that are configured."""
    asked = []
    for _ in range(2):
        query = parse_qs(urlsplit(light().open(gatehouse.url).headers["location"]).query)
        assert all(len(values) == 1 for values in query.values())
        asked.append({name: values[0] for name, values in query.items()})
    first, second = asked
    assert first["response_type"] == "code" and first["client_id"] == issuer.client_id
    assert first["redirect_uri"] == gatehouse.url + "/oauth2/callback"
    assert set(first["scope"].split()) == {"openid", "email"}
    assert first["code_challenge_method"] == "S256" and len(first["code_challenge"]) == 43
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) >= 22 and first[name] != second[name]


def test_the_code_is_redeemed_as_it_was_asked_for(gatehouse, issuer, light):
    """A4, A15, RFC 7636 §4.1: the same redirect URI, the verifier, one client authentication."""
    light().follow(gatehouse.url)
    form = next(asked for asked in issuer.asked if asked.path == "/token")
    assert form.form["redirect_uri"] == gatehouse.url + "/oauth2/callback"
    assert re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", form.form["code_verifier"])
    assert form.fields["Authorization"].startswith("Basic ") and "client_secret" not in form.form


def test_the_way_back_shows_neither_code_nor_state(gatehouse, light):
    """A10, A11: a redirect to the clean URL, never stored, telling nobody where it came from."""
    browser = light()
    answer = browser.open(browser.to_callback(gatehouse.url + "/here"))
    assert answer.status_code in (302, 303)
    assert urlsplit(answer.headers["location"]).path == "/here" and "code" not in answer.headers["location"]
    assert "no-store" in answer.headers["cache-control"]
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_cookies_are_closed_boxes(gatehouse, issuer, light):
    """K1, K2, K6: `HttpOnly`, `SameSite=Lax`, no domain, cookie octets only, nothing to read in them."""
    browser = light()
    way_back = browser.to_callback(gatehouse.url)
    out = browser.open(gatehouse.url + "/second")
    answer = browser.open(way_back)
    cookies = out.headers.get_list("set-cookie") + answer.headers.get_list("set-cookie")
    assert any("session-" in cookie for cookie in cookies)
    for cookie in cookies:
        text = cookie.lower()
        assert "httponly" in text and "samesite=lax" in text and "domain=" not in text and "path=/" in text
        value = cookie.split("=", 1)[1].split(";")[0]
        assert re.fullmatch(r"[!#-+\--:<-\[\]-~]*", value)
        assert "alice" not in value


def test_a_login_over_https_sets_host_cookies(start, upstream, issuer):
    """K1: `__Host-` and `Secure` where a trusted proxy says https."""
    gatehouse = start(
        {"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(issuer)]))]},
        GATEHOUSE_TRUSTED_IPS="127.0.0.1/32")
    fields = {**NAVIGATION, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "127.0.0.1"}
    out = httpx.get(gatehouse.url, headers=fields)
    query = parse_qs(urlsplit(out.headers["location"]).query)
    assert query["redirect_uri"][0].startswith("https://127.0.0.1")
    cookies = out.headers.get_list("set-cookie")
    assert cookies and all(cookie.startswith("__Host-") and "; secure" in cookie.lower() for cookie in cookies)


def test_the_upstream_gets_the_token_and_not_the_cookie(start, upstream, issuer, light):
    """H6, K8: the access token goes up; our cookies do not, the application's own do."""
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(
        issuer, upstream_headers_claims=["email"], upstream_headers_names=["X-Email"])]))]})
    browser = light()
    browser.follow(gatehouse.url)
    browser.client.cookies.set("theirs", "kept", domain="127.0.0.1")
    sent = browser.open(gatehouse.url + "/again").json()["headers"]
    assert sent["authorization"].startswith("Bearer ey")
    assert sent["x-email"] == "alice@example.test"
    assert sent.get("cookie") == "theirs=kept"


def test_an_upstreams_cookie_of_our_name_is_dropped(gatehouse, light):
    """K8."""
    browser = light()
    browser.follow(gatehouse.url)
    ours = next(name for name in browser.cookies if "session-" in name)
    answer = browser.open(f"{gatehouse.url}/?cookie={ours}")
    assert all(not cookie.startswith(f"{ours}=from-upstream") for cookie in answer.headers.get_list("set-cookie"))
    answer = browser.open(f"{gatehouse.url}/?cookie=another")
    assert any(cookie.startswith("another=from-upstream") for cookie in answer.headers.get_list("set-cookie"))


def test_a_script_gets_401_and_never_a_redirect(gatehouse, upstream):
    """S9: what is no navigation is refused, and no byte of it reaches the upstream."""
    for answer in [
            httpx.get(gatehouse.url, headers={"Accept": "application/json"}),
            httpx.get(gatehouse.url, headers={"Accept": "text/html", "Sec-Fetch-Mode": "cors"}),
            httpx.post(gatehouse.url, headers={"Accept": "text/html"}, content=b"a secret form")]:
        assert answer.status_code == 401, answer.status_code
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert upstream.seen == []


def test_two_tabs_log_in_at_once(gatehouse, light):
    """Both ways back succeed, in either order, each where its tab was going."""
    browser = light()
    first, second = browser.to_callback(gatehouse.url + "/first"), browser.to_callback(gatehouse.url + "/second")
    assert urlsplit(browser.open(second).headers["location"]).path == "/second"
    assert urlsplit(browser.open(first).headers["location"]).path == "/first"
    assert browser.open(gatehouse.url + "/third").status_code == 200


def test_large_sessions_are_split(start, upstream, issuer, light):
    """K3, E5: each cookie at most 4,096 bytes; a missing, doubled or extra chunk is no session."""
    issuer.user["long"] = "".join(format(number, "x") for number in range(2600))
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(issuer)]))]})
    browser = light()
    answer = browser.open(browser.to_callback(gatehouse.url))
    session = {name: value for name, value in browser.cookies.items() if "session-" in name}
    assert len(session) > 1
    for cookie in answer.headers.get_list("set-cookie"):
        assert len(cookie.split(";")[0]) <= 4096
    assert browser.open(gatehouse.url).status_code == 200
    names = sorted(session)

    def status(cookies: list[tuple[str, str]]) -> int:
        return httpx.get(gatehouse.url, headers={
            "Accept": "application/json", "Cookie": "; ".join(map("=".join, cookies))}).status_code

    whole = [(name, session[name]) for name in names]
    assert status(whole) == 200
    assert status(whole[:-1]) == 401
    assert status(whole + [whole[-1]]) == 401
    assert status([(names[0], session[names[-1]]), *whole[1:-1], (names[-1], session[names[0]])]) == 401


def test_any_altered_bit_is_no_session(gatehouse, light):
    """S3: a changed, foreign or doubled cookie opens nothing."""
    browser = light()
    browser.follow(gatehouse.url)
    name, value = next((name, value) for name, value in browser.cookies.items() if "session-" in name)
    positions = [0, 1, len(value) // 2, len(value) - 2]
    wrong = [value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1:] for at in positions]
    for cookie in [*(f"{name}={other}" for other in wrong), f"{name}={value}; {name}={value}",
                   f"{name}={value[:-4]}", f"{name}=", f"other={value}"]:
        answer = httpx.get(gatehouse.url, headers={"Cookie": cookie, "Accept": "application/json"})
        assert answer.status_code == 401, cookie[:40]


# What must be refused on the way back

def spoiled_id_token(issuer: Issuer, **claims):
    issuer.claims = claims


def foreign_key(issuer: Issuer):
    stranger = Key(issuer.keys[0].kid)
    issuer.mint = stranger.sign


def unknown_kid(issuer: Issuer):
    issuer.mint = lambda claims: issuer.keys[0].sign(claims, kid="nobody")


def public_key_as_secret(issuer: Issuer):
    key = issuer.keys[0]
    issuer.mint = lambda claims: with_secret(claims, key.public_pem(), key.kid)


def at_token(what):
    """The token endpoint does `what` from now on."""
    return lambda issuer: issuer.trouble.update({"/token": what})


REFUSED = {
    "wrong nonce": (lambda issuer: spoiled_id_token(issuer, nonce="another"), "wrong-nonce"),
    "no nonce": (lambda issuer: spoiled_id_token(issuer, nonce=None), "missing-claim"),
    "wrong issuer": (lambda issuer: spoiled_id_token(issuer, iss="http://127.0.0.1:1"), "wrong-issuer"),
    "issuer with a slash": (lambda issuer: spoiled_id_token(issuer, iss=issuer.url + "/"), "wrong-issuer"),
    "wrong audience": (lambda issuer: spoiled_id_token(issuer, aud="another"), "wrong-audience"),
    "untrusted audience beside": (lambda issuer: spoiled_id_token(issuer, aud=["app", "another"]), "wrong-audience"),
    "wrong azp": (lambda issuer: spoiled_id_token(issuer, azp="another"), "wrong-authorized-party"),
    "expired": (lambda issuer: spoiled_id_token(issuer, exp=now() - 61, iat=now() - 600), "expired"),
    "no expiry": (lambda issuer: spoiled_id_token(issuer, exp=None), "missing-claim"),
    "no subject": (lambda issuer: spoiled_id_token(issuer, sub=None), "missing-claim"),
    "no iat": (lambda issuer: spoiled_id_token(issuer, iat=None), "missing-claim"),
    "issued in the future": (lambda issuer: spoiled_id_token(issuer, iat=now() + 600), "issued-in-future"),
    "wrong at_hash": (lambda issuer: spoiled_id_token(issuer, at_hash="AAAAAAAAAAAAAAAAAAAAAA"), "wrong-token-hash"),
    "alg none": (lambda issuer: setattr(issuer, "mint", unsigned), "unsupported-algorithm"),
    "HS256 with the public key": (public_key_as_secret, "algorithm-not-allowed"),
    "unknown kid": (unknown_kid, "unknown-key"),
    "signed by another key": (foreign_key, "bad-signature"),
    "token endpoint answers garbage": (at_token(trouble.garbage), "issuer-answer-malformed"),
    "token endpoint answers ten megabytes": (at_token(trouble.huge), "issuer-answer-too-large"),
    "token endpoint answers slowly": (at_token(trouble.slow(20)), "issuer-timed-out"),
    "token endpoint never answers": (at_token(trouble.never), "issuer-timed-out"),
    "token endpoint fails": (at_token(trouble.status(500)), "issuer-failed"),
    "token endpoint redirects": (at_token(trouble.status(307, Location="/jwks")), None),
}
DOWN = {name for name in REFUSED if name.startswith("token endpoint")}


@pytest.mark.parametrize("name", REFUSED)
def test_a_spoiled_login_ends_in_a_page_and_no_session(start, upstream, issuer, light, name):
    """I1–I8, I11, I12, J1, J2, J10, A9, E4: each with its reason word; no session, no loop, nothing sent on."""
    spoil, word = REFUSED[name]
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[
        openid_connect(issuer, timeout=1500)]))]})
    browser = light()
    way_back = browser.to_callback(gatehouse.url)
    spoil(issuer)
    answer = browser.open(way_back)
    assert answer.status_code in ((502, 503, 504) if name in DOWN else (400, 401, 403, 502)), answer.status_code
    assert "text/html" in answer.headers["content-type"]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert not any("session-" in cookie for cookie in browser.cookies)
    assert upstream.seen == []
    reasons = re.findall(r'gatehouse_refusals_total\{reason="([^"]+)"\} [1-9]', gatehouse.metrics())
    assert len(reasons) >= 1
    if word:
        assert word in reasons
    assert issuer.count("/token") == 1


def test_every_spoiled_login_has_a_word_of_its_own(start, upstream, light):
    """The words tell nonce, azp, audience, garbage, size and time apart."""
    words = {}
    for name in ["wrong nonce", "wrong issuer", "wrong audience", "wrong azp", "expired", "alg none",
                 "HS256 with the public key", "unknown kid", "signed by another key",
                 "token endpoint answers garbage", "token endpoint answers ten megabytes",
                 "token endpoint never answers"]:
        with Issuer() as issuer:
            gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[
                openid_connect(issuer, timeout=1500)]))]})
            browser = light()
            way_back = browser.to_callback(gatehouse.url)
            REFUSED[name][0](issuer)
            browser.open(way_back)
            words[name] = tuple(re.findall(r'gatehouse_refusals_total\{reason="([^"]+)"\} [1-9]', gatehouse.metrics()))
            gatehouse.stop()
    assert len(set(words.values())) == len(words), words


def test_a_key_of_another_issuer_is_no_key(start, upstream, light):
    """B7, J10: an ID token signed by an issuer that the gateway knows too, but for another route."""
    with Issuer(name="first") as first, Issuer(name="second") as second:
        gatehouse = start({"services": [service(
            upstream.url, route("one", "/one", plugins=[openid_connect(first)]),
            route("two", "/two", plugins=[openid_connect(second)]))]})
        assert light().follow(gatehouse.url + "/two").status_code == 200
        browser = light()
        way_back = browser.to_callback(gatehouse.url + "/one")
        first.mint = second.keys[0].sign
        assert browser.open(way_back).status_code in (400, 401, 403)
        assert gatehouse.refusals("unknown-key") == 1


@pytest.mark.parametrize("name, changes", [
    ("no state", {"state": None}),
    ("wrong state", {"state": "A" * 43}),
    ("empty state", {"state": ""}),
    ("state twice", {"state": ["A" * 43, "B" * 43]}),
    ("no code", {"code": None}),
    ("code twice", {"code": ["one", "two"]}),
    ("wrong iss", {"iss": "http://127.0.0.1:1"}),
    ("iss twice", {"iss": ["http://127.0.0.1:1", "http://127.0.0.1:2"]}),
])
def test_a_spoiled_way_back_asks_for_no_token(gatehouse, issuer, upstream, light, name, changes):
    """A1, A7, A8, S5, S6: 4xx, no token request, no session."""
    browser = light()
    answer = browser.open(edited(browser.to_callback(gatehouse.url), **changes))
    assert 400 <= answer.status_code < 500, answer.status_code
    assert issuer.count("/token") == 0
    assert upstream.seen == []


def test_the_issuer_parameter_is_asked_for_where_announced(start, upstream, issuer, light):
    """A7 (RFC 9207 §2.4)."""
    issuer.metadata = {"authorization_response_iss_parameter_supported": True}
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(issuer)]))]})
    browser = light()
    assert 400 <= browser.open(browser.to_callback(gatehouse.url)).status_code < 500
    assert issuer.count("/token") == 0
    issuer.parameters = {"iss": issuer.url}
    assert light().follow(gatehouse.url).status_code == 200


def test_anothers_state_is_no_state(gatehouse, issuer, light):
    """A1, S5, V12: the way back works only in the browser that began it."""
    answer = light().open(light().to_callback(gatehouse.url))
    assert 400 <= answer.status_code < 500
    assert issuer.count("/token") == 0


def test_a_code_is_redeemed_once(gatehouse, issuer, light):
    """A6 (RFC 6749 §4.1.2): the second way back makes no token request, and the session stands."""
    browser = light()
    way_back = browser.to_callback(gatehouse.url + "/where")
    assert browser.open(way_back).status_code in (302, 303)
    again = browser.open(way_back)
    assert issuer.count("/token") == 1
    assert 400 <= again.status_code < 500 or (
        again.status_code in (302, 303) and "code" not in again.headers["location"])
    assert browser.open(gatehouse.url).status_code == 200


def test_a_code_that_was_used_elsewhere_is_refused(gatehouse, issuer, light):
    """The issuer says `invalid_grant`: a page, no session."""
    browser = light()
    way_back = browser.to_callback(gatehouse.url)
    issuer.codes.clear()
    answer = browser.open(way_back)
    assert 400 <= answer.status_code < 500 and "text/html" in answer.headers["content-type"]
    assert not any("session-" in cookie for cookie in browser.cookies)


def test_an_error_answer_ends_in_a_page(gatehouse, issuer, light):
    """A9, S2: no token request, no redirect loop, nothing of the text runs."""
    browser = light()
    issuer.parameters = {
        "code": None, "error": "access_denied", "error_description": "<script>alert(1)</script>"}
    answer = browser.open(browser.to_callback(gatehouse.url))
    assert 400 <= answer.status_code < 500
    assert "<script>" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert issuer.count("/token") == 0


# Who may pass

@pytest.mark.parametrize("config, status", [
    ({"groups_required": ["admins"]}, 200),
    ({"groups_required": ["nobody", "staff"]}, 200),
    ({"groups_required": ["admins staff"]}, 200),
    ({"groups_required": ["admins nobody"]}, 403),
    ({"groups_required": ["Admins"]}, 403),
    ({"scopes_required": ["openid"]}, 200),
    ({"scopes_required": ["openid write"]}, 403),
    ({"roles_required": ["editor"], "roles_claim": ["realm_access", "roles"]}, 200),
    ({"roles_required": ["owner"], "roles_claim": ["realm_access", "roles"]}, 403),
    ({"groups_required": ["eng"], "groups_claim": ["flat"]}, 200),
    ({"groups_required": ["admins"], "groups_claim": ["missing"]}, 403),
])
def test_claims_decide(start, upstream, issuer, light, config, status):
    """Nested paths; groups as an array and as a string; alternatives between items, all words within one."""
    issuer.user.update(realm_access={"roles": ["editor", "viewer"]}, flat="ops,eng")
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[
        openid_connect(issuer, **config)]))]})
    page = light().follow(gatehouse.url)
    assert page.status_code == status
    if status == 403:
        assert "text/html" in page.headers["content-type"]
        assert upstream.seen == []


def test_userinfo_of_somebody_else_is_thrown_away(start, upstream, issuer, light):
    """I13 (OIDC Core §5.3.2): groups that userinfo tells of another subject decide nothing."""
    issuer.access_claims = {"groups": None}
    told = {"sub": issuer.user["sub"], "groups": ["owners"]}
    issuer.trouble["/userinfo"] = lambda handler: handler.json(200, told)
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(
        issuer, search_user_info=True, groups_claim=["from_userinfo"], groups_required=["owners"])]))]})
    told["from_userinfo"] = ["owners"]
    assert light().follow(gatehouse.url).status_code == 200
    told["sub"] = "somebody-else"
    before = len(upstream.seen)
    assert light().follow(gatehouse.url).status_code in (400, 401, 403)
    assert len(upstream.seen) == before


# Return addresses

@pytest.mark.parametrize("rd", [
    "https://evil.test/", "//evil.test/", "/\\evil.test/", "/\t/evil.test", "\\\\evil.test", "https:evil.test",
    "http://127.0.0.1@evil.test/", "http://127.0.0.1.evil.test/", "javascript:alert(1)", "/%09/evil.test",
    "http://evil.test\\@127.0.0.1/", "///evil.test", "http:///evil.test", "/a\r\nX-Evil: 1", "//127.0.0.1:1\\.evil.test",
])
def test_the_return_address_never_leaves(gatehouse, light, rd):
    """A12, S1: refused, or led to a path of ours."""
    browser = light()
    answer = browser.open(gatehouse.url + "/oauth2/start", params={"rd": rd})
    if answer.status_code != 302:
        assert 400 <= answer.status_code < 500
        return
    back = browser.open(answer.headers["location"]).headers["location"]
    landed = browser.open(back).headers["location"]
    assert "evil" not in (urlsplit(landed).netloc or "") and not landed.startswith(("//", "/\\", "javascript"))
    assert urlsplit(landed).netloc in ("", urlsplit(gatehouse.url).netloc)


def test_start_leads_to_the_path_it_was_given(gatehouse, light):
    page = light().follow(gatehouse.url + "/oauth2/start?rd=/wanted%3Fx%3D1")
    assert page.json()["target"] == "/wanted?x=1"


def test_start_takes_nothing_but_the_return_address(gatehouse, issuer, light):
    """S6: nobody shapes our authorization request from outside."""
    answer = light().open(gatehouse.url + "/oauth2/start", params={
        "rd": "/", "scope": "admin", "prompt": "none", "client_id": "evil", "redirect_uri": "https://evil.test"})
    if answer.status_code == 302:
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        assert query["client_id"] == [issuer.client_id] and "admin" not in query["scope"][0]
        assert "prompt" not in query and "evil" not in query["redirect_uri"][0]
    else:
        assert answer.status_code == 400


# Sessions

def test_userinfo_tells_who_is_there(gatehouse, light):
    browser = light()
    assert browser.client.get(gatehouse.url + "/oauth2/userinfo").status_code == 401
    browser.follow(gatehouse.url)
    answer = browser.client.get(gatehouse.url + "/oauth2/userinfo").json()
    assert answer["claims"]["sub"] == "alice-id" and answer["expires_in"] > 0
    assert "access_token" not in str(answer)


def test_a_new_login_makes_a_new_session(gatehouse, light):
    """S4: what was there before a login is not taken on."""
    browser = light()
    browser.follow(gatehouse.url)
    before = {name: value for name, value in browser.cookies.items() if "session-" in name}
    browser.follow(gatehouse.url + "/oauth2/start?rd=/")
    after = {name: value for name, value in browser.cookies.items() if "session-" in name}
    assert set(before) == set(after) and before != after


def test_cookies_live_no_longer_than_the_session(start, upstream, issuer, light):
    """K7."""
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(
        issuer, session_absolute_timeout=600)]))]})
    browser = light()
    answer = browser.open(browser.to_callback(gatehouse.url))
    for cookie in answer.headers.get_list("set-cookie"):
        for age in re.findall(r"max-age=(\d+)", cookie.lower()):
            assert int(age) <= 600


def test_signing_out_takes_a_post_from_here(gatehouse, issuer, light):
    """K9, A11, S4: a GET and a cross-site POST change nothing; the cookie that goes is the cookie that was set."""
    browser = light()
    browser.follow(gatehouse.url)
    url = gatehouse.url + "/oauth2/sign_out"
    page = browser.open(url)
    assert page.status_code == 200 and "<form" in page.text and "<script" not in page.text
    for fields in [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.test"}, {"Origin": "null"}]:
        assert browser.client.post(url, headers=fields).status_code == 403
    assert browser.open(gatehouse.url).status_code == 200
    name, value = next((name, value) for name, value in browser.cookies.items() if "session-" in name)
    answer = browser.client.post(url, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 303
    gone = next(cookie for cookie in answer.headers.get_list("set-cookie") if cookie.startswith(f"{name}="))
    assert value not in gone and "max-age=0" in gone.lower() and "path=/" in gone.lower()
    end = urlsplit(answer.headers["location"])
    assert end.path == "/end_session" and "id_token_hint" in parse_qs(end.query)
    assert browser.client.get(gatehouse.url, headers={"Accept": "application/json"}).status_code == 401


def test_an_idle_session_ends(start, upstream, issuer, light):
    """V3: what the cookie says inside decides, whatever the browser keeps."""
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[
        openid_connect(issuer, session_idling_timeout=1)]))]})
    browser = light()
    browser.follow(gatehouse.url)
    name, value = next((name, value) for name, value in browser.cookies.items() if "session-" in name)

    def status() -> int:
        return httpx.get(gatehouse.url, headers={
            "Cookie": f"{name}={value}", "Accept": "application/json"}).status_code

    from support.processes import wait_until
    assert status() == 200
    wait_until(lambda: status() == 401, "the session has ended", 5)


def test_a_restart_keeps_sessions(gatehouse, light):
    browser = light()
    browser.follow(gatehouse.url)
    assert gatehouse.stop() == 0
    gatehouse.start()
    assert browser.open(gatehouse.url + "/after").status_code == 200


def test_sessions_of_two_issuers_do_not_mix(start, upstream, light):
    """A session opened at one issuer opens nothing of the other."""
    with Issuer(name="first") as first, Issuer(name="second") as second:
        gatehouse = start({"services": [service(
            upstream.url, route("one", "/one", plugins=[openid_connect(first)]),
            route("two", "/two", plugins=[openid_connect(second)]))]})
        browser = light()
        browser.follow(gatehouse.url + "/one")
        name, value = next((name, value) for name, value in browser.cookies.items() if "session-" in name)
        assert browser.open(gatehouse.url + "/two").status_code == 302
        two = light()
        two.follow(gatehouse.url + "/two")
        other = next(name for name in two.cookies if "session-" in name)
        assert other != name
        answer = httpx.get(gatehouse.url + "/two", headers={
            "Cookie": f"{other}={value}", "Accept": "application/json"})
        assert answer.status_code == 401


def test_an_expired_access_token_is_renewed(start, upstream, issuer, light):
    """A17: with the refresh token, once, unseen by the user."""
    issuer.access_seconds = 2
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(
        issuer, auth_methods=["authorization_code", "session", "refresh_token"])]))]})
    browser = light()
    first = browser.follow(gatehouse.url).json()["headers"]["authorization"]
    from support.processes import wait_until
    issuer.access_seconds = 600

    def renewed() -> bool:
        answer = browser.open(gatehouse.url)
        assert answer.status_code == 200
        return answer.json()["headers"]["authorization"] != first

    wait_until(renewed, "the token is renewed", 6)
    assert [asked.form["grant_type"] for asked in issuer.asked if asked.path == "/token"] == [
        "authorization_code", "refresh_token"]


def test_a_refused_refresh_ends_the_session(start, upstream, issuer, light):
    """A17: `invalid_grant` sends the user to a new login."""
    issuer.access_seconds = 1
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(
        issuer, auth_methods=["authorization_code", "session", "refresh_token"])]))]})
    browser = light()
    browser.follow(gatehouse.url)
    issuer.refresh_tokens.clear()
    from support.processes import wait_until
    wait_until(lambda: browser.open(gatehouse.url).status_code == 302, "a new login is asked for", 5)


def test_the_plugin_may_be_switched_off(start, upstream, issuer):
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[
        {**openid_connect(issuer), "enabled": False}]))]})
    assert httpx.get(gatehouse.url).status_code == 200


def test_a_callback_of_its_own_path(start, upstream, issuer, light):
    """A request to a `redirect_uri` of its route that carries state and code is the callback, whatever its path."""
    from support.processes import free_port
    port = free_port()
    gatehouse = start({"services": [service(upstream.url, route("app", "/app", plugins=[openid_connect(
        issuer, redirect_uri=[f"http://127.0.0.1:{port}/app/back"])]))]}, port)
    page = light().follow(gatehouse.url + "/app/x")
    assert page.status_code == 200 and page.json()["target"] == "/app/x"


def test_key_auth_and_login_side_by_side(start, upstream, issuer):
    """Each authenticating plugin alone refuses, as Kong's users expect."""
    gatehouse = start({
        "services": [service(upstream.url, route("app", "/", plugins=[
            plugin("key-auth"), openid_connect(issuer, auth_methods=["bearer"])]))],
        "consumers": [{"username": "ann", "keyauth_credentials": [{"key": "anns-key"}]}]})
    token = issuer.access_token()
    assert httpx.get(gatehouse.url).status_code == 401
    assert httpx.get(gatehouse.url, headers={"apikey": "anns-key"}).status_code == 401
    assert httpx.get(gatehouse.url, headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert httpx.get(gatehouse.url, headers={
        "apikey": "anns-key", "Authorization": f"Bearer {token}"}).status_code == 200
