"""The one way to a server: a request has a deadline, a reply has a bound, and none is believed that is not whole.

What `requests` does by itself and must not: follow redirects (and read their bodies whole), take credentials from
`.netrc` and a proxy from the environment, unpack what is compressed, wait for ever on a server that trickles, and give
out a reply that was cut in its headers as a good one.
"""

from __future__ import annotations

import ipaddress
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, urlsplit

from ghostie.errors import (
    AuthFailed,
    QuotaExceeded,
    StoreError,
    StoreRefused,
    Throttled,
    Unreachable,
    UsageError,
)
from ghostie.version import __version__

if TYPE_CHECKING:
    from requests import Response
    from requests.adapters import HTTPAdapter

    from ghostie.backends.wire import Exchange

USER_AGENT: Final = f"ghostie/{__version__}"
LARGEST_COMPLAINT: Final = 64 << 10
KEPT_CONNECTIONS: Final = 8


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request may take, in seconds: the steps of it, and the whole, which grows with the bytes that move."""

    connect: float = 10.0
    silence: float = 20.0  # between two pieces of a reply
    answer: float = 30.0  # a request and a reply without a body
    least_rate: float = 8192.0  # bytes a second that a body has to move at
    longest: float = 900.0

    def allows(self, moved: int) -> float:
        """Return how long a request may have taken that has moved so many bytes."""
        return min(self.longest, self.answer + moved / self.least_rate)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered, whole: status, headers by their names in lower case, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    heard: float = field(default_factory=time.time)  # by this device's clock

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_web_page(self) -> bool:
        """Whether this is for a browser: a login page, a proxy's complaint, a provider's advertisement."""
        start = self.body[:256].lstrip().lower()
        return self.says_html or start.startswith((b"<!doctype html", b"<html"))

    @property
    def says_html(self) -> bool:
        return bool(self.body) and "html" in self.headers.get("content-type", "").lower()

    def date(self) -> float | None:
        """Return the server's clock (Unix time) as it says, or None."""
        return http_date(self.headers.get("date", ""))

    @property
    def now(self) -> float:
        """The time of the reply, by this device's clock only if the server has none."""
        return self.date() or self.heard

    def retry_after(self) -> float | None:
        """Return how many seconds the server asks to wait, or None."""
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            return float(value[:9])
        until = http_date(value)
        return None if until is None else max(0.0, until - self.now)


def http_date(value: str) -> float | None:
    """Return the Unix time that an HTTP date spells, or None."""
    from datetime import UTC
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError, OSError):
        return None


