"""Keys and tokens of the scripted issuer: right ones, and wrong ones on purpose."""
import base64
import hashlib
import hmac
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def encode(raw: bytes) -> str:
    """base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The inverse of `encode`."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def compact(value) -> bytes:
    """JSON without white space."""
    return json.dumps(value, separators=(",", ":")).encode()


def claims_of(token: str) -> dict:
    """The claims of a compact JWS, unverified."""
    return json.loads(decode(token.split(".")[1]))


def number(value: int, size: int = 0) -> str:
    """An unsigned integer as base64url (RFC 7518 §2)."""
    return encode(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


class Key:
    """A private key with its name: `RS256`, `ES256` or `EdDSA`."""

    def __init__(self, kid: str, algorithm: str = "RS256"):
        self.kid, self.algorithm = kid, algorithm
        self.private = {
            "RS256": lambda: rsa.generate_private_key(65537, 2048),
            "PS256": lambda: rsa.generate_private_key(65537, 2048),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }[algorithm]()

    def public_pem(self) -> bytes:
        """The public half as SubjectPublicKeyInfo in PEM."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def jwk(self) -> dict:
        """The public half as a JWK."""
        common = {"kid": self.kid, "use": "sig", "alg": self.algorithm}
        public = self.private.public_key()
        if self.algorithm in ("RS256", "PS256"):
            numbers = public.public_numbers()
            return {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e), **common}
        if self.algorithm == "ES256":
            numbers = public.public_numbers()
            return {"kty": "EC", "crv": "P-256", "x": number(numbers.x, 32), "y": number(numbers.y, 32), **common}
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "x": encode(raw), **common}

    def signature(self, signed: bytes) -> bytes:
        """The signature of `signed` as a JWS carries it."""
        if self.algorithm == "RS256":
            return self.private.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        if self.algorithm == "PS256":
            return self.private.sign(signed, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        if self.algorithm == "ES256":
            r, s = decode_dss_signature(self.private.sign(signed, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return self.private.sign(signed)

    def sign(self, claims: dict, **header) -> str:
        """A compact JWS; a header member given as None is left out."""
        head = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid, **header}
        head = {name: value for name, value in head.items() if value is not None}
        signed = f"{encode(compact(head))}.{encode(compact(claims))}"
        return f"{signed}.{encode(self.signature(signed.encode()))}"


def unsigned(claims: dict) -> str:
    """A token of `alg: none`."""
    return f"{encode(compact({'alg': 'none', 'typ': 'JWT'}))}.{encode(compact(claims))}."


def with_secret(claims: dict, secret: bytes, kid: str | None = None) -> str:
    """A token of HS256 under `secret`."""
    head = {"alg": "HS256", "typ": "JWT", **({"kid": kid} if kid else {})}
    signed = f"{encode(compact(head))}.{encode(compact(claims))}"
    return f"{signed}.{encode(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def tampered(token: str) -> str:
    """The token with one character of its signature changed."""
    head, payload, signature = token.split(".")
    middle = len(signature) // 2
    other = "A" if signature[middle] != "A" else "B"
    return f"{head}.{payload}.{signature[:middle]}{other}{signature[middle + 1:]}"


def half_hash(value: str) -> str:
    """`at_hash` and `c_hash` for a SHA-256 algorithm (OIDC Core §3.1.3.6)."""
    return encode(hashlib.sha256(value.encode()).digest()[:16])


def now() -> int:
    """The time in whole seconds since 1970."""
    return int(time.time())
