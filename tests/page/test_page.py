"""The page in a real browser: what people do with it, and what they see."""

import base64
import json
import re

import pytest

from service.gallery import HERE

MEDIA = HERE / "media"
GIVE = """async ([name, type, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  const facts = { bubbles: true, cancelable: true };
  EVENTS
}"""
DRAG = """for (const kind of ["dragenter", "dragover", "drop"]) {
  document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, ...facts }));
}"""
PASTE = 'document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, ...facts }));'


def searched(page, deed):
    """Do `deed`; the body of the search it led to and its results, once they are shown."""
    with page.expect_response(re.compile(r"/search$")) as answered:
        deed()
    answer = answered.value
    page.wait_for_function("() => !document.getElementById('near').hasAttribute('aria-busy')")
    return json.loads(answer.request.post_data), answer.json()["results"]


def say(page, words):
    page.fill("#words", words)
    return searched(page, lambda: page.press("#words", "Enter"))


def titles(page):
    return [each.split(",")[0] for each in page.locator("#results .title").all_inner_texts()]


def first_of(results, modality):
    return next(each["id"] for each in results if each["modality"] == modality)


def give(page, events, name, media_type):
    """Hand a file of the gallery to the page by these events."""
    data = base64.b64encode((MEDIA / name).read_bytes()).decode()
    page.evaluate(GIVE.replace("EVENTS", events), [name, media_type, data])


# How much wider the field for words is than what stands in it while it is empty [pixels].
ROOM_OF_PLACEHOLDER = """() => {
    const field = document.getElementById("words"), style = getComputedStyle(field, "::placeholder");
    const line = document.createElement("canvas").getContext("2d");
    line.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    return field.clientWidth - line.measureText(field.placeholder).width;
}"""


def choose(page, name):
    page.select_option("#collection", name)
    page.locator("#status", has_text=name).wait_for()


def test_the_gallery_is_there_at_once(page):
    """Without a search the page shows the collection: every sense as what it is, and how much there is."""
    assert page.locator("#status").inner_text() == "The first 24 items of gallery"
    page.locator("#more").click()
    page.wait_for_function("() => document.querySelectorAll('#results .card').length > 40")
    assert page.locator("#senses .sense").count() == 7
    for sense, shown in {
        "image": "img",
        "audio": "button.sound img",
        "depth": ".range",
        "imu": "svg.movement polyline",
        "text": "blockquote",
        "thermal": "img",
        "video": "button.film img",
    }.items():
        card = page.locator(f".card[data-sense={sense}]").first
        card.scroll_into_view_if_needed()
        card.locator(shown).first.wait_for()
    assert page.locator(".card[data-sense=imu]").first.locator("polyline").count() == 6


def test_words_find_a_sound(page):
    """A typed sentence is searched for; the result is told to screen readers too."""
    _, results = say(page, "a dog barking")
    assert first_of(results, "audio") == "dog"
    told = page.locator("#status[role=status]").inner_text()
    assert told.startswith("The 24 items nearest to “a dog barking”")
    assert page.locator(".card[data-id=dog] .scores").inner_text().strip()


def test_what_is_far_is_said_to_be_far(page):
    """Where nothing is likely related the page says so, and shows the nearest paler."""
    _, results = say(page, "quarterly tax return forms")
    assert all(each["calibrated"] < 5 for each in results)
    assert "Nothing lies close" in page.locator("#status").inner_text()
    assert page.locator("#results li.far").count() == page.locator("#results li").count()


def test_a_dropped_picture_finds_its_like(page):
    """A file dropped anywhere becomes a part and is searched with."""
    _, results = searched(page, lambda: give(page, DRAG, "cat.webp", "image/webp"))
    assert results[0]["id"] == "cat"
    assert page.locator("#parts .chip .thumb").count() == 1


def test_a_pasted_picture_finds_its_like(page):
    """A picture from the clipboard is searched with."""
    _, results = searched(page, lambda: give(page, PASTE, "moon.webp", "image/webp"))
    assert results[0]["id"] == "moon"


def test_what_the_microphone_hears_finds_its_like(page):
    """A recording is sent as WAV, and the dog before the microphone finds the dog of the gallery."""
    record = page.locator("#record")
    record.click()
    page.locator("#record[aria-pressed=true]").wait_for()
    page.wait_for_timeout(3500)
    body, results = searched(page, record.click)
    assert body["query"]["audio"].startswith("UklGR")
    assert first_of(results, "audio") == "dog"


def test_a_blend_has_signs_and_weights(page):
    """Parts with plus and minus make one search, and the sign can be turned and the weight set by hand."""
    page.fill("#words", "a dog barking")
    searched(page, lambda: page.click("#keep-plus"))
    page.fill("#words", "rain")
    body, _ = searched(page, lambda: page.click("#keep-minus"))
    assert body["query"] == [{"text": "a dog barking", "weight": 1}, {"text": "rain", "weight": -1}]
    body, _ = searched(page, lambda: page.get_by_role("slider", name="Weight of rain").fill("0.5"))
    assert body["query"][1]["weight"] == -0.5
    body, _ = searched(page, lambda: page.get_by_role("button", name="Without rain").click())
    assert body["query"][1]["weight"] == 0.5
    body, _ = searched(page, lambda: page.get_by_role("button", name="Remove rain").click())
    assert body["query"] == {"text": "a dog barking", "weight": 1}


