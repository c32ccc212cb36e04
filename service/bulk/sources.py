"""A folder, a pattern, a single file or a manifest as a stream of candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path, PurePath
from typing import Any

from models.errors import ParameterError, SensoriumError
from models.modalities import MODALITIES
from service.bulk.candidates import Candidate, Fault, Found, Passed, digest, id_of
from service.bulk.descriptions import NOTHING, SIDECAR, Description, described, read_sidecar, sidecar_of
from service.bulk.kinds import OPEN, modality_of
from service.bulk.manifest import is_manifest, rows_of
from service.bulk.walking import files_below, is_inside, split_pattern
from service.parts import Senses


@dataclass(frozen=True)
class Wishes:
    """What the caller says of all files.

    `modality` of those that nothing else is said of, `text`: text files too, `prefix` of all ids, `exclude`:
    patterns of files and folders, `metadata` of all items.
    """

    modality: str | None = None
    text: bool = False
    prefix: str = ""
    exclude: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


def label_of(path: Path) -> str:
    return digest(str(path))[:16]


@dataclass(frozen=True)
class Source:
    """`label` names it in the items' metadata without telling where it lies; `root` is where paths start.

    `inside`: the folder that no path or link may lead out of.
    """

    root: Path
    label: str
    steps: tuple[str, ...] = ()
    manifest: Path | None = None
    inside: str | None = None

    @classmethod
    def of(cls, given: str) -> Source:
        """Raises ParameterError where there is nothing of that name."""
        path = Path(given)
        if path.is_dir():
            return cls.below(path)
        if path.is_file() and is_manifest(path):
            whole = path.parent.resolve() / path.name
            return cls(whole.parent, label_of(whole), manifest=whole)
        if path.is_file():
            return cls.below(path.parent, escape(path.name))
        folder, steps = split_pattern(given)
        if not steps or not Path(folder).is_dir():
            raise ParameterError(
                f"there is no {given!r}; give a folder, a pattern such as 'photos/**/*.jpg', a file, or a "
                "manifest (.csv with a column `path` or `text`, .jsonl)"
            )
        return cls.below(Path(folder), *steps)

    @classmethod
    def below(cls, folder: Path, *steps: str) -> Source:
        root = folder.resolve()
        return cls(root, label_of(root), steps)

    @property
    def folder(self) -> Path | None:
        """Where the files are, None of a manifest."""
        return None if self.manifest else self.root

    def found(self, wishes: Wishes, senses: Senses = MODALITIES) -> Iterator[Found]:
        """Every file, or row of the manifest. Raises OSError where the manifest cannot be read."""
        finding = Finding(self, wishes, senses)
        return finding.rows() if self.manifest else finding.files()

    def names(self, wishes: Wishes) -> Iterator[object]:
        """As many things as `found` gives, quickly, to be counted."""
        if self.manifest:
            return rows_of(self.manifest)
        return files_below(self.root, self.steps, wishes.exclude, lambda _: None)

    def check_inside(self, path: Path) -> None:
        """Raise ParameterError where `path` leads elsewhere."""
        if self.inside is not None and not is_inside(path, self.inside):
            raise ParameterError("it leads out of the folders that are open to jobs", code="outside")


class Finding:
    """One pass over a source."""

    def __init__(self, source: Source, wishes: Wishes, senses: Senses) -> None:
        self.source, self.wishes, self.senses = source, wishes, senses
        self._unreadable: list[Fault] = []

    def files(self) -> Iterator[Found]:
        for path, name in files_below(
            self.source.root, self.source.steps, self.wishes.exclude, self._unreadable_folder
        ):
            yield from self._faults()
            yield self._judged(str(name), lambda path=path, name=name: self._file(path, name))  # type: ignore[misc] # mypy does not infer default arguments of lambdas
        yield from self._faults()

    def rows(self) -> Iterator[Found]:
        assert self.source.manifest is not None
        for place, row in rows_of(self.source.manifest):
            yield self._judged(place, lambda row=row: self._row(row))  # type: ignore[misc] # as above

    def _judged(self, place: str, make: Callable[[], Found]) -> Found:
        try:
            return make()
        except SensoriumError as error:
            return Fault(place, error.message, error.code)
        except OSError as error:
            return Fault(place, f"it cannot be read: {error.strerror}", "unreadable")

    def _unreadable_folder(self, error: OSError) -> None:
        self._unreadable.append(
            Fault(str(error.filename), f"the folder cannot be read: {error.strerror}", "unreadable")
        )

    def _faults(self) -> Iterator[Fault]:
        while self._unreadable:
            yield self._unreadable.pop()

    def _file(self, path: Path, name: PurePath) -> Found:
        if name.suffix.lower() == SIDECAR:
            return Passed(SIDECAR)
        said = self._said_beside(path)
        modality = said.modality or self._modality(path, name)
        if modality is None or (modality == "text" and said.modality is None and not self._wants_text):
            return Passed(name.suffix.lower())
        return self._candidate(str(name), path, modality, said)

    def _said_beside(self, path: Path) -> Description:
        self.source.check_inside(path)
        beside = sidecar_of(path)
        if beside is None:
            return NOTHING
        self.source.check_inside(beside)
        return read_sidecar(beside, self.senses)

    @property
    def _wants_text(self) -> bool:
        return self.wishes.text or self.wishes.modality == "text"

    def _modality(self, path: Path, name: PurePath) -> str | None:
        wished = self.wishes.modality
        if wished is not None:
            return wished if name.suffix.lower() in self.senses[wished].suffixes else None
        modality = modality_of(path, name, self.senses)
        if modality == OPEN:
            raise ParameterError(
                f"a {name.suffix} may be depth, thermal or imu: say it in a sidecar "
                f'({name.name}.json with {{"modality": ..}}), by a folder of that name or by the modality of '
                "all files"
            )
        return modality

    def _row(self, row: dict[str, Any] | ParameterError) -> Found:
        if isinstance(row, ParameterError):
            raise row
        said = described(row, self.senses, ("path", "text"))
        path, text = row.get("path"), row.get("text")
        if not isinstance(path or text, str) or (path is not None and text is not None):
            raise ParameterError("a row has either `path` or `text`, not empty")
        if text is not None:
            return self._text(text, said)
        name = PurePath(str(path))
        whole = self.source.root / name
        self.source.check_inside(whole)
        if not whole.is_file():
            raise ParameterError(f"there is no file {path!r} beside the manifest")
        beside = self._said_beside(whole)
        both = Description(
            said.id or beside.id,
            said.modality or beside.modality,
            {**beside.metadata, **said.metadata},
            {**beside.params, **said.params},
        )
        modality = both.modality or self._modality(whole, name)
        if modality is None:
            raise ParameterError(f"nothing tells the modality of {path!r}; name it in the column `modality`")
        return self._candidate(str(path), whole, modality, both)

    def _text(self, text: str, said: Description) -> Candidate:
        if said.modality not in (None, "text"):
            raise ParameterError(f"a `text` is of the modality text, not {said.modality}")
        identifier = self.wishes.prefix + (said.id or f"text-{digest(text)}")
        metadata = {**self.wishes.metadata, **said.metadata}
        return Candidate(identifier, identifier, None, "text", {}, metadata, text)

    def _candidate(self, name: str, path: Path, modality: str, said: Description) -> Candidate:
        accepted = self.senses[modality].params
        for param in said.params:
            if param not in accepted:
                known = ", ".join(accepted) or "none"
                raise ParameterError(f"{modality} has no parameter {param!r}; accepted: {known}")
        identifier = id_of(self.wishes.prefix + (said.id or PurePath(name).as_posix()))
        return Candidate(
            identifier, name, path, modality, said.params, {**self.wishes.metadata, **said.metadata}
        )
