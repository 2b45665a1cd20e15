"""JSON in and out, with one meaning on every device.

The definition is the standard library's: sorted keys, no spaces, UTF-8, nothing infinite and no NaN, at most MAX_DEPTH
deep. orjson is several times faster, and used wherever it gives the very same bytes; where it would not (floats,
integers beyond 53 bits) and where it refuses, the standard library decides. So a phone without orjson and a laptop with
it agree on every hash and on what they refuse.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import signal
from collections.abc import Callable
from typing import Any, Final

from ghostie.errors import BadJson

_fast_dumps: Callable[[Any], bytes] | None = None
_fast_loads: Callable[[bytes], Any] | None = None
if not os.environ.get("GHOSTIE_PURE"):
    _held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # Ctrl-C while it is loaded would crash orjson
    try:
        import orjson
    except ImportError:
        pass
    else:
        # only plain JSON types: whatever else orjson knows (dates, dataclasses) the standard library would refuse
        _OPTIONS = (
            orjson.OPT_SORT_KEYS
            | orjson.OPT_PASSTHROUGH_SUBCLASS
            | orjson.OPT_PASSTHROUGH_DATACLASS
            | orjson.OPT_PASSTHROUGH_DATETIME
        )

        def _fast_dumps(value: Any) -> bytes:
            return orjson.dumps(value, option=_OPTIONS)

        _fast_loads = orjson.loads
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, _held)

# far below where either library, or Python's own stack, gives up: so the answer is the same on every device
MAX_DEPTH: Final = 200
# what Python reads and writes unless told otherwise; said here, so that no setting of one device changes it
MAX_DIGITS: Final = 4300

_EXACT = 1 << 53
_BITS = MAX_DIGITS * 332 // 100  # fewer bits than an integer of so many digits has
# texts and whatever else, then brackets; it always matches, and never twice over the same bytes
_BRACKETS = re.compile(rb'(?s)(?:"(?:[^"\\]++|\\.)*+"?|[^"\[\]{}]++)*+([\[\]{}]*+)')


def tier() -> str:
    """Return the name of the library in use."""
    return "orjson" if _fast_loads is not None else "the standard library"


def dumps(value: Any) -> bytes:
    """Return the canonical JSON of *value*. Raises BadJson for NaN, lone surrogates and what JSON cannot hold."""
    if _fast_dumps is not None and _plain(value):
        with contextlib.suppress(TypeError, ValueError):  # errors that the slow way names
            return _fast_dumps(value)
    _check_integers(value)
    try:
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise BadJson(why="text with half a character (a lone surrogate)") from None
    except RecursionError:
        raise BadJson(why="nested too deeply") from None
    except (TypeError, ValueError) as error:
        raise BadJson(why=str(error)) from None
    _check_depth(text)
    return text


def loads(data: bytes | str) -> Any:
    """Return the value that *data* (UTF-8) holds. Raises BadJson, for lone surrogates, NaN and infinities too."""
    if isinstance(data, str):
        try:
            data = data.encode()
        except UnicodeEncodeError:
            raise BadJson(why="text with half a character (a lone surrogate)") from None
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    if _fast_loads is not None:
        with contextlib.suppress(ValueError):  # what it refuses may be good (long integers), and the slow way says why
            value = _fast_loads(data)
            if _plain(value):
                return value  # else a float may be a long integer that lost its last digits on the way
    return _slow_loads(data)


def dumps_own(value: Any) -> bytes:
    """Return JSON of what ghostie made for itself: no number needs the slow way, and order is free."""
    return _fast_dumps(value) if _fast_dumps is not None else dumps(value)


def loads_own(data: bytes) -> Any:
    """Return the value of what `dumps_own` wrote."""
    return _fast_loads(data) if _fast_loads is not None else json.loads(data)


def _slow_loads(data: bytes) -> Any:
    _check_depth(data)
    try:
        value = json.loads(data.decode(), parse_constant=_refuse_constant, parse_float=_finite, parse_int=_whole)
        if b"\\u" in data:  # an escape may spell half a character, which no UTF-8 can hold
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeError:
        raise BadJson(why="not UTF-8 text, or half a character (a lone surrogate)") from None
    except json.JSONDecodeError as error:
        raise BadJson(why=str(error)) from None
    except ValueError:  # Python's own bound, against the time that reading one takes
        raise BadJson(why="an integer has too many digits") from None
    return value


def _refuse_constant(name: str) -> Any:
    raise BadJson(why=f"{name} is not JSON")


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > MAX_DIGITS:
        raise BadJson(why="an integer has too many digits")
    return int(text)


def _check_integers(value: Any) -> None:
    """Raise BadJson where an integer is longer than MAX_DIGITS digits. *value* nests no deeper than the stack."""
    if type(value) is int:
        if abs(value).bit_length() > _BITS and abs(value) >= 10**MAX_DIGITS:
            raise BadJson(why="an integer has too many digits")
    elif isinstance(value, dict | list | tuple):
        try:
            for item in value.values() if isinstance(value, dict) else value:
                _check_integers(item)
        except RecursionError:
            raise BadJson(why="nested too deeply") from None


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise BadJson(why="a number is too large")
    return number


def _plain(value: Any, left: int = MAX_DEPTH) -> bool:
    """Tell whether *value* is JSON's own types, no float and no long integer: both libraries spell it alike."""
    kind = type(value)
    if kind is dict or kind is list or kind is tuple:
        for item in value.values() if kind is dict else value:
            if type(item) is not str and not (left > 1 and _plain(item, left - 1)):
                return False
        return left > 0
    if kind is int:
        return bool(-_EXACT < value < _EXACT)
    return kind is str or kind is bool or value is None


def _check_depth(data: bytes) -> None:
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and depth(data) > MAX_DEPTH:
        raise BadJson(why="nested too deeply")


def depth(data: bytes) -> int:
    """Return how deeply the JSON text *data* nests, without parsing it."""
    deepest = level = 0
    for match in _BRACKETS.finditer(data):
        for byte in match[1]:
            if byte in b"[{":
                level += 1
                if level > deepest:  # noqa: PLR1730  # max() would take twice as long
                    deepest = level
            else:
                level -= 1
    return deepest
