"""Long recordings that were found by one of their parts, as the page shows them."""

import httpx
import pytest

from tests import media_files as files
from tests.page.test_page import choose, searched
from tests.recordings import film, long_sound, stripes, walk_then_turn

ADDED_S = 60


@pytest.fixture
def recordings(gallery):
    """The name of a collection with a sound, a film and a movement of a minute each."""
    name, contents = "recordings", files_of_a_minute()
    httpx.put(f"{gallery}/v1/collections/{name}").raise_for_status()
    upload = [("file", (file, data)) for file, data in contents.items()]
    httpx.post(f"{gallery}/v1/collections/{name}/items", files=upload, timeout=ADDED_S).raise_for_status()
    yield name
    httpx.delete(f"{gallery}/v1/collections/{name}")


def files_of_a_minute():
    return {
        "hiss.wav": files.wav_of(long_sound()),
        "meadow.mp4": film(),
        "walk.csv": files.imu_csv(3000, values=walk_then_turn()),
    }


def search_with(page, name, media_type, data):
    """Add a file to the question; the hits by the names of their files."""
    query = {"name": name, "mimeType": media_type, "buffer": data}
    _, results = searched(page, lambda: page.set_input_files("#files", [query]))
    return {each["metadata"]["file"]: each for each in results}


def card_of(page, title):
    return page.locator(".card", has=page.locator(".title", has_text=title))


def test_a_sound_is_shown_with_its_stretch_and_played_from_there(look, recordings):
    """The time stands on the card, the stretch over the spectrum, and the player begins at it."""
    page = look()
    page.evaluate("""() => {
        const Plain = window.Audio;
        window.Audio = function (...words) { return (window.played = new Plain(...words)); };
    }""")
    choose(page, recordings)
    hits = search_with(page, "tone.wav", "audio/wav", files.wav(3, 440))
    assert hits["hiss.wav"]["segment"] == {"start_s": 30.0, "end_s": 40.0}
    card = card_of(page, "hiss.wav")
    assert card.locator(".time").inner_text() == "0:30\u20130:40"
    frame, mark = (card.locator(each).bounding_box() for each in (".sound", ".stretch"))
    assert mark["x"] - frame["x"] == pytest.approx(frame["width"] / 2, abs=2)
    assert mark["width"] == pytest.approx(frame["width"] / 6, abs=2)
    button = card.locator("button.sound")
    assert button.get_attribute("aria-label") == "Play hiss.wav from 0:30 to 0:40"
    button.click()
    card.locator("button.sound[aria-label^=Pause]").wait_for()
    assert 30 <= page.evaluate("() => window.played.currentTime") < 40


def test_a_film_is_shown_with_its_stretch_and_played_from_there(look, recordings):
    """The still is of the stretch, and the film behind it begins there."""
    page = look()
    choose(page, recordings)
    hits = search_with(page, "stripes.png", "image/png", files.picture_bytes(stripes()))
    assert hits["meadow.mp4"]["segment"] == {"start_s": 20.0, "end_s": 30.0}
    card = card_of(page, "meadow.mp4")
    assert card.locator(".time").inner_text() == "0:20\u20130:30"
    colours = card.locator("img").evaluate("""(image) => {
        const pen = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d");
        pen.drawImage(image, 0, 0);
        const { data } = pen.getImageData(0, 0, image.naturalWidth, image.naturalHeight);
        const reds = data.filter((_, place) => place % 4 === 0);
        return [Math.min(...reds), Math.max(...reds)];
    }""")
    assert colours[0] < 60
    assert colours[1] > 200
    card.locator("button.film").click()
    player = card.locator("video")
    player.wait_for()
    assert 20 <= player.evaluate("(player) => player.currentTime") < 30


def test_what_was_found_as_a_whole_has_no_stretch(look, recordings):
    """A sound found by itself shows how long it is."""
    page = look()
    choose(page, recordings)
    hits = search_with(page, "hiss.wav", "audio/wav", files.wav_of(long_sound()))
    assert hits["hiss.wav"].get("segment") is None
    card = card_of(page, "hiss.wav")
    assert card.locator(".time").inner_text() == "1:00"
    assert card.locator(".stretch").count() == 0
