"""AWS Signature Version 4, in the request's headers, as S3 has it.

What is signed is what is sent, byte for byte: a path as `spelt` returns it, a query as `spelt_query` does.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

ALGORITHM: Final = "AWS4-HMAC-SHA256"
UNRESERVED: Final = "-_.~"

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who signs. Nothing of it is ever shown."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature holds for: a moment (Unix time), a region and a service."""

    moment: float
    region: str
    service: str = "s3"

    @property
    def stamp(self) -> str:
        return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.moment))

    def __str__(self) -> str:
        return f"{self.stamp[:8]}/{self.region}/{self.service}/aws4_request"


def spelt(path: str) -> str:
    """Return *path* as it is sent and signed: all but unreserved characters and slashes as UTF-8 in percent."""
    return quote(path, safe="/" + UNRESERVED)


def spelt_query(query: Iterable[tuple[str, str]]) -> str:
    """Return *query* as it is sent and signed: in order, all but unreserved characters in percent."""
    pairs = sorted((quote(name, safe=UNRESERVED), quote(value, safe=UNRESERVED)) for name, value in query)
    return "&".join(f"{name}={value}" for name, value in pairs)


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def canonical(method: str, path: str, query: str, headers: Pairs, payload: str) -> tuple[str, str]:
    """Return the request in the form that is signed, and the names of the headers that it covers.

    *path* and *query* are spelt already; *payload* is the body's digest; *headers* may repeat a name.
    """
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(" ".join(value.split()))
    names = ";".join(sorted(values))
    lines = [f"{name}:{','.join(values[name])}" for name in sorted(values)]
    return "\n".join([method, path, query, *lines, "", names, payload]), names


def to_sign(request: str, scope: Scope) -> str:
    """Return the text whose MAC is the signature of the canonical *request*."""
    return "\n".join([ALGORITHM, scope.stamp, str(scope), digest(request.encode())])


def signature(text: str, secret_key: str, scope: Scope) -> str:
    """Return the signature of *text*, in hex."""
    mac = f"AWS4{secret_key}".encode()
    for part in (*str(scope).split("/"), text):
        mac = hmac.digest(mac, part.encode(), "sha256")
    return mac.hex()


def authorization(
    method: str, path: str, query: str, headers: Pairs, payload: str, credentials: Credentials, scope: Scope
) -> str:
    """Return the value of the header `Authorization` for a request that is sent with *headers*, and signs them all."""
    request, names = canonical(method, path, query, headers, payload)
    proof = signature(to_sign(request, scope), credentials.secret_key, scope)
    return f"{ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={proof}"
