"""An invitation that was written once opens for ever. It was made with the key and the names of `docs/format.md`."""

from __future__ import annotations

import pytest

from ghostie.crypto import keys as keyring
from ghostie.sync.pairing import Invitation, opened, read
from ghostie.sync.setup import Expected

pytestmark = pytest.mark.versions

CODE = (
    "GH1MBQWEY3EMVTGO2DJNJVWY3LON4BQEFQOYAAHLEDSC3JW3N4OIVVQROKTNA5JVUDEB4RCCFVFCXMQTE2MI2DKFFD46OMHZIIAKT4IH4XCL2AIW5A"
    "TSKNL7VTMMIECSM3Q622B72YJCLXHBIVLS7AI6ZKI3EURHIUACT6QLTXK3G47KGHDRCFM2IQCLS4I4BPPNXGCEX5SY2GWG22ZCE5R4JS4NP7SDU3LXE"
    "FVBRRIFTZE4QDA"
)
VAULT, KEY_ID = "bd5c20a4d412eeeaf1fbc6c55f6257a3", "89c97eff34b3e993"


def test_a_code_that_was_written_once_says_what_it_said() -> None:
    code = read(CODE)
    assert (code.secret, code.cost, code.until) == (bytes(range(0x60, 0x70)), keyring.FLOOR, 35_000_000)
    assert opened(code, "correct horse battery staple") == Invitation(
        "s3",
        {"bucket": "memories", "endpoint": "https://s3.eu-central-1.amazonaws.com"},
        {"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "not a secret"},
        Expected(bytes.fromhex(VAULT), 1, bytes.fromhex(KEY_ID), {"00a1b2c3d4e5f607": (2, "7792d4633890dc9a")}),
    )
