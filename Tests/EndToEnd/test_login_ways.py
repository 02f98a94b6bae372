"""Requests that are pushed or signed, answers that are posted or signed; what a client may hand through."""
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from support.authorization import posted
from support.browser import NAVIGATION
from support.gatehouse import openid_connect, route, service
from support.tokens import Key, now

LOGIN = ["authorization_code", "session"]


@pytest.fixture
def begin(start, upstream, issuer):
    """Everything behind a login with further settings."""
    def make(**config):
        return start({"services": [service(upstream.url, route("app", "/", plugins=[
            openid_connect(issuer, auth_methods=LOGIN, **config)]))]})
    return make


def asked(url: str) -> dict[str, str]:
    """The parameters of a URL, each once."""
    found = parse_qs(urlsplit(url).query)
    assert all(len(values) == 1 for values in found.values())
    return {name: values[0] for name, values in found.items()}


@pytest.fixture
def signer(issuer, tmp_path):
    """A key of the client as PEM, known to the issuer."""
    from cryptography.hazmat.primitives import serialization
    key = Key("client", "ES256")
    issuer.client_keys = [key.private.public_key()]
    return key.private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


# Requests

def test_a_pushed_request_shows_the_browser_nothing(begin, issuer, upstream, light):
    """RFC 9126, F1: the browser carries a name; the issuer takes it once."""
    issuer.wants_pushed = True
    gatehouse = begin(require_pushed_authorization_requests=True)
    browser = light()
    out = browser.open(gatehouse.url + "/x").headers["location"]
    assert set(asked(out)) == {"client_id", "request_uri"}
    assert browser.follow(gatehouse.url + "/x").json()["target"] == "/x"
    assert issuer.count("/par") == 2 and upstream.last.target == "/x"


def test_the_metadata_alone_makes_requests_pushed(begin, issuer, light):
    """RFC 9126 §5."""
    issuer.wants_pushed, issuer.metadata = True, {"require_pushed_authorization_requests": True}
    assert light().follow(begin().url + "/x").status_code == 200


def test_a_pushed_request_proves_the_client_in_its_own_way(begin, issuer, light):
    """A15: `client_secret_post` where requests are pushed, basic at the token endpoint."""
    gatehouse = begin(require_pushed_authorization_requests=True,
                      pushed_authorization_request_endpoint_auth_method="client_secret_post")
    assert light().follow(gatehouse.url).status_code == 200
    pushed = next(one for one in issuer.asked if one.path == "/par")
    token = next(one for one in issuer.asked if one.path == "/token")
    assert pushed.form["client_secret"] == issuer.client_secret and "Authorization" not in pushed.fields
    assert token.fields["Authorization"].startswith("Basic ")


@pytest.mark.parametrize("status, reason", [(400, "request-refused"), (500, "issuer-failed")])
def test_a_request_that_cannot_be_pushed_ends_on_a_page(begin, issuer, light, status, reason):
    """A9: 503 with Retry-After and a way on; the browser is sent nowhere."""
    issuer.trouble["/par"] = lambda handler: handler.json(status, {"error": "invalid_request"})
    gatehouse = begin(require_pushed_authorization_requests=True)
    answer = light().open(gatehouse.url + "/x?y=1")
    assert answer.status_code == 503 and "retry-after" in answer.headers
    assert 'href="/x?y=1">Try again</a>' in answer.text
    assert gatehouse.refusals(reason) == 1


@pytest.mark.parametrize("config", [{}, {"require_pushed_authorization_requests": True}])
def test_a_signed_request_is_taken(begin, issuer, light, signer, config):
    """RFC 9101: signed by the client's key, and for this issuer; alone or pushed."""
    issuer.wants_signed, issuer.wants_pushed = True, bool(config)
    gatehouse = begin(require_signed_request_object=True, client_key=[signer], max_age=600,
                      authorization_query_args_names=["prompt"], authorization_query_args_values=["consent"], **config)
    browser = light()
    assert browser.follow(gatehouse.url + "/x").json()["target"] == "/x"
    login = [one for one in issuer.asked if one.path == "/authorize"][-1]
    assert "state" not in login.query and "nonce" not in login.query


