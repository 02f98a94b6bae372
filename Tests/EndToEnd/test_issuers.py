"""Several issuers on one route: each token is judged by its own issuer's keys, and no key counts for another."""
import json

import httpx
import pytest

from support import issuer as trouble
from support.gatehouse import openid_connect, plugin, route, run, service
from support.issuer import Issuer
from support.tokens import Key, claims_of, compact, tampered


@pytest.fixture
def second():
    with Issuer(name="second") as server:
        yield server


@pytest.fixture
def gatehouse(start, upstream, issuer, second):
    return start({"services": [service(upstream.url, route("api", "/", plugins=[openid_connect(
        issuer, issuers_allowed=[second.url], audience_required=["app"])]))]})


def ask(gatehouse, token: str) -> int:
    return httpx.get(gatehouse.url, headers={"Authorization": f"Bearer {token}"}, timeout=20).status_code


def by(key: Key, token: str, **header) -> str:
    """The claims of `token`, signed by `key`."""
    return key.sign(claims_of(token), typ="at+jwt", **header)


def test_each_issuers_own_tokens_pass(gatehouse, issuer, second, upstream):
    assert ask(gatehouse, issuer.access_token()) == 200
    assert ask(gatehouse, second.access_token()) == 200
    assert len(upstream.seen) == 2


def test_no_issuer_speaks_for_another(gatehouse, issuer, second, upstream):
    """B7, I1, I2: neither under its own name of a key nor under the other's, nor under a name that both have."""
    mine, yours = issuer.access_token(), second.access_token()
    for token in [by(second.keys[0], mine), by(issuer.keys[0], yours),
                  by(second.keys[0], mine, kid=issuer.keys[0].kid), by(issuer.keys[0], yours, kid=second.keys[0].kid),
                  by(second.keys[0], mine, kid=None), by(issuer.keys[0], yours, kid=None)]:
        assert ask(gatehouse, token) == 401
    assert upstream.seen == []


def test_a_name_that_two_issuers_give_to_their_keys_is_two_keys(start, upstream, issuer, second):
    """B7, B9."""
    for one in (issuer, second):
        one.keys = one.published = [Key("the same")]
    gatehouse = start({"services": [service(upstream.url, route("api", "/", plugins=[openid_connect(
        issuer, issuers_allowed=[second.url], audience_required=["app"])]))]})
    assert [ask(gatehouse, one.access_token()) for one in (issuer, second)] == [200, 200]
    assert ask(gatehouse, by(second.keys[0], issuer.access_token())) == 401
    assert gatehouse.refusals("bad-signature") == 1


def test_an_issuers_algorithms_are_those_of_its_own_keys(start, upstream, issuer, second):
    """B1, B7."""
    second.keys = second.published = [Key(issuer.keys[0].kid, "ES256")]
    gatehouse = start({"services": [service(upstream.url, route("api", "/", plugins=[openid_connect(
        issuer, issuers_allowed=[second.url], audience_required=["app"])]))]})
    assert [ask(gatehouse, one.access_token()) for one in (issuer, second)] == [200, 200]
    assert ask(gatehouse, by(second.keys[0], issuer.access_token())) == 401
    assert ask(gatehouse, by(issuer.keys[0], second.access_token())) == 401
    assert gatehouse.refusals("algorithm-not-allowed") == 2


def test_audience_expiry_and_issuer_are_asked_of_every_issuers_tokens(gatehouse, issuer, second):
    """B8, I2: the name is compared octet by octet."""
    for one in (issuer, second):
        assert ask(gatehouse, one.access_token(aud="another")) == 403
        assert ask(gatehouse, one.access_token(exp=1)) == 401
        for name in (one.url + "/", one.url.upper(), one.url.replace("127.0.0.1", "localhost"), "https://issuer.test"):
            assert ask(gatehouse, one.access_token(iss=name)) == 401


def test_one_issuer_that_is_away_holds_up_no_other(start, upstream, issuer, second):
    second.trouble["/.well-known/openid-configuration"] = trouble.never
    gatehouse = start({"services": [service(upstream.url, route("api", "/", plugins=[openid_connect(
        issuer, issuers_allowed=[second.url], audience_required=["app"], timeout=2000)]))]})
    assert ask(gatehouse, issuer.access_token()) == 200
    assert ask(gatehouse, second.access_token()) == 503
    assert ask(gatehouse, issuer.access_token()) == 200


def test_a_login_takes_an_id_token_of_its_own_issuer_alone(gatehouse, issuer, second, light):
    """I1, I2, A7, B7: that the other one's access tokens are taken makes it nobody's login."""
    for mint in [lambda claims: second.keys[0].sign(claims), lambda claims: second.keys[0].sign({**claims, "iss": second.url}),
                 lambda claims: issuer.keys[0].sign({**claims, "iss": second.url})]:
        issuer.mint = mint
        browser = light()
        browser.follow(gatehouse.url + "/")
        assert not [name for name in browser.cookies if name.startswith("session")]
    issuer.mint = lambda claims: issuer.keys[0].sign(claims)
    issuer.parameters = {"iss": second.url}
    browser = light()
    asked = issuer.count("/token")
    browser.follow(gatehouse.url + "/")
    assert issuer.count("/token") == asked
    assert not [name for name in browser.cookies if name.startswith("session")]


