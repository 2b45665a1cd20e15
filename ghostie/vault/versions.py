"""The truth: one immutable sealed file per version, named `<id>.<first 32 hex digits of its hash>`."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from pathlib import Path

from ghostie import files
from ghostie.crypto.sealing import Keys, Purpose, SealError, named_key, seal, unseal
from ghostie.errors import CannotRead, Damaged, GhostieError
from ghostie.memory import Version, trusted_version
from ghostie.paths import VERSION_SUFFIX, Layout, is_stem
from ghostie.vault.row import Entry

BATCH = 500
_STEM_LENGTH = 26 + 1 + 32


class VersionFiles:
    """The version files of one vault."""

    def __init__(self, layout: Layout, keys: Keys) -> None:
        self._layout = layout
        self._keys = keys

    def write(self, versions: Iterable[Version]) -> int:
        """Seal and write *versions*; when this returns all have reached the disk. Raises CannotWrite."""
        folder = str(self._layout.memories)
        return files.write_all_durably(
            (
                f"{folder}/{version.stem}{VERSION_SUFFIX}",
                seal(self._keys, Purpose.VERSION, (version.stem.encode(),), version.raw),
            )
            for version in versions
        )

    def read(self, stem: str) -> Version:
        """Return the version *stem*. Raises Damaged if its file is missing, does not open, or is not as named."""
        try:
            return self._opened(stem, files.read(self._layout.version(stem)))
        except (FileNotFoundError, CannotRead):
            raise Damaged(what=f"version file {stem}") from None

    def read_many(self, stems: Iterable[str]) -> Iterator[tuple[str, Version | Damaged]]:
        """Yield each of *stems* with its version, or with the error that it gives."""
        with files.opened_folder(self._layout.memories) as folder:
            for stem in stems:
                try:
                    yield stem, self._opened(stem, files.read_at(folder, stem + VERSION_SUFFIX))
                except OSError:
                    yield stem, Damaged(what=f"version file {stem}")
                except Damaged as error:
                    yield stem, error

    def opened(self, entry: Entry) -> dict[str, Version]:
        """Return the versions of *entry* that open, by hash."""
        found = self.read_many(entry.stems())
        return {version.hash: version for _, version in found if not isinstance(version, Damaged)}

    def raw_many(self, stems: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yield each of *stems* with its checked bytes, unparsed, or with None where it does not open."""
        with files.opened_folder(self._layout.memories) as folder:
            for stem in stems:
                try:
                    yield stem, self._raw(stem, files.read_at(folder, stem + VERSION_SUFFIX))[0]
                except (OSError, Damaged):
                    yield stem, None

    def stems(self) -> set[str]:
        return {stem for stem in self.likely() if is_stem(stem)}

    def likely(self) -> set[str]:
        """Return all stems, and perhaps names that only look like one: checking a great many takes time."""
        whole = _STEM_LENGTH + len(VERSION_SUFFIX)
        return {
            name[:_STEM_LENGTH]
            for name in files.names_in(self._layout.memories)
            if len(name) == whole and name[26] == "." and name.endswith(VERSION_SUFFIX)
        }

    def strays(self) -> list[str]:
        """Return the names in the folder that are no version file's."""
        return sorted(
            name
            for name in files.names_in(self._layout.memories)
            if not (name.endswith(VERSION_SUFFIX) and is_stem(name[:_STEM_LENGTH]))
        )

    def remove(self, stems: Iterable[str]) -> int:
        """Destroy version files; return how many there were."""
        return files.remove_durably(self._layout.version(stem) for stem in stems)

    def quarantine(self, stem: str) -> Path:
        """Set the file of *stem* aside; return where it went."""
        target = self._layout.quarantine / (stem + VERSION_SUFFIX)
        files.move_durably(self._layout.version(stem), target)
        return target

    def reseal(self, stems: Iterable[str], older: Keys) -> list[str]:
        """Write the files of *stems* that are not under the newest key anew; return those that open under no key.

        Files may be under *older* keys.
        """
        newest = self._keys.current
        damaged: list[str] = []
        batch: list[tuple[Path, bytes]] = []
        for stem in stems:
            try:
                sealed = files.read(self._layout.version(stem))
                if sealed[5:9] == newest.to_bytes(4, "big") and named_key(sealed) == self._keys.id_of(newest):
                    continue
                raw = self._either(older, stem, sealed)
            except (FileNotFoundError, CannotRead, Damaged):
                damaged.append(stem)
                continue
            batch.append((self._layout.version(stem), seal(self._keys, Purpose.VERSION, (stem.encode(),), raw)))
            if len(batch) == BATCH:
                files.write_all_durably(batch)
                batch = []
        files.write_all_durably(batch)
        return damaged

    def _either(self, older: Keys, stem: str, sealed: bytes) -> bytes:
        for keys in (self._keys, older):
            try:
                return unseal(keys, Purpose.VERSION, (stem.encode(),), sealed)
            except SealError:
                continue
        raise Damaged(what=f"version file {stem}")

    def _opened(self, stem: str, sealed: bytes) -> Version:
        raw, digest = self._raw(stem, sealed)
        try:
            version = trusted_version(raw, digest)
            if version.id != stem[:26]:
                raise Damaged(what=f"version file {stem}")
        except (GhostieError, KeyError, TypeError):
            raise Damaged(what=f"version file {stem}") from None
        return version

    def _raw(self, stem: str, sealed: bytes) -> tuple[bytes, str]:
        try:
            raw = unseal(self._keys, Purpose.VERSION, (stem.encode(),), sealed)
        except SealError:
            raise Damaged(what=f"version file {stem}") from None
        digest = hashlib.sha256(raw).hexdigest()
        if not hmac.compare_digest(digest[:32], stem[27:]):
            raise Damaged(what=f"version file {stem}")
        return raw, digest
