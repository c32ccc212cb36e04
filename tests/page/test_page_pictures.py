"""The pictures of docs/screenshots, made anew where SENSORIUM_SCREENSHOTS is set."""

import io
import os
from pathlib import Path

import pytest
from PIL import Image

ROOM = Path(__file__).parent.parent.parent / "docs" / "screenshots"
DESK, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 780}


def settle(page):
    """Every picture in sight is there."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(500)


def near(page):
    page.fill("#words", "a dog barking")
    page.press("#words", "Enter")
    page.locator("#results .scores").first.wait_for()


def blend(page):
    page.get_by_role("button", name="Search also with Chelsea, a cat").click()
    page.fill("#words", "a dog barking")
    page.click("#keep-plus")
    page.fill("#words", "rain")
    page.click("#keep-minus")
    page.locator(".chip[data-sign=minus]").wait_for()
    page.locator("#results .scores").first.wait_for()


def map_of(page):
    near(page)
    page.click("#tab-map")
    page.locator("#map-note", has_text="of the search").wait_for()


@pytest.mark.parametrize(
    ("name", "deed", "scheme", "size"),
    [
        ("gallery", None, "light", DESK),
        ("search", near, "light", DESK),
        ("blend", blend, "dark", DESK),
        ("map", map_of, "light", DESK),
        ("phone", near, "dark", PHONE),
    ],
)
def test_pictures_for_the_documents(look, name, deed, scheme, size):
    """Each state of the page is taken as it is; only where they are asked for are they kept."""
    page = look(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size(size)
    page.locator("#results .card img").first.wait_for()
    if deed is not None:
        deed(page)
    settle(page)
    taken = Image.open(io.BytesIO(page.screenshot()))
    assert taken.size == (size["width"], size["height"])
    if os.environ.get("SENSORIUM_SCREENSHOTS"):
        ROOM.mkdir(exist_ok=True)
        taken.convert("RGB").save(ROOM / f"{name}.webp", quality=82, method=6)
