"""What people give the page that it did not expect, and what becomes of it."""

import base64
import json

import httpx
import pytest

from tests.page.test_page import DRAG, GIVE, MEDIA, PASTE, choose, searched

GIVE_ALL = """async (files) => {
  const transfer = new DataTransfer();
  for (const [name, type, base64] of files) {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type }));
  }
  const facts = { bubbles: true, cancelable: true };
  EVENTS
}"""
BROKEN = b"\x89PNG\r\n\x1a\n"
SCRIPT = '<img src=x onerror="window.ran = 1">'


def give_all(page, files, events=DRAG):
    packed = [[name, kind, base64.b64encode(data).decode()] for name, kind, data in files]
    page.evaluate(GIVE_ALL.replace("EVENTS", events), packed)


def cat(name="cat.webp"):
    return name, "image/webp", (MEDIA / "cat.webp").read_bytes()


def fill(url, name, items):
    httpx.post(f"{url}/v1/collections/{name}/items", json={"items": items}, timeout=60).raise_for_status()


def test_a_dropped_text_file_is_searched_by_its_words(page):
    """The words of a text file are the query, not its bytes in base64."""
    file = ("note.txt", "text/plain", b"a dog barking")
    body, _ = searched(page, lambda: give_all(page, [file]))
    assert body["query"] == {"text": "a dog barking", "weight": 1}


def test_many_dropped_files_make_one_search(page):
    """Files that come together are searched with together, once."""
    sent = []
    page.on("request", lambda each: sent.append(each.post_data) if each.url.endswith("/search") else None)
    searched(page, lambda: give_all(page, [cat(f"cat-{i}.webp") for i in range(6)]))
    assert [len(json.loads(each)["query"]) for each in sent] == [6]


def test_strange_files_are_named_beside_good_ones(page):
    """The good file is searched with; what the strange ones are called stays to be read."""
    files = [("a.xyz", "", b"?"), cat(), ("b.xyz", "", b"?")]
    _, results = searched(page, lambda: give_all(page, files))
    assert results[0]["id"] == "cat"
    assert page.locator("#trouble").inner_text().startswith("a.xyz, b.xyz: none of the kinds")


def test_a_broken_file_beside_a_good_one_is_named(page):
    """The server's words on a broken part stand behind the name of its file."""
    give_all(page, [cat(), ("broken.png", "image/png", BROKEN)])
    page.locator("#trouble:not([hidden])", has_text="broken.png: ").wait_for()


def test_words_pasted_beside_the_field_are_searched_for(page):
    """Pasting with the focus nowhere searches for the words in the clipboard."""
    deed = PASTE.replace("document.body", "transfer.setData('text/plain', 'a  dog\\nbarking'); document.body")
    events = GIVE.replace("EVENTS", deed).replace("transfer.items.add", "void ")
    body, _ = searched(page, lambda: page.evaluate(events, ["", "", ""]))
    assert body["query"]["text"] == "a dog barking"
    assert page.input_value("#words") == "a dog barking"


def test_stored_items_stay_behind_in_their_collection(page, shelf):
    """Another collection does not hold the item searched with; no card of the old one is left either."""
    searched(page, page.locator(".card[data-id=cat] .deeds button").first.click)
    choose(page, shelf)
    page.locator("#status", has_text=f"3 items of {shelf}").wait_for()
    assert page.locator(".chip").count() == 0
    assert page.locator("#trouble").is_hidden()


def test_an_empty_collection_is_told_apart_from_a_strict_filter(page, shelf, gallery):
    """Searching where nothing is says that nothing is there, and how to change that."""
    ids = [each["id"] for each in httpx.get(f"{gallery}/v1/collections/{shelf}/items").json()["items"]]
    httpx.post(f"{gallery}/v1/collections/{shelf}/items/delete", json={"ids": ids}).raise_for_status()
    choose(page, shelf)
    page.fill("#words", "anything")
    page.press("#words", "Enter")
    page.locator("#status", has_text=f"Nothing is in {shelf} yet. Press Add files").wait_for()


