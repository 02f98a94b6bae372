"""Bearer tokens: which pass, which do not and why, and what it costs the issuer."""
import concurrent.futures
import secrets
import subprocess

import httpx
import pytest

from support import issuer as trouble
from support.gatehouse import Gatehouse, openid_connect, plugin, route, service
from support.issuer import Issuer
from support.tokens import Key, claims_of, compact, encode, now, tampered, unsigned, with_secret


@pytest.fixture
def gatehouse(start, upstream, issuer):
    return start({"services": [service(upstream.url, route("api", "/", plugins=[
        openid_connect(issuer, auth_methods=["bearer"])]))]})


def ask(gatehouse, token: str, path: str = "/", **fields) -> httpx.Response:
    return httpx.get(gatehouse.url + path, headers={"Authorization": f"Bearer {token}", **fields})


def test_a_right_token_passes(gatehouse, issuer):
    token = issuer.access_token()
    sent = ask(gatehouse, token).json()["headers"]
    assert sent["authorization"] == f"Bearer {token}"
    assert httpx.get(gatehouse.url, headers={"Authorization": f"bearer {token}"}).status_code == 200


def test_no_token_is_401_with_a_bare_challenge(gatehouse, upstream):
    """RFC 6750 §3.1: without a credential no error code."""
    answer = httpx.get(gatehouse.url)
    assert answer.status_code == 401 and answer.json()["message"] == "Unauthorized"
    assert answer.headers["www-authenticate"].startswith("Bearer") and "error" not in answer.headers["www-authenticate"]
    assert upstream.seen == []


