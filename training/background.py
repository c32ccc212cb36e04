"""How far above chance a cosine is, by pair of modalities: what a search needs to compare them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

FEWEST = 50  # unrelated pairs below which all pairs are taken
FEWEST_ITEMS = 2  # of either modality, below which no figure is given
TOP = 10  # of a list: what is compared with other modalities is the top of each one's own
EVEN = 5.0  # spreads above the mean where an item is as likely related as not ..
STEEPNESS = 1.2  # .. and what each further spread adds to the log-odds
WIDTHS = torch.linspace(-2.0, 1.5, 71).exp()  # spreads that are tried, in standard deviations
# What is named by other words than the concept's own.
WORDS = {
    "person": ("man", "men", "woman", "women", "people", "boy", "boys", "girl", "girls", "child", "children")
}


@dataclass(frozen=True)
class Cloud:
    """Unit vectors `z` (n, DIM) of one modality's items and what each shows, "" = not known."""

    z: torch.Tensor
    shown: list[str]

    @property
    def known(self) -> Cloud:
        """Those of which it is known."""
        rows = [row for row, shown in enumerate(self.shown) if shown]
        return Cloud(self.z[rows], [self.shown[row] for row in rows])


def named_in(captions: Sequence[str], concepts: Sequence[str]) -> list[str]:
    """The concepts that each caption names, joined by "|"; in the singular, the plural or by WORDS."""
    ways = {way: concept for concept in concepts for way in (concept, f"{concept}s", *WORDS.get(concept, ()))}
    longest = sorted(map(re.escape, ways), key=len, reverse=True)
    pattern = re.compile(rf"\b({'|'.join(longest)})\b") if longest else re.compile(r"(?!)")
    return ["|".join(sorted({ways[way] for way in pattern.findall(text.lower())})) for text in captions]


def background_of(clouds: Mapping[str, Cloud], said: Cloud) -> dict[str, dict[str, list[float]]]:
    """{query modality: {item modality: [mean, spread]}} of the cosine.

    `clouds`: items of each modality; `said`: sentences that ask for concepts. The mean is that of unrelated
    pairs: both are known and share none of what they show. The spread is their standard deviation, widened or
    narrowed until an item EVEN spreads above the mean is as likely related as not, see `width`. Video goes
    through the image tower.
    """
    clouds = {**clouds, "video": clouds["image"]} if "image" in clouds else dict(clouds)
    queries = {**clouds, "text": said}
    known = {name: cloud.known for name, cloud in clouds.items()}
    return {
        query: {
            item: _line(asked.known, cloud, itself=asked is clouds[item])
            for item, cloud in known.items()
            if min(len(asked.known.shown), len(cloud.shown)) >= FEWEST_ITEMS
        }
        for query, asked in queries.items()
    }


def _line(queries: Cloud, items: Cloud, *, itself: bool) -> list[float]:
    cosines, unrelated = queries.z @ items.z.T, _unrelated(queries.shown, items.shown)
    alien = cosines[unrelated] if unrelated.sum() >= FEWEST else cosines  # else one place only
    mean, std = float(alien.mean()), float(alien.std())
    if itself:
        cosines.fill_diagonal_(-torch.inf)
    best, columns = cosines.topk(min(TOP, cosines.shape[1] - itself), dim=1)
    spread = std * width((best - mean) / std, ~unrelated.gather(1, columns), queries.shown)
    return [round(mean, 5), round(spread, 5)]


def width(heights: torch.Tensor, related: torch.Tensor, asked: Sequence[str]) -> float:
    """The spread, in standard deviations, that makes heights above the mean tell the chance of being related.

    `heights` (queries, k) of the best items of each query, `related` likewise, `asked`: what queries show.
    p(related) = sigmoid(STEEPNESS (height / width - EVEN)), fitted by maximum likelihood with log width ~
    N(0, 1), as Platt (1999) does with two numbers. Concepts, not queries, are counted as observations, so a
    modality of two concepts stays near its standard deviation.
    """
    kinds = {one: asked.count(one) for one in set(asked)}
    weights = torch.tensor([1 / kinds[one] for one in asked])[:, None] / heights.shape[1]
    wrong = torch.where(related, -1.0, 1.0)
    losses = [
        float((weights * functional.softplus(wrong * STEEPNESS * (heights / one - EVEN))).sum())
        + float(one.log() ** 2) / 2
        for one in WIDTHS
    ]
    return float(WIDTHS[torch.tensor(losses).argmin()])


def _unrelated(ones: list[str], others: list[str]) -> torch.Tensor:
    """Bool (ones, others): both known, nothing in common. Worked out once per kind, as kinds are few."""
    kinds, other_kinds = list(dict.fromkeys(ones)), list(dict.fromkeys(others))
    table = torch.tensor(
        [[bool(a and b) and not set(a.split("|")) & set(b.split("|")) for b in other_kinds] for a in kinds]
    )
    rows = torch.tensor([kinds.index(one) for one in ones])
    columns = torch.tensor([other_kinds.index(other) for other in others])
    return table[rows][:, columns]
