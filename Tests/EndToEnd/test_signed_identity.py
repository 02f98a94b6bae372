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
from support.gatehouse import clean_environment, openid_connect, program, route, run, service
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
