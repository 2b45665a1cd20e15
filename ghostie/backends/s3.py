"""S3, and whatever speaks it: a bucket as a store, with a signer of our own.

Only the oldest, plainest part of the interface is used, so that it works with every provider: no object is made in
parts, nothing depends on conditional writes, and no checksum is sent but the one that the first version knew.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final
from urllib.parse import SplitResult, urlsplit

from ghostie.backends import s3api
from ghostie.backends.http import Http, Reply, check_url, refusal
from ghostie.backends.parallel import in_parallel
from ghostie.backends.s3api import BadReply, Credentials, Fault, Scope
from ghostie.backends.store import Capabilities, CreateOnly, ObjectInfo, check_key
from ghostie.errors import (
    AuthFailed,
    NotFound,
    QuotaExceeded,
    StoreError,
    StoreRefused,
    Throttled,
    Unreachable,
    UsageError,
)

LARGEST: Final = 32 << 20
LARGEST_PAGE: Final = 2 << 20
MOST_OBJECTS: Final = 100_000
LONGEST_KEY: Final = 1024
CORRECTIONS: Final = 3
TOLERATED_SKEW: Final = 240.0  # seconds; servers tolerate 900, some only 300
PROBE: Final = "ghostie-probe-"

AMAZON: Final = "s3.amazonaws.com"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_REGION = re.compile(r"[A-Za-z0-9_-]{1,64}")
_REGION_IN_HOST = re.compile(r"s3[.-]([a-z]+-[a-z0-9-]+)\.(?:[a-z0-9-]+\.)+[a-z]+")

# what each says, and the credential or the setting that seems to be at fault
_NO_CREDENTIALS: Final[Mapping[str, tuple[str, str | None]]] = {
    "AccessDenied": ("this key may not do that", None),
    "AccountProblem": ("there is a problem with the account", None),
    "AllAccessDisabled": ("access is switched off", None),
    "AuthFailure": ("the key does not fit", None),
    "ExpiredToken": ("the session has ended", "session_token"),
    "ExpiredTokenException": ("the session has ended", "session_token"),
    "InvalidAccessKeyId": ("it does not know the access key", "access_key"),
    "InvalidClientTokenId": ("it does not know the access key", "access_key"),
    "InvalidSecurity": ("the key does not fit", None),
    "InvalidToken": ("the session token does not fit", "session_token"),
    "NotSignedUp": ("the account is not signed up for it", None),
    "RequestExpired": ("this device's clock and the store's differ too much", "clock"),
    "RequestTimeTooSkewed": ("this device's clock and the store's differ too much", "clock"),
    "SignatureDoesNotMatch": ("the secret key does not fit", "secret_key"),
    "TokenRefreshRequired": ("the session has ended", "session_token"),
    "UnauthorizedAccess": ("this key may not do that", None),
}
_BUSY = {
    "BandwidthLimitExceeded": "too much at once",
    "ConditionalRequestConflict": "another request was in the way",
    "OperationAborted": "another request was in the way",
    "RequestLimitExceeded": "too many requests",
    "RequestThrottled": "too many requests",
    "ServiceUnavailable": "it is overloaded",
    "SlowDown": "too many requests",
    "Throttling": "too many requests",
    "ThrottlingException": "too many requests",
    "TooManyRequests": "too many requests",
}
_FULL = ("InsufficientCapacity", "InsufficientStorage", "QuotaExceeded", "QuotaExceededException", "XMinioStorageFull")
_GARBLED = ("BadDigest", "IncompleteBody", "InternalError", "RequestTimeout", "XAmzContentSHA256Mismatch")
_FULL_IN_WORDS = re.compile(r"quota|cap exceeded|storage limit", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the bucket is: *server* is None for Amazon's own, whose address goes by the region."""

    bucket: str
    server: SplitResult | None = None
    virtual: bool = False

    def url(self, region: str, key: str, query: str) -> str:
        """Return the address of the object *key*, or of the bucket if that is empty; all of it is spelt already."""
        if self.server is None:
            domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
            scheme, host, base = "https", f"s3.{region}.{domain}", ""
        else:
            scheme, host, base = self.server.scheme, self.server.netloc, self.server.path.rstrip("/")
        if self.virtual:
            path = f"{base}/{key}"
            host = f"{self.bucket}.{host}"
        else:
            path = f"{base}/{self.bucket}/{key}" if key else f"{base}/{self.bucket}"
        return f"{scheme}://{host}{path}" + (f"?{query}" if query else "")


