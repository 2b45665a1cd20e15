"""Signing in by a code that a person types elsewhere: patient, and plain about how it ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ghostie.backends.deviceflow import DeviceFlow
from ghostie.backends.http import Http, Patience
from ghostie.errors import AuthFailed, StoreError, StoreRefused, Unreachable

from .gists import Clock
from .loopback import Answer, Fault, Loopback, Request

pytestmark = pytest.mark.versions

GIVEN = "gho_given" + "1" * 27
DEVICE = "3584d83530557fdd1f46af8289938c8ef79f9dc5"
PENDING: list[dict[str, Any]] = [{"error": "authorization_pending"}]


class SignIn:
    """The service's side of it: what it was asked, and what it answers next; the last answer stays."""

    def __init__(self) -> None:
        self.code: dict[str, Any] = {
            "device_code": DEVICE,
            "user_code": "WDJB-MJHT",
            "verification_uri": "https://github.example/login/device",
            "expires_in": 900,
            "interval": 5,
        }
        self.answers: list[dict[str, Any]] = [{"access_token": GIVEN, "token_type": "bearer", "scope": "gist"}]
        self.server = Loopback(self._answer, lambda: 1_790_000_000)

    def _answer(self, request: Request) -> Answer:
        assert request.method == "POST"
        assert request.headers["accept"] == "application/json"
        form = dict(pair.split("=", 1) for pair in request.body.decode().split("&"))
        if request.path == "/login/device/code":
            assert form == {"client_id": "Iv1.app", "scope": "gist"}
            answer = self.code
        else:
            assert request.path == "/login/oauth/access_token"
            assert form["device_code"] == DEVICE
            assert form["grant_type"] == "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code"
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return 200, {"Content-Type": "application/json; charset=utf-8"}, json.dumps(answer).encode()


@pytest.fixture
def service() -> Iterator[SignIn]:
    service = SignIn()
    yield service
    service.server.stop()
    assert service.server.crashes == []


@pytest.fixture
def flow(service: SignIn, clock: Clock) -> DeviceFlow:
    http = Http(patience=Patience(connect=2.0, silence=2.0, answer=5.0))
    return DeviceFlow(http, "Iv1.app", host=service.server.url, sleep=clock.sleep, clock=clock)


def test_a_person_is_shown_a_code_and_an_address_and_no_secret(flow: DeviceFlow) -> None:
    shown = flow.begin()
    assert (shown.code, shown.address) == ("WDJB-MJHT", "https://github.example/login/device")
    assert (shown.expires_in, shown.interval) == (900, 5)
    assert DEVICE not in repr(shown)


def test_the_token_comes_once_the_code_was_typed_and_no_poll_before_its_time(
    flow: DeviceFlow, service: SignIn, clock: Clock
) -> None:
    service.answers = PENDING * 3 + service.answers
    assert flow.wait(flow.begin()) == GIVEN
    assert clock.slept() == [5.0] * 4


def test_who_is_asked_to_slow_down_does(flow: DeviceFlow, service: SignIn, clock: Clock) -> None:
    slower: list[dict[str, Any]] = [{"error": "slow_down", "interval": 20}, {"error": "slow_down"}]
    service.answers = PENDING + slower + PENDING + service.answers
    assert flow.wait(flow.begin()) == GIVEN
    assert clock.slept() == [5.0, 5.0, 20.0, 25.0, 25.0]


def test_a_limit_on_polling_is_obeyed(flow: DeviceFlow, service: SignIn, clock: Clock) -> None:
    shown = flow.begin()
    service.server.faults.append(Fault("429", "POST", headers={"Retry-After": "90"}))
    assert flow.wait(shown) == GIVEN
    assert clock.slept() == [5.0, 90.0]


@pytest.mark.parametrize("kind", ["lost before", "lost after", "cut", "page", "502"])
def test_a_poll_that_fails_on_its_way_is_made_again(flow: DeviceFlow, service: SignIn, kind: str) -> None:
    shown = flow.begin()
    service.answers = PENDING + service.answers
    service.server.faults.append(Fault(kind, "POST", times=2))
    if kind in ("lost after", "cut"):
        service.answers = PENDING * 3 + service.answers
    assert flow.wait(shown) == GIVEN


def test_an_unreachable_service_is_said_to_be_that_and_not_a_slow_person(flow: DeviceFlow, service: SignIn) -> None:
    shown = flow.begin()
    service.server.stop()
    with pytest.raises(Unreachable):
        flow.wait(shown)
    with pytest.raises(Unreachable):
        flow.begin()


def test_a_code_that_nobody_types_expires(flow: DeviceFlow, service: SignIn, clock: Clock) -> None:
    service.answers = PENDING
    service.code["expires_in"] = 60
    with pytest.raises(AuthFailed, match="in time"):
        flow.wait(flow.begin())
    assert sum(clock.slept()) < 60
    service.answers = [{"error": "expired_token"}]
    with pytest.raises(AuthFailed, match="in time"):
        flow.wait(flow.begin())


@pytest.mark.parametrize(
    ("answer", "kind", "why"),
    [
        ({"error": "access_denied"}, AuthFailed, "denied"),
        ({"error": "incorrect_client_credentials"}, StoreRefused, "no such app"),
        ({"error": "device_flow_disabled"}, StoreRefused, "not allowed"),
        ({"error": "\x1b[2Jsomething new"}, StoreRefused, "does not let"),
        ({"error": ["a list"]}, StoreRefused, "does not let"),
        ({"access_token": GIVEN, "scope": "repo"}, AuthFailed, "lacks the scope"),
        ({"access_token": ""}, Unreachable, "not one of such"),
        ({"access_token": "two\nlines"}, Unreachable, "not one of such"),
        ({}, Unreachable, "not one of such"),
    ],
)
def test_every_other_end_is_named_in_words_of_our_own(
    flow: DeviceFlow, service: SignIn, answer: dict[str, Any], kind: type[StoreError], why: str
) -> None:
    service.answers = [answer]
    with pytest.raises(kind, match=why) as failed:
        flow.wait(flow.begin())
    assert GIVEN not in str(failed.value) and DEVICE not in str(failed.value) and str(failed.value).isprintable()


@pytest.mark.parametrize(
    "change",
    [
        {"user_code": ""},
        {"user_code": "\x1b]0;x"},
        {"user_code": 1},
        {"device_code": None},
        {"verification_uri": "http://elsewhere.example/"},
        {"verification_uri": "javascript:alert(1)"},
        {"error": "device_flow_disabled"},
    ],
)
def test_a_code_that_is_not_fit_to_be_shown_is_refused(
    flow: DeviceFlow, service: SignIn, change: dict[str, Any]
) -> None:
    service.code |= change
    with pytest.raises(StoreError):
        flow.begin()


@pytest.mark.parametrize("change", [{"interval": 0}, {"interval": -1}, {"interval": "5"}, {"expires_in": None}])
def test_numbers_that_cannot_be_meant_are_replaced_by_the_usual_ones(
    flow: DeviceFlow, service: SignIn, change: dict[str, Any]
) -> None:
    service.code |= change
    shown = flow.begin()
    assert (shown.interval, shown.expires_in) == (5.0, 900.0)


def test_polls_stop_after_half_an_hour_whatever_the_service_says(
    flow: DeviceFlow, service: SignIn, clock: Clock
) -> None:
    service.answers = PENDING
    service.code |= {"expires_in": 10**9, "interval": 60}
    with pytest.raises(AuthFailed, match="in time"):
        flow.wait(flow.begin())
    assert 1700 < sum(clock.slept()) < 1800
