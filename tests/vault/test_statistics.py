"""The vault in numbers, and the words in use."""

from __future__ import annotations

import pytest

from ghostie import text
from ghostie.memory import stamp
from ghostie.vault.statistics import A_DAY, months, numbers, weeks
from ghostie.vault.vault import Vault

from .house import START, Clock

pytestmark = pytest.mark.versions

# START is 2025-06-15, a Sunday


@pytest.fixture
def full(vault: Vault, clock: Clock) -> Vault:
    def add(content: str, days: int, **fields: object) -> str:
        return vault.add(content, timestamp=stamp(START - days * A_DAY), **fields).id

    add("one", 0, category="net", tags=["lan", "home"], status="inbox")
    add("two", 1, category="net", tags=["lan"], status="inbox")
    add("three", 6, category="art", device_id="phone", status="inbox", kind="task")
    add("four", 40, status="archived")
    gone = add("five", 400, category="gone", tags=["gone"])
    vault.refresh()
    vault.remove([gone])
    clock.now = START
    return vault


def test_the_numbers(full: Vault) -> None:
    found = numbers(full)
    assert (found.memories, found.versions, found.removed, found.conflicts) == (4, 6, 1, 0)
    assert found.by_status == {"inbox": 3, "archived": 1}
    assert list(found.by_category.items()) == [("net", 2), ("", 1), ("art", 1)]
    assert found.by_tag == {"lan": 2, "home": 1}
    assert found.by_device == {"laptop": 3, "phone": 1}
    assert found.by_kind == {"memory": 3, "task": 1}
    assert found.by_week == {"2025-05-05": 1, "2025-06-09": 3}
    assert found.by_month == {"2025-05": 1, "2025-06": 3}
    assert found.inbox_oldest == START - 6 * A_DAY
    assert found.inbox_ages == {"a day": 2, "a week": 1, "a month": 0, "a year": 0, "longer": 0}
    files = list(full.layout.memories.iterdir())
    assert found.size == sum(path.stat().st_size for path in files)
    everything = sum(path.stat().st_size for path in full.layout.home.rglob("*") if path.is_file())
    assert found.size_with_indexes == everything


def test_no_memory_is_opened_for_them(full: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full.files, "read", lambda stem: pytest.fail(f"{stem} was opened"))
    monkeypatch.setattr(full.files, "read_many", lambda stems: pytest.fail("files were opened"))
    assert numbers(full).memories == len(full.select())
    assert list(numbers(full).by_tag) == ["lan", "home"]


def test_an_empty_vault_has_numbers_too(vault: Vault) -> None:
    found = numbers(vault)
    assert (found.memories, found.by_month, found.inbox_oldest, found.inbox_ages) == (0, {}, None, {})
    assert set(weeks(found, START).values()) == {0}


def test_weeks_and_months_have_no_gaps(full: Vault) -> None:
    found = numbers(full)
    assert weeks(found, START, 6) == {
        "2025-05-05": 1,
        "2025-05-12": 0,
        "2025-05-19": 0,
        "2025-05-26": 0,
        "2025-06-02": 0,
        "2025-06-09": 3,
    }
    assert months(found, START, 3) == {"2025-04": 0, "2025-05": 1, "2025-06": 3}


def test_times_at_the_ends_of_the_calendar_are_counted(vault: Vault) -> None:
    vault.add("first", timestamp="0001-01-01T00:00:00.000Z", status="inbox")
    vault.add("last", timestamp="9999-12-31T23:59:59.999Z", status="inbox")
    vault.refresh()
    found = numbers(vault)
    assert list(found.by_month) == ["0001-01", "9999-12"]
    assert found.inbox_ages == {"a day": 1, "a week": 0, "a month": 0, "a year": 0, "longer": 1}


def test_the_words_in_use_come_most_frequent_first(full: Vault) -> None:
    found = numbers(full)
    assert [word for word in found.by_category if word] == ["net", "art"]
    assert list(found.by_tag) == ["lan", "home"]
    assert list(found.by_kind) == ["memory", "task"]
    assert [word for word in found.by_device if word] == ["laptop", "phone"]


def test_a_sparkline_shows_what_there_is() -> None:
    assert text.sparkline([0, 1, 4, 8]) == " ▁▄█"
    assert text.sparkline([0, 1, 4, 8], plain=True) == " .=#"
    assert text.sparkline([0, 0]) == "  "
    assert text.sparkline([]) == ""
    assert text.sparkline([1, 1_000_000])[0] == "▁"
    assert (text.stripe(0, 5, 10), text.stripe(1, 500, 10), text.stripe(5, 5, 10, plain=True)) == ("", "█", "#" * 10)
