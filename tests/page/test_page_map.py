"""The map in a real browser."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

CROWD = 50_000


def crowd():
    """The answer of a map of CROWD points in seven clouds."""
    random = np.random.default_rng(0)
    kinds = random.integers(0, 7, CROWD).astype(np.uint8)
    middles = random.uniform(-0.7, 0.7, (7, 2))
    places = np.clip(middles[kinds] + random.normal(0, 0.12, (CROWD, 2)), -1, 1).astype("<f4")
    packed = [base64.b64encode(each.tobytes()).decode() for each in (places[:, 0], places[:, 1], kinds)]
    return {
        "points": CROWD,
        "total": 2 * CROWD,
        "modalities": ["image", "video", "audio", "depth", "thermal", "imu", "text"],
        **dict(zip(("x", "y", "modality"), packed, strict=True)),
        "ids": [f"item-{i}" for i in range(CROWD)],
        "generation": "1",
        "projection": "umap",
        "state": "fresh",
    }


def painted(page):
    """Share of the map's pixels that are neither paper nor grey."""
    pixels = np.asarray(Image.open(io.BytesIO(page.locator("#plane").screenshot())).convert("RGB")).astype(
        int
    )
    return float((np.ptp(pixels, axis=2) > 40).mean())


@pytest.fixture
def chart(page):
    """The page with the map of the gallery before it."""
    page.click("#tab-map")
    page.locator("#map-note", has_text="47 items").wait_for()
    return page


def test_every_sense_has_its_colour(chart):
    """Points are painted, the legend names and counts the senses, and hiding them all leaves none."""
    assert painted(chart) > 0.001
    legend = chart.locator("#legend .sense")
    assert legend.count() == 7
    for i in range(7):
        legend.nth(i).click()
    chart.wait_for_timeout(100)
    assert painted(chart) < painted_at_most(chart)


def painted_at_most(chart):
    """What the legend, which lies above the canvas, may paint."""
    return 0.0005 + 7 * 12 * 12 * 4 / (1280 * 400)


def test_the_hits_of_a_search_stand_out(chart):
    """The search goes on while the map is shown, and the note counts the likely ones."""
    chart.fill("#words", "a dog barking")
    chart.press("#words", "Enter")
    chart.locator("#map-note", has_text=re.compile(r"· [1-9] of the search")).wait_for()


def test_keys_move_zoom_and_open(chart):
    """Without a mouse: plus zooms, the note says what lies in the middle, Enter opens it."""
    chart.focus("#plane")
    for key in ("+", "+", "ArrowLeft", "ArrowUp"):
        chart.keyboard.press(key)
    chart.locator("#map-note", has_text="in the middle:").wait_for()
    chart.keyboard.press("Enter")
    chart.locator("#item[open] h2").wait_for()


def test_a_point_under_the_mouse_tells_what_it_is(chart):
    """Hovering shows a small card, a click the item."""
    x, y = chart.evaluate(
        """async () => {
          const answer = await (await fetch("v1/collections/gallery/map")).json();
          const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
          const floats = (text) => new Float32Array(bytes(text).buffer);
          const box = document.getElementById("plane").getBoundingClientRect();
          const half = 0.92 * Math.min(box.width, box.height) / 2;
          const at = answer.ids.indexOf("dog");
          return [box.width / 2 + floats(answer.x)[at] * half, box.height / 2 - floats(answer.y)[at] * half];
        }"""
    )
    chart.hover("#plane", position={"x": x, "y": y})
    chart.locator("#hover:not([hidden])", has_text="A dog barking").wait_for()
    chart.click("#plane", position={"x": x, "y": y})
    chart.locator("#item[open] h2", has_text="A dog barking").wait_for()


def test_fifty_thousand_points(page, record_property):
    """A crowd is drawn while it is zoomed; the times of its frames are recorded, not judged."""
    answer = json.dumps(crowd())
    page.route("**/gallery/map?*", lambda route: route.fulfill(body=answer, content_type="application/json"))
    page.click("#tab-map")
    page.locator("#map-note", has_text="50,000 of 100,000 items").wait_for()
    assert painted(page) > 0.05
    frames = page.evaluate(
        """() => new Promise((resolve) => {
          const plane = document.getElementById("plane");
          const times = [];
          const turn = (now) => {
            times.push(now);
            const deltaY = times.length % 40 < 20 ? -40 : 40;
            plane.dispatchEvent(new WheelEvent("wheel", { deltaY, cancelable: true }));
            if (times.length < 120) requestAnimationFrame(turn);
            else resolve(times.slice(1).map((time, i) => time - times[i]));
          };
          requestAnimationFrame(turn);
        })"""
    )
    record_property("median_frame_ms", float(np.median(frames)))
    assert len(frames) == 119


def test_without_webgl_a_plain_canvas_draws(look):
    """Where the browser has no WebGL the points are drawn all the same."""
    page = look()
    page.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        "  return kind.startsWith('webgl') ? null : get.call(this, kind, ...rest); };"
    )
    page.reload()
    page.click("#tab-map")
    page.locator("#map-note", has_text="47 items").wait_for()
    assert painted(page) > 0.001