class S3Store:
    """The objects of a bucket below a prefix. Safe for many threads. *clock* tells the Unix time, right or wrong."""

    def __init__(
        self,
        place: Place,
        credentials: Credentials,
        http: Http,
        *,
        region: str = "us-east-1",
        prefix: str = "",
        create_only: CreateOnly = "ignored",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.capabilities = Capabilities(4 << 20, LARGEST, MOST_OBJECTS, create_only)
        self.region = region
        self.skew = 0.0
        self._place = place
        self._credentials = credentials
        self._http = http
        self._prefix = f"{prefix}/" if prefix else ""
        self._clock = clock

    @classmethod
    def from_options(cls, options: Mapping[str, str], secrets: Mapping[str, str]) -> S3Store:
        """Return the store that options and secrets, as `REGISTRY` names them, describe. Raises UsageError."""
        bucket = options.get("bucket", "")
        if not bucket:
            raise UsageError("an S3 store needs its bucket", "give --bucket NAME")
        if not _BUCKET.fullmatch(bucket):
            raise UsageError("that is no bucket's name", "it has letters, digits, dots and dashes only")
        server = _server(options.get("endpoint", ""), options.get("plain_http") == "yes")
        style = options.get("style") or ("path" if server or "." in bucket else "virtual")
        if style not in ("path", "virtual"):
            raise UsageError("an S3 store's style is path or virtual")
        region = options.get("region") or _likely_region(server)
        if not _REGION.fullmatch(region):
            raise UsageError("that is no region's name", "it looks like eu-central-1, or auto")
        prefix = options.get("prefix", "").strip("/")
        try:
            check_key(prefix or "none")
        except StoreRefused:
            raise UsageError("the prefix has other characters than letters, digits, ._- and slashes") from None
        known: Mapping[str, CreateOnly] = {"works": "works", "refused": "refused"}
        return cls(
            Place(bucket, server, style == "virtual"),
            _credentials(secrets),
            Http.of_store(options, secrets),
            region=region,
            prefix=prefix,
            create_only=known.get(options.get("create_only", ""), "ignored"),
        )

    def close(self) -> None:
        self._http.close()

    # -- the four promises -------------------------------------------------------------------------------------------

    def list(self, prefix: str) -> list[ObjectInfo]:
        found: dict[str, ObjectInfo] = {}
        tokens: set[str] = set()
        token: str | None = ""
        while token is not None:
            page = self._page(prefix, token)
            for row in page.rows:
                if row.key in found:
                    raise Unreachable(why="its listing repeats itself")
                found[row.key] = ObjectInfo(row.key[len(self._prefix) :], row.size, row.tag)
            if len(found) > MOST_OBJECTS or len(tokens) > 2 * MOST_OBJECTS // s3api.ROWS or page.next in tokens:
                raise StoreRefused(why=f"its listing has no end, or more than {MOST_OBJECTS:,} objects")
            token = page.next
            tokens.add(token or "")
        return sorted((info for info in found.values() if _is_key(info.key)), key=lambda info: info.key)

    def get(self, key: str) -> bytes:
        reply = self._call("GET", self._full(key), most=LARGEST)
        if reply.status != 200:
            raise _failure(reply, key)
        self._check_it_is_s3(reply)
        return reply.body

    def write(self, put: Mapping[str, bytes], delete: Iterable[str] = ()) -> None:
        doomed = [self._full(key) for key in delete]
        folders: dict[str, list[str]] = {}
        for key, content in put.items():
            self._full(key)
            if len(content) > LARGEST:
                raise StoreRefused(why="an object is too large for it")
            folders.setdefault(key.rpartition("/")[0], []).append(key)
        done: set[str] = set()

        def put_in_order(keys: Iterable[str]) -> None:
            for key in keys:
                self._put(key, put[key])
                done.add(key)

        try:
            in_parallel(partial(put_in_order, keys) for keys in folders.values())
            in_parallel(partial(self._delete, key) for key in doomed)
        except StoreError as error:
            error.facts["put"] = frozenset(done)
            raise

    def tried_out(self, request: Callable[[Callable[[], None]], None]) -> dict[str, str]:
        return {"create_only": self.probe(request), "region": self.region}

    def probe(self, request: Callable[[Callable[[], None]], None] = lambda once: once()) -> CreateOnly:
        """Find out, with an object of its own, whether the store keeps what it is given and can create only.

        Each request is made by *request*, which may make it again. Raises StoreError if one of put, get and delete
        does not work.
        """
        key, content = f"{PROBE}{secrets.token_hex(8)}", secrets.token_bytes(64)
        outcome: CreateOnly = "refused"
        replies: list[Reply] = []

        def create() -> None:
            reply = self._put_reply(key, content, {"If-None-Match": "*"})
            if not reply.good and isinstance(failed := _failure(reply), Throttled):
                raise failed  # it says nothing of what the store can do
            replies.append(reply)

        def read() -> None:
            if self.get(key) != content:
                raise StoreRefused(why="it does not give back what it was given")

        try:
            request(create)
            if replies[0].good:
                request(create)
                outcome = "works" if replies[1].status == 412 else "ignored" if replies[1].good else "refused"
            request(partial(self._put, key, content))
            request(read)
        finally:
            request(partial(self._delete, self._full(key)))
        self.capabilities = replace(self.capabilities, create_only=outcome)
        return outcome

    # -- one request of each kind ------------------------------------------------------------------------------------

    def _page(self, prefix: str, token: str) -> s3api.Page:
        full = self._prefix + prefix
        query = [("list-type", "2"), ("max-keys", str(s3api.ROWS)), ("prefix", full), ("encoding-type", "url")]
        if token:
            query.append(("continuation-token", token))
        reply = self._call("GET", "", query=query, most=LARGEST_PAGE)
        if reply.status != 200:
            raise _failure(reply)
        try:
            return s3api.page(reply.body, self._place.bucket, full)
        except BadReply as error:
            if reply.is_web_page:
                raise refusal(reply) from None
            raise Unreachable(why=f"its answer is not one of S3: {error}") from None

    def _put(self, key: str, content: bytes) -> None:
        reply = self._put_reply(key, content, {})
        if not reply.good:
            raise _failure(reply)
        self._check_it_is_s3(reply)

    def _put_reply(self, key: str, content: bytes, headers: Mapping[str, str]) -> Reply:
        md5 = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
        plain = {"Content-Type": "application/octet-stream", "Content-MD5": md5}
        return self._call("PUT", self._full(key), headers={**plain, **headers}, body=content)

    def _delete(self, full: str) -> None:
        reply = self._call("DELETE", full)
        if reply.status == 204 or (reply.status == 200 and any(name.startswith("x-amz-") for name in reply.headers)):
            return
        if not isinstance(failed := _failure(reply, full), NotFound):
            raise failed

    def _check_it_is_s3(self, reply: Reply) -> None:
        """Raise Unreachable unless a good *reply* has what every S3 gives an object, and a portal's page has not."""
        if not reply.headers.get("etag") or reply.says_html:
            raise refusal(reply)

    def _full(self, key: str) -> str:
        full = self._prefix + check_key(key)
        if len(full) > LONGEST_KEY:
            raise StoreRefused(why="a key is too long for it")
        return full

    # -- signed, and corrected by what the store answers --------------------------------------------------------------

    def _call(
        self,
        method: str,
        key: str,
        *,
        query: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        most: int = 1 << 20,
    ) -> Reply:
        """Return the reply to one request, asked again where the store names its region or shows its clock."""
        spelt_key, spelt_query = s3api.spelt(key), s3api.spelt_query(query)
        for _ in range(CORRECTIONS):
            region, skew = self.region, self.skew
            url = self._place.url(region, spelt_key, spelt_query)
            signed = self._signed(method, url, headers or {}, body, Scope(self._clock() + skew, region))
            reply = self._http.send(method, url, headers=signed, body=body, most=most)
            if reply.status < 300 or not self._learns(reply, region, skew):
                break
        return reply

    def _signed(self, method: str, url: str, headers: Mapping[str, str], body: bytes, scope: Scope) -> dict[str, str]:
        parts, payload = urlsplit(url), s3api.digest(body)
        signed = {**headers, "Host": parts.netloc, "x-amz-date": scope.stamp, "x-amz-content-sha256": payload}
        if self._credentials.session_token:
            signed["x-amz-security-token"] = self._credentials.session_token
        path = parts.path or "/"
        proof = s3api.authorization(method, path, parts.query, [*signed.items()], payload, self._credentials, scope)
        return {**signed, "Authorization": proof}

    def _learns(self, reply: Reply, region: str, skew: float) -> bool:
        """Take region and time from a refusal; return whether something is known now that was not when it was asked."""
        fault = s3api.fault(reply.body) or Fault()
        named = fault.region or reply.headers.get("x-amz-bucket-region", "")
        if reply.status in (301, 307, 400, 403) and _REGION.fullmatch(named) and named != region:
            self.region = named
        theirs = reply.date() or fault.time
        if reply.status in (400, 403) and fault.code and theirs is not None:
            now = self._clock()
            if abs(theirs - now - skew) > TOLERATED_SKEW:
                self.skew = theirs - now
        return (self.region, self.skew) != (region, skew)


def _is_key(key: str) -> bool:
    try:
        return bool(check_key(key))
    except StoreRefused:
        return False  # other programs' objects, and folders as some of them mark them


def _server(endpoint: str, plain_http: bool) -> SplitResult | None:
    if not endpoint:
        return None
    parts = check_url((endpoint if "://" in endpoint else f"https://{endpoint}").lower(), plain_http=plain_http)
    if parts.query or parts.fragment or not re.fullmatch(r"[A-Za-z0-9/._~-]*", parts.path):
        raise UsageError("the endpoint is no address of a server", "it looks like https://host or https://host:port")
    return None if parts.hostname == AMAZON else parts


def _likely_region(server: SplitResult | None) -> str:
    """Return the region that the server's name speaks of; if it is another, the server will say."""
    host = (server.hostname if server else None) or ""
    if host.endswith(".r2.cloudflarestorage.com"):
        return "auto"
    found = _REGION_IN_HOST.fullmatch(host)
    return found[1] if found else "us-east-1"


def _credentials(secrets: Mapping[str, str]) -> Credentials:
    values = [secrets.get(name, "").strip() for name in ("access_key", "secret_key", "session_token")]
    if not values[0] or not values[1]:
        raise UsageError("an S3 store needs an access key and its secret key")
    if not all(value.isascii() and value.isprintable() and " " not in value for value in values):
        raise UsageError(
            "the keys have characters that no key has", "perhaps a part is missing, or too much was pasted"
        )
    return Credentials(*values)


def _failure(reply: Reply, key: str | None = None) -> StoreError:
    """Return the error that *reply* comes to, for the object *key* or for the bucket."""
    fault = s3api.fault(reply.body)
    if fault is None:
        # a 404 that S3 did not write says nothing of the object
        missing = reply.status == 404 and not reply.is_web_page
        wrong = Unreachable(why="what answers there is not S3", lasting=True, about="address")
        return wrong if missing else refusal(reply)
    code = fault.code
    if code in ("NoSuchKey", "NotFound") and key is not None:
        return NotFound(key=key)
    if code == "NoSuchBucket":
        return Unreachable(why="there is no such bucket", lasting=True, about="bucket")
    if code in _FULL or (reply.status in (403, 507) and _FULL_IN_WORDS.search(fault.message)):
        return QuotaExceeded(why=code)
    if code in _NO_CREDENTIALS:
        why, about = _NO_CREDENTIALS[code]
        return AuthFailed(why=f"{why} ({code})", about=about)
    if code in _BUSY:
        return Throttled(why=f"{_BUSY[code]} ({code})", retry_after=reply.retry_after())
    if code in _GARBLED:
        return Unreachable(why=f"it has trouble of its own ({code})")
    if reply.status in (301, 307) or code in ("AuthorizationHeaderMalformed", "IncorrectEndpoint"):
        why = f"the bucket is at another address or in another region ({code})"
        return Unreachable(why=why, lasting=True, about="address")
    if reply.status in (401, 403) and code != "InvalidObjectState":  # that one is archived, and has to be fetched back
        return AuthFailed(why=f"it answered {code} ({reply.status})")
    if reply.status == 429 or reply.status >= 500:
        return refusal(replace(reply, body=b""))
    return StoreRefused(why=f"{code} ({reply.status})")