def test_a_signed_request_needs_a_key(tmp_path, issuer):
    from support.gatehouse import run
    import yaml
    file = tmp_path / "gatehouse.yaml"
    file.write_text('_format_version: "3.0"\n' + yaml.safe_dump({"services": [service("http://127.0.0.1:9", route(
        "app", "/", plugins=[openid_connect(issuer, require_signed_request_object=True)]))]}))
    answer = run("check", str(file), folder=tmp_path)
    assert answer.returncode == 1 and "needs a private key: client_jwk or client_key" in answer.stdout


# Answers

def back(browser, gatehouse, path: str = "/x"):
    """What the issuer gives a browser that was sent to it from `path`."""
    out = browser.open(gatehouse.url + path)
    assert out.status_code == 302
    return browser.open(out.headers["location"])


def post(browser, url: str, form: dict, **fields):
    """What a page of another site posts."""
    return browser.client.post(url, data=form, headers={
        **NAVIGATION, "Sec-Fetch-Site": "cross-site", "Origin": "null", **fields})


@pytest.mark.parametrize("mode", ["form_post", "form_post.jwt"])
def test_a_posted_answer_ends_a_login(begin, issuer, light, mode):
    """K2, A11: the attempt's cookie crosses sites, nothing of the answer stands in a URL, and 303 follows."""
    gatehouse = begin(response_mode=mode)
    browser = light()
    out = browser.open(gatehouse.url + "/x")
    cookie = out.headers["set-cookie"].lower()
    assert "samesite=none" in cookie and "secure" in cookie
    action, form = posted(browser.open(out.headers["location"]).text)
    assert action == gatehouse.url + "/oauth2/callback" and set(form) <= {"code", "state", "response"}
    # A browser keeps such a cookie of a loopback address; httpx does not send it over http.
    value = out.headers["set-cookie"].split(";")[0]
    answer = post(browser, action, form, Cookie=value)
    assert answer.status_code == 303 and answer.headers["location"] == "/x"
    assert post(light(), action, form).status_code == 400


@pytest.mark.parametrize("mode", ["jwt", "query.jwt"])
def test_a_signed_answer_ends_a_login(begin, light, mode):
    browser = light()
    gatehouse = begin(response_mode=mode)
    answer = back(browser, gatehouse)
    assert set(asked(answer.headers["location"])) == {"response"}
    assert browser.open(answer.headers["location"]).headers["location"] == "/x"
    assert browser.open(gatehouse.url + "/x").status_code == 200


def by_a_stranger(issuer):
    stranger = Key(issuer.keys[0].kid)
    issuer.respond = stranger.sign


