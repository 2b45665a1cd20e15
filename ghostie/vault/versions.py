"""The truth: one immutable sealed file per version, named `<id>.<first 32 hex digits of its hash>`.

A file that the system does not give (an error of the disk, no permission, no free descriptor) says nothing about what
it holds. That is CannotRead, never Damaged: the caller stops, and nothing is set aside, dropped or left out for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ghostie import files
from ghostie.crypto.sealing import Keys, Purpose, SealError, named_key, seal, unseal
from ghostie.errors import CannotRead, Damaged, GhostieError, Missing, NotPlain, Unopened, VersionUnreadable
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

    def is_there(self, stem: str) -> bool:
        """Tell whether there is a file of *stem*, or may be: what cannot be looked at is not taken for gone."""
        try:
            return files.is_there(self._layout.version(stem))
        except CannotRead:
            return True

    def write(self, versions: Iterable[Version]) -> int:
        """Seal and write *versions*; when this returns all have reached the disk. Raises as `write_all_durably`."""
        folder = str(self._layout.memories)
        return files.write_all_durably(
            (
                f"{folder}/{version.stem}{VERSION_SUFFIX}",
                seal(self._keys, Purpose.VERSION, (version.stem.encode(),), version.raw),
            )
            for version in versions
        )

    def read(self, stem: str) -> Version:
        """Return the version *stem*. Raises Missing, Damaged if it does not open or is not as named, or CannotRead."""
        return self._opened(stem, self._sealed(stem))

    def read_many(
        self, stems: Iterable[str], unread: list[CannotRead] | None = None
    ) -> Iterator[tuple[str, Version | Damaged]]:
        """Yield each of *stems* with its version, or with the error that it gives.

        Raises CannotRead, or adds it to *unread* and goes on.
        """
        with files.opened_folder(self._layout.memories) as folder:
            for stem in stems:
                try:
                    found: Version | Damaged = self._opened(stem, self._sealed(stem, folder))
                except Damaged as error:
                    found = error
                except CannotRead as error:
                    if unread is None:
                        raise
                    unread.append(error)
                    continue
                yield stem, found

    def opened(self, entry: Entry) -> dict[str, Version]:
        """Return the versions of *entry* that open, by hash. Raises CannotRead."""
        found = self.read_many(entry.stems())
        return {version.hash: version for _, version in found if not isinstance(version, Damaged)}

    def raw_many(
        self, stems: Iterable[str], unread: list[CannotRead] | None = None
    ) -> Iterator[tuple[str, bytes | None]]:
        """Yield each of *stems* with its checked bytes, unparsed, or with None where it does not open.

        Raises CannotRead, or adds it to *unread* and goes on.
        """
        with files.opened_folder(self._layout.memories) as folder:
            for stem in stems:
                try:
                    raw: bytes | None = self._raw(stem, self._sealed(stem, folder))[0]
                except Damaged:
                    raw = None
                except CannotRead as error:
                    if unread is None:
                        raise
                    unread.append(error)
                    continue
                yield stem, raw

    def check_readable(self, stems: Iterable[str]) -> None:
        """Read every file of *stems* whole. Raises CannotRead for the first that the system does not give."""
        with files.opened_folder(self._layout.memories) as folder:
            for stem in stems:
                with contextlib.suppress(Damaged):
                    self._sealed(stem, folder)

    def stems(self) -> set[str]:
        return {stem for stem in self.likely() if is_stem(stem)}

    def likely(self) -> set[str]:
        """Return all stems, and perhaps names that only look like one: checking a great many takes time."""
        return self.listing()[0]

    def listing(self) -> tuple[set[str], bool]:
        """Return what `likely` does, and whether files are there that are, or were, being written."""
        whole = _STEM_LENGTH + len(VERSION_SUFFIX)
        names = files.all_names_in(self._layout.memories)
        likely = {
            name[:_STEM_LENGTH]
            for name in names
            if len(name) == whole and name[26] == "." and name.endswith(VERSION_SUFFIX)
        }
        return likely, len(likely) < len(names) and any(map(files.is_temporary, names))

    def stamp(self) -> tuple[int, ...] | None:
        """Return what of the folder changes when a file comes or goes, or None where it cannot be had."""
        try:
            found = os.stat(self._layout.memories)
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size

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
        """Set the file of *stem* aside, if it can be read; return where it went. Raises Missing or CannotRead."""
        try:
            self._sealed(stem)
        except Missing:
            raise
        except Damaged:
            pass  # no plain file: nothing that could be read
        target = self._layout.quarantine / (stem + VERSION_SUFFIX)
        files.move_durably(self._layout.version(stem), target)
        return target

    def aside(self) -> Iterator[tuple[str, Version | Unopened]]:
        """Yield each version file that was set aside with its version, or with the error that it gives."""
        for name in sorted(files.names_in(self._layout.quarantine)):
            stem = name.removesuffix(VERSION_SUFFIX)
            if name.endswith(VERSION_SUFFIX) and is_stem(stem):
                try:
                    yield stem, self._opened(stem, files.read(self._layout.quarantine / name))
                except FileNotFoundError:
                    continue
                except NotPlain:
                    yield stem, Damaged(what=f"version file {stem}")
                except (Damaged, CannotRead) as error:
                    yield stem, error

    def put_back(self, stems: Iterable[str]) -> None:
        """Move version files that were set aside to the others. Raises CannotWrite."""
        for stem in stems:
            files.move_durably(self._layout.quarantine / (stem + VERSION_SUFFIX), self._layout.version(stem))

    def reseal(self, stems: Iterable[str], older: Keys) -> list[str]:
        """Write the files of *stems* that are not under the newest key anew; return those that open under no key.

        Files may be under *older* keys. Raises CannotRead, with those before it written or as they were.
        """
        newest = self._keys.current
        damaged: list[str] = []
        batch: list[tuple[Path, bytes]] = []
        for stem in stems:
            try:
                sealed = self._sealed(stem)
                if sealed[5:9] == newest.to_bytes(4, "big") and named_key(sealed) == self._keys.id_of(newest):
                    continue
                raw = self._either(older, stem, sealed)
            except Damaged:
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

    def _sealed(self, stem: str, folder: int | None = None) -> bytes:
        """Return the file of *stem*, from the open *folder* if given. Raises Missing, Damaged or CannotRead."""
        try:
            if folder is not None:
                return files.read_at(folder, stem + VERSION_SUFFIX)
            return files.read_at(None, str(self._layout.version(stem)))
        except FileNotFoundError:
            raise Missing(what=f"version file {stem}") from None
        except OSError as error:
            why = files.cannot_read(self._layout.version(stem), error)
            if isinstance(why, NotPlain):
                raise Damaged(what=f"version file {stem}") from error
            raise VersionUnreadable(**why.facts) from error

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
