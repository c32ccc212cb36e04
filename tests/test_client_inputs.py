"""What people hand to the Python client: numpy's numbers, PIL's modes, odd metadata, heaps of files."""

import asyncio
import base64
import datetime as dt
import io

import numpy as np
import pytest
from PIL import Image as Pictures

import sensorium_client as sc
from tests import media_files as files
from tests.small_embedder import DIM

DEEP_MODES = ("I;16", "I;16B", "I;16L", "I;16N")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "La", "P", "PA", "RGBA", "RGBa", "CMYK", "YCbCr", "HSV"])
def test_pictures_of_every_mode_are_sent(sensorium, mode):
    """What PNG cannot hold is converted first."""
    via = {"La": "LA", "RGBa": "RGBA", "PA": "P"}.get(mode, "RGB")
    picture = Pictures.fromarray(files.gradient()).convert(via).convert(mode)
    expected = sensorium.embed(picture.convert(via).convert("RGB"))
    assert np.allclose(sensorium.embed(picture), expected, atol=1e-5)


@pytest.mark.parametrize("mode", [*DEEP_MODES, "I", "F"])
def test_deep_grey_is_scaled_not_cut_off(sensorium, mode):
    """16 bits in either order of bytes, whole numbers and floats are the picture that their 8 bits are."""
    grey = Pictures.fromarray(files.gradient()).convert("L")
    values = np.asarray(grey)
    if mode in DEEP_MODES:
        counts = (values.astype(np.uint16) * 257).astype(">u2" if mode == "I;16B" else "<u2")
        deep = Pictures.frombytes(mode, grey.size, counts.tobytes())
    else:
        deep = Pictures.fromarray(values.astype(np.int32) * 257 if mode == "I" else values / np.float32(255))
    assert deep.mode == mode
    expected = sensorium.embed(grey)
    assert np.allclose(sensorium.embed(deep), expected, atol=1e-5)
    arrays = [values.astype(">u2") * 257, values.astype(np.int64), values.astype(np.float16) / 255]
    assert np.allclose(sensorium.embed([sc.Image(array) for array in arrays]), expected, atol=1e-3)


def test_measurements_in_pil_images_keep_their_numbers(sensorium):
    """Metres, millimetres and degrees C in PIL's float and 16-bit modes are those in arrays."""
    millimetres = files.depth_mm()
    metres = millimetres.astype(np.float32) / 1000
    swapped = Pictures.frombytes("I;16B", metres.shape[::-1], millimetres.astype(">u2").tobytes())
    celsius = np.linspace(10, 30, 48 * 64, dtype=np.float32).reshape(48, 64)
    got = sensorium.embed(
        [sc.Depth(Pictures.fromarray(metres)), sc.Depth(swapped), sc.Thermal(Pictures.fromarray(celsius))]
    )
    expected = sensorium.embed([sc.Depth(metres), sc.Depth(metres), sc.Thermal(celsius)])
    assert np.allclose(got, expected, atol=1e-4)


def test_a_photo_held_sideways_is_seen_upright(sensorium):
    """EXIF's orientation counts for a PIL image as it does for the file it was opened from."""
    upright = Pictures.fromarray(files.gradient())
    for orientation, turned in ((6, upright.rotate(90, expand=True)), (3, upright.rotate(180))):
        exif = Pictures.Exif()
        exif[0x0112] = orientation
        file = io.BytesIO()
        turned.save(file, "PNG", exif=exif)
        opened = Pictures.open(io.BytesIO(file.getvalue()))
        seen = sensorium.embed([opened, sc.Image(file.getvalue()), upright])
        assert np.allclose(seen, seen[2], atol=1e-5)


def broken_pictures():
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    file = io.BytesIO()
    Pictures.fromarray(noise).save(file, "JPEG")
    closed = Pictures.open(io.BytesIO(file.getvalue()))
    closed.close()
    yield Pictures.open(io.BytesIO(file.getvalue()[:1500]))
    yield Pictures.new("RGB", (0, 0))
    yield closed


def test_pictures_and_arrays_that_cannot_be_sent_are_named(sensorium):
    """Always the client's own exception, with the reason."""
    for wrong, said in ((7, "not int"), ("\ud800", "surrogate")):
        with pytest.raises(sc.UnusableInputError, match=said):
            sensorium.collection("zoo").get(wrong)
    for picture in broken_pictures():
        with pytest.raises(sc.UnusableInputError, match="PIL image of mode RGB cannot be read"):
            sensorium.embed(picture)
    for content, said in (
        (sc.Image(np.zeros((4, 4), bool)), "not bool"),
        (sc.Image(np.full((4, 4), -1)), "0 to 65535"),
        (sc.Image(np.full((4, 4), 2.0)), "0 to 1;"),
        (sc.Depth(np.ma.masked_less(np.ones((4, 4)), 2)), "masked"),
        (sc.Audio(np.zeros(1000), rate=float("nan")), "1 to 768000"),
        (sc.Audio(np.zeros(1000), rate=10**12), "1 to 768000"),
        (sc.Audio(np.zeros(1000), rate="fast"), "1 to 768000"),
        ((text for text in ("a", "b")), "go into a list"),
        (["a", "half \ud800"], "surrogate"),
        (sc.Weighted("a", float("nan")), "NaN"),
        (sc.Vector("a dog"), "made of numbers"),
        (sc.IMU(files.imu_csv(), sample_rate=object()), "object is none of"),
    ):
        with pytest.raises(sc.UnusableInputError, match=said):
            sensorium.embed(content)


