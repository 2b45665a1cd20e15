"""GitHub's device flow: a person types a short code on any device, and this one gets a token.

It needs the client id of an OAuth app, which is no secret.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from ghostie import codec
from ghostie.backends import http
from ghostie.backends.gistapi import origin
from ghostie.backends.http import Http
from ghostie.errors import AuthFailed, BadJson, StoreError, StoreRefused, Throttled, Unreachable

HOST: Final = "https://github.com"
SCOPE: Final = "gist"
GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
LEAST_INTERVAL: Final = 5.0
SLOWER: Final = 5.0
LONGEST: Final = 1800.0
LARGEST: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Pending:
    """What the person is to do: type *code* at *address*, within so many seconds."""

    code: str
    address: str
    expires_in: float
    interval: float
    device_code: str = field(repr=False)


def of_store(client_id: str, options: Mapping[str, str], secrets: Mapping[str, str]) -> DeviceFlow:
    """Return the flow of the app *client_id* for the gist store of these *options*, there. Raises UsageError."""
    url = options.get("api_url")
    return DeviceFlow(Http.of_store(options, secrets), client_id, host=origin(url) if url else HOST)


class DeviceFlow:
    """The flow of the app *client_id* at *host*. *sleep* waits seconds, *clock* tells them."""

    def __init__(
        self,
        http: Http,
        client_id: str,
        *,
        host: str = HOST,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._client_id = client_id
        self._host = host.rstrip("/")
        self._sleep = sleep
        self._clock = clock

    def begin(self) -> Pending:
        """Ask for a code to show. Raises StoreError."""
        record = self._ask("/login/device/code", {"client_id": self._client_id, "scope": SCOPE})
        if "error" in record:
            raise _refused(record)
        address = _text(record, "verification_uri", 200)
        if not address.startswith(("https://", f"{self._host}/")):
            raise StoreRefused(why="it wants the code typed at an address that is not safe")
        return Pending(
            code=_text(record, "user_code", 32),
            address=address,
            expires_in=min(LONGEST, _seconds(record, "expires_in", 900.0)),
            interval=max(LEAST_INTERVAL, _seconds(record, "interval", LEAST_INTERVAL)),
            device_code=_text(record, "device_code", 256),
        )

    def wait(self, pending: Pending) -> str:
        """Return the token, once the person has typed the code. Raises AuthFailed if they did not or would not.

        A poll that fails on its way is made again at the next interval, until the code expires.
        """
        until, interval = self._clock() + pending.expires_in, pending.interval
        wanted = {"client_id": self._client_id, "device_code": pending.device_code, "grant_type": GRANT}
        trouble: StoreError = AuthFailed(why="the code was not typed in time")
        while self._clock() + interval < until:
            self._sleep(interval)
            try:
                record = self._ask("/login/oauth/access_token", wanted)
            except Throttled as error:
                interval = max(interval + SLOWER, error.retry_after or 0.0)
                continue
            except Unreachable as error:
                if error.lasting:
                    raise
                trouble = error
                continue
            trouble = AuthFailed(why="the code was not typed in time")
            match record.get("error"):
                case None:
                    return _token(record)
                case "authorization_pending":
                    pass
                case "slow_down":
                    interval = max(interval + SLOWER, _seconds(record, "interval", 0.0))
                case "access_denied":
                    raise AuthFailed(why="it was denied")
                case "expired_token":
                    break
                case _:
                    raise _refused(record)
        raise trouble

    def _ask(self, path: str, form: Mapping[str, str]) -> Mapping[str, Any]:
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        reply = self._http.send(
            "POST", f"{self._host}{path}", headers=headers, body=urlencode(form).encode(), most=LARGEST
        )
        try:
            record = codec.loads(reply.body) if reply.status in (200, 400) and not reply.is_web_page else None
        except BadJson:
            record = None
        # the service answers its own errors with 200, and others that keep to the standard with 400
        if not isinstance(record, dict) or (reply.status == 400 and "error" not in record):
            if reply.status == 404:
                raise StoreRefused(why="it knows no such app")
            raise http.refusal(reply)
        return record


_REFUSALS: Final = {
    "device_flow_disabled": "this app is not allowed to sign in by a code",
    "incorrect_client_credentials": "it knows no such app",
    "unauthorized_client": "it knows no such app",
    "incorrect_device_code": "it does not know the code that it gave",
    "unsupported_grant_type": "it does not know this way to sign in",
}


def _refused(record: Mapping[str, Any]) -> StoreRefused:
    return StoreRefused(why=_REFUSALS.get(str(record["error"]), "it does not let this app sign in"))


def _token(record: Mapping[str, Any]) -> str:
    token, scopes = _text(record, "access_token", 512), record.get("scope")
    if isinstance(scopes, str) and SCOPE not in scopes.replace(",", " ").split():
        raise AuthFailed(why="the token that it gave lacks the scope gist")
    return token


def _text(record: Mapping[str, Any], name: str, most: int) -> str:
    value = record.get(name)
    if not (isinstance(value, str) and 0 < len(value) <= most and value.isascii() and value.isprintable()):
        raise Unreachable(why="its answer is not one of such a service")
    return value


def _seconds(record: Mapping[str, Any], name: str, default: float) -> float:
    value = record.get(name, default)
    return float(value) if type(value) in (int, float) and value > 0 else default