SPOILED = {
    "another issuer": (lambda issuer: issuer.answer_claims.update(iss="https://evil.test"), "wrong-issuer"),
    "another audience": (lambda issuer: issuer.answer_claims.update(aud="other"), "wrong-audience"),
    "expired": (lambda issuer: issuer.answer_claims.update(exp=now() - 61), "expired"),
    "no expiry": (lambda issuer: issuer.answer_claims.update(exp=None), "missing-claim"),
    "no audience": (lambda issuer: issuer.answer_claims.update(aud=None), "missing-claim"),
    "no code": (lambda issuer: issuer.answer_claims.update(code=None), "malformed-response"),
    "code and error": (lambda issuer: issuer.answer_claims.update(error="access_denied"), "malformed-response"),
    "signed by another": (by_a_stranger, "bad-signature"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_signed_answer_asks_for_no_token(begin, issuer, upstream, light, name):
    """JARM §2.4: each rule with its word; a page with a way on, no token request, no session."""
    spoil, word = SPOILED[name]
    spoil(issuer)
    gatehouse = begin(response_mode="jwt")
    browser = light()
    answer = browser.open(back(browser, gatehouse).headers["location"])
    assert answer.status_code == 401 and gatehouse.refusals(word) == 1
    assert 'href="/x">Start again</a>' in answer.text
    assert issuer.count("/token") == 0 and upstream.seen == []
    assert not any("session-" in name for name in browser.cookies)


def test_a_plain_answer_is_none_where_a_signed_one_was_asked_for(begin, issuer, light):
    """V13: who takes the signature off gains nothing."""
    gatehouse = begin(response_mode="jwt")
    browser = light()
    state = asked(browser.open(gatehouse.url + "/x").headers["location"])["state"]
    answer = browser.open(gatehouse.url + "/oauth2/callback?" + urlencode({"state": state, "code": "stolen"}))
    assert answer.status_code == 400 and gatehouse.refusals("wrong-response-mode") == 1
    assert issuer.count("/token") == 0


def test_an_unsigned_signed_answer_is_none(begin, issuer, light):
    """J1, B1: `alg: none` in an answer."""
    from support.tokens import unsigned
    issuer.respond = unsigned
    gatehouse = begin(response_mode="jwt")
    browser = light()
    answer = browser.open(back(browser, gatehouse).headers["location"])
    assert answer.status_code == 401 and gatehouse.refusals("unsupported-algorithm") == 1
    assert issuer.count("/token") == 0


# What shapes the request

def test_a_client_hands_through_what_is_listed(begin, light):
    """S6: the names that the route lists, each once; nothing of ours, nothing that is configured."""
    gatehouse = begin(
        authorization_query_args_client=["login_hint", "ui_locales"],
        authorization_query_args_names=["prompt", "acr"], authorization_query_args_values=["login", "gold"])
    query = asked(light().open(
        gatehouse.url + "/x?login_hint=ann&ui_locales=de&ui_locales=en&prompt=none&scope=admin&state=s&acr=lead"
    ).headers["location"])
    assert query["login_hint"] == "ann" and query["prompt"] == "login" and query["acr"] == "gold"
    assert "ui_locales" not in query and query["scope"] == "openid email" and query["state"] != "s"


def test_the_token_request_carries_what_is_configured(begin, issuer, light):
    gatehouse = begin(token_post_args_names=["resource"], token_post_args_values=["https://api.test"],
                      token_headers_names=["X-Tenant"], token_headers_values=["blue"])
    assert light().follow(gatehouse.url).status_code == 200
    token = next(one for one in issuer.asked if one.path == "/token")
    assert token.form["resource"] == "https://api.test" and token.fields["X-Tenant"] == "blue"


@pytest.mark.parametrize("config, word", [
    ({"authorization_query_args_client": ["state"]}, "'state' is the gateway's own to write"),
    ({"authorization_query_args_names": ["redirect_uri"], "authorization_query_args_values": ["x"]},
     "'redirect_uri' is the gateway's own to write"),
    ({"authorization_query_args_client": ["prompt"], "authorization_query_args_names": ["prompt"],
      "authorization_query_args_values": ["login"]}, "which wins"),
    ({"token_post_args_names": ["code_verifier"], "token_post_args_values": ["x"]}, "'code_verifier' is the gateway's"),
    ({"token_headers_names": ["Authorization"], "token_headers_values": ["x"]}, "'Authorization' is the gateway's"),
    ({"token_headers_names": ["X-A"], "token_headers_values": ["a\nb"]}, "control character"),
    ({"response_mode": "fragment"}, "a fragment never reaches a gateway"),
    ({"response_mode": "fragment.jwt"}, "a fragment never reaches a gateway"),
    ({"response_mode": "form_post", "authorization_cookie_secure": False}, "must not be false"),
    ({"kept_body_bytes": 1048577}, "expected a number from 0 to 1048576"),
    ({"token_headers_replay": ["Set-Cookie"]}, "'Set-Cookie' is no field that the issuer may speak by"),
    ({"token_post_args_client": ["password"]}, "'password' is the gateway's"),
])
def test_what_cannot_be_asked_for_is_an_error(tmp_path, issuer, config, word):
    import yaml
    from support.gatehouse import run
    file = tmp_path / "gatehouse.yaml"
    file.write_text('_format_version: "3.0"\n' + yaml.safe_dump({"services": [service("http://127.0.0.1:9", route(
        "app", "/", plugins=[openid_connect(issuer, **config)]))]}))
    answer = run("check", str(file), folder=tmp_path)
    assert answer.returncode == 1 and word in answer.stdout, answer.stdout
