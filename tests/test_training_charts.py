"""SVG charts: well-formed, complete, and true to scale."""

import math
import xml.etree.ElementTree as ET

import pytest

from training.charts import Bar, Line, Point, bar_chart, line_chart, scatter, ticks

NS = "{http://www.w3.org/2000/svg}"


def texts(svg):
    return [element.text for element in ET.fromstring(svg).iter(f"{NS}text")]


def paths(svg):
    """Points (x, y) of every coloured curve."""
    found = [e.get("d") for e in ET.fromstring(svg).iter(f"{NS}path") if e.get("stroke-linecap")]
    return [[tuple(map(float, p.split())) for p in d[1:].replace("h.1", "").split("L")] for d in found]


def test_lines_go_where_their_values_are():
    """Equal steps are equally wide, larger values stand higher (smaller y), names are in the legend."""
    svg = line_chart(
        "Loss <of> a run", [Line("a & b", [0, 1, 2], [3, 2, 1]), Line("c", [0, 2], [1, 3])], "x", "y"
    )
    first, second = paths(svg)
    assert first[1][0] - first[0][0] == pytest.approx(first[2][0] - first[1][0], abs=0.11)
    assert first[0][1] < first[1][1] < first[2][1]
    assert first[0][1] == second[1][1]
    assert {"Loss <of> a run", "a & b", "c", "x", "y"} <= set(texts(svg))


@pytest.mark.parametrize(
    "ys", [[math.nan, math.nan], [], [5.0], [2.0, 2.0], [0.0, math.inf], [1e-9, 2e-9], [1e9, 2e9]]
)
def test_odd_curves_are_drawn(ys):
    """Nothing finite, one point, no change, tiny and huge values: a well-formed picture without NaN."""
    svg = line_chart("odd", [Line("one", list(range(len(ys))), ys)], "x", "y")
    assert "nan" not in svg
    assert "inf" not in svg
    assert len(paths(svg)) == any(math.isfinite(y) for y in ys)


def test_bars_are_as_long_as_their_values():
    """Twice the value, twice the length; whiskers span the interval; negative values lie left of zero."""
    svg = bar_chart("top-1", [Bar("small", 0.2, 0.1, 0.3), Bar("large", 0.4), Bar("under", -0.2)], "share")
    wide = [float(e.get("width")) for e in ET.fromstring(svg).iter(f"{NS}rect")]
    assert wide[1] == pytest.approx(2 * wide[0], abs=0.2)
    assert wide[2] == pytest.approx(wide[0], abs=0.2)
    assert {"small", "large", "under", "0.4", "-0.2"} <= set(texts(svg))
    assert svg.count('class="whisker"') == 1


def test_labels_of_a_scatter_stay_apart():
    """Four points close together: no two labels cover each other."""
    points = [
        Point(x, y, name) for x, y, name in ((0, 0, "one"), (0.1, 0, "two"), (0, 0.2, "three"), (5, 5, "far"))
    ]
    svg = scatter("words", points)
    boxes = {
        e.text: (float(e.get("x")), float(e.get("y")))
        for e in ET.fromstring(svg).iter(f"{NS}text")
        if e.text in {"one", "two", "three", "far"}
    }
    assert len(boxes) == 4
    places = list(boxes.items())
    for i, (name, (x, y)) in enumerate(places):
        for _, (other_x, other_y) in places[i + 1 :]:
            assert abs(y - other_y) >= 14 or abs(x - other_x) >= 8 * len(name) * 0.5


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.31, 0.34), (-5, 12), (0, 11_000)])
def test_ticks_are_few_and_round(low, high):
    """Three to seven ticks inside the range, one to three figures each."""
    found = ticks(low, high)
    assert 3 <= len(found) <= 7
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)
    assert all(len(f"{tick:.6g}".strip("-").replace(".", "").strip("0")) <= 3 for tick in found)
