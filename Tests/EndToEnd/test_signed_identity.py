"""Who it is, signed by us for the upstream; the keys that sign, and their rotation."""
import collections
import json
import pathlib
import random
import re
import signal
import stat
import subprocess
import threading
import time

import httpx
import pytest

from support import ledger
from support.envoy import Caller
from support.gatehouse import CALLS, clean_environment, openid_connect, plugin, program, route, run, service
from support.processes import wait_until
from support.tokens import decode, now
from support.verification import keys_at, verified, verified_by

FIELD = "X-Gatehouse-Identity"


def signing(issuer, **config) -> dict:
    return openid_connect(issuer, **{
        "auth_methods": ["bearer", "session", "authorization_code"], "upstream_identity_header": FIELD,
        "upstream_identity_claims": ["email", "groups"], **config})


def ask(gatehouse, token: str, path: str = "/") -> dict:
    """The fields that the upstream got."""
    answer = httpx.get(gatehouse.url + path, headers={"Authorization": f"Bearer {token}"}, timeout=20)
    assert answer.status_code == 200
    return answer.json()["headers"]


def identity(gatehouse, token: str, path: str = "/") -> str:
    return ledger.keep(ask(gatehouse, token, path)[FIELD.lower()], "signed identity")


@pytest.fixture
def gatehouse(start, upstream, issuer):
    """Two services under one instance for all, and a route that anybody may use."""
    return start({
        "services": [
            service(upstream.url, route("orders", "/orders"), route("rest", "/"), name="orders"),
            service(upstream.url, route("bills", "/bills"), name="bills")],
        "plugins": [signing(issuer, anonymous="nobody")],
        "consumers": [{"username": "nobody"}]})


# What is signed

def test_a_service_verifies_it_with_the_published_keys(gatehouse, issuer):
    token = issuer.access_token(email="alice@example.test")
    signed = identity(gatehouse, token, "/orders")
    claims = verified(signed, gatehouse.url + "/oauth2/jwks")
    assert claims.pop("iat") in range(now() - 5, now() + 2) and claims.pop("exp") in range(now() + 290, now() + 302)
    assert claims == {"iss": "gatehouse", "aud": "orders", "sub": issuer.user["sub"], "idp": issuer.url,
                      "email": "alice@example.test", "groups": issuer.user["groups"]}
    assert json.loads(decode(signed.split(".")[0]))["typ"] == "JWT"


def test_our_own_command_verifies_it(gatehouse, issuer):
    signed = identity(gatehouse, issuer.access_token(), "/bills")
    known = ["token", "verify", "--jwks", gatehouse.url + "/oauth2/jwks", "--issuer", "gatehouse", "--audience"]
    good = run(*known, "bills", signed)
    assert good.returncode == 0 and json.loads(good.stdout)["claims"]["sub"] == issuer.user["sub"]
    assert json.loads(run(*known, "orders", signed).stdout)["reason"] == "wrong-audience"


def test_each_service_gets_its_own_and_one_signature_serves_many_requests(gatehouse, issuer):
    token = issuer.access_token()
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as kept:
        seen = {path: {kept.get(gatehouse.url + path).json()["headers"][FIELD.lower()] for _ in range(30)}
                for path in ("/orders", "/bills")}
    assert all(len(signed) == 1 for signed in seen.values()) and seen["/orders"] != seen["/bills"]
    assert gatehouse.metric("gatehouse_signatures_total", kind="identity") == 2


