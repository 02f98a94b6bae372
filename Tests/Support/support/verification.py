"""Tokens that we sign, verified as a service does it: with the published keys and somebody else's cryptography."""
import json

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from support.tokens import claims_of, decode


def keys_at(url: str) -> dict[str, dict]:
    """The published keys by their names; each is public and says what it is for."""
    answer = httpx.get(url, timeout=10)
    answer.raise_for_status()
    keys = answer.json()["keys"]
    assert all(set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"} for key in keys)
    assert all((key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig") for key in keys)
    return {key["kid"]: key for key in keys}


def verified_by(token: str, keys: dict[str, dict]) -> dict:
    """The claims of a token whose signature is that of the key that it names; an error for any other."""
    header, payload, signature = token.split(".")
    fields = json.loads(decode(header))
    assert fields["alg"] == "ES256"
    key = keys[fields["kid"]]
    x, y = (int.from_bytes(decode(key[name]), "big") for name in ("x", "y"))
    raw = decode(signature)
    assert len(raw) == 64
    ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key().verify(
        encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")),
        f"{header}.{payload}".encode(), ec.ECDSA(hashes.SHA256()))
    return claims_of(token)


def verified(token: str, url: str) -> dict:
    """The same by the keys at `url`."""
    return verified_by(token, keys_at(url))
