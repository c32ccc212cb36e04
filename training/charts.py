"""Charts as SVG text, without a plotting library: lines, bars and labelled points.

480 units wide with 15-unit letters, so that they are readable on a telephone. The ground is transparent and
the letters follow the reader's light or dark theme.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 480, 340
LETTER = 15  # height of a letter; a letter is about half as wide
LEFT, RIGHT, BOTTOM = 62, 14, 48  # margins of the plotting area
PALETTE = ("#3b82f6", "#ea7317", "#2f9e5b", "#d0457c", "#8b6fd6", "#a8842c", "#0f9aa8", "#d9483b")
DASHES = ("none", "7 4", "2 4")
STYLE = (
    f"text{{font:{LETTER}px system-ui,sans-serif;fill:#4b5563}}"
    ".title{font-weight:600;fill:#1f2937}.axis{stroke:#9ca3af;fill:none}"
    ".grid{stroke:#9ca3af;stroke-opacity:.3}.line{fill:none;stroke-width:2.2}.whisker{stroke:#4b5563;fill:none}"
    "@media(prefers-color-scheme:dark){text{fill:#b6bec9}.title{fill:#e5e7eb}.whisker{stroke:#d1d5db}}"
)


@dataclass(frozen=True)
class Line:
    """A curve: `x` and `y` of the same length; points that are not finite are left out."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Bar:
    """A value and, where known, the ends of its confidence interval."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Point:
    """A labelled place; points of one `group` share a colour."""

    x: float
    y: float
    label: str = ""
    group: str = ""


@dataclass
class Frame:
    """The plotting area and the axes' ranges; collects the drawing."""

    title: str
    across: tuple[float, float]
    up: tuple[float, float]
    top: float = 40
    height: float = HEIGHT
    left: float = LEFT
    parts: list[str] = field(default_factory=list)

    def x(self, value: float) -> float:
        low, high = self.across
        return self.left + (value - low) / (high - low) * (WIDTH - self.left - RIGHT)

    def y(self, value: float) -> float:
        low, high = self.up
        return self.height - BOTTOM - (value - low) / (high - low) * (self.height - BOTTOM - self.top)

    def write(self, x: float, y: float, text: str, anchor: str = "start", more: str = "") -> None:
        place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
        self.parts.append(f"<text {place} {more}>{escape(text)}</text>")

    def rule(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self.parts.append(f'<path class="{kind}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>')

    def axis_across(self, label: str) -> None:
        floor = self.height - BOTTOM
        for tick in ticks(*self.across):
            self.rule(self.x(tick), self.top, self.x(tick), floor, "grid")
            self.write(self.x(tick), floor + 18, number(tick), "middle")
        self.rule(self.left, floor, WIDTH - RIGHT, floor, "axis")
        self.write((self.left + WIDTH - RIGHT) / 2, self.height - 8, label, "middle")

    def axis_up(self, label: str) -> None:
        for tick in ticks(*self.up):
            self.rule(self.left, self.y(tick), WIDTH - RIGHT, self.y(tick), "grid")
            self.write(self.left - 6, self.y(tick) + 5, number(tick), "end")
        middle = (self.top + self.height - BOTTOM) / 2
        self.write(14, middle, label, "middle", f'transform="rotate(-90 14 {middle:.1f})"')

    def svg(self) -> str:
        size = f'width="{WIDTH}" height="{self.height:.0f}" viewBox="0 0 {WIDTH} {self.height:.0f}"'
        title = f'<text class="title" x="10" y="22">{escape(self.title)}</text>'
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>{escape(self.title)}</title>'
        )
        return "\n".join([head, f"<style>{STYLE}</style>", title, *self.parts, "</svg>", ""])


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) between `low` and `high`."""
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    """Short: 20k, 1.5, 0.25."""
    return f"{value / 1000:g}k" if abs(value) >= 10_000 else f"{value:.4g}"


def spread(values: Sequence[float], margin: float = 0.04) -> tuple[float, float]:
    """The range of the finite values with a margin; (0, 1) where there are none."""
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    room = (high - low) * margin if high > low else max(abs(high), 1.0) * 0.1
    return low - room, high + room


def legend(frame: Frame, names: Sequence[str]) -> None:
    """Coloured names in rows under the title; moves the plotting area down."""
    x, y = 10.0, 42.0
    for order, name in enumerate(names):
        wide = 32 + len(name) * LETTER * 0.54
        if x > 10 and x + wide > WIDTH - 4:
            x, y = 10.0, y + LETTER + 5
        frame.parts.append(f'<path class="line" {_look(order)} d="M{x:.0f} {y - 5:.0f}h18"/>')
        frame.write(x + 23, y, name)
        x += wide
    grown = y + 14 - frame.top
    frame.top, frame.height = frame.top + grown, frame.height + grown


def line_chart(title: str, lines: Sequence[Line], across: str, up: str) -> str:
    """Curves over a common axis; a legend where there are several. `across`, `up`: what is measured."""
    frame = Frame(
        title, spread([x for one in lines for x in one.x], 0), spread([y for one in lines for y in one.y])
    )
    if len(lines) > 1:
        legend(frame, [one.name for one in lines])
    frame.axis_across(across)
    frame.axis_up(up)
    for order, one in enumerate(lines):
        places = [(x, y) for x, y in zip(one.x, one.y, strict=True) if math.isfinite(x) and math.isfinite(y)]
        path = "L".join(f"{frame.x(x):.1f} {frame.y(y):.1f}" for x, y in places)
        if len(places) == 1:
            path += "h.1"  # a lone point shows as a dot
        if path:
            frame.parts.append(f'<path class="line" stroke-linecap="round" {_look(order)} d="M{path}"/>')
    return frame.svg()


def bar_chart(title: str, bars: Sequence[Bar], across: str) -> str:
    """Horizontal bars from 0 with their values, and whiskers where an interval is known."""
    ends = [end for bar in bars for end in (0.0, bar.value, bar.low, bar.high) if end is not None]
    left = 16 + max((len(bar.name) for bar in bars), default=0) * LETTER * 0.54
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    across_range = (low, high + ((high - low) or 1.0) * 0.16)
    frame = Frame(
        title, across_range, (0, max(len(bars), 1)), height=88 + 26 * len(bars), left=min(left, 230)
    )
    frame.axis_across(across)
    for order, bar in enumerate(bars):
        top = frame.top + 26 * order + 4
        start, end = sorted((frame.x(0), frame.x(bar.value)))
        box = f'x="{start:.1f}" y="{top:.1f}" width="{end - start:.1f}" height="18"'
        frame.parts.append(f'<rect {box} rx="2" fill="{PALETTE[0]}" fill-opacity=".75"/>')
        frame.write(frame.left - 8, top + 14, bar.name, "end")
        if bar.low is not None and bar.high is not None:
            frame.rule(frame.x(bar.low), top + 9, frame.x(bar.high), top + 9, "whisker")
        frame.write(max(end, frame.x(bar.high or 0)) + 6, top + 14, f"{bar.value:.3g}")
    return frame.svg()


def scatter(title: str, points: Sequence[Point], across: str = "", up: str = "") -> str:
    """Labelled points, labels kept apart where there is room; a legend where there are several groups."""
    frame = Frame(title, spread([p.x for p in points], 0.08), spread([p.y for p in points], 0.06))
    groups = list(dict.fromkeys(point.group for point in points))
    if len(groups) > 1:
        legend(frame, groups)
    frame.axis_across(across)
    frame.axis_up(up)
    taken = [(frame.x(p.x) - 4, frame.y(p.y) - 4, frame.x(p.x) + 4, frame.y(p.y) + 4) for p in points]
    for point in points:
        x, y = frame.x(point.x), frame.y(point.y)
        colour = PALETTE[groups.index(point.group) % len(PALETTE)]
        frame.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')
        if point.label:
            box = _free_box(x, y, len(point.label) * LETTER * 0.54, taken)
            taken.append(box)
            frame.write(box[0], box[3] - 3, point.label)
    return frame.svg()


Box = tuple[float, float, float, float]  # left, top, right, bottom


def _free_box(x: float, y: float, wide: float, taken: Sequence[Box]) -> Box:
    """Beside, over or under a point: the first place that covers least."""
    high = LETTER
    starts = [(x + 6, y - 8), (x - 6 - wide, y - 8), (x - wide / 2, y - 7 - high), (x - wide / 2, y + 6)]
    starts += [(x + 5, y - 5 - high), (x + 5, y + 4), (x - 5 - wide, y - 5 - high), (x - 5 - wide, y + 4)]
    boxes = [(left, top, left + wide, top + high) for left, top in starts]
    return min(boxes, key=lambda box: sum(_overlap(box, other) for other in taken) + _outside(box))


def _overlap(one: Box, other: Box) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0) * max(high, 0)


def _outside(box: Box) -> float:
    return 100 * (max(0, 2 - box[0]) + max(0, box[2] - WIDTH + 2))


def _look(order: int) -> str:
    dash = DASHES[order // len(PALETTE) % len(DASHES)]
    return f'stroke="{PALETTE[order % len(PALETTE)]}" stroke-dasharray="{dash}"'
