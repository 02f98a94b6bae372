"""Tokens that are bound to a key or a certificate, step-up challenges, resource metadata: asked by a real client."""
import concurrent.futures
import datetime
import hashlib
import json
import secrets
import ssl
from urllib.parse import quote

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from support import ledger
from support.certificates import Authority
from support.gatehouse import openid_connect, plugin, route, run, service
from support.issuer import Issuer
from support.processes import free_port
from support.tokens import Key, compact, encode, now

TRUSTED = {"GATEHOUSE_TRUSTED_IPS": "127.0.0.1/32"}


class Client:
    """A client that holds a key and signs a proof for each request (RFC 9449 §4)."""

    def __init__(self, algorithm: str = "ES256"):
        self.key = Key("client", algorithm)
        self.jwk = {name: value for name, value in self.key.jwk().items() if name in ("kty", "crv", "x", "y", "n", "e")}

    @property
    def thumbprint(self) -> str:
        return encode(hashlib.sha256(json.dumps(self.jwk, separators=(",", ":"), sort_keys=True).encode()).digest())

    def proof(self, method: str, url: str, token: str | None = None, header: dict | None = None, **claims) -> str:
        members = {"jti": secrets.token_hex(12), "htm": method, "htu": url, "iat": now(), **claims}
        if token:
            members.setdefault("ath", encode(hashlib.sha256(token.encode()).digest()))
        members = {name: value for name, value in members.items() if value is not None}
        return self.key.sign(members, **{"typ": "dpop+jwt", "kid": None, "jwk": self.jwk, **(header or {})})

    def token(self, issuer: Issuer, **claims) -> str:
        return issuer.access_token(**{"cnf": {"jkt": self.thumbprint}, **claims})

    def ask(self, gatehouse, token: str, path: str = "/api", method: str = "GET", proof: str | None = None, **fields):
        proof = proof or self.proof(method, gatehouse.url + path.split("?")[0], token)
        return httpx.request(
            method, gatehouse.url + path, headers={"Authorization": f"DPoP {token}", "DPoP": proof, **fields})


def configuration(issuer, upstream, **config) -> dict:
    fields = {"auth_methods": ["bearer"], "proof_of_possession_dpop": "strict", **config}
    return {"services": [service(upstream.url, route("api", "/api", plugins=[openid_connect(issuer, **fields)]))]}


@pytest.fixture
def client():
    return Client()


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
def test_a_bound_token_passes_with_its_proof(start, upstream, issuer, algorithm):
    """RFC 9449 §7: over many connections and both loops, each request with a proof of its own."""
    gatehouse, client = start(configuration(issuer, upstream)), Client(algorithm)
    token = client.token(issuer)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: client.ask(gatehouse, token, f"/api/{number}?x=1"), range(40)))
    assert {answer.status_code for answer in answers} == {200}
    seen = answers[0].json()["headers"]
    assert seen["authorization"] == f"Bearer {token}"
    assert "dpop" not in {name.lower() for name in seen}


def test_a_proof_counts_once_for_all_loops(start, upstream, issuer, client):
    """RFC 9449 §11.1: of many that show one proof at once, one passes at most; afterwards none does."""
    gatehouse = start(configuration(issuer, upstream), GATEHOUSE_WORKERS="4")
    token = client.token(issuer)
    assert client.ask(gatehouse, token).status_code == 200
    for _ in range(20):
        proof = client.proof("GET", gatehouse.url + "/api", token)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: client.ask(gatehouse, token, proof=proof), range(8)))
        assert sum(answer.status_code == 200 for answer in answers) <= 1
        assert {answer.status_code for answer in answers} <= {200, 401}
        assert client.ask(gatehouse, token, proof=proof).status_code == 401
    assert gatehouse.refusals("proof-replayed") >= 20 * 8


