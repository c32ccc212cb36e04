"""Previews: what an item looks like, small, and the page's files."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from service.colour_maps import COLOUR_MAPS
from tests import media_files as files


def stored(client, collection, modality, name, data, **fields):
    answer = client.post(
        f"{collection}/items", files={"file": (name, data)}, data={"modality": modality, **fields}
    )
    assert answer.status_code == 200, answer.text
    return f"{collection}/items/{answer.json()['results'][0]['id']}/preview"


def in_base64(data):
    return base64.b64encode(data).decode()


def picture(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-security-policy"] == "sandbox"
    return Image.open(io.BytesIO(answer.content))


def test_photographs_are_made_small(client, collection):
    """No side above `size`, proportions kept."""
    path = stored(client, collection, "image", "a.png", files.png(640, 480))
    assert picture(client.get(f"{path}?size=64")).size == (64, 48)


def test_a_film_shows_the_frame_asked_for(client, collection):
    """The frame at `at` seconds; different times, different frames."""
    path = stored(client, collection, "video", "a.webm", files.webm(frames=24, fps=12))
    first, later = (np.asarray(picture(client.get(f"{path}?at={at}")).convert("RGB"), int) for at in (0, 1.5))
    assert abs(first - later).max() > 10


def test_a_tone_is_a_line_at_its_height(client, collection):
    """A higher tone is brightest further up; the header tells the length."""
    heights = []
    for hz in (300, 3000):
        answer = client.get(stored(client, collection, "audio", "a.wav", files.wav(2.0, hz=hz)))
        assert float(answer.headers["x-preview-seconds"]) == pytest.approx(2.0, abs=0.01)
        levels = np.asarray(picture(answer)).astype(float)
        heights.append(int(levels.mean(axis=1).argmax()))
    assert heights[1] < heights[0]


def test_near_is_bright_and_unread_is_clear(client, collection):
    """Viridis from far to near, holes transparent, the range in metres in a header."""
    metres = np.tile(np.linspace(1, 4, 64, dtype=np.float32), (48, 1))
    metres[:8] = 0
    answer = client.get(stored(client, collection, "depth", "a.npy", files.npy(metres)))
    pixels = np.asarray(picture(answer).convert("RGBA"))
    assert tuple(pixels[40, 0, :3]) == tuple(COLOUR_MAPS["viridis"][255])
    assert (pixels[:8, :, 3] == 0).all()
    near, far, unit = answer.headers["x-preview-range"].split()
    assert (float(near), float(far), unit) == (pytest.approx(1, abs=0.1), pytest.approx(4, abs=0.1), "m")


def test_depth_without_a_scale_has_no_range(client, collection):
    """A relative map is drawn as well, and claims no metres."""
    path = stored(client, collection, "depth", "a.png", files.thermal8_png(), unit="relative")
    answer = client.get(path)
    picture(answer)
    assert "x-preview-range" not in answer.headers


def test_warm_is_bright(client, collection):
    """Inferno from the coldest to the warmest point."""
    celsius = np.tile(np.linspace(10, 40, 64, dtype=np.float32), (48, 1))
    pixels = np.asarray(
        picture(client.get(stored(client, collection, "thermal", "a.npy", files.npy(celsius)))).convert(
            "RGB"
        ),
        int,
    )
    assert pixels[20, -1].sum() > pixels[20, 32].sum() > pixels[20, 0].sum()


def test_movements_are_lines(client, collection):
    """Six columns, thinned, and seconds only where the file tells the rate."""
    timed = client.get(
        stored(client, collection, "imu", "a.csv", files.imu_csv(samples=2000, rate=50.0))
    ).json()
    assert len(timed["columns"]) == 6
    assert len(timed["values"]) <= 400
    assert timed["seconds"] == pytest.approx(40, abs=0.1)
    array = files.npy(files.imu_values(100).astype(np.float32))
    assert (
        client.get(stored(client, collection, "imu", "a.npy", array, sample_rate="50")).json()["seconds"]
        is None
    )


def test_a_preview_known_already_is_not_sent_again(client, collection):
    """The same tag while the item is the same, another after it was replaced."""
    client.post(
        f"{collection}/items", json={"items": [{"id": "a", "content": {"image": in_base64(files.png())}}]}
    )
    first = client.get(f"{collection}/items/a/preview")
    tag = {"if-none-match": first.headers["etag"]}
    assert client.get(f"{collection}/items/a/preview", headers=tag).status_code == 304
    client.post(
        f"{collection}/items",
        json={"items": [{"id": "a", "content": {"image": in_base64(files.png(32, 32))}}]},
    )
    assert client.get(f"{collection}/items/a/preview", headers=tag).status_code == 200


def test_what_has_no_preview_says_what_has(client, collection):
    """Words have none, an unknown item is 404, a size out of range names the range."""
    client.post(f"{collection}/items", json={"items": [{"id": "words", "content": "words"}]})
    assert client.get(f"{collection}/items/words/preview").status_code == 400
    assert "/media" in client.get(f"{collection}/items/words/preview").json()["error"]["message"]
    assert client.get(f"{collection}/items/nobody/preview").status_code == 404
    assert client.get(f"{collection}/items/words/preview?size=5").status_code == 400


@pytest.mark.parametrize(
    ("name", "points"), [("viridis", {0: "440154", 255: "fde725"}), ("inferno", {0: "000004", 255: "fcffa4"})]
)
def test_colour_maps_are_matplotlibs(name, points):
    """The ends of the tables lie within a few levels of matplotlib's own."""
    for at, colour in points.items():
        assert np.abs(COLOUR_MAPS[name][at].astype(int) - list(bytes.fromhex(colour))).max() <= 12


def test_the_page_and_its_files_are_served_with_their_types(client):
    """`/` is the page; what it is made of is beside it, unknown names and names outside are 404."""
    index = client.get("/")
    assert index.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>Sensorium</title>" in index.text
    assert client.get("/page/js/main.js").headers["content-type"].startswith("text/javascript")
    assert client.get("/page/js/map/gl.js").status_code == 200
    for name in ("/page/js/none.js", "/page/%2e%2e/app.py", "/page/../app.py", "/page/"):
        assert client.get(name).status_code == 404


def test_a_file_known_already_keeps_its_policy(client):
    """A 304 repeats type and policy, since browsers put its headers over those they hold."""
    first = client.get("/")
    again = client.get("/", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.headers["content-security-policy"] == first.headers["content-security-policy"]
