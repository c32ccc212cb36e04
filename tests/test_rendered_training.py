"""What the depth tower learns from: crops of pairs, runs of neighbours, stored scenes with captions."""

import numpy as np
import pytest
import torch

from models.samples import DepthSample
from models.small.nets import ConvNet
from models.small.pictures import prepare_depth
from models.small.sizes import DIM, NETS
from models.small.text import TextTower
from training.crops import Crop, drawn_crops, map_crops, picture_crops
from training.depth import with_captions
from training.index import Item
from training.labelled import Columns
from training.pairs import RUN, PairSource, disturbed, rendered_pairs
from training.rendered import TRAIN_SEED, VAL_SEED, scene
from training.rendered.stored import stored_scenes
from training.space import Space

KITCHEN, STREET = "depth/sevenscenes_kitchen.zip", "depth/zed_street.zip"


@pytest.fixture(scope="module")
def drawn():
    return [scene(number, VAL_SEED) for number in range(4)]


def items_of(archive, count, label="kitchen"):
    return [
        Item("depth", archive, str(number), "train", label, "", f"{archive}-{number}")
        for number in range(count)
    ]


def space_named(*names):
    vectors = torch.eye(DIM)[: len(names)]
    return Space(list(names), vectors, torch.ones(len(names), len(names), dtype=torch.bool), [], vectors[:0])


def test_a_crop_takes_the_same_square_of_map_and_picture():
    """A pixel marked in both lies at the same place of both crops, also mirrored."""
    metres, pixels = np.zeros((40, 60), np.float32), np.zeros((40, 60, 3), np.uint8)
    metres[12, 30], pixels[12, 30] = 1, 255
    for crop in (Crop(0.8, 0.2, 0.7), Crop(0.8, 0.2, 0.7, mirrored=True)):
        cut, seen = crop(metres), crop(pixels)
        assert cut.shape == (32, 32)
        assert np.array_equal(np.argwhere(cut), np.argwhere(seen[..., 0]))
    assert np.array_equal(Crop(1.0, mirrored=True)(metres)[:, ::-1], Crop(1.0)(metres))


def test_what_the_service_prepares_is_among_the_first_crops(drawn):
    """A tower is trained on every look that it will be given later."""
    crops = drawn_crops(6, 0.6, np.random.default_rng(0))
    made = map_crops([found.metres for found in drawn], crops)
    assert made.shape == (6, 4, 2, 64, 64)
    for place, found in enumerate(drawn):
        for look in prepare_depth(DepthSample(found.metres)).tensor:
            assert any(torch.allclose(crop.float(), look, atol=4e-3) for crop in made[:4, place])
    assert all(0.6 <= crop.kept <= 1 for crop in crops)
    assert {crop.mirrored for crop in crops} == {True, False}


def test_picture_crops_are_unit_vectors_that_differ(drawn):
    """The frozen tower's vectors, by crop and picture."""
    torch.manual_seed(0)
    seen = picture_crops(
        ConvNet(NETS["image"]).eval(), [found.pixels for found in drawn], [Crop(1.0), Crop(0.7)]
    )
    assert seen.shape == (2, 4, DIM)
    assert torch.allclose(seen.norm(dim=-1), torch.ones(2, 4), atol=1e-3)
    assert not torch.allclose(seen[0], seen[1], atol=1e-4)


def test_stored_scenes_are_the_drawn_ones_and_grow(tmp_path):
    """Read back, asked for more, and never mixed with those of another seed."""
    path = tmp_path / "cache" / "scenes.npz"
    first = stored_scenes(path, 2, VAL_SEED)
    more = stored_scenes(path, 3, VAL_SEED)
    fresh = scene(2, VAL_SEED)
    assert len(first) == 2
    assert np.array_equal(more[1].pixels, first[1].pixels)
    assert np.allclose(more[2].metres, fresh.metres, rtol=2e-3)
    assert more[2].captions == fresh.captions
    assert not np.array_equal(stored_scenes(path, 1, TRAIN_SEED)[0].pixels, first[0].pixels)


def test_half_a_batch_are_runs_of_neighbours_in_one_crop():
    """Rows of a run follow each other within an archive; the rest are rendered; each is its own partner."""
    items = items_of(KITCHEN, 40) + items_of(STREET, 20, "street")
    rendered = items_of("rendered", 10)
    columns = Columns(items * 3 + rendered * 2, space_named("kitchen", "street"))
    columns.partners = torch.arange(len(columns.items))
    source = PairSource(torch.zeros(3, 60, 2, 8, 8), torch.zeros(2, 10, 2, 8, 8), columns)
    torch.manual_seed(0)
    for _ in range(20):
        rows = source.batch(4 * RUN, 0.0).partners
        for run in rows[: 2 * RUN].split(RUN):
            assert torch.equal(run.diff(), torch.ones(RUN - 1, dtype=torch.int64))
            assert len({columns.items[row].archive for row in run.tolist()}) == 1
            assert len(set((run // 60).tolist())) == 1
        assert (rows[2 * RUN :] >= 180).all()


def test_holes_cover_distance_and_reading_alike():
    """What a hole hides is 0 in both planes; most of the map stays."""
    torch.manual_seed(0)
    x = disturbed(torch.ones(32, 2, 64, 64))
    hidden = x[:, 0] == 0
    assert torch.equal(hidden, x[:, 1] == 0)
    assert 0.01 < hidden.float().mean() < 0.2


def test_captions_are_rivals_of_labels_that_say_something_else(drawn):
    """A rendered kitchen contradicts a street, not a kitchen; captions have no colours."""
    torch.manual_seed(0)
    space, text = space_named("kitchen with a table", "street with cars"), TextTower().eval()
    items = [
        Item("depth", "rendered", "0", "train", "a kitchen with a counter", "kitchen scene", ""),
        Item("depth", "rendered", "1", "train", "two cubes", "cube", ""),
    ]
    wider = with_captions(space, text, items)
    assert wider.names[2:] == ["a kitchen with a counter", "two cubes"]
    assert wider.vectors.shape == (4, DIM)
    assert wider.rivals[0].tolist() == [True, True, False, True]
    assert wider.rivals[2].tolist() == [False, True, True, True]
    labels = [item.label for item in rendered_pairs(drawn).items]
    assert labels == [found.captions[1] for found in drawn]