WRONG = {
    "another method": (lambda client, url, token: client.proof("POST", url, token), "wrong-proof-method"),
    "another path": (lambda client, url, token: client.proof("GET", url + "/x", token), "wrong-proof-target"),
    "another host": (
        lambda client, url, token: client.proof("GET", "http://evil.example/api", token), "wrong-proof-target"),
    "another token": (lambda client, url, token: client.proof("GET", url, token + "x"), "wrong-proof-token"),
    "no token": (lambda client, url, token: client.proof("GET", url), "malformed-proof"),
    "too old": (lambda client, url, token: client.proof("GET", url, token, iat=now() - 302), "proof-expired"),
    "from the future": (
        lambda client, url, token: client.proof("GET", url, token, iat=now() + 65), "proof-issued-in-future"),
    "another key": (lambda client, url, token: Client().proof("GET", url, token), "wrong-proof-key"),
    "another key in the header": (
        lambda client, url, token: Client().proof("GET", url, token, {"jwk": client.jwk}), "bad-proof-signature"),
    "another type": (lambda client, url, token: client.proof("GET", url, token, {"typ": "JWT"}), "wrong-proof-type"),
    "alg none": (
        lambda client, url, token: ".".join([
            encode(compact({"typ": "dpop+jwt", "alg": "none", "jwk": client.jwk})),
            client.proof("GET", url, token).split(".")[1], ""]), "proof-algorithm-not-allowed"),
    "a private key": (
        lambda client, url, token: client.proof("GET", url, token, {"jwk": {**client.jwk, "d": "AAAA"}}),
        "unusable-proof-key"),
    "no identifier": (lambda client, url, token: client.proof("GET", url, token, jti=None), "malformed-proof"),
    "the token itself": (lambda client, url, token: token, "wrong-proof-type"),
    "two in one field": (
        lambda client, url, token: ", ".join([client.proof("GET", url, token)] * 2), "malformed-proof"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_proof_is_401_with_its_reason(start, upstream, issuer, client, name):
    """RFC 9449 §4.3, rule by rule: the log has the word, the client `invalid_dpop_proof`; nothing is forwarded."""
    gatehouse = start(configuration(issuer, upstream))
    make, word = WRONG[name]
    token = client.token(issuer)
    assert client.ask(gatehouse, token).status_code == 200
    answer = client.ask(gatehouse, token, proof=make(client, gatehouse.url + "/api", token))
    assert answer.status_code == 401
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith("DPoP ") and 'error="invalid_dpop_proof"' in challenge and "algs=" in challenge
    assert gatehouse.refusals(word) == 1
    assert len(upstream.seen) == 1


def test_a_bound_token_is_no_bearer_token(start, upstream, issuer, client):
    """RFC 9449 §7.2: downgraded, without a proof or with two it is refused, remembered or not."""
    gatehouse = start(configuration(issuer, upstream, proof_of_possession_dpop="optional"))
    token, url = client.token(issuer), gatehouse.url + "/api"
    for _ in range(2):
        for headers in [
            {"Authorization": f"Bearer {token}"},
            {"Authorization": f"Bearer {token}", "DPoP": client.proof("GET", url, token)},
            {"Authorization": f"DPoP {token}"},
        ]:
            answer = httpx.get(url, headers=headers)
            assert answer.status_code == 401
            assert gatehouse.refusals("proof-required") > 0
        assert client.ask(gatehouse, token).status_code == 200
    proofs = [("DPoP", client.proof("GET", url, token)), ("DPoP", client.proof("GET", url, token))]
    assert httpx.get(url, headers=[("Authorization", f"DPoP {token}"), *proofs]).status_code == 401
    assert gatehouse.refusals("repeated-proof") == 1
    # A token that is not bound is not shown as if it were.
    assert httpx.get(url, headers={"Authorization": f"Bearer {issuer.access_token()}"}).status_code == 200
    assert client.ask(gatehouse, issuer.access_token()).status_code == 401
    assert gatehouse.refusals("token-not-bound") == 1


def test_a_nonce_is_given_and_taken(start, upstream, issuer, client):
    """RFC 9449 §9: two programs with the same keys know each other's."""
    gatehouse = start(configuration(issuer, upstream, dpop_use_nonce=True))
    token = client.token(issuer)
    answer = client.ask(gatehouse, token)
    assert answer.status_code == 401
    assert 'error="use_dpop_nonce"' in answer.headers["www-authenticate"]
    nonce = answer.headers["dpop-nonce"]
    proof = client.proof("GET", gatehouse.url + "/api", token, nonce=nonce)
    assert client.ask(gatehouse, token, proof=proof).status_code == 200
    proof = client.proof("GET", gatehouse.url + "/api", token, nonce="x" + nonce[1:])
    assert client.ask(gatehouse, token, proof=proof).status_code == 401
    replica = start(
        configuration(issuer, upstream, dpop_use_nonce=True), GATEHOUSE_KEYS_DIR=str(gatehouse.folder / "keys"))
    proof = client.proof("GET", replica.url + "/api", token, nonce=nonce)
    assert client.ask(replica, token, proof=proof).status_code == 200


def test_the_address_is_what_a_trusted_proxy_tells(start, upstream, issuer, client):
    """RFC 9449 §4.3 (9): scheme and host as the client used them; a stranger's word about them counts nothing."""
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example"}
    trusting, other = start(configuration(issuer, upstream), **TRUSTED), start(configuration(issuer, upstream))
    token = client.token(issuer)

    def ask(gatehouse, url):
        return client.ask(gatehouse, token, proof=client.proof("GET", url, token), **told).status_code

    assert ask(trusting, "https://shop.example/api") == 200
    assert ask(trusting, trusting.url + "/api") == 401
    assert ask(other, "https://shop.example/api") == 401
    assert ask(other, other.url + "/api") == 200


def test_a_callout_judges_the_original_request(start, upstream, issuer, client):
    """A proof is for the request that nginx got, not for the callout's own."""
    gatehouse = start(configuration(issuer, upstream), **TRUSTED)
    token = client.token(issuer)

    def ask(method, url):
        return httpx.get(gatehouse.url + "/oauth2/auth", headers={
            "X-Original-URL": "https://shop.example/api/x?y=1", "X-Original-Method": "POST",
            "X-Forwarded-Host": "shop.example", "X-Forwarded-Proto": "https",
            "Authorization": f"DPoP {token}", "DPoP": client.proof(method, url, token)})

    assert ask("POST", "https://shop.example/api/x").status_code == 202
    wrong = ask("GET", "https://shop.example/api/x")
    assert wrong.status_code == 401 and wrong.headers["www-authenticate"].startswith("DPoP ")
    assert ask("POST", gatehouse.url + "/oauth2/auth").status_code == 401


def test_no_log_holds_a_proof(start, upstream, issuer, client):
    gatehouse = start(configuration(issuer, upstream))
    token = client.token(issuer)
    proof = ledger.keep(client.proof("GET", gatehouse.url + "/api", token), "proof")
    client.ask(gatehouse, token, proof=proof)
    client.ask(gatehouse, token, proof=proof)
    assert gatehouse.refusals("proof-replayed") == 1
    assert proof not in gatehouse.log.read_text()


# Certificates


def certificate(name: str = "client") -> tuple[bytes, ec.EllipticCurvePrivateKey]:
    """A certificate of its own making, in DER, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.datetime.now(datetime.timezone.utc)
    made = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(start)
            .not_valid_after(start + datetime.timedelta(days=1)).sign(key, hashes.SHA256()))
    return made.public_bytes(serialization.Encoding.DER), key


def thumbprint(der: bytes) -> dict:
    return {"x5t#S256": encode(hashlib.sha256(der).digest())}


def escaped(der: bytes) -> str:
    """As nginx writes `$ssl_client_escaped_cert`."""
    return quote(x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM).decode(), safe="")


def test_a_certificate_that_a_proxy_tells_of(start, upstream, issuer):
    """RFC 8705 §3: from a peer that is trusted; a stranger's field is not believed and goes no further."""
    config = {
        "auth_methods": ["bearer"], "proof_of_possession_mtls": "optional",
        "proof_of_possession_mtls_from_header": {"certificate_header_name": "X-Client-Cert"}}
    one = {"services": [service(upstream.url, route("api", "/api", plugins=[openid_connect(issuer, **config)]))]}
    gatehouse, mine, other = start(one, **TRUSTED), certificate()[0], certificate("other")[0]
    token = issuer.access_token(cnf=thumbprint(mine))

    def ask(program, token, *fields):
        headers = [("Authorization", f"Bearer {token}"), *(("X-Client-Cert", field) for field in fields)]
        return httpx.get(program.url + "/api", headers=headers)

    assert ask(gatehouse, token, escaped(mine)).status_code == 200
    assert ask(gatehouse, token).status_code == 401
    assert ask(gatehouse, token, escaped(mine), escaped(mine)).status_code == 401
    assert gatehouse.refusals("proof-required") == 2
    assert ask(gatehouse, token, escaped(other)).status_code == 401
    assert gatehouse.refusals("wrong-certificate") == 1
    assert ask(gatehouse, token, escaped(mine)).status_code == 200
    strange = start(one)
    assert ask(strange, token, escaped(mine)).status_code == 401
    seen = ask(strange, issuer.access_token(), escaped(mine)).json()["headers"]
    assert "x-client-cert" not in {name.lower() for name in seen}


def context(folder, name: str) -> tuple[ssl.SSLContext, bytes]:
    """A client of TLS with a certificate that nobody has signed, and that certificate in DER."""
    der, key = certificate(name)
    file = folder / f"{name}.pem"
    file.write_bytes(
        x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.load_cert_chain(file)
    return made, der


def test_the_certificate_of_the_handshake(start, upstream, issuer, tmp_path):
    """RFC 8705 §3: the client is asked for its certificate, and the token must be bound to that one."""
    plain, port = free_port(), free_port()
    one = configuration(issuer, upstream, proof_of_possession_dpop=None, proof_of_possession_mtls="strict")
    one["certificates"] = [Authority().sign("localhost").entity("*")]
    gatehouse = start(one, plain, GATEHOUSE_PROXY_LISTEN=f"127.0.0.1:{plain}, 127.0.0.1:{port} ssl")
    (mine, der), (other, _) = context(tmp_path, "mine"), context(tmp_path, "other")
    nobody = ssl.create_default_context()
    nobody.check_hostname, nobody.verify_mode = False, ssl.CERT_NONE
    token = issuer.access_token(cnf=thumbprint(der))

    def ask(verify, token) -> int:
        with httpx.Client(verify=verify) as connection:
            fields = {"Authorization": f"Bearer {token}"}
            return [connection.get(f"https://localhost:{port}/api", headers=fields).status_code for _ in range(2)]

    assert ask(mine, token) == [200, 200]
    assert ask(other, token) == [401, 401]
    assert gatehouse.refusals("wrong-certificate") == 2
    assert ask(nobody, token) == [401, 401]
    assert gatehouse.refusals("proof-required") == 2
    assert ask(mine, issuer.access_token()) == [401, 401]
    assert gatehouse.refusals("token-not-bound") == 2


# Step-up and metadata


def test_a_weak_or_old_authentication_is_asked_to_be_better(start, upstream, issuer):
    """RFC 9470 §3."""
    gatehouse = start(configuration(
        issuer, upstream, proof_of_possession_dpop=None, acr_values=["gold", "silver"], max_age=60))

    def ask(**claims):
        token = issuer.access_token(**claims)
        return httpx.get(gatehouse.url + "/api", headers={"Authorization": f"Bearer {token}"})

    assert ask(acr="silver", auth_time=now() - 55).status_code == 200
    for claims, word in [
        ({"acr": "bronze", "auth_time": now()}, "wrong-authentication-context"),
        ({"auth_time": now()}, "wrong-authentication-context"),
        ({"acr": "gold", "auth_time": now() - 65}, "authentication-too-old"),
        ({"acr": "gold"}, "authentication-too-old"),
    ]:
        before = gatehouse.refusals(word)
        answer = ask(**claims)
        assert answer.status_code == 401
        challenge = answer.headers["www-authenticate"]
        assert 'error="insufficient_user_authentication"' in challenge
        assert 'acr_values="gold silver"' in challenge and 'max_age="60"' in challenge
        assert gatehouse.refusals(word) == before + 1


def test_a_client_finds_the_issuer_from_the_challenge(start, upstream, issuer, client):
    """RFC 9728 §5: challenge, metadata, issuer, token, proof."""
    gatehouse = start(configuration(
        issuer, upstream, scopes_required=["openid"],
        protected_resource_metadata={"resource": "https://127.0.0.1/api"}))
    challenge = httpx.get(gatehouse.url + "/api").headers["www-authenticate"]
    pointer = challenge.split('resource_metadata="')[1].split('"')[0]
    assert pointer == "https://127.0.0.1/.well-known/oauth-protected-resource/api"
    answer = httpx.get(gatehouse.url + pointer.removeprefix("https://127.0.0.1"))
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert told["resource"] == "https://127.0.0.1/api"
    assert told["authorization_servers"] == [issuer.url]
    assert told["scopes_supported"] == ["openid"]
    assert told["dpop_bound_access_tokens_required"] is True and "ES256" in told["dpop_signing_alg_values_supported"]
    assert client.ask(gatehouse, client.token(issuer)).status_code == 200
    # Any other address under it belongs to the routes.
    assert httpx.get(gatehouse.url + "/.well-known/oauth-protected-resource").status_code == 404
    assert httpx.post(gatehouse.url + "/.well-known/oauth-protected-resource/api").status_code == 404


# A real provider


def test_a_token_that_glewlwyd_has_bound(start, upstream, providers, client):
    """RFC 9449 from end to end: the provider binds its token to the client's key, the gateway asks for the key."""
    provider = providers("glewlwyd")
    endpoint = httpx.get(provider.issuer + "/.well-known/openid-configuration").json()["token_endpoint"]
    answer = httpx.post(
        endpoint, data={"grant_type": "client_credentials", "scope": "api"}, auth=provider.client("service"),
        headers={"DPoP": client.proof("POST", endpoint)})
    assert answer.status_code == 200, answer.text
    token = ledger.keep(answer.json()["access_token"], "access token")
    gatehouse = start({"services": [service(upstream.url, route("api", "/api", plugins=[plugin(
        "openid-connect", issuer=provider.issuer, auth_methods=["bearer"], audience_required=[],
        proof_of_possession_dpop="strict")]))]})
    answer = client.ask(gatehouse, token)
    assert answer.status_code == 200, answer.text
    assert httpx.get(gatehouse.url + "/api", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert Client().ask(gatehouse, token).status_code == 401
    assert gatehouse.refusals("wrong-proof-key") == 1


def test_token_verify_judges_what_a_token_is_shown_with(issuer, tmp_path):
    """`token verify --proof`, `--certificate`: the rule that was broken has its line."""
    client, url = Client(), "https://api.test/r"
    token, (_, der) = client.token(issuer), context(tmp_path, "mine")

    def verify(token: str, *arguments: str) -> tuple[dict, dict]:
        said = json.loads(run("token", "verify", "--rules", "--jwks", issuer.url + "/jwks", *arguments, token).stdout)
        return said, {rule["rule"]: rule["verdict"] for rule in said["rules"]}

    said, rules = verify(token, "--proof", client.proof("GET", url, token), "--url", url + "?q=1")
    assert said["valid"] and rules["proof signature"] == "passed" and rules["proof's nonce"] == "not asked"
    said, rules = verify(token, "--proof", client.proof("POST", url, token), "--url", url)
    assert said["reason"] == "wrong-proof-method" and rules["proof's method"] == "failed"
    assert rules["signature"] == rules["bound to a key"] == "passed" and rules["proof signature"] == "not reached"
    bound, pem = issuer.access_token(cnf=thumbprint(der)), ["--certificate", str(tmp_path / "mine.pem")]
    assert verify(bound, *pem)[0]["valid"] and verify(token, *pem)[0]["reason"] == "token-not-bound"
    context(tmp_path, "mine")
    assert verify(bound, *pem)[0]["reason"] == "wrong-certificate"