class Http:
    """The way to servers. Safe for many threads, which share its connections.

    *proxy* is used if it is given, and no other is. *authorities* is a file of certificates to trust in place of the
    usual ones. With *plain_http* a server other than this device may be spoken to in the clear.
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        authorities: str | None = None,
        plain_http: bool = False,
        patience: Patience | None = None,
    ) -> None:
        self.patience = patience or Patience()
        if authorities is not None and not os.path.exists(authorities):
            raise UsageError(f"there are no certificates at {authorities}")
        self._proxies = {scheme: check_proxy(proxy) for scheme in ("http", "https")} if proxy else {}
        self._trusted: str | bool = authorities or True
        self._plain_http = plain_http
        self._adapter: HTTPAdapter | None = None
        self._making = threading.Lock()

    @classmethod
    def of_store(cls, options: Mapping[str, str], secrets: Mapping[str, str]) -> Http:
        """Return the way that a store's options and secrets describe. Raises UsageError, also for a password in the
        open: options are kept as they are, and secrets sealed."""
        if "@" in options.get("proxy", ""):
            raise UsageError("there is a password in the proxy's address", "give it with the credentials")
        return cls(
            proxy=secrets.get("proxy") or options.get("proxy") or None,
            authorities=options.get("authorities") or None,
            plain_http=options.get("plain_http") == "yes",
        )

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None, most: int = 1 << 20
    ) -> Reply:
        """Send one request to exactly *url*; return the reply, whatever its status, or raise StoreError.

        A good reply is whole and at most *most* bytes. A kept connection that the server had closed meanwhile is
        replaced unseen, unless the method is POST: whatever else ghostie sends may be sent twice.
        """
        parts = check_url(url, plain_http=self._plain_http)
        sent = {"Host": parts.netloc, "User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
        for _ in range(1 + KEPT_CONNECTIONS):
            exchange = self._begin(body or b"", most)
            try:
                return self._exchange(exchange, method, url, sent, most)
            except StoreError:
                if method == "POST" or not exchange.met_a_stale_connection:
                    raise
        raise Unreachable(why=f"{parts.netloc} closes every connection")

    def close(self) -> None:
        if self._adapter is not None:
            self._adapter.close()

    # -- one exchange ------------------------------------------------------------------------------------------------

    def _begin(self, body: bytes, most: int) -> Exchange:
        from ghostie.backends.wire import Exchange

        with self._making:
            self._adapter = self._adapter or _adapter()
        return Exchange(self.patience, time.monotonic, body, 2 * most + 4 * LARGEST_COMPLAINT)

    def _exchange(self, exchange: Exchange, method: str, url: str, headers: Mapping[str, str], most: int) -> Reply:
        from http.client import HTTPException

        from requests import PreparedRequest, RequestException
        from requests.structures import CaseInsensitiveDict
        from urllib3.exceptions import HTTPError

        from ghostie.backends.wire import watched_by

        assert self._adapter is not None
        # put together here and handed to the adapter, not to a session: that would look for .netrc and cookies, and
        # read the body of a redirect whole even where it does not follow it
        prepared = PreparedRequest()
        prepared.method = method
        prepared.url = url
        prepared.headers = CaseInsensitiveDict(headers)
        if exchange.body or method not in ("GET", "HEAD", "DELETE"):
            prepared.headers["Content-Length"] = str(len(exchange.body))
            prepared.body = exchange  # type: ignore[assignment]  # read piece by piece, as a file
        try:
            with watched_by(exchange):
                response = self._adapter.send(
                    prepared,
                    stream=True,
                    timeout=(self.patience.connect, self.patience.longest),
                    verify=self._trusted,
                    proxies=dict(self._proxies),
                )
                try:
                    return _whole(exchange, response, most)
                finally:
                    response.raw.close()  # a connection whose reply was read to its end is kept already
        except (RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
            exchange.hang_up()
            # its text may hold a header, and so a credential
            raise _translated(error, exchange, urlsplit(url).netloc) from None


def _adapter() -> HTTPAdapter:
    from requests.adapters import HTTPAdapter
    from urllib3 import PoolManager

    from ghostie.backends.wire import PIECE, POOLS

    class Adapter(HTTPAdapter):
        """Connections of our own kind, kept and shared; none is ever used for another server than it was made for."""

        def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **named: Any) -> None:
            super().init_poolmanager(connections, maxsize, block, blocksize=PIECE, **named)
            self.poolmanager.pool_classes_by_scheme = POOLS

        def proxy_manager_for(self, proxy: str, **named: Any) -> PoolManager:
            manager: PoolManager = super().proxy_manager_for(proxy, blocksize=PIECE, **named)
            manager.pool_classes_by_scheme = POOLS
            return manager

    return Adapter(pool_connections=2, pool_maxsize=KEPT_CONNECTIONS)


def _whole(exchange: Exchange, response: Response, most: int) -> Reply:
    """Return *response* with its body, or raise StoreError if it is not whole or not to be believed."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    good = response.status_code < 300
    most = most if good else LARGEST_COMPLAINT
    declared = headers.get("content-length", "")
    framed = declared.isdigit() or response.raw.chunked or response.status_code in (204, 304)
    if good and not framed:
        raise Unreachable(why="its reply was cut, or does not say how long it is")
    if good and headers.get("content-encoding", "identity").lower() != "identity":
        raise Unreachable(why="its reply is compressed, which was not asked for")
    if good and not exchange.all_sent:
        raise Unreachable(why="it answered before it had everything")
    if good and declared.isdigit() and int(declared[:18]) > most:
        raise StoreRefused(why=f"its reply is larger than {most:,} bytes")
    pieces, size = [], 0
    for piece in iter(lambda: response.raw.read(65536, decode_content=False), b""):
        size += len(piece)
        if size > most:
            if good:
                raise StoreRefused(why=f"its reply is larger than {most:,} bytes")
            break  # of a complaint the beginning will do
        pieces.append(piece)
    if good and exchange.ended:
        raise Unreachable(why="its reply was cut")
    if good and exchange.left_over:
        raise Unreachable(why="its reply is longer than it says")
    return Reply(response.status_code, headers, b"".join(pieces))


