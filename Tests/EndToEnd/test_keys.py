"""The contract of docs/keys.md, seen from the issuer: what it is asked, how often, and what serves meanwhile."""
import concurrent.futures
import json
import re
import secrets

import httpx
import pytest

from support import issuer as trouble
from support.gatehouse import ROOT, openid_connect, route, service
from support.processes import wait_until
from support.tokens import Key, claims_of, now

PATH = "/.well-known/openid-configuration"


def configuration(upstream, issuer, **config) -> dict:
    return {"services": [service(upstream.url, route("api", "/", plugins=[
        openid_connect(issuer, auth_methods=["bearer"], **config)]))]}


def ask(gatehouse, token: str) -> httpx.Response:
    """On a connection of its own, so that each loop gets its share."""
    return httpx.get(gatehouse.url, headers={"Authorization": f"Bearer {token}"}, timeout=20)


def forged(issuer) -> str:
    """A token of a key that the issuer never had."""
    return issuer.keys[0].sign(claims_of(issuer.access_token()), kid=secrets.token_hex(8))


def document(*keys: Key) -> dict:
    return {"keys": [key.jwk() for key in keys]}


def test_a_set_that_has_not_changed_is_asked_for_by_its_tag(start, upstream, issuer):
    """304 keeps the set, its version, and what it proved."""
    issuer.trouble["/jwks"] = trouble.key_set(document(*issuer.keys), tag='"first"')
    gatehouse = start(configuration(upstream, issuer), GATEHOUSE_WORKERS="1")
    token = issuer.access_token()
    assert ask(gatehouse, token).status_code == 200
    assert ask(gatehouse, forged(issuer)).status_code == 401
    asked = [one.fields.get("If-None-Match") for one in issuer.asked if one.path == "/jwks"]
    assert asked == [None, '"first"']
    assert gatehouse.metric("gatehouse_fetches_total", kind="keys", outcome="ok") == 2
    hits = gatehouse.metric("gatehouse_proven_cache_total", outcome="hit")
    assert ask(gatehouse, token).status_code == 200
    assert gatehouse.metric("gatehouse_proven_cache_total", outcome="hit") == hits + 1


def test_forged_kids_cost_one_fetch_while_the_keys_endpoint_hangs(start, upstream, issuer):
    """J10, D7: and nobody with a known key waits for it."""
    gatehouse = start(configuration(upstream, issuer, timeout=8000))
    assert ask(gatehouse, issuer.access_token()).status_code == 200
    before = issuer.count("/jwks")
    issuer.trouble["/jwks"] = trouble.never
    known, strangers = [issuer.access_token() for _ in range(10)], [forged(issuer) for _ in range(65)]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(ask, gatehouse, token) for token in strangers[:15]]
        wait_until(lambda: issuer.count("/jwks") == before + 1, "the keys are asked for")
        assert not any(one.done() for one in waiting)
        assert [ask(gatehouse, token).status_code for token in known] == [200] * 10
        assert not any(one.done() for one in waiting)
        assert {one.result().status_code for one in waiting} == {401}
    # Within the pause nobody waits and nothing is asked for.
    assert {ask(gatehouse, token).status_code for token in strangers[15:]} == {401}
    assert issuer.count("/jwks") == before + 1
    assert gatehouse.metric("gatehouse_fetches_total", kind="keys", outcome="issuer-timed-out") == 1
    assert gatehouse.refusals("unknown-key") == 65


def test_the_pause_is_what_rediscovery_lifetime_says(start, upstream, issuer):
    gatehouse = start(configuration(upstream, issuer, rediscovery_lifetime=1))
    assert ask(gatehouse, forged(issuer)).status_code == 401
    before = issuer.count("/jwks")
    issuer.keys.insert(0, Key("rotated"))
    issuer.published = list(issuer.keys)
    wait_until(lambda: ask(gatehouse, issuer.access_token()).status_code == 200, "the new key is found", 5)
    assert issuer.count("/jwks") == before + 1


