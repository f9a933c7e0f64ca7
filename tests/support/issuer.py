"""An OpenID Connect issuer on loopback: its documents, and tokens signed with keys that can be rotated."""

import base64
import hashlib
import hmac
import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.loopback import QuietHandler, listening

TENANT = "0a1b2c3d-0000-4000-8000-00000000000f"
OTHER_TENANT = "0a1b2c3d-0000-4000-8000-0000000000ff"
SHOP = "11111111-0000-4000-8000-000000000001"
STRANGER = "22222222-0000-4000-8000-000000000002"
APP = "33333333-0000-4000-8000-000000000003"
ROLE = "Segment.Call"
AUDIENCE = "https://cognitiveservices.azure.com"


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@dataclass
class Issuer:
    """`published`: the keys that it tells of, by their ids. `fault`: it answers this status to everything."""

    authority: str = ""
    published: dict[str, rsa.RSAPrivateKey] = field(default_factory=lambda: {"first": new_key()})
    fault: int = 0
    asked: list[str] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, str]:
        """Of a service that takes its tokens."""
        return {
            "SEGMENT_ENTRA_TENANT": TENANT,
            "SEGMENT_ENTRA_AUTHORITY": self.authority,
            "SEGMENT_ENTRA_APP_IDS": APP,
            "SEGMENT_ENTRA_CALLERS": f"shop={SHOP},batch={ROLE}",
            "SEGMENT_URL_ALLOWED_NETWORKS": "127.0.0.0/8",
        }

    def claims(self, **changed: object) -> dict[str, object]:
        """Of a good token of version 1; those that are None are left out."""
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": f"https://sts.windows.net/{TENANT}/",
            "aud": AUDIENCE,
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "tid": TENANT,
            "oid": SHOP,
            "ver": "1.0",
        }
        return {name: value for name, value in (claims | changed).items() if value is not None}

    def v2(self, **changed: object) -> dict[str, object]:
        """Of a good token of version 2."""
        issuer = {"iss": f"{self.authority}/{TENANT}/v2.0", "aud": APP, "ver": "2.0"}
        return self.claims(**(issuer | changed))

    def token(self, claims: dict[str, object] | None = None, key_id: str = "first") -> str:
        """Signed with a published key."""
        return signed(claims or self.claims(), self.published[key_id], key_id)

    def hs256(self) -> str:
        """Signed with the public key as if it were a shared secret, which no library makes any more."""
        public = self.published["first"].public_key()
        secret = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        head = _coded({"alg": "HS256", "typ": "JWT", "kid": "first"}) + "." + _coded(self.claims())
        return f"{head}.{_base64(hmac.digest(secret, head.encode(), hashlib.sha256))}"

    def unsigned(self) -> str:
        """Of the algorithm `none`."""
        return _coded({"alg": "none", "typ": "JWT", "kid": "first"}) + "." + _coded(self.claims()) + "."

    def document(self, path: str) -> object:
        match path.removeprefix(f"/{TENANT}"):
            case "/v2.0/.well-known/openid-configuration":
                keys = f"{self.authority}/{TENANT}/discovery/v2.0/keys"
                return {"issuer": f"{self.authority}/{TENANT}/v2.0", "jwks_uri": keys}
            case "/discovery/v2.0/keys":
                return {"keys": [_jwk(key, key_id) for key_id, key in self.published.items()]}
        return None


def signed(claims: dict[str, object], key: rsa.RSAPrivateKey, key_id: str = "first") -> str:
    return jwt.encode(claims, key, "RS256", headers={"kid": key_id})


def mutate(token: str, chance: random.Random) -> str:
    """Something else than `token`, also to those who read base64 leniently."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \xff"
    parts = token.split(".")
    while True:
        at = chance.randrange(len(token) - 1)  # the last letter has bits that mean nothing
        match chance.randrange(6):
            case 0:
                changed = token[:at] + chance.choice(letters) + token[at + 1 :]
            case 1:
                changed = token[:at] + token[at + 1 :]
            case 2:
                changed = token[:at] + chance.choice(letters[:64]) * chance.randrange(1, 50) + token[at:]
            case 3:
                changed = token[:at]
            case 4:
                changed = ".".join(chance.choices(parts, k=chance.randrange(1, 6)))
            case _:
                changed = token[:at] + token[at:][::-1]
        if changed.rstrip("=") != token and changed.strip() != token:
            return changed


def _jwk(key: rsa.RSAPrivateKey, key_id: str) -> dict[str, object]:
    made = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**made, "kid": key_id, "use": "sig"}


def _coded(document: dict[str, object]) -> str:
    return _base64(json.dumps(document).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@contextmanager
def oidc_issuer() -> Iterator[Issuer]:
    """Listens until the end of the block."""
    issuer = Issuer()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            document = issuer.document(self.path)
            self.send_json(issuer.fault or (200 if document else 404), document)

    with listening(Handler) as issuer.authority:
        yield issuer