def test_names_are_shown_as_written_and_never_run(look, shelf, gallery):
    """HTML in ids and metadata is text; a title that is empty or no text gives way to the id."""
    fill(
        gallery,
        shelf,
        [
            {"id": SCRIPT, "content": "a", "metadata": {"title": SCRIPT, SCRIPT: SCRIPT}},
            {"id": "untitled", "content": "b", "metadata": {"title": ""}},
            {"id": "oddly", "content": "c", "metadata": {"title": {"a": 1}}},
            {"id": "long", "content": "d", "metadata": {"k" * 300: "v" * 900}},
        ],
    )
    page = look()
    choose(page, shelf)
    page.set_viewport_size({"width": 360, "height": 760})
    for title in (SCRIPT, "untitled", "oddly", "long"):
        page.locator(".title", has_text=title).first.click()
        assert (
            page.evaluate(
                "(() => { const d = document.getElementById('item');"
                " return d.scrollWidth - d.clientWidth; })()"
            )
            <= 0
        )
        page.keyboard.press("Escape")
    assert page.evaluate("window.ran") is None


def test_senses_far_down_the_list_are_found(look, shelf, gallery):
    """Two senses of a collection whose first pages hold neither are shown all the same."""
    vector = [1.0] + [0.0] * 383
    listed = [{"id": f"a{i:03}", "vector": vector, "modality": "imu"} for i in range(60)]
    fill(gallery, shelf, [*listed, {"id": "zz", "vector": vector, "modality": "thermal"}])
    page = look()
    choose(page, shelf)
    page.locator("#senses .sense[data-sense=thermal]").click()
    page.locator("#senses .sense[data-sense=image]").click()
    page.locator("#results .card").first.wait_for()
    page.locator("#status", has_text=f"of {shelf}").wait_for()
    kinds = page.locator("#results .card").evaluate_all("(all) => all.map((each) => each.dataset.sense)")
    assert set(kinds) <= {"thermal", "image"}


def test_conditions_without_a_search_are_not_passed_over(page):
    """A list that conditions do not narrow says so."""
    page.click("details.finer summary")
    page.get_by_role("combobox", name="Key").fill("title")
    page.get_by_label("Value").fill("nothing of this name")
    page.keyboard.press("Tab")
    page.locator("#status", has_text="under Finer narrows searches").wait_for()


@pytest.mark.parametrize("status", [0, 503])
def test_a_server_that_comes_late_is_waited_for(look, status):
    """While the server is away or loads its model the page says so, and goes on once it is there."""
    page = look()
    answers = [status, None]

    def late(route):
        first = answers.pop(0) if answers else None
        if first is None:
            route.continue_()
        elif first:
            route.fulfill(status=first, json={"error": {"message": "The model is being loaded."}})
        else:
            route.abort()

    page.route("**/readyz", late)
    page.reload()
    page.locator("#trouble:not([hidden])", has_text="Trying again").wait_for()
    page.locator("#results .card").first.wait_for()
    assert page.locator("#trouble").is_hidden()


def test_a_key_that_no_header_carries_is_asked_for_again(look):
    """Curly quotes around a key are told, not kept."""
    page = look()
    page.route(
        "**/v1/collections", lambda route: route.fulfill(status=401, json={"error": {"message": "no"}})
    )
    page.reload()
    page.locator("#key[open]").wait_for()
    page.fill("#key-value", "“key”")
    page.press("#key-value", "Enter")
    page.locator("#key-why", has_text="no curly quotes").wait_for()
    assert page.evaluate("sessionStorage.getItem('sensorium-key')") is None


def test_forced_colours_leave_the_chosen_ones_visible(look):
    """With forced colours the chosen view is underlined and the other is not."""
    page = look(forced_colors="active")
    line = "(id) => getComputedStyle(document.getElementById(id)).borderBottomColor"
    assert page.evaluate(line, "tab-near") != page.evaluate(line, "tab-map")