def test_both_keys_of_a_rotation_serve_and_a_removed_one_is_forgotten_on_every_loop(start, upstream, issuer):
    """D6: what it proved before counts no more, whichever loop remembers it."""
    gatehouse = start(configuration(upstream, issuer, rediscovery_lifetime=1), GATEHOUSE_WORKERS="2")
    old = issuer.access_token()
    assert {ask(gatehouse, old).status_code for _ in range(20)} == {200}
    former = issuer.keys[0]
    issuer.keys.insert(0, Key("rotated"))
    issuer.published = list(issuer.keys)
    new = issuer.access_token()
    assert ask(gatehouse, new).status_code == 200
    assert {ask(gatehouse, token).status_code for _ in range(20) for token in (old, new)} == {200}
    issuer.published = [issuer.keys[0]]
    wait_until(lambda: ask(gatehouse, forged(issuer)).status_code == 401
               and ask(gatehouse, former.sign(claims_of(new))).status_code == 401, "the removed key is gone", 5)
    assert {ask(gatehouse, old).status_code for _ in range(20)} == {401}
    assert {ask(gatehouse, new).status_code for _ in range(20)} == {200}


def test_a_thousand_keys_are_one_set(start, upstream, issuer):
    """J11: private and symmetric ones, foreign kinds, short ones and nonsense among them cost nobody his key."""
    first, second = issuer.keys[0], Key("of a curve", "ES256")
    own = first.jwk()
    odd = [{**own, "kid": "private", "d": own["n"]}, {"kty": "oct", "kid": "shared", "k": "A" * 43},
           {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "kid": "foreign"}, {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
           {**own, "kid": "for encryption", "use": "enc"}, 7, None, [], {}, {**own, "kid": 7},
           {**own, "kid": "of 16,384 bits", "n": "A" + "_" * 2730}, {**own, "kid": "even", "e": "Ag"}]
    many = [{**second.jwk(), "kid": f"key {number}"} for number in range(1000 - len(odd) - 2)]
    everything = {"keys": [*odd, *many, own, second.jwk()]}
    assert len(everything["keys"]) == 1000
    issuer.trouble["/jwks"] = trouble.key_set(everything)
    gatehouse = start(configuration(upstream, issuer))
    assert ask(gatehouse, issuer.access_token()).status_code == 200
    claims = claims_of(issuer.access_token())
    assert ask(gatehouse, second.sign(claims)).status_code == 200
    assert ask(gatehouse, second.sign(claims, kid="key 500")).status_code == 200
    assert ask(gatehouse, first.sign(claims, kid="for encryption")).status_code == 401
    assert ask(gatehouse, first.sign(claims, kid="private")).status_code == 401
    assert gatehouse.metric("gatehouse_issuer_keys", state="usable") == len(many) + 3
    assert gatehouse.metric("gatehouse_issuer_keys", state="rejected") == len(odd) - 2
    assert gatehouse.wait_for_line(lambda line: line.get("rejected") == str(len(odd) - 2) and line["level"] == "warning")


def test_keys_that_are_too_many_change_nothing(start, upstream, issuer):
    """J11: 20,000 keys are no set; those that were there serve on."""
    gatehouse = start(configuration(upstream, issuer, rediscovery_lifetime=1))
    assert ask(gatehouse, issuer.access_token()).status_code == 200
    issuer.trouble["/jwks"] = trouble.key_set({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}] * 20_000})
    assert ask(gatehouse, forged(issuer)).status_code == 401
    assert gatehouse.metric("gatehouse_fetches_total", kind="keys", outcome="issuer-answer-malformed") == 1
    assert ask(gatehouse, issuer.access_token()).status_code == 200


