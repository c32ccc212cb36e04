"""The manifest of pairs: CSV or JSON lines, a file of the new sense and its anchors in a row.

Columns: `file`; at least one anchor, named as a modality of the model (`text`, `image`, `audio`, ..);
optional `label` (rows of one label are no negatives of each other) and `split` (`train` or `val`). Paths are
taken from the manifest's folder.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.errors import BindingError

JSON_ENDINGS = (".jsonl", ".ndjson")
SPLITS = ("train", "val")
OPTIONAL = ("label", "split")
NAMED = 3  # faults in the message where no row can be used


@dataclass(frozen=True)
class Fault:
    """A row that cannot be used: its line in the manifest, from 1, and why."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class RowError(Exception):
    """A row that cannot be used; the message says why."""


@dataclass(frozen=True)
class Row:
    """A pair, or several with one file. `anchors`: modality -> the text, or the path of a file."""

    line: int
    file: Path
    anchors: Mapping[str, str | Path]
    label: str = ""
    split: str = ""


@dataclass
class Manifest:
    """Usable rows, and the faults of the others; `ignored`: columns that mean nothing here."""

    rows: list[Row]
    faults: list[Fault] = field(default_factory=list)
    ignored: tuple[str, ...] = ()


def _json_lines(text: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Line number and object, or the reason why there is none."""
    for line, row in enumerate(text.splitlines(), start=1):
        if not row.strip():
            continue
        try:
            value = json.loads(row)
        except ValueError as error:
            yield line, f"this is no JSON: {error}"
        else:
            yield line, value if isinstance(value, dict) else "a line has to hold a JSON object"


def _table(text: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """The rows below the header; comma, semicolon or tab by what the header has most of."""
    lines = text.splitlines(keepends=True)
    heading = next((line for line in lines if line.strip()), "")
    reader = csv.DictReader(lines, delimiter=max(",;\t", key=heading.count), skipinitialspace=True)
    reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
    for row in reader:
        beyond = row.pop(None, None)  # where DictReader keeps surplus cells
        wanted = f"{len(reader.fieldnames)} cells are wanted; put texts with commas into double quotes"
        yield reader.line_num, f"the row has too many cells, {wanted}" if beyond else row


def _cell(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is not None and not isinstance(value, str):
        raise RowError(f"`{name}` has to be a string, not {value!r}")
    return (value or "").strip()


def _path(folder: Path, name: str, value: str) -> Path:
    path = folder / value
    if not path.is_file():
        raise RowError(f"the {name} {path} does not exist")
    return path


def _row(line: int, row: Mapping[str, Any], folder: Path, senses: Collection[str]) -> Row:
    file = _cell(row, "file")
    if not file:
        raise RowError("`file` is empty")
    given = {name: _cell(row, name) for name in senses if _cell(row, name)}
    if not given:
        raise RowError(f"no anchor; accepted are {', '.join(senses)}")
    split = _cell(row, "split").lower()
    if split not in ("", *SPLITS):
        raise RowError(f"`split` is {split!r}; accepted are {', '.join(SPLITS)} or nothing")
    anchors: dict[str, str | Path] = {
        name: value if name == "text" else _path(folder, name, value) for name, value in given.items()
    }
    return Row(line, _path(folder, "file", file), anchors, _cell(row, "label"), split)


def _expect_columns(columns: Collection[str], path: Path, senses: Collection[str]) -> None:
    if "file" not in columns or not set(columns) & set(senses):
        raise BindingError(
            f"{path} has the columns {', '.join(columns) or 'none'}; wanted are `file` and one or more "
            f"anchors ({', '.join(senses)}), and if you like {' and '.join(OPTIONAL)}"
        )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BindingError(f"the manifest {path} could not be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BindingError(f"the manifest {path} is not UTF-8 (byte {error.start})") from error


def read_manifest(path: Path, senses: Collection[str]) -> Manifest:
    """`senses`: the modalities of the model, which anchors may have.

    A bad row becomes a fault with its line. Raises BindingError where the columns or the file are unusable.
    """
    text = _text(path)
    is_json = path.suffix.lower() in JSON_ENDINGS or text.lstrip().startswith("{")
    read = list(_json_lines(text) if is_json else _table(text))
    columns = list(dict.fromkeys(name for _, row in read if isinstance(row, dict) for name in row))
    if not read:
        raise BindingError(f"{path} holds no rows")
    _expect_columns(columns, path, senses)
    known = {"file", *OPTIONAL, *senses}
    manifest = Manifest([], ignored=tuple(name for name in columns if name not in known))
    for line, row in read:
        try:
            if isinstance(row, str):
                raise RowError(row)  # noqa: TRY301 - the same end as that of every unusable row
            manifest.rows.append(_row(line, row, path.parent, senses))
        except RowError as error:
            manifest.faults.append(Fault(line, str(error)))
    if not manifest.rows:
        named = "; ".join(map(str, manifest.faults[:NAMED]))
        raise BindingError(f"{path} has no row that can be used: {named}")
    return manifest