def test_users_are_never_mixed(gatehouse, issuer):
    """H4: many users at once on kept connections; each request's field names its own user."""
    tokens = {f"user-{number}": issuer.access_token(subject=f"user-{number}") for number in range(30)}
    keys = keys_at(gatehouse.url + "/oauth2/jwks")
    failures = []

    def client(names: list[str]):
        with httpx.Client() as kept:
            for name in names * 3:
                answer = kept.get(gatehouse.url, headers={"Authorization": f"Bearer {tokens[name]}"})
                if verified_by(answer.json()["headers"][FIELD.lower()], keys)["sub"] != name:
                    failures.append(name)

    threads = [threading.Thread(target=client, args=(random.sample(sorted(tokens), 30),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize("spelled", [FIELD, FIELD.lower(), "X_Gatehouse_Identity", "X.Gatehouse-Identity"])
def test_a_clients_own_copy_reaches_no_upstream(gatehouse, issuer, spelled):
    """H1: in no spelling, on no route, with a user and without."""
    forged = {spelled: "forged-identity"}
    answer = httpx.get(gatehouse.url + "/orders", headers=forged).json()
    assert answer["headers"]["x-consumer-username"] == "nobody" and "forged-identity" not in str(answer)
    shown = {"Authorization": f"Bearer {issuer.access_token()}", **forged}
    answer = httpx.get(gatehouse.url + "/orders", headers=shown).json()
    values = [value for name, value in answer["fields"] if re.sub("[_.]", "-", name.lower()) == FIELD.lower()]
    assert len(values) == 1 and values[0].count(".") == 2


def test_a_session_is_told_of_in_the_same_way(gatehouse, issuer, light):
    browser = light()
    browser.follow(gatehouse.url + "/oauth2/start?rd=/orders")
    sent = browser.open(gatehouse.url + "/orders").json()["headers"]
    claims = verified(ledger.keep(sent[FIELD.lower()], "signed identity"), gatehouse.url + "/oauth2/jwks")
    assert (claims["sub"], claims["email"]) == (issuer.user["sub"], issuer.user["email"])


def test_another_gateway_that_asks_gets_it_too(start, upstream, issuer):
    gatehouse = start({"services": [service(upstream.url, route("api", "/", plugins=[signing(issuer)]))]},
                      GATEHOUSE_TRUSTED_IPS="127.0.0.1")
    original = {"X-Original-URL": "http://127.0.0.1/x", "X-Original-Method": "GET"}
    answer = httpx.get(gatehouse.url + "/oauth2/auth",
                       headers={**original, "Authorization": f"Bearer {issuer.access_token()}"})
    assert answer.status_code == 202
    assert verified(answer.headers[FIELD], gatehouse.url + "/oauth2/jwks")["aud"] == "api"



# Consumers

BEN_KEYS = [ledger.keep(f"bens-key-signed-{number}-1234", "API key") for number in range(2)]
ANN_KEY = ledger.keep("anns-key-signed-1234", "API key")
CONSUMERS = [
    {"id": "0c5f7a1e-52ce-4dd0-ae0a-3a1a2a7b6c01", "username": "ben", "custom_id": "8",
     "keyauth_credentials": [{"key": key} for key in BEN_KEYS]},
    {"username": "ann", "keyauth_credentials": [{"key": ANN_KEY}]}, {"username": "nobody"}]


def keyed(**config) -> dict:
    return plugin("key-auth", key_in_query=False, upstream_identity_header=FIELD, **config)


def consumers(upstream, consumers=None, **config) -> dict:
    return {"services": [service(upstream.url, route("orders", "/orders"), name="orders"),
                         service(upstream.url, route("bills", "/bills"), name="bills")],
            "plugins": [keyed(**config)], "consumers": consumers or CONSUMERS}


def told(gatehouse, key: str, path: str = "/orders") -> str:
    answer = httpx.get(gatehouse.url + path, headers={"apikey": key}, timeout=20)
    assert answer.status_code == 200, answer.text
    return ledger.keep(answer.json()["headers"][FIELD.lower()], "signed identity")


def test_a_consumer_that_a_key_proves_is_told_of(start, upstream):
    gatehouse = start(consumers(upstream, upstream_identity_lifetime=60))
    claims = verified(told(gatehouse, BEN_KEYS[0]), gatehouse.url + "/oauth2/jwks")
    assert claims.pop("iat") in range(now() - 5, now() + 2) and claims.pop("exp") in range(now() + 50, now() + 62)
    assert claims == {"iss": "gatehouse", "aud": "orders", "sub": "8", "consumer_custom_id": "8", "consumer_username": "ben",
                      "consumer_id": CONSUMERS[0]["id"]}
    claims = verified(told(gatehouse, ANN_KEY, "/bills"), gatehouse.url + "/oauth2/jwks")
    assert (claims["sub"], claims["aud"]) == ("ann", "bills") and "consumer_custom_id" not in claims
    # One signature for both keys of one consumer, and each service its own.
    with httpx.Client() as kept:
        seen = {kept.get(gatehouse.url + "/orders", headers={"apikey": key}).json()["headers"][FIELD.lower()]
                for _ in range(20) for key in BEN_KEYS}
    assert len(seen) == 1 and gatehouse.metric("gatehouse_signatures_total", kind="identity") <= 4


@pytest.mark.parametrize("spelled", [FIELD, "X_Gatehouse_Identity", "X.Gatehouse-Identity"])
def test_nobody_forges_it_where_keys_prove_consumers(start, upstream, spelled):
    """H1: nor has anybody one whom nothing proves."""
    gatehouse = start(consumers(upstream, anonymous="nobody"))
    answer = httpx.get(gatehouse.url + "/orders", headers={spelled: "forged-identity"}).json()
    assert answer["headers"]["x-consumer-username"] == "nobody" and FIELD.lower() not in answer["headers"]
    assert "forged-identity" not in str(answer)
    answer = httpx.get(gatehouse.url + "/orders", headers={spelled: "forged-identity", "apikey": ANN_KEY}).json()
    assert answer["headers"][FIELD.lower()].count(".") == 2 and "forged-identity" not in str(answer)


def test_gateways_that_ask_are_told_of_consumers(start, upstream):
    gatehouse = start(consumers(upstream), GATEHOUSE_TRUSTED_IPS="127.0.0.1", **CALLS)
    original, jwks = {"X-Original-URL": "http://127.0.0.1/orders", "X-Original-Method": "GET"}, gatehouse.url + "/oauth2/jwks"
    answer = httpx.get(gatehouse.url + "/oauth2/auth", headers={**original, "apikey": ANN_KEY})
    assert (answer.status_code, verified(answer.headers[FIELD], jwks)["sub"]) == (202, "ann")
    answer = httpx.get(gatehouse.url + "/oauth2/ext-authz/bills", headers={"apikey": BEN_KEYS[1], FIELD: "forged"})
    assert (verified(answer.headers[FIELD], jwks)["sub"], verified(answer.headers[FIELD], jwks)["aud"]) == ("8", "bills")
    with Caller(gatehouse.calls_port) as caller:
        said = caller.ask("/orders", headers={"apikey": ANN_KEY})
        assert verified(said.header(FIELD.lower()), jwks)["sub"] == "ann"
        assert caller.ask("/orders").denied == 401


def test_a_user_and_a_consumer_are_never_both_named(start, upstream, issuer):
    """H4: where a route wants a key and a token, the field names whom the last plugin has proven, once."""
    gatehouse = start({"services": [service(upstream.url, route("api", "/", plugins=[keyed(), signing(issuer)]))],
                       "consumers": CONSUMERS})
    fields = {"apikey": ANN_KEY, "Authorization": f"Bearer {issuer.access_token()}"}
    sent = httpx.get(gatehouse.url, headers=fields).json()
    values = [value for name, value in sent["fields"] if name.lower() == FIELD.lower()]
    assert len(values) == 1 and verified(values[0], gatehouse.url + "/oauth2/jwks")["idp"] == issuer.url


@pytest.mark.parametrize(("broken", "words"), [
    ({"consumers": [*CONSUMERS, {"username": "8"}]}, ["'ben'", "'8'", "custom_id"]),
    ({"plugins": [keyed(key_names=["apikey", FIELD])]}, ["upstream_identity_header"]),
    ({"plugins": [plugin("key-auth", upstream_identity_lifetime=60)]}, ["upstream_identity_lifetime"]),
    ({"plugins": [keyed(upstream_identity_lifetime=7)]}, ["upstream_identity_lifetime", "30 to 3600"]),
    ({"plugins": [keyed(upstream_identity_claims=["email"])]}, ["upstream_identity_claims"]),
    ({"services": [], "routes": [route("api", "/")]}, ["upstream_identity_audience"]),
], ids=["one subject", "the key's own field", "without a field", "too short", "claims", "no service"])
def test_what_would_name_nobody_or_two_is_refused(tmp_path, upstream, broken, words):
    file = tmp_path / "gatehouse.yaml"
    file.write_text(json.dumps({"_format_version": "3.0", **consumers(upstream), **broken}))
    answer = run("check", str(file))
    assert answer.returncode == 1 and all(word in answer.stdout for word in words), answer.stdout


def test_the_published_keys_may_be_kept_and_read_by_any_page(gatehouse):
    answer = httpx.get(gatehouse.url + "/oauth2/jwks")
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert (answer.headers["content-type"], answer.headers["access-control-allow-origin"]) == ("application/json", "*")
    assert httpx.head(gatehouse.url + "/oauth2/jwks").status_code == 200
    assert httpx.post(gatehouse.url + "/oauth2/jwks").status_code == 405


def test_a_route_without_a_service_has_to_say_whom_it_is_for(tmp_path, issuer):
    file = tmp_path / "gatehouse.yaml"
    file.write_text(json.dumps({"_format_version": "3.0", "routes": [
        route("api", "/", plugins=[signing(issuer)])]}))
    answer = run("check", str(file))
    assert answer.returncode == 1 and "upstream_identity_audience" in answer.stdout


# The keys

def rotate(folder) -> str:
    """Rotates the signing keys; the new key's name."""
    answer = run("keys", "rotate", "--only", "signing", "--dir", str(folder))
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.split("\t")[0]


def made_earlier(folder, kid: str, at: int):
    """Lets a key have been made at another time: its file's name says when."""
    path = next(pathlib.Path(folder).glob(f"signing-*-{kid}.pem"))
    path.rename(path.with_name(f"signing-{at}-{kid}.pem"))


def states(folder) -> dict[str, str]:
    lines = run("keys", "list", "--dir", str(folder)).stdout.splitlines()
    return {line.split("\t")[0]: line.split("\t")[2] for line in lines if "opens" not in line}


def test_a_rotation_loses_no_verification(start, upstream, issuer):
    """Under load: a new key is published before it signs, an old one until what it signed has ended."""
    gatehouse = start({"services": [service(upstream.url, route("api", "/", plugins=[
        signing(issuer, upstream_identity_lifetime=30)]))]})
    folder, jwks = gatehouse.folder / "keys", gatehouse.url + "/oauth2/jwks"
    (first,) = keys_at(jwks)
    made_earlier(folder, first, now() - 100_000)
    published = [keys_at(jwks)]
    recent, failures, done = collections.deque(maxlen=40), [], threading.Event()

    def client(number: int):
        count = 0
        with httpx.Client(timeout=20) as kept:
            while not done.is_set():
                count += 1
                fields = {"Authorization": f"Bearer {issuer.access_token(subject=f'user-{number}-{count}')}"}
                try:
                    answer = kept.get(gatehouse.url, headers=fields)
                    signed = answer.json().get("headers", {}).get(FIELD.lower()) or failures.append(answer.text)
                    # What a service has that keeps the set for its five minutes, and one that asks anew.
                    verified_by(signed, published[0])
                    if count % 10 == 0:
                        verified(signed, jwks)
                    recent.append(json.loads(decode(signed.split(".")[0]))["kid"])
                except Exception as error:  # pylint: disable=broad-except
                    failures.append(repr(error))

    def signs(kid: str) -> bool:
        return len(recent) == recent.maxlen and set(recent) == {kid}

    threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        second = rotate(folder)
        # Nobody told the program: it looks by itself.
        wait_until(lambda: set(keys_at(jwks)) == {first, second}, "the new key is published", 30)
        wait_until(lambda: signs(first), "the old key still signs", 20)
        assert states(folder)[first] == "signs" and states(folder)[second].startswith("published, signs from")
        published[0] = keys_at(jwks)
        # Ten minutes go by.
        made_earlier(folder, second, now() - 599)
        assert run("reload", environment=gatehouse.environment).returncode == 0
        wait_until(lambda: signs(second), "the new key signs, and no other", 30)
        assert set(keys_at(jwks)) == {first, second}
        # And an hour: the old one is over, and the next rotation takes its file away.
        made_earlier(folder, second, now() - 4501)
        assert run("reload", environment=gatehouse.environment).returncode == 0
        assert set(keys_at(jwks)) == {second}
        assert states(folder)[first].startswith("over")
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert failures == []
    third = rotate(folder)
    assert set(states(folder)) == {second, third}


def test_a_key_that_cannot_be_read_leaves_the_old_ones_in_force(start, upstream, issuer):
    gatehouse = start({"services": [service(upstream.url, route("api", "/", plugins=[signing(issuer)]))]})
    folder = gatehouse.folder / "keys"
    bad = folder / f"signing-{now()}-0123456789abcdef.pem"
    bad.write_text("no key")
    bad.chmod(0o600)
    assert run("reload", environment=gatehouse.environment).returncode == 1
    verified(identity(gatehouse, issuer.access_token()), gatehouse.url + "/oauth2/jwks")
    bad.unlink()
    assert run("reload", environment=gatehouse.environment).returncode == 0


def test_two_programs_of_one_folder_verify_each_others(start, upstream, issuer, tmp_path):
    file = {"services": [service(upstream.url, route("api", "/", plugins=[signing(issuer)]))]}
    keys = str(tmp_path / "shared")
    one, two = (start(file, GATEHOUSE_KEYS_DIR=keys) for _ in range(2))
    token = issuer.access_token()
    verified(identity(one, token), two.url + "/oauth2/jwks")
    verified(identity(two, token), one.url + "/oauth2/jwks")


def test_a_program_that_is_killed_while_it_rotates_leaves_old_or_new_keys(tmp_path):
    """D13: 60 times, at a random moment; what is there can always be used, and is nobody else's."""
    folder = tmp_path / "keys"
    assert run("keys", "generate", "--dir", str(folder)).returncode == 0
    chance, killed = random.Random(6), 0
    for number in range(60):
        if number % 5 == 0:
            # More keys than eight are not published at a time.
            for file in sorted(folder.glob("signing-*.pem"))[1:]:
                file.unlink()
        with subprocess.Popen(
                [program(), "keys", "rotate", "--dir", str(folder)], env=clean_environment(),
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(chance.uniform(0, 0.03))
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
        answer = run("keys", "list", "--dir", str(folder))
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout.count("seals and opens") == 1 and answer.stdout.count("\tsigns\n") == 1
    assert killed > 10
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