@pytest.mark.parametrize("age, status", [(3600 + 86_400 - 600, 200), (3600 + 86_400 + 1, 503)])
def test_kept_keys_serve_through_an_outage_as_long_as_is_written(start, upstream, issuer, age, status):
    """A restart does not make them younger."""
    issuer.trouble["/jwks"] = trouble.key_set(document(*issuer.keys), cache="max-age=3600")
    gatehouse = start(configuration(upstream, issuer))
    token = issuer.access_token(exp=now() + 3600)
    assert ask(gatehouse, token).status_code == 200
    assert gatehouse.stop() == 0
    [kept] = (gatehouse.folder / "data/keys-cache").iterdir()
    value = json.loads(kept.read_text())
    assert value["lifetime"] == 3600
    kept.write_text(json.dumps({**value, "taken_at": value["taken_at"] - age}))
    issuer.stop()
    gatehouse.start()
    assert ask(gatehouse, token).status_code == status
    if status == 200:
        assert gatehouse.metric("gatehouse_issuer_key_age_seconds") >= age
    else:
        assert gatehouse.refusals("no-keys") == 1
    issuer.start()
    wait_until(lambda: ask(gatehouse, token).status_code == 200, "the issuer is found again", 15)
    wait_until(lambda: gatehouse.metric("gatehouse_issuer_key_age_seconds") < 60, "the keys are new", 40)


def test_keys_are_fetched_without_anybody_asking(start, upstream, issuer):
    """What is due is fetched beside, by time."""
    issuer.stop()
    gatehouse = start(configuration(upstream, issuer))
    gatehouse.wait_for_line(lambda line: line.get("outcome") == "issuer-unreachable")
    issuer.start()
    wait_until(lambda: issuer.count("/jwks") == 1, "the keys are fetched", 20)
    wait_until(lambda: gatehouse.metric("gatehouse_issuer_keys", state="usable") == 1, "the keys are taken")


def test_a_clock_that_is_off_is_measured_and_told_once(start, upstream, issuer):
    issuer.clock_ahead = 40
    gatehouse = start(configuration(upstream, issuer, leeway=5, rediscovery_lifetime=1))
    assert ask(gatehouse, issuer.access_token()).status_code == 200
    line = gatehouse.wait_for_line(lambda line: line.get("seen_by") == "Date")
    assert line["level"] == "warning" and line["leeway"] == "5.0" and "NTP" in line["msg" if "msg" in line else "message"]
    for _ in range(3):
        before = issuer.count("/jwks")
        wait_until(lambda: ask(gatehouse, forged(issuer)).status_code == 401 and issuer.count("/jwks") > before,
                   "the keys are asked for", 5)
    assert 38 <= gatehouse.metric("gatehouse_issuer_clock_skew_seconds", issuer=issuer.url) <= 41
    assert sum(line.get("seen_by") == "Date" for line in gatehouse.whole_lines()) == 1
    for _ in range(5):
        assert ask(gatehouse, issuer.access_token(iat=now() + 30)).status_code == 200
    assert 27 <= gatehouse.metric("gatehouse_issuer_token_ahead_seconds", issuer=issuer.url) <= 30
    assert sum(line.get("seen_by") == "iat" for line in gatehouse.whole_lines()) == 1


def test_a_clock_that_agrees_is_not_told_of(start, upstream, issuer):
    gatehouse = start(configuration(upstream, issuer))
    assert ask(gatehouse, issuer.access_token()).status_code == 200
    assert gatehouse.metric("gatehouse_issuer_clock_skew_seconds", issuer=issuer.url) == 0
    assert "gatehouse_issuer_clock_skew_seconds" in gatehouse.metrics()
    assert not [line for line in gatehouse.whole_lines() if "seen_by" in line]


def named_by_the_contract() -> set[str]:
    return set(re.findall(r"`([^`]+)`", "".join(
        line.rsplit(" | ", 1)[1] for line in (ROOT / "docs/keys.md").read_text().splitlines()
        if line.startswith("| ") and " | test" not in line and "---" not in line)))


def test_every_line_of_the_contract_has_its_test():
    from test_standards import TESTS
    named = named_by_the_contract()
    assert len(named) >= 15 and named - set(TESTS) == set()