def test_senses_and_metadata_narrow_a_search(page):
    """A sense chosen and a condition on metadata go into the search, and only such items are shown."""
    say(page, "a dog barking")
    body, results = searched(page, lambda: page.locator("#senses .sense[data-sense=audio]").click())
    assert body["modalities"] == ["audio"]
    assert {each["modality"] for each in results} == {"audio"}
    page.click("details.finer summary")
    page.get_by_label("Key", exact=True).fill("place")
    page.get_by_label("Value", exact=True).fill("indoors")
    body, results = searched(page, lambda: page.press("input[aria-label=Value]", "Tab"))
    assert body["filter"] == {"must": [{"key": "place", "match": {"value": "indoors"}}]}
    assert {each["metadata"]["place"] for each in results} == {"indoors"}


def test_more_like_this_leaves_the_item_out(page):
    """A card's own search takes the stored item, which is not among its results."""
    body, results = searched(
        page, lambda: page.get_by_role("button", name="More like A dog barking", exact=True).click()
    )
    assert body["query"] == {"id": "dog", "weight": 1}
    assert "dog" not in {each["id"] for each in results}


def test_a_sound_plays_and_a_film_opens(page):
    """The spectrum of a sound is the button that plays it; a film takes the place of its still."""
    sound = page.locator(".card[data-id=dog] button.sound")
    sound.click()
    page.locator(".card[data-id=dog] button.sound[aria-label^=Pause]").wait_for()
    film = page.locator(".card[data-sense=video]").first
    film.locator("button.film").click()
    film.locator("video").wait_for()


def test_an_item_at_large_by_keyboard(page):
    """A card opens with Enter, tells its metadata, and closes with Escape."""
    page.locator(".card[data-id=coffee] .title").focus()
    page.keyboard.press("Enter")
    dialog = page.locator("#item[open]")
    assert "Rachel Michetti" in dialog.inner_text()
    page.keyboard.press("Escape")
    page.wait_for_function("() => !document.querySelector('#item').open")


def test_files_are_added_and_refused_beside_their_names(look, shelf):
    """A good file is stored; a broken one carries the server's own message; the shelf counts anew."""
    page = look()
    choose(page, shelf)
    page.click("#add-files")
    broken = {"name": "broken.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n and no more"}
    good = {"name": "dog.ogg", "mimeType": "audio/ogg", "buffer": (MEDIA / "dog.ogg").read_bytes()}
    page.set_input_files("#upload-files", [broken, good])
    page.locator("#upload-status", has_text="1 of 2 stored, 1 refused").wait_for()
    refused = page.locator("#upload-list [data-state=refused]").inner_text()
    assert "broken.png" in refused
    assert "truncated" in refused
    page.get_by_role("button", name="Done").click()
    page.locator("#senses .sense[data-sense=audio]", has_text="1").wait_for()


def test_an_item_is_deleted_after_a_question(look, shelf):
    """Deleting asks first, and the item is gone afterwards."""
    page = look()
    choose(page, shelf)
    page.locator(".title", has_text="moon.webp").click()
    page.locator("#item").get_by_role("button", name="Delete").click()
    page.locator("#sure").get_by_role("button", name="Delete").click()
    page.locator("#status", has_text="2 items").wait_for()
    assert "moon.webp" not in titles(page)


def test_a_collection_comes_and_goes(look):
    """A name makes a collection, a bad one is answered with the server's message; deleting asks first."""
    page = look()
    page.click("#new-collection")
    page.fill("#create-name", "no/slash")
    page.press("#create-name", "Enter")
    page.locator("#create-fault:not(:empty)").wait_for()
    page.fill("#create-name", "shoebox")
    page.press("#create-name", "Enter")
    page.locator("#status", has_text="Nothing is in shoebox yet").wait_for()
    page.click("#drop-collection")
    page.locator("#sure").get_by_role("button", name="Delete").click()
    page.wait_for_function(
        "() => ![...document.querySelectorAll('#collection option')].some((each) => each.value === 'shoebox')"
    )


def test_an_unusable_query_is_answered_with_the_servers_words(page):
    """A broken file as a query shows what the server said of it."""
    page.set_input_files(
        "#files", [{"name": "x.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n"}]
    )
    page.locator("#trouble[role=alert]:not([hidden])", has_text=re.compile("image|picture|PNG")).wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_system_until_told(look, scheme):
    """Light and dark as the system has it; the switch turns it over and is remembered."""
    page = look(color_scheme=scheme)
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    page.click("#theme")
    page.reload()
    assert (
        page.evaluate("document.documentElement.dataset.theme") == {"light": "dark", "dark": "light"}[scheme]
    )


@pytest.mark.parametrize("width", [320, 390, 768, 1920])
def test_nothing_sticks_out(look, width):
    """From a small phone to a wide screen nothing has to be scrolled sideways."""
    page = look()
    page.set_viewport_size({"width": width, "height": 800})
    page.locator("#results .card").first.wait_for()
    for tab in ("#tab-near", "#tab-map"):
        page.click(tab)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(ROOM_OF_PLACEHOLDER) >= 0
