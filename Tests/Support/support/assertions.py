"""Client assertions, as a strict issuer verifies them (RFC 7523 §3, OIDC Core §9)."""
import hashlib
import hmac
import json
import secrets

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from support.tokens import compact, decode, encode, now

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_SECONDS = 300


def holds(form: dict, client: str, audience: str, keys, seen: set[str]) -> bool:
    """Whether a form's assertion proves the client, for this audience, for the first time.

    `keys` are public keys, or the secret that both know.
    """
    parts = form.get("client_assertion", "").split(".")
    if form.get("client_assertion_type") != TYPE or len(parts) != 3 or form.get("client_id", client) != client:
        return False
    header, claims = json.loads(decode(parts[0])), json.loads(decode(parts[1]))
    signed, signature = ".".join(parts[:2]).encode(), decode(parts[2])
    if isinstance(keys, str):
        right = header["alg"] == "HS256" and hmac.compare_digest(
            hmac.digest(keys.encode(), signed, hashlib.sha256), signature)
    else:
        right = any(verifies(key, header["alg"], signature, signed) for key in keys)
    names_us = claims.get("iss") == claims.get("sub") == client and claims.get("aud") == audience
    lives = now() - 5 <= claims["exp"] <= now() + LONGEST_SECONDS and abs(claims["iat"] - now()) < 60
    fresh = isinstance(claims.get("jti"), str) and len(claims["jti"]) >= 16 and claims["jti"] not in seen
    if not (right and names_us and lives and fresh):
        return False
    seen.add(claims["jti"])
    return True


def verifies(key, algorithm: str, signature: bytes, signed: bytes) -> bool:
    """Whether a public key made a signature by RS256, PS256 or ES256."""
    try:
        if algorithm == "ES256" and isinstance(key, ec.EllipticCurvePublicKey) and len(signature) == 64:
            numbers = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
            key.verify(encode_dss_signature(*numbers), signed, ec.ECDSA(hashes.SHA256()))
            return True
        scheme = {
            "RS256": lambda: padding.PKCS1v15(),
            "PS256": lambda: padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size),
        }.get(algorithm)
        if scheme is None or isinstance(key, ec.EllipticCurvePublicKey):
            return False
        key.verify(signature, signed, scheme(), hashes.SHA256())
        return True
    except InvalidSignature:
        return False


def made(client: str, audience: str, key: dict | str) -> dict:
    """The parameters that prove a client, by a private RSA key as a JWK or by a secret."""
    header = {"alg": "HS256", "typ": "JWT"} if isinstance(key, str) else {"alg": "RS256", "typ": "JWT", "kid": key["kid"]}
    claims = {"iss": client, "sub": client, "aud": audience, "jti": secrets.token_hex(16), "iat": now(),
              "exp": now() + 60}
    signed = f"{encode(compact(header))}.{encode(compact(claims))}"
    if isinstance(key, str):
        signature = hmac.digest(key.encode(), signed.encode(), hashlib.sha256)
    else:
        signature = private_key(key).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return {"client_id": client, "client_assertion_type": TYPE, "client_assertion": f"{signed}.{encode(signature)}"}


def private_key(jwk: dict) -> rsa.RSAPrivateKey:
    """A private RSA key of a JWK."""
    part = {name: int.from_bytes(decode(jwk[name]), "big") for name in ("n", "e", "d", "p", "q", "dp", "dq", "qi")}
    public = rsa.RSAPublicNumbers(part.pop("e"), part.pop("n"))
    return rsa.RSAPrivateNumbers(
        part["p"], part["q"], part["d"], part["dp"], part["dq"], part["qi"], public).private_key()