WRONG = {
    "expired": (lambda issuer: issuer.access_token(exp=now() - 1), "expired"),
    "expires with a fraction": (lambda issuer: issuer.access_token(exp=now() - 0.5), "expired"),
    "not yet valid": (lambda issuer: issuer.access_token(nbf=now() + 600), "not-yet-valid"),
    "issued in the future": (lambda issuer: issuer.access_token(iat=now() + 600), "issued-in-future"),
    "no expiry": (lambda issuer: issuer.access_token(exp=None), "missing-claim"),
    "expiry is a string": (lambda issuer: issuer.access_token(exp=str(now() + 600)), "malformed-claim"),
    "no issuer": (lambda issuer: issuer.access_token(iss=None), "missing-claim"),
    "another issuer": (lambda issuer: issuer.access_token(iss="https://issuer.test"), "wrong-issuer"),
    "issuer with a slash": (lambda issuer: issuer.access_token(iss=issuer.url + "/"), "wrong-issuer"),
    "no audience": (lambda issuer: issuer.access_token(aud=None), "missing-claim"),
    "another audience": (lambda issuer: issuer.access_token(aud="another"), "wrong-audience"),
    "audience with a suffix": (lambda issuer: issuer.access_token(aud="app-2"), "wrong-audience"),
    "audiences in one string": (lambda issuer: issuer.access_token(aud="other app"), "wrong-audience"),
    "tampered": (lambda issuer: tampered(issuer.access_token()), "bad-signature"),
    "alg none": (lambda issuer: unsigned(claims_of(issuer.access_token())), "unsupported-algorithm"),
    "HS256 with the public key": (
        lambda issuer: with_secret(claims_of(issuer.access_token()), issuer.keys[0].public_pem(), issuer.keys[0].kid),
        "algorithm-not-allowed"),
    "HS256 with an empty key": (
        lambda issuer: with_secret(claims_of(issuer.access_token()), b"", issuer.keys[0].kid), "algorithm-not-allowed"),
    "unknown kid": (
        lambda issuer: issuer.keys[0].sign(claims_of(issuer.access_token()), kid="nobody"), "unknown-key"),
    "another key, the same kid": (
        lambda issuer: Key(issuer.keys[0].kid).sign(claims_of(issuer.access_token())), "bad-signature"),
    "a key in the header": (
        lambda issuer: (lambda own: own.sign(claims_of(issuer.access_token()), kid=None, jwk=own.jwk()))(Key("own")),
        "bad-signature"),
    "an unknown critical header": (
        lambda issuer: issuer.keys[0].sign(claims_of(issuer.access_token()), crit=["x"], x=1), "critical-header"),
    "another type": (
        lambda issuer: issuer.keys[0].sign(claims_of(issuer.access_token()), typ="logout+jwt"), "wrong-type"),
    "an ID token": (
        lambda issuer: issuer.keys[0].sign({
            "iss": issuer.url, "sub": "a", "aud": "app", "exp": now() + 60, "iat": now(), "nonce": "n"}), "wrong-type"),
    "an ID token with at_hash": (
        lambda issuer: issuer.keys[0].sign({
            "iss": issuer.url, "sub": "a", "aud": "app", "exp": now() + 60, "iat": now(), "scope": "openid",
            "at_hash": "x"}), "wrong-type"),
    "bound to a key, without proof": (lambda issuer: issuer.access_token(cnf={"jkt": "x"}), "proof-required"),
    "two parts": (lambda issuer: ".".join(issuer.access_token().split(".")[:2]), "malformed"),
    "five parts": (lambda issuer: issuer.access_token() + ".a.b", None),
    "padding": (lambda issuer: issuer.access_token() + "=", "malformed"),
    "not JSON inside": (
        lambda issuer: ".".join([encode(compact({"alg": "RS256", "kid": issuer.keys[0].kid})), encode(b"text"), "AAAA"]),
        None),
    "duplicate names": (
        lambda issuer: ".".join([encode(b'{"alg":"RS256","alg":"none"}'), encode(b"{}"), "AAAA"]), "malformed"),
    "too large": (lambda issuer: "a" * 20_000 + ".b.c", "too-large"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_token_is_401_with_its_reason(gatehouse, issuer, upstream, name):
    """J1–J10: the reason goes to the metrics and the log, the client learns `invalid_token` and no more."""
    make, word = WRONG[name]
    assert ask(gatehouse, issuer.access_token()).status_code == 200
    answer = ask(gatehouse, make(issuer))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert len(upstream.seen) == 1
    if word:
        assert gatehouse.refusals(word) == 1
        assert gatehouse.wait_for_line(lambda line: word in line.values())


def test_a_token_without_kid_finds_its_key(gatehouse, issuer):
    token = issuer.keys[0].sign(claims_of(issuer.access_token()), kid=None)
    assert ask(gatehouse, token).status_code == 200


def test_an_audience_among_several_passes(gatehouse, issuer):
    assert ask(gatehouse, issuer.access_token(aud=["another", "app"])).status_code == 200


@pytest.mark.parametrize("target, fields, body", [
    ("/?access_token={}", {}, None),
    ("/", {}, "access_token={}"),
    ("/", {"Cookie": "access_token={}"}, None),
])
def test_a_token_counts_only_where_it_belongs(gatehouse, issuer, upstream, target, fields, body):
    """A14: every `*_param_type` is `header` unless said otherwise."""
    token = issuer.access_token()
    answer = httpx.request(
        "POST" if body else "GET", gatehouse.url + target.format(token),
        headers={**{name: value.format(token) for name, value in fields.items()},
                 **({"Content-Type": "application/x-www-form-urlencoded"} if body else {})},
        content=body.format(token) if body else None)
    assert answer.status_code == 401
    assert upstream.seen == []


def test_two_authorizations_are_none(gatehouse, issuer, upstream):
    right, wrong = issuer.access_token(), tampered(issuer.access_token())
    for pair in [(right, wrong), (wrong, right), (right, right)]:
        answer = httpx.get(gatehouse.url, headers=[("Authorization", f"Bearer {token}") for token in pair])
        assert answer.status_code in (400, 401)
    assert upstream.seen == []


def test_errors_are_shown_only_when_asked_for(start, upstream, issuer):
    gatehouse = start({"services": [service(
        upstream.url,
        route("quiet", "/quiet", plugins=[openid_connect(issuer, auth_methods=["bearer"])]),
        route("loud", "/loud", plugins=[openid_connect(issuer, auth_methods=["bearer"], display_errors=True)]))]})
    token = issuer.access_token(exp=now() - 60)
    assert "expired" not in ask(gatehouse, token, "/quiet").text
    assert "expired" in ask(gatehouse, token, "/loud").text


@pytest.mark.parametrize("config, claims, status", [
    ({"scopes_required": ["read"]}, {"scope": "openid read"}, 200),
    ({"scopes_required": ["read write"]}, {"scope": "write openid read"}, 200),
    ({"scopes_required": ["read write"]}, {"scope": "read"}, 403),
    ({"scopes_required": ["read", "write"]}, {"scope": "write"}, 200),
    ({"groups_required": ["admins"]}, {"groups": ["admins"]}, 200),
    ({"groups_required": ["admins"]}, {"groups": "users,admins"}, 200),
    ({"groups_required": ["admins"]}, {"groups": "users admins"}, 200),
    ({"groups_required": ["admins"]}, {"groups": ["users admins"]}, 403),
    ({"groups_required": ["admins"]}, {"groups": None}, 403),
    ({"groups_required": ["admins"]}, {"groups": {"admins": True}}, 403),
    ({"roles_required": ["editor"], "roles_claim": ["realm_access", "roles"]},
     {"realm_access": {"roles": ["editor"]}}, 200),
    ({"roles_required": ["editor"], "roles_claim": ["realm_access", "roles"]}, {"realm_access": "editor"}, 403),
    ({"audience_required": ["two", "app"]}, {"aud": "two"}, 200),
    ({"audience_required": ["two"]}, {"aud": "app"}, 403),
    ({"audience_required": ["app"]}, {"aud": "app-2"}, 403),
    ({"audience_required": ["app"]}, {"aud": "other app"}, 403),
    ({"audience_required": ["app"]}, {"aud": None}, 403),
    ({"audience_required": []}, {"aud": "whoever"}, 200),
])
def test_claims_decide(start, upstream, issuer, config, claims, status):
    gatehouse = start({"services": [service(upstream.url, route("api", "/", plugins=[
        openid_connect(issuer, auth_methods=["bearer"], **config)]))]})
    answer = ask(gatehouse, issuer.access_token(**claims))
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["message"] == "Forbidden"
        if "scopes_required" in config:
            assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_a_claim_may_name_the_consumer(start, upstream, issuer):
    gatehouse = start({
        "services": [service(upstream.url, route("api", "/", plugins=[
            openid_connect(issuer, auth_methods=["bearer"], consumer_claims=[["sub"]], consumer_by=["username"]),
            plugin("acl", allow=["writers"])]))],
        "consumers": [{"username": "alice-id", "acls": [{"group": "writers"}]},
                      {"username": "bob-id", "acls": [{"group": "readers"}]}]})
    sent = ask(gatehouse, issuer.access_token())
    assert sent.status_code == 200 and sent.json()["headers"]["x-consumer-username"] == "alice-id"
    assert ask(gatehouse, issuer.access_token(subject="bob-id")).status_code == 403
    assert ask(gatehouse, issuer.access_token(subject="nobody")).status_code in (401, 403)


def test_claim_text_with_controls_never_becomes_a_field(start, upstream, issuer):
    """H3: refused, or encoded; never a line of its own."""
    gatehouse = start({"services": [service(upstream.url, route("api", "/", plugins=[openid_connect(
        issuer, auth_methods=["bearer"], upstream_headers_claims=["name"], upstream_headers_names=["X-Name"])]))]})
    for name in ["Alice\r\nX-Evil: 1", "Alice\nX-Evil: 1", "Alice\x7f"]:
        assert ask(gatehouse, issuer.access_token(name=name)).status_code == 403
    assert ask(gatehouse, issuer.access_token(name="Alice\0")).status_code == 401
    assert upstream.seen == []
    sent = ask(gatehouse, issuer.access_token(name="Zoë"))
    assert sent.status_code in (200, 403)


# Keys

def test_discovery_and_keys_are_fetched_once(gatehouse, issuer):
    """D8: many first requests at once."""
    tokens = [issuer.access_token() for _ in range(40)]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda token: ask(gatehouse, token).status_code, tokens))
    assert statuses == [200] * 40
    assert issuer.count("/.well-known/openid-configuration") == 1
    assert issuer.count("/jwks") == 1


