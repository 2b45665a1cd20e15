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
        keys = self._keys
        return files.write_all_durably(
            (
                f"{folder}/{stem}{VERSION_SUFFIX}",
                seal(keys, Purpose.VERSION, (stem.encode(),), version.raw),
            )
            for version, stem in ((version, version.stem) for version in versions)
        )

    def read(self, stem: str) -> Version:
        """Return the version *stem*. Raises Damaged if its file is missing, does not open, or is not as named."""
        try:
            return self._opened(stem, files.read(self._layout.version(stem)))
        except (FileNotFoundError, CannotRead):
            raise Damaged(what=f"version file {stem}") from None

    def read_many(self, stems: Iterable[str]) -> Iterator[tuple[str, Version | Damaged]]:
        """Yield each of *stems* with its version, or with the error that it gives; one folder look-up for them all."""
        with files.opened_folder(self._layout.memories) as folder:
            for stem in stems:
                try:
                    yield stem, self._opened(stem, files.read_at(folder, stem + VERSION_SUFFIX))
                except OSError:
                    yield stem, Damaged(what=f"version file {stem}")
                except Damaged as error:
                    yield stem, error

    def raw_many(self, stems: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Yield each of *stems* with its checked canonical bytes, unparsed, or with None where it does not open."""
        with files.opened_folder(self._layout.memories) as folder:
            for stem in stems:
                try:
                    yield stem, self._raw(stem, files.read_at(folder, stem + VERSION_SUFFIX))[0]
                except (OSError, Damaged):
                    yield stem, None

    def stems(self) -> set[str]:
        """Return the names of all version files, suffix off."""
        return {stem for stem in self.likely() if is_stem(stem)}

    def likely(self) -> set[str]:
        """Return what `stems` does, and perhaps names that only look alike: for comparing a great many of them."""
        whole = _STEM_LENGTH + len(VERSION_SUFFIX)
        return {
            name[:_STEM_LENGTH]
            for name in files.names_in(self._layout.memories)
            if len(name) == whole and name[26] == "." and name.endswith(VERSION_SUFFIX)
        }

    def strays(self) -> list[str]:
        """Return the names in the folder that are no version file's: nothing of ghostie's."""
        return sorted(
            name
            for name in files.names_in(self._layout.memories)
            if not (name.endswith(VERSION_SUFFIX) and is_stem(name[:_STEM_LENGTH]))
        )

    def remove(self, stems: Iterable[str]) -> int:
        """Destroy version files; only purge and gc come here. Return how many there were."""
        return files.remove_durably(self._layout.version(stem) for stem in stems)

    def quarantine(self, stem: str) -> Path:
        """Set the file of *stem* aside, for a look; return where it went."""
        target = self._layout.quarantine / (stem + VERSION_SUFFIX)
        files.move_durably(self._layout.version(stem), target)
        return target

    def reseal(self, stems: Iterable[str], older: Keys) -> list[str]:
        """Write the files of *stems* anew under this vault's newest key where they are not; return those that fail.

        The names stay: they are made from what the versions say, not from the key. Files may be under *older* keys.
        """
        damaged: list[str] = []
        batch: list[tuple[Path, bytes]] = []
        for stem in stems:
            try:
                sealed = files.read(self._layout.version(stem))
                if sealed[5:9] == self._keys.current.to_bytes(4, "big") and named_key(sealed) == self._newest_id:
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

    @property
    def _newest_id(self) -> bytes:
        return self._keys.id_of(self._keys.current)

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