def test_extra_keys_are_the_issuers_alone(start, upstream, issuer, second, tmp_path):
    """B7: `extra_jwks_uris` adds to `issuer`, and to no other."""
    extra = Key("extra")
    (tmp_path / "extra.json").write_bytes(compact({"keys": [extra.jwk()]}))
    gatehouse = start({"services": [service(upstream.url, route("api", "/", plugins=[openid_connect(
        issuer, issuers_allowed=[second.url], audience_required=["app"], extra_jwks_uris=[f"file://{tmp_path}/extra.json"])]))]})
    assert ask(gatehouse, issuer.access_token()) == 200
    assert ask(gatehouse, by(extra, issuer.access_token())) == 200
    assert ask(gatehouse, by(extra, second.access_token())) == 401


@pytest.mark.parametrize("field", ["jwks_endpoint", "extra_jwks_uris"])
def test_a_pseudo_issuer_is_a_name_with_keys(start, upstream, issuer, second, field):
    """Nothing is discovered; the keys may be at another issuer's, whose own tokens are then none of ours."""
    place = issuer.url + "/jwks"
    gatehouse = start({"services": [service(upstream.url, route("api", "/", plugins=[plugin(
        "openid-connect", issuer="https://issuer.test", using_pseudo_issuer=True, auth_methods=["bearer"],
        audience_required=["app"], issuers_allowed=[second.url],
        **{field: place if field == "jwks_endpoint" else [place]})]))]})
    assert ask(gatehouse, issuer.access_token(iss="https://issuer.test")) == 200
    assert ask(gatehouse, issuer.access_token()) == 401
    assert ask(gatehouse, second.access_token()) == 200
    assert ask(gatehouse, by(issuer.keys[0], second.access_token())) == 401
    assert issuer.count("/.well-known/openid-configuration") == 0


# Why

def verdicts(said: dict) -> dict[str, str]:
    return {rule["rule"]: rule["verdict"] for rule in said["rules"]}


def test_explain_names_every_rule_of_a_token_that_is_shown(write_configuration, issuer, second):
    file = write_configuration(issuer, second)

    def explain(token: str) -> tuple[int, dict, list]:
        answer = run("explain", "--config", file, "--request", "GET https://host.test/", "--header",
                     f"Authorization: Bearer {token}")
        plugins = json.loads(answer.stdout)["plugins"]
        assert plugins[0]["plugin"] == "openid-connect"
        return answer.returncode, verdicts(plugins[0]), plugins

    status, rules, plugins = explain(second.access_token())
    assert status == 0 and set(rules.values()) - {"not asked"} == {"passed"}
    assert {"signature", "expiry", "kind of token", "proof of possession", "groups_required on groups"} <= set(rules)
    assert [one["plugin"] for one in plugins] == ["openid-connect", "acl"] and plugins[1]["verdict"] == "passes"
    status, rules, plugins = explain(second.access_token(exp=1))
    assert status == 1 and (rules["signature"], rules["expiry"], rules["not before"]) == ("passed", "failed", "not reached")
    assert rules["groups_required on groups"] == "not reached" and plugins[1]["verdict"] == "not reached"
    status, rules, _ = explain(tampered(issuer.access_token()))
    assert status == 1 and (rules["key"], rules["signature"], rules["expiry"]) == ("passed", "failed", "not reached")
    status, rules, _ = explain(by(issuer.keys[0], second.access_token()))
    assert status == 1 and (rules["algorithm"], rules["key"], rules["signature"]) == ("passed", "failed", "not reached")


@pytest.fixture
def write_configuration(tmp_path):
    def write(issuer, second) -> str:
        path = tmp_path / "gatehouse.yaml"
        path.write_text(json.dumps({"_format_version": "3.0", "services": [service(
            "http://127.0.0.1:9", route("api", "/", plugins=[
                openid_connect(issuer, auth_methods=["bearer"], issuers_allowed=[second.url], audience_required=["app"],
                               groups_required=["admins"], authenticated_groups_claim=["groups"]),
                plugin("acl", allow=["admins"])]))]}))
        return str(path)
    return write


def test_token_verify_names_every_rule(tmp_path):
    key = Key("k1")
    (tmp_path / "keys").write_bytes(compact({"keys": [key.jwk()]}))

    def verify(token: str, *more: str) -> dict:
        return json.loads(run("token", "verify", "--jwks", str(tmp_path / "keys"), "--at", "1500", *more, token).stdout)

    good = key.sign({"iss": "https://issuer.test", "aud": "api", "exp": 2000})
    assert "rules" not in verify(good)
    rules = verdicts(verify(good, "--rules"))
    assert rules["signature"] == rules["expiry"] == "passed" and rules["issuer"] == rules["audience"] == "not asked"
    refused = verify(good, "--audience", "another")
    assert refused["reason"] == "wrong-audience"
    rules = verdicts(refused)
    assert (rules["signature"], rules["audience"], rules["expiry"]) == ("passed", "failed", "not reached")
    assert all(rule["source"].startswith("RFC ") for rule in refused["rules"])