def test_a_new_key_is_found_once_and_a_flood_of_unknown_ones_fetches_nothing_more(gatehouse, issuer):
    """J10, D6, D7: one refetch for an unknown kid, then a pause."""
    assert ask(gatehouse, issuer.access_token()).status_code == 200
    before = issuer.count("/jwks")
    old = issuer.access_token()
    issuer.keys.insert(0, Key("rotated"))
    issuer.published = list(issuer.keys)
    assert ask(gatehouse, issuer.access_token()).status_code == 200
    assert issuer.count("/jwks") == before + 1
    assert ask(gatehouse, old).status_code == 200
    strangers = [issuer.keys[0].sign(claims_of(old), kid=secrets.token_hex(4)) for _ in range(50)]
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        assert set(pool.map(lambda token: ask(gatehouse, token).status_code, strangers)) == {401}
    assert issuer.count("/jwks") <= before + 2


def test_the_last_good_keys_serve_while_the_issuer_is_down(gatehouse, issuer):
    """K of the outage: known keys go on, and from disk across a restart."""
    token = issuer.access_token()
    assert ask(gatehouse, token).status_code == 200
    issuer.stop()
    assert ask(gatehouse, issuer.access_token()).status_code == 200
    assert gatehouse.stop() == 0
    gatehouse.start()
    assert ask(gatehouse, issuer.access_token()).status_code == 200
    issuer.start()


