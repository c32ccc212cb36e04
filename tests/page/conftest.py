"""A server with the bundled model and its gallery, and a browser that looks at it."""

import asyncio
import shutil
import time
from pathlib import Path

import httpx
import pytest
import soundfile

from service.app import create_app
from service.gallery import HERE, items
from service.settings import Settings
from tests.conftest import running, wait_until_ready

PATIENCE_S = 60
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in BROWSERS if (found := shutil.which(name))), None)
MICROPHONE = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
DESK = {"width": 1280, "height": 860}


@pytest.fixture(scope="package")
def gallery(tmp_path_factory):
    """The address of a server whose gallery is hung."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("page"), log_level="warning")
    with running(create_app(settings, with_gallery=True)) as url:
        wait_until_ready(url)
        give_up = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up:
            hung = httpx.get(f"{url}/v1/collections/gallery")
            if hung.status_code == 200 and sum(hung.json()["items"].values()) == len(items()):
                break
            time.sleep(0.05)
        yield url


@pytest.fixture(scope="package")
def heard(tmp_path_factory):
    """What the fake microphone hears: the dog of the gallery, as WAV."""
    path = tmp_path_factory.mktemp("microphone") / "dog.wav"
    samples, rate = soundfile.read(HERE / "media" / "dog.ogg")
    soundfile.write(path, samples, rate, subtype="PCM_16")
    return path


@pytest.fixture(scope="package")
def browser(heard):
    """Headless Chromium with a fake microphone."""
    driver = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    if CHROMIUM is None:
        pytest.skip(f"no browser is installed: none of {', '.join(BROWSERS)} is in PATH")
    words = ["--no-sandbox", *MICROPHONE, f"--use-file-for-fake-audio-capture={heard}"]
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=words)
        yield browser
        browser.close()
    # The driver leaves its loop behind as that of this thread.
    asyncio.set_event_loop(None)


@pytest.fixture
def look(browser, gallery):
    """A function that opens the page, and fails the test for whatever the browser complains of."""
    contexts, complaints = [], []

    def start(url=gallery, **facts):
        context = browser.new_context(viewport=DESK, permissions=["microphone"], **facts)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_S * 1000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda each: complaints.append(each.text) if "Security Policy" in each.text else None
        )
        page.goto(url)
        return page

    yield start
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture
def page(look):
    """The page with the gallery before it."""
    page = look()
    page.locator("#results .card").first.wait_for()
    return page


@pytest.fixture
def shelf(gallery, request):
    """The name of a collection for one test, with three photographs."""
    name = f"s{abs(hash(request.node.nodeid))}"
    httpx.put(f"{gallery}/v1/collections/{name}").raise_for_status()
    files = [
        ("file", (each, (Path(HERE) / "media" / each).read_bytes()))
        for each in ("cat.webp", "moon.webp", "rocket.webp")
    ]
    httpx.post(f"{gallery}/v1/collections/{name}/items", files=files, timeout=PATIENCE_S).raise_for_status()
    yield name
    httpx.delete(f"{gallery}/v1/collections/{name}")
