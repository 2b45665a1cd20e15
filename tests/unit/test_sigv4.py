"""The signer: on the published vectors, on the examples of the S3 documentation, and against botocore."""

from __future__ import annotations

import calendar
import datetime
import json
import os
import posixpath
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest

from ghostie.backends.s3api import (
    Credentials,
    Scope,
    authorization,
    canonical,
    digest,
    signature,
    spelt,
    spelt_query,
    to_sign,
)

pytestmark = pytest.mark.versions

CONTRACTS = Path(os.environ.get("CONTRACTS") or Path(__file__).resolve().parents[3] / "shared" / "contracts")
SUITE = CONTRACTS / "sigv4" / "tests" / "aws-signing-test-suite" / "v4"
VECTORS = sorted(path.name for path in SUITE.iterdir()) if SUITE.is_dir() else []

needs_vectors = pytest.mark.skipif(not VECTORS, reason="the published signing vectors (contracts/sigv4) are not here")


class Vector:
    """One published vector: a request, and what each step of signing it comes to."""

    def __init__(self, name: str) -> None:
        self.folder = SUITE / name
        self.context: dict[str, Any] = json.loads(self.text("context.json"))
        head, _, self.body = self.text("request.txt").partition("\n\n")
        first, *lines = head.rstrip("\n").split("\n")
        self.method, target = first.split(" ", 1)
        target = target.rpartition(" HTTP/")[0]
        path, _, query = target.partition("?")
        self.path = self.canonical_path(path)
        self.query = spelt_query(parse_qsl(query, keep_blank_values=True)) if "%" in query else self.raw_query(query)
        self.headers: list[tuple[str, str]] = []
        for line in lines:
            if line[0] in " \t":  # goes on with the one before
                name_before, value = self.headers[-1]
                self.headers[-1] = (name_before, f"{value}\n{line}")
            else:
                found, _, value = line.partition(":")
                self.headers.append((found, value))
        credentials = self.context["credentials"]
        self.credentials = Credentials(
            credentials["access_key_id"], credentials["secret_access_key"], credentials.get("token", "")
        )
        moment = time.strptime(self.context["timestamp"], "%Y-%m-%dT%H:%M:%SZ")
        self.scope = Scope(calendar.timegm(moment), self.context["region"], self.context["service"])
        self.headers.append(("X-Amz-Date", self.scope.stamp))
        if self.credentials.session_token and not self.context.get("omit_session_token"):
            self.headers.append(("X-Amz-Security-Token", self.credentials.session_token))
        if self.context["sign_body"]:
            self.headers.append(("x-amz-content-sha256", digest(self.body.encode())))

    def text(self, name: str) -> str:
        return (self.folder / name).read_text().replace("\r\n", "\n")

    def canonical_path(self, path: str) -> str:
        """What other services do and S3 does not: dots are resolved, and the path is spelt once more."""
        if self.context["normalize"]:
            end = "/" if path.endswith(("/", "/.", "/..")) else ""
            path = posixpath.normpath(path).replace("//", "/").rstrip("/") + end
        return spelt(path) or "/"

    @staticmethod
    def raw_query(query: str) -> str:
        pairs = [part.partition("=") for part in query.split("&") if part]
        return spelt_query((unquote(name), unquote(value)) for name, _, value in pairs)


@needs_vectors
@pytest.mark.parametrize("name", VECTORS)
def test_every_step_comes_to_what_the_published_vector_says(name: str) -> None:
    vector = Vector(name)
    payload = digest(vector.body.encode())
    request, _ = canonical(vector.method, vector.path, vector.query, vector.headers, payload)
    assert request == vector.text("header-canonical-request.txt")
    text = to_sign(request, vector.scope)
    assert text == vector.text("header-string-to-sign.txt").rstrip("\n")
    said = signature(text, vector.credentials.secret_key, vector.scope)
    assert said == vector.text("header-signature.txt").strip()
    value = authorization(
        vector.method, vector.path, vector.query, vector.headers, payload, vector.credentials, vector.scope
    )
    assert f"Authorization:{value}\n" in vector.text("header-signed-request.txt") + "\n"