def test_without_keys_the_verdict_is_503(start, upstream, issuer):
    """The issuer is down from the start: refused for now, not for good."""
    issuer.stop()
    gatehouse = start({"services": [service(
        upstream.url, route("api", "/api", plugins=[openid_connect(issuer, auth_methods=["bearer"])]),
        route("open", "/open"))]})
    assert httpx.get(gatehouse.url + "/open").status_code == 200
    answer = ask(gatehouse, issuer.access_token(), "/api")
    assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 0
    issuer.start()
    from support.processes import wait_until
    wait_until(lambda: ask(gatehouse, issuer.access_token(), "/api").status_code == 200, "the issuer is found", 40)


def test_a_metadata_issuer_must_be_the_configured_one(start, upstream, issuer):
    """V15: another issuer in the discovery document is none of ours."""
    issuer.metadata = {"issuer": "https://issuer.test"}
    gatehouse = start({"services": [service(upstream.url, route("api", "/", plugins=[
        openid_connect(issuer, auth_methods=["bearer"])]))]})
    assert ask(gatehouse, issuer.access_token()).status_code in (401, 503)
    assert issuer.count("/jwks") == 0


@pytest.mark.parametrize("path, content", [
    ("/.well-known/openid-configuration", lambda issuer: compact(issuer.document())[:-1] + b',"issuer":"http://x"}'),
    ("/.well-known/openid-configuration", lambda issuer: b"[]"),
    ("/.well-known/openid-configuration", lambda issuer: b'{"a":' * 100_000),
    ("/.well-known/openid-configuration", lambda issuer: b'{"a":"' + b"a" * 5_000_000 + b'"}'),
    ("/jwks", lambda issuer: b'{"keys":[],"keys":[]}'),
    ("/jwks", lambda issuer: b"not JSON"),
    ("/jwks", lambda issuer: b'{"keys":[]}'),
])
def test_documents_that_are_not_right_verify_nothing(start, upstream, issuer, path, content):
    """E4, E10: duplicate names, depth, size; the program lives on."""
    wrong = content(issuer)
    issuer.trouble[path] = lambda handler: handler.raw(200, wrong)
    gatehouse = start({"services": [service(upstream.url, route("api", "/", plugins=[
        openid_connect(issuer, auth_methods=["bearer"])]))]})
    assert ask(gatehouse, issuer.access_token()).status_code in (401, 503)
    assert gatehouse.process.alive and upstream.seen == []


def test_discovery_follows_no_redirect(start, upstream, issuer):
    """E9, H6."""
    with Issuer(name="elsewhere") as other:
        issuer.trouble["/.well-known/openid-configuration"] = trouble.status(
            302, Location=other.url + "/.well-known/openid-configuration")
        gatehouse = start({"services": [service(upstream.url, route("api", "/", plugins=[
            openid_connect(issuer, auth_methods=["bearer"])]))]})
        assert ask(gatehouse, issuer.access_token()).status_code in (401, 503)
        assert other.asked == []


def test_a_hostile_environment_changes_no_fetch(start, upstream, issuer):
    """E9: a proxy comes from the configuration alone."""
    with Issuer(name="proxy") as proxy:
        gatehouse = start(
            {"services": [service(upstream.url, route("api", "/", plugins=[
                openid_connect(issuer, auth_methods=["bearer"])]))]},
            http_proxy=proxy.url, HTTP_PROXY=proxy.url, ALL_PROXY=proxy.url, all_proxy=proxy.url)
        assert ask(gatehouse, issuer.access_token()).status_code == 200
        assert proxy.asked == []


def test_keys_from_a_file_need_no_issuer(start, upstream, issuer, tmp_path):
    """`using_pseudo_issuer` with a `file:` key URL."""
    keys = tmp_path / "keys.json"
    keys.write_bytes(compact({"keys": [key.jwk() for key in issuer.keys]}))
    gatehouse = start({"services": [service(upstream.url, route("api", "/", plugins=[plugin(
        "openid-connect", issuer="https://issuer.test", using_pseudo_issuer=True, jwks_endpoint=f"file://{keys}",
        auth_methods=["bearer"], audience_required=["app"])]))]})
    assert ask(gatehouse, issuer.access_token(iss="https://issuer.test")).status_code == 200
    assert ask(gatehouse, issuer.access_token()).status_code == 401
    assert issuer.asked == []


