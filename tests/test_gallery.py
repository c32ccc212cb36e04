"""The gallery: credited, small, hung once, and gone for good when dropped."""

import asyncio
import time

import httpx
import pytest

from service import gallery
from service.app import create_app
from service.settings import Settings
from tests.conftest import running, wait_until_ready
from tests.small_embedder import small_embedder

MEDIA = gallery.HERE / "media"
CREDITS = (gallery.HERE / "CREDITS.md").read_text(encoding="utf-8")
MOST_BYTES = 3_000_000
PATIENCE_S = 30


def collections(url):
    return httpx.get(f"{url}/v1/collections").json()["data"]


def hung(folder):
    """The collections of a server over `folder` once its gallery is hung."""
    settings = Settings(data_dir=folder)
    with running(create_app(settings, small_embedder(), with_gallery=True)) as url:
        wait_until_ready(url)
        give_up = time.monotonic() + PATIENCE_S
        while gallery.state(folder) != gallery.DONE and time.monotonic() < give_up:
            time.sleep(0.02)
        return {each["name"]: sum(each["items"].values()) for each in collections(url)}


@pytest.mark.parametrize("file", sorted(path.name for path in MEDIA.iterdir()))
def test_every_file_is_credited_and_hung(file):
    """Each file of the gallery stands in CREDITS.md, and is an item of it."""
    assert f"`{file}`" in CREDITS
    assert f'"{file}"' in (gallery.HERE / "items.json").read_text(encoding="utf-8")


def test_the_gallery_is_small_and_of_every_sense():
    """At most 3 MB, six senses and films among them, each item with its licence."""
    assert sum(path.stat().st_size for path in MEDIA.iterdir()) < MOST_BYTES
    items = gallery.items()
    senses = {"text" if isinstance(each["content"], str) else next(iter(each["content"])) for each in items}
    assert senses == {"text", "image", "video", "audio", "depth", "thermal", "imu"}
    assert all({"title", "credit", "licence", "source"} <= set(each["metadata"]) for each in items)


def test_it_is_hung_at_the_first_start_and_dropped_for_good(tmp_path):
    """The first start hangs every item; after the collection was deleted no start hangs it again."""
    assert hung(tmp_path) == {"gallery": len(gallery.items())}
    app = create_app(Settings(data_dir=tmp_path), small_embedder())
    with running(app) as url:
        wait_until_ready(url)
        assert httpx.delete(f"{url}/v1/collections/gallery").status_code == 200
        asyncio.run(gallery.hang(app.state.engine))
        assert collections(url) == []


def test_a_half_hung_gallery_is_completed(tmp_path):
    """A start that was cut off is taken up by the next."""
    with running(create_app(Settings(data_dir=tmp_path), small_embedder())) as url:
        wait_until_ready(url)
        httpx.put(f"{url}/v1/collections/gallery").raise_for_status()
    (tmp_path / gallery.MARK).write_text(gallery.BEGUN)
    assert hung(tmp_path) == {"gallery": len(gallery.items())}


def test_where_somebody_has_collections_nothing_is_hung(tmp_path):
    """A data folder that holds a collection gets no gallery."""
    app = create_app(Settings(data_dir=tmp_path), small_embedder())
    with running(app) as url:
        wait_until_ready(url)
        httpx.put(f"{url}/v1/collections/mine").raise_for_status()
        asyncio.run(gallery.hang(app.state.engine))
        assert [each["name"] for each in collections(url)] == ["mine"]