@needs_vectors
def test_the_suite_is_the_whole_one() -> None:
    assert len(VECTORS) == 38


# -- the examples in the documentation of S3 -------------------------------------------------------------------------

EXAMPLE = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
FRIDAY = Scope(calendar.timegm((2013, 5, 24, 0, 0, 0)), "us-east-1")
HOST = ("Host", "examplebucket.s3.amazonaws.com")
NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "body", "expected"),
    [
        (
            "GET",
            "/test.txt",
            [],
            [("Range", "bytes=0-9")],
            b"",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "/test$file.text",
            [],
            [("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
            b"Welcome to Amazon S3.",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            "GET",
            "/",
            [("lifecycle", "")],
            [],
            b"",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "GET",
            "/",
            [("max-keys", "2"), ("prefix", "J")],
            [],
            b"",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_the_examples_of_the_s3_documentation(
    method: str, path: str, query: list[tuple[str, str]], headers: list[tuple[str, str]], body: bytes, expected: str
) -> None:
    sent = [HOST, *headers, ("x-amz-content-sha256", digest(body)), ("x-amz-date", FRIDAY.stamp)]
    said = authorization(method, spelt(path), spelt_query(query), sent, digest(body), EXAMPLE, FRIDAY)
    assert said.endswith(f"Signature={expected}")
    assert said.startswith("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, ")


def test_the_digest_of_nothing_is_the_known_one() -> None:
    assert digest(b"") == NOTHING


def test_credentials_show_nothing_of_themselves() -> None:
    assert repr(Credentials("AKIDEXAMPLE", "wJalrXUt", "AQoDYXdz")) == "Credentials()"


# -- another signer --------------------------------------------------------------------------------------------------

LETTERS = "abcXYZ019-_.~ +*'()&=%$@:,/;ü日\N{GRINNING FACE}"


@pytest.fixture(scope="module")
def botocore_at_friday() -> Iterator[Any]:
    """botocore, for which it is the moment of the examples."""
    auth = pytest.importorskip("botocore.auth", reason="botocore, the oracle, is not here (it comes with moto)")
    before = auth.get_current_datetime
    auth.get_current_datetime = lambda remove_tzinfo=True: datetime.datetime(2013, 5, 24)
    yield auth
    auth.get_current_datetime = before


@pytest.mark.parametrize("seed", range(60))
def test_botocore_signs_the_same_request_the_same_way(botocore_at_friday: Any, seed: int) -> None:
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as Theirs

    dice = random.Random(seed)

    def word(most: int) -> str:
        return "".join(dice.choice(LETTERS) for _ in range(dice.randint(1, most)))

    method = dice.choice(["GET", "PUT", "DELETE"])
    path = spelt("/bucket/" + word(24))
    query = spelt_query([(f"{word(6)}{number}", word(20)) for number in range(dice.randint(0, 4))])
    body = dice.randbytes(dice.randint(0, 200)) if method == "PUT" else b""
    token = "token/+=" + word(4).encode().hex() if dice.random() < 0.3 else ""
    headers = {"Host": "s3.eu-west-3.example.org:8080", "x-amz-content-sha256": digest(body)}
    if method == "PUT":
        headers |= {"Content-Type": "application/octet-stream", "If-None-Match": "*"}
    region = dice.choice(["us-east-1", "auto", "garage"])
    url = f"https://s3.eu-west-3.example.org:8080{path}" + (f"?{query}" if query else "")

    request = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
    their_credentials = Theirs(EXAMPLE.access_key, EXAMPLE.secret_key, token or None)
    botocore_at_friday.S3SigV4Auth(their_credentials, "s3", region).add_auth(request)

    ours = Credentials(EXAMPLE.access_key, EXAMPLE.secret_key, token)
    scope = Scope(FRIDAY.moment, region)
    sent = [*headers.items(), ("x-amz-date", scope.stamp)]
    if token:
        sent.append(("x-amz-security-token", token))
    assert authorization(method, path, query, sent, digest(body), ours, scope) == request.headers["Authorization"]