@pytest.mark.parametrize("algorithm", ["PS256", "ES256", "EdDSA"])
def test_other_algorithms_verify(start, upstream, algorithm):
    with Issuer() as issuer:
        issuer.keys = issuer.published = [Key("other", algorithm)]
        gatehouse = start({"services": [service(upstream.url, route("api", "/", plugins=[
            openid_connect(issuer, auth_methods=["bearer"])]))]})
        assert ask(gatehouse, issuer.access_token()).status_code == 200
        assert ask(gatehouse, tampered(issuer.access_token())).status_code == 401


def test_every_answer_belongs_to_its_asker(start, upstream, issuer):
    """H4, D22 in small: many subjects at once, each answer carries its own."""
    gatehouse = start({"services": [service(upstream.url, route("api", "/", plugins=[openid_connect(
        issuer, auth_methods=["bearer"], upstream_headers_claims=["sub"], upstream_headers_names=["X-Subject"])]))]})
    tokens = {f"user-{number}": issuer.access_token(subject=f"user-{number}") for number in range(30)}

    def asker(subject: str) -> set[str]:
        with httpx.Client() as client:
            return {client.get(gatehouse.url, headers={"Authorization": f"Bearer {tokens[subject]}"})
                    .json()["headers"]["x-subject"] for _ in range(20)}

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        assert list(pool.map(asker, tokens)) == [{subject} for subject in tokens]


def test_a_cached_token_still_expires(start, upstream, issuer):
    """H4: what was right a second ago is judged anew by the clock."""
    gatehouse = start({"services": [service(upstream.url, route("api", "/", plugins=[
        openid_connect(issuer, auth_methods=["bearer"])]))]})
    token = issuer.access_token(exp=now() + 2)
    assert ask(gatehouse, token).status_code == 200
    from support.processes import wait_until
    wait_until(lambda: ask(gatehouse, token).status_code == 401, "the token has expired", 5)


def test_a_cached_token_is_judged_by_each_routes_own_rules(start, upstream, issuer):
    """H4: the cache knows the policy, not the token alone."""
    gatehouse = start({"services": [service(
        upstream.url,
        route("wide", "/wide", plugins=[openid_connect(issuer, auth_methods=["bearer"])]),
        route("narrow", "/narrow", plugins=[openid_connect(
            issuer, auth_methods=["bearer"], audience_required=["another"])]))]}, GATEHOUSE_WORKERS="1")
    token = issuer.access_token()
    assert [ask(gatehouse, token, path).status_code for path in ("/wide", "/narrow", "/wide", "/narrow")] == [
        200, 403, 200, 403]


def test_a_token_in_a_form_and_the_form_goes_on(tmp_path, upstream, issuer):
    """RFC 6750 §2.2: over both versions, framed or not; the upstream gets the form as it came."""
    program = Gatehouse(tmp_path / "forms", {"services": [service(upstream.url, route("api", "/", plugins=[openid_connect(
        issuer, auth_methods=["bearer"], bearer_token_param_type=["header", "body"])]))]})
    program.environment["GATEHOUSE_PROXY_LISTEN"] += " http2"
    with program as gatehouse:
        token, rest = issuer.access_token(), "x" * 20_000
        for version in ("--http1.1", "--http2-prior-knowledge"):
            for framing in ([], ["-H", "Transfer-Encoding: chunked"]) if version == "--http1.1" else ([],):
                for body, status in [(f"access_token={token}&rest={rest}", "200"), (f"rest={rest}", "401"),
                                     (f"access_token={token[:-4]}AAAA", "401"),
                                     (f"access_token={token}&access_token={token}", "400")]:
                    before = len(upstream.seen)
                    answer = subprocess.run(
                        ["curl", "-sS", "--max-time", "20", version, *framing, "-o", "/dev/null", "-w", "%{http_code}", "-d", body,
                         gatehouse.url], capture_output=True, text=True, check=False)
                    assert (answer.stdout, len(upstream.seen) - before) == (status, int(status == "200")), (version, framing, body[:20])
                    if status == "200":
                        assert upstream.last.body.decode() == body

