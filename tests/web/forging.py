"""Tokens made by hand, octet by octet, so that no library decides what can be sent to us."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey


def octets(value: bytes) -> str:
    """Base64 as tokens have it (RFC 7515, 2)."""
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def segments(header: object, claims: object) -> str:
    """The part that is signed; text is used unchanged, so that a test can send broken JSON."""
    parts = (part if isinstance(part, str) else json.dumps(part) for part in (header, claims))
    return ".".join(octets(part.encode()) for part in parts)


def with_secret(header: object, claims: object, secret: bytes, digest: str = "sha256") -> str:
    signed = segments(header, claims)
    return f"{signed}.{octets(hmac.new(secret, signed.encode(), digest).digest())}"


def with_key(header: object, claims: object, key: PrivateKey) -> str:
    signed = segments(header, claims)
    return f"{signed}.{octets(_signature(signed.encode(), key))}"


def _signature(content: bytes, key: PrivateKey) -> bytes:
    match key:
        case RSAPrivateKey():
            return key.sign(content, PKCS1v15(), SHA256())
        case EllipticCurvePrivateKey():
            r, s = decode_dss_signature(key.sign(content, ECDSA(SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        case Ed25519PrivateKey():
            return key.sign(content)
    raise AssertionError(key)


def rsa_key() -> RSAPrivateKey:
    return generate_rsa_key(65537, 2048)


def ec_key() -> EllipticCurvePrivateKey:
    return generate_ec_key(SECP256R1())


def ed_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def jwk(key: PrivateKey, **members: object) -> dict[str, object]:
    """The public key as a member of a JWK set (RFC 7517, 4; RFC 7518, 6; RFC 8037, 2)."""
    public = key.public_key()
    match key:
        case RSAPrivateKey():
            numbers = key.public_key().public_numbers()
            return {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e), **members}
        case EllipticCurvePrivateKey():
            point = key.public_key().public_numbers()
            return {"kty": "EC", "crv": "P-256", "x": _number(point.x), "y": _number(point.y), **members}
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "x": octets(raw), **members}


def pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _number(value: int) -> str:
    return octets(value.to_bytes(-(-value.bit_length() // 8), "big"))