# -- what an address may be -------------------------------------------------------------------------------------------


def check_url(url: str, *, plain_http: bool = False) -> SplitResult:
    """Return the parts of *url*. Raises UsageError for one that ghostie does not speak to; it may hold a secret."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise UsageError("the server's address is no URL") from None
    if parts.scheme not in ("http", "https") or not host or not url.isascii():
        raise UsageError("the server's address is no URL", "it looks like https://host or https://host:port")
    if parts.username is not None or parts.password is not None:
        raise UsageError("there is a user name or password in the server's address", "give credentials by themselves")
    if parts.scheme == "http" and not plain_http and not is_loopback(host):
        raise UsageError(
            f"http://{host} is not encrypted on its way", "use https://, or allow it with the option plain_http=yes"
        )
    return parts


def check_proxy(proxy: str) -> str:
    """Return *proxy*, the URL of an HTTP proxy. Raises UsageError; it may hold a password, which is not repeated."""
    try:
        parts = urlsplit(proxy)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0 and proxy.isascii()
    except ValueError:
        fits = False
    if not fits:
        raise UsageError("the proxy's address is no URL", "it looks like http://host:port")
    return proxy


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# -- errors -----------------------------------------------------------------------------------------------------------


def refusal(reply: Reply) -> StoreError:
    """Return the error that *reply*, which is not the one that was hoped for, comes to by its status alone."""
    status = reply.status
    if status in (429, 503):
        wait = reply.retry_after()
        why = "too many requests" if status == 429 else "it is overloaded"
        return Throttled(why=why if wait is None else f"{why}; it says for {wait:,.0f} s", retry_after=wait)
    if status == 507:
        return QuotaExceeded(why="it has no room left")
    if status >= 500 and status not in (501, 505):
        return Unreachable(why=f"it has trouble of its own ({status})")
    if status == 407:
        return Unreachable(why="the proxy wants a password", lasting=True, about="proxy")
    if reply.is_web_page:
        return Unreachable(why=f"a web page answered in its place ({status}): is there a login page in between?")
    if 300 <= status < 400:
        why = f"it sends us elsewhere ({status}), where credentials do not follow"
        return Unreachable(why=why, lasting=True, about="address")
    if status in (401, 403):
        return AuthFailed(why=f"it answered {status}")
    if status in (408, 425):
        return Unreachable(why="it waited for us too long")
    if reply.good:
        return Unreachable(why=f"its answer ({status}) is not one of such a store")
    return StoreRefused(why=f"it answered {status}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Give *error* and what led to it, through the three libraries that each wrap the other's."""
    todo, seen = [error], set[int]()
    while todo:
        each = todo.pop()
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            todo += [each.__cause__, each.__context__, getattr(each, "reason", None)]
            todo += [argument for argument in each.args if isinstance(argument, BaseException)]


def _translated(error: Exception, exchange: Exchange, place: str) -> StoreError:
    """Return the error that a failed exchange comes to, in words of our own."""
    import socket
    import ssl

    from requests.exceptions import ProxyError

    causes = list(_causes(error))

    def among(*kinds: type[BaseException]) -> bool:
        return any(isinstance(each, kinds) for each in causes)

    if exchange.overflowed:
        return StoreRefused(why="its reply is larger than it may be")
    if exchange.is_over():
        return Unreachable(why=f"{place} took too long")
    if among(ssl.SSLCertVerificationError):
        return Unreachable(why=f"the certificate of {place} is not one to trust", lasting=True, about="authorities")
    if any(re.search(r"Tunnel connection failed: [34]\d\d", str(each)) for each in causes):
        return Unreachable(why="the proxy does not let us through", lasting=True, about="proxy")
    if among(ProxyError):
        return Unreachable(why="the proxy cannot be reached", about="proxy")
    if among(socket.gaierror, UnicodeError):
        return Unreachable(why=f"there is no network, or no host {place}", about="address")
    if among(ConnectionRefusedError):
        return Unreachable(why=f"nobody listens at {place}", about="address")
    if among(TimeoutError):
        return Unreachable(why=f"{place} does not answer")
    if among(ssl.SSLError):
        return Unreachable(why=f"no encrypted connection to {place} came about", about="address")
    return Unreachable(why=f"the connection to {place} was cut")