def test_text_files_are_read_as_utf_8(sensorium, tmp_path):
    """With a byte order mark or without; another encoding is refused, not guessed."""
    marked, latin = tmp_path / "marked.txt", tmp_path / "latin.txt"
    marked.write_bytes("\ufeffein größerer Hund".encode())
    assert np.allclose(sensorium.embed(marked), sensorium.embed("ein größerer Hund"), atol=1e-6)
    latin.write_bytes("größer".encode("latin-1"))
    with pytest.raises(sc.UnusableInputError, match=r"latin\.txt is no text in UTF-8"):
        sensorium.embed(latin)


def test_numbers_of_numpy_are_numbers(sensorium, zoo):
    """As parameters, metadata, limits and in filters; times become RFC 3339."""
    walk = files.imu_values()
    assert np.allclose(
        sensorium.embed(sc.IMU(walk, sample_rate=np.int64(50))),
        sensorium.embed(sc.IMU(walk, sample_rate=50)),
    )
    sensorium.embed(sc.Depth(files.depth_mm(), fx=np.float32(500), baseline=np.float64(0.07)))
    when = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
    metadata = {"year": np.int64(2024), "size": np.float32(0.5), "tags": np.array(["a", "b"]), "when": when}
    [added] = zoo.add_all([sc.NewItem("a dog", "dog", metadata)])
    assert added.ok
    assert zoo.get("dog").metadata == {
        "year": 2024,
        "size": 0.5,
        "tags": ["a", "b"],
        "when": "2024-05-01T12:00:00+00:00",
    }
    later = {"must": [{"key": "when", "range": {"gt": when - dt.timedelta(days=1)}}]}
    assert [hit.id for hit in zoo.search("a", limit=np.int64(3), filter=later)] == ["dog"]


RING = {}
RING["x"] = RING
UNSENDABLE = {
    "nan": ({"x": float("nan")}, "NaN"),
    "set": ({"x": {1}}, "set is none of"),
    "bytes": ({"x": b"1"}, "bytes is none of"),
    "key": ({(1, 2): 1}, "keys must be"),
    "surrogate": ({"x": "\ud800"}, "surrogate"),
    "list": ([1, 2], "maps names"),
    "itself": (RING, "holds itself"),
}


@pytest.mark.parametrize("metadata", UNSENDABLE.values(), ids=UNSENDABLE)
def test_metadata_that_cannot_be_sent_fails_its_item_alone(zoo, metadata):
    """The stream goes on, and the result says why."""
    value, said = metadata
    items = [sc.NewItem("a", "a"), sc.NewItem("b", "b", value), sc.NewItem("c", "c")]
    results = zoo.add_all(items)
    assert [each.status for each in results] == ["stored", "error", "stored"]
    assert said in results[1].error["message"]
    assert zoo.info().total == 2


def test_answers_are_told_whole(sensorium, zoo):
    """Notes of what was cut, the sum of ranks of a fused search, groups."""
    cut = sensorium.classify("a" * 100, ["a", "b"])
    assert "cut" in cut.notes[0]
    zoo.add_all([sc.NewItem(text, text, {"kind": "x"}) for text in ("a dog", "rain")])
    fused = zoo.search(["a dog", "rain"], fusion="rrf")
    assert [hit.rrf for hit in fused] == sorted((hit.rrf for hit in fused), reverse=True)
    assert fused[0].rrf > 0
    [alone] = zoo.search("rain", group_by="kind")
    assert (alone.group, alone.rrf) == ("x", None)


def test_one_id_can_be_deleted_by_itself(zoo):
    """A string is an id, never the ids that its letters are."""
    zoo.add_all([sc.NewItem(text, text) for text in ("a", "b", "ab")])
    assert zoo.delete("ab") == 1
    assert set(zoo.ids()) == {"a", "b"}


def test_many_large_files_are_embedded_in_several_requests(server, sensorium):
    """Twenty pictures of a megabyte, of which one body may hold three; the place of a bad one is its own."""
    noise = np.random.default_rng(0).integers(0, 255, (600, 600, 3), np.uint8)
    assert sensorium.embed([noise] * 20).shape == (20, DIM)
    with pytest.raises(sc.UnusableMediaError) as broken:
        sensorium.embed([*["a"] * 70, sc.Image(files.png()[:80])])
    assert broken.value.param == "input[70]"
    assert "input[70]" in str(broken.value)
    with pytest.raises(sc.UnusableInputError, match="`together`"):
        sensorium.embed(["a", "b"], together=0)

    async def later():
        async with sc.AsyncClient(server[1]) as client:
            await client.embed([*["a"] * 9, ""], together=4)

    with pytest.raises(sc.UnusableMediaError) as late:
        asyncio.run(later())
    assert late.value.param == "input[9]"


def test_a_part_may_hold_files_and_arrays(sensorium, tmp_path):
    """A mapping goes as it is, but for bytes and paths, which become base64, and arrays of numpy."""
    part = {"vector": np.ones(DIM), "modality": "audio"}
    assert np.allclose(sensorium.embed(part), np.ones(DIM) / np.sqrt(DIM), atol=1e-6)
    path = tmp_path / "with space é.png"
    path.write_bytes(files.png())
    parts = [{"image": base64.b64encode(files.png()).decode()}, {"image": files.png()}, {"image": path}]
    assert np.allclose(sensorium.embed(parts), sensorium.embed(sc.Image(files.png())), atol=1e-6)
    with pytest.raises(sc.UnusableInputError, match=r"absent\.png"):
        sensorium.embed({"image": tmp_path / "absent.png"})
