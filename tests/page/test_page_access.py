"""Keys, and whether everybody can use the page: screen readers, keyboards, high contrast."""

import httpx
import pytest

from service.app import create_app
from service.settings import Settings
from tests.conftest import running, wait_until_ready
from tests.small_embedder import small_embedder

SECRET = "a-key-of-thirty-two-letters-or-so"
GRAVE = {"serious", "critical"}


@pytest.fixture
def locked(tmp_path):
    """The address of a server that asks for a key, and holds the collection `shoebox`."""
    settings = Settings(data_dir=tmp_path, api_keys=f"me:read+write+admin:{SECRET}", log_level="warning")
    with running(create_app(settings, small_embedder())) as url:
        wait_until_ready(url)
        bearer = {"authorization": f"Bearer {SECRET}"}
        httpx.put(f"{url}/v1/collections/shoebox", headers=bearer).raise_for_status()
        file = ("note.txt", b"a note")
        httpx.post(
            f"{url}/v1/collections/shoebox/items", files={"file": file}, headers=bearer
        ).raise_for_status()
        yield url


def test_a_locked_server_asks_for_the_key(look, locked):
    """Where the server answers 401 the page asks, asks again for a wrong key, and keeps the right one."""
    page = look(locked)
    page.locator("#key[open]").wait_for()
    kept = "A key is kept in this tab alone, until you close it."
    assert page.locator("#key-why").inner_text() == f"Whoever runs it can give you one. {kept}"
    page.fill("#key-value", "wrong")
    page.press("#key-value", "Enter")
    page.wait_for_function(
        "() => sessionStorage.getItem('sensorium-key') === 'wrong' && document.querySelector('#key').open"
    )
    page.locator("#key-why", has_text=f"does not know that key, or not any more. {kept}").wait_for()
    page.fill("#key-value", SECRET)
    page.press("#key-value", "Enter")
    page.locator("#results blockquote", has_text="a note").wait_for()
    page.reload()
    page.locator("#results blockquote", has_text="a note").wait_for()


def search(page):
    page.fill("#words", "a dog barking")
    page.click("#keep-plus")
    page.click("details.finer summary")
    page.locator("#results .scores").first.wait_for()


def open_item(page):
    page.locator(".card[data-id=coffee] .title").click()
    page.locator("#item[open] img").wait_for()


def open_upload(page):
    page.click("#add-files")
    page.locator("#upload[open]").wait_for()


def open_map(page):
    page.click("#tab-map")
    page.locator("#legend .sense").first.wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", [None, search, open_item, open_upload, open_map])
def test_axe_finds_nothing_grave(look, state, scheme):
    """axe-core finds no serious violation in any state of the page, light or dark."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    )
    page = look(color_scheme=scheme, reduced_motion="reduce")
    page.locator("#results .card img").first.wait_for()
    if state is not None:
        state(page)
    found = axe.Axe().run(page).response["violations"]
    grave = [
        (each["id"], [node["html"][:120] for node in each["nodes"][:3]])
        for each in found
        if each["impact"] in GRAVE
    ]
    assert not grave


def test_the_keyboard_reaches_everything_in_order(page):
    """From the address bar: the skip link, the collection, the views, then the search."""
    order = []
    for _ in range(12):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
    wanted = [
        "skip",
        "collection",
        "new-collection",
        "add-files",
        "drop-collection",
        "tab-near",
        "theme",
        "words",
        "attach",
        "record",
        "go",
    ]
    assert order[: len(wanted)] == wanted
