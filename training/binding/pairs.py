"""Items, the groups that are no negatives of each other, and what is held out of training."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import BindingError
from models.samples import Sample
from training.binding.anchors import Anchor
from training.binding.files import Contents
from training.binding.manifest import Row

FEWEST_ITEMS = 8
FEWEST_GROUPS = 2
# From so many groups of so few items each on, whole groups are held out: what is measured is then new.
MANY_GROUPS = 20
SMALL_GROUP = 4


@dataclass(frozen=True)
class Item:
    """A distinct file: `anchors` are indices into Pairs.anchors, `group` the number of its group."""

    digest: str
    sample: Sample
    anchors: tuple[int, ...]
    group: int
    name: str


@dataclass(frozen=True)
class Pairs:
    """`anchor_groups[i]`: the group of anchor i. `train`, `val`: items by index. `held_out`: what val is."""

    items: Sequence[Item]
    anchors: Sequence[Anchor]
    anchor_groups: Sequence[int]
    train: Sequence[int]
    val: Sequence[int]
    held_out: str

    @property
    def groups(self) -> int:
        return len({item.group for item in self.items})


class _Union:
    """Union-find over anything hashable."""

    def __init__(self) -> None:
        self._parent: dict[object, object] = {}

    def root(self, node: object) -> object:
        while self._parent.setdefault(node, node) != node:
            node = self._parent[node]
        return node

    def join(self, one: object, other: object) -> None:
        self._parent[self.root(other)] = self.root(one)


def _grouped(rows: Sequence[Row], digests: Mapping[int, str], of_line: Mapping[int, list[Anchor]]) -> _Union:
    """Files, anchors and labels that stand in one row belong together, and what they share with others."""
    union = _Union()
    for row in rows:
        file = ("file", digests[row.line])
        for anchor in of_line[row.line]:
            union.join(anchor, file)
        if row.label:
            union.join(("label", row.label), file)
    return union


def _names(rows: Sequence[Row], digests: Mapping[int, str]) -> dict[str, str]:
    """What a file's group is called in the report: its label, else its text, else its own name."""
    return {digests[row.line]: row.label or str(row.anchors.get("text", row.file.name)) for row in rows}


def _given_split(rows: Sequence[Row], digests: Mapping[int, str], order: Sequence[str]) -> list[int]:
    """Items that the manifest itself holds out."""
    val = {digests[row.line] for row in rows if row.split == "val"}
    return [i for i, digest in enumerate(order) if digest in val]


def _whole_groups(items: Sequence[Item], share: float, rng: random.Random) -> list[int]:
    groups = sorted({item.group for item in items})
    chosen = set(rng.sample(groups, max(FEWEST_GROUPS, round(share * len(groups)))))
    return [i for i, item in enumerate(items) if item.group in chosen]


def _of_each_group(items: Sequence[Item], share: float, rng: random.Random) -> list[int]:
    members: dict[int, list[int]] = defaultdict(list)
    for i, item in enumerate(items):
        members[item.group].append(i)
    chosen: list[int] = []
    for group in sorted(members):
        count = len(members[group])
        chosen += rng.sample(members[group], max(round(share * count), 1) if count > 2 else 0)
    return sorted(chosen)


def _held_out(
    items: Sequence[Item], given: Sequence[int], share: float, rng: random.Random
) -> tuple[list[int], str]:
    if given:
        return list(given), "the rows that the manifest calls val"
    sizes = Counter(item.group for item in items)
    if len(sizes) >= MANY_GROUPS and len(items) < SMALL_GROUP * len(sizes):
        return _whole_groups(
            items, share, rng
        ), f"whole groups, {share:.0%} of them: anchors never trained with"
    return _of_each_group(items, share, rng), f"{share:.0%} of the files of each group"


def _expect_enough(pairs: Pairs) -> None:
    counts = f"{len(pairs.train)} to train with, {len(pairs.val)} held out, {pairs.groups} groups"
    trained = {pairs.items[i].group for i in pairs.train}
    if len(pairs.train) < FEWEST_ITEMS or len(pairs.val) < 2:
        raise BindingError(
            f"too few files remain ({counts}); needed are {FEWEST_ITEMS} to train with and 2 held out"
        )
    if len(trained) < FEWEST_GROUPS:
        raise BindingError(
            "all files belong to one group, so nothing tells them apart: rows that share an anchor, a label "
            "or a file are one group; give them different texts"
        )


def make_pairs(
    rows: Sequence[Row],
    contents: Mapping[Path, Contents],
    of_line: Mapping[int, list[Anchor]],
    holdout: float,
    seed: int,
) -> Pairs:
    """The items of all usable rows, grouped and split. Raises BindingError where too few remain."""
    digests = {row.line: contents[row.file].digest for row in rows}
    samples = {each.digest: each.sample for each in contents.values()}
    union, names = _grouped(rows, digests, of_line), _names(rows, digests)
    order = list(dict.fromkeys(digests.values()))
    anchors = list(dict.fromkeys(anchor for row in rows for anchor in of_line[row.line]))
    place = {anchor: i for i, anchor in enumerate(anchors)}
    roots = {
        root: i for i, root in enumerate(dict.fromkeys(union.root(("file", digest)) for digest in order))
    }
    own: dict[str, dict[int, None]] = defaultdict(dict)
    for row in rows:
        own[digests[row.line]].update(dict.fromkeys(place[anchor] for anchor in of_line[row.line]))
    items = [
        Item(digest, samples[digest], tuple(own[digest]), roots[union.root(("file", digest))], names[digest])
        for digest in order
    ]
    rng = random.Random(seed)  # noqa: S311 - a split, no secret
    val, held_out = _held_out(items, _given_split(rows, digests, order), holdout, rng)
    train = sorted(set(range(len(items))) - set(val))
    groups = [roots[union.root(anchor)] for anchor in anchors]
    pairs = Pairs(items, anchors, groups, train, val, held_out)
    _expect_enough(pairs)
    return pairs
