"""The index that `training/` learns from (`index.csv` beside packs), and the tasks of its figure table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path
from types import MappingProxyType

from evaluation.errors import LayoutError
from evaluation.items import text_item
from evaluation.layouts.packs import member_item
from evaluation.layouts.tables import DataSet, first_there, rows_of
from evaluation.naming import Naming
from evaluation.pairing import Pairing
from evaluation.sharing import Sharing
from evaluation.tasks import Task
from evaluation.teacher import teaching_tasks
from training.index import Item as Row
from training.index import read_captions, read_index

EXPECTS = """\
index.csv         modality, archive, file, split, label, concept, pair_id, caption; --split val
ARCHIVE           the zip and npz files that it names"""
CLASSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {  # zero-shot tasks: archives
        "Tiny-ImageNet": ("images/tiny_imagenet.npz",),
        "CIFAR-10": ("images/cifar10.npz",),
        "Caltech-101": ("images/caltech101.zip",),
        "ESC-10": ("sounds/esc10.zip",),
        "all sounds but digits": ("sounds/esc10.zip", "sounds/animals.zip"),
        "spoken digits": ("sounds/digits.zip",),
        "UCI HAR": ("imu/uci_har.npz",),
        "SisFall": ("imu/sisfall.npz",),
        "thermal dog or person": ("thermal/thermal_dogs_people.zip",),
        "thermal from a drone": ("thermal/hit_uav.zip",),
    }
)
PAIRS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {  # map -> photograph
        "RoadScene": ("thermal", "thermal/roadscene.zip"),
        "kitchen": ("depth", "depth/sevenscenes_kitchen.zip"),
        "street": ("depth", "depth/zed_street.zip"),
    }
)
CAPTIONED = "images/flickr1k.zip"
BY_CONCEPT = ("audio", "image", "thermal")
HUB = {"image", "text"}  # what the other senses were trained with
NO_CONCEPT = {"sneezing"}  # its concept is "person", which a sneeze does not show
PROMPTS = ("sentences", "bare")


def _single(rows: Sequence[Row], archives: Sequence[str]) -> list[Row]:
    """Rows of some archives that bear exactly one label."""
    return [row for row in rows if row.archive in archives and row.label and "|" not in row.label]


def naming(root: Path, name: str, rows: Sequence[Row]) -> Naming:
    """The names are the labels met among the rows."""
    labels = [row.label for row in rows]
    names = {label: (label,) for label in sorted(set(labels))}
    return Naming(name, rows[0].modality, [member_item(root, row) for row in rows], labels, names, PROMPTS)


def pairing(root: Path, name: str, left: Sequence[Row], right: Sequence[Row]) -> Pairing:
    """Rows that carry the same pair_id."""
    places = {row.pair_id: place for place, row in enumerate(left)}
    partners = [row for row in right if row.pair_id in places]
    items = [[member_item(root, row) for row in rows] for rows in (left, partners)]
    return Pairing(name, items[0], items[1], [places[row.pair_id] for row in partners])


def captioned(root: Path, name: str, rows: Sequence[Row], captions: Sequence[Mapping[str, str]]) -> Pairing:
    """Photographs and their sentences."""
    places = {row.pair_id: place for place, row in enumerate(rows)}
    said = [caption for caption in captions if caption["pair_id"] in places]
    texts = [text_item(caption["caption"]) for caption in said]
    photographs = [member_item(root, row) for row in rows]
    return Pairing(name, photographs, texts, [places[caption["pair_id"]] for caption in said])


def _showing(rows: Sequence[Row], modality: str) -> list[Row]:
    """Rows that show one concept."""
    return [
        row
        for row in rows
        if row.modality == modality and row.concept and "|" not in row.concept and row.label not in NO_CONCEPT
    ]


def sharing(root: Path, rows: Sequence[Row], asked: str, found: str) -> Sharing | None:
    """Search by concept; among the shared concepts, or among everything where only one is shared."""
    one, other = _showing(rows, asked), _showing(rows, found)
    shared = {row.concept for row in one} & {row.concept for row in other}
    if not shared:
        return None
    queries = [row for row in one if row.concept in shared]
    items = [row for row in other if len(shared) == 1 or row.concept in shared]
    what = f"{len(shared)} concepts" if len(shared) > 1 else f"{next(iter(shared))} among all"
    return Sharing(
        what,
        [member_item(root, row) for row in queries],
        [row.concept for row in queries],
        [member_item(root, row) for row in items],
        [row.concept for row in items],
        emergent=not {asked, found} & HUB,
    )


def _tasks(root: Path, rows: Sequence[Row], captions: Sequence[Mapping[str, str]]) -> list[Task]:
    named = [(name, _single(rows, archives)) for name, archives in CLASSES.items()]
    known = {archive for archives in CLASSES.values() for archive in archives}
    own = {row.archive: Path(row.archive).stem for row in rows if row.archive not in known}
    named += [(name, _single(rows, [archive])) for archive, name in own.items()]
    tasks: list[Task] = [naming(root, name, own) for name, own in named if len({r.label for r in own}) > 1]
    for name, (modality, archive) in PAIRS.items():
        pair = [[r for r in rows if r.archive == archive and r.modality == m] for m in (modality, "image")]
        if pair[0]:
            tasks.append(pairing(root, name, *pair))
    photographs = [row for row in rows if row.archive == CAPTIONED]
    if photographs:
        tasks.append(captioned(root, "Flickr", photographs, captions))
    searches = (sharing(root, rows, asked, found) for asked, found in permutations(BY_CONCEPT, 2))
    return tasks + [task for task in searches if task]


def load(root: Path, split: str | None) -> DataSet:
    """Every task of the figure table that the index has items for."""
    rows_of(first_there(root, "index.csv"), ("modality", "caption", *Row.__dataclass_fields__))
    rows = [row for row in read_index(root) if row.split == (split or "val") and row.modality != "mesh"]
    if not rows:
        raise LayoutError(f"{root / 'index.csv'} has no items of the split {split or 'val'!r}")
    for archive in sorted({row.archive for row in rows}):
        first_there(root, archive)
    tasks = _tasks(root, rows, read_captions(root))
    if not tasks:
        raise LayoutError(f"{root / 'index.csv'} names no task: no two labels, pairs or shared concepts")
    more, notes = teaching_tasks(root)
    return DataSet([*tasks, *more], notes)
