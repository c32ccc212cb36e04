"""Rendered training scenes: implicit shapes against geometry, depth against closed forms, scenes by seed."""

import itertools

import numpy as np
import pytest

from models.embedder import Views
from models.samples import DepthSample, ImageSample
from models.small.pictures import prepare_depth, prepare_image
from training.rendered import TRAIN_SEED, VAL_SEED, scene, scenes, shapes
from training.rendered.camera import Camera, looking
from training.rendered.captions import counted, listed
from training.rendered.meshes import Sculpture, mesh_of
from training.rendered.objects import GEOMETRIC, HOUSEHOLD
from training.rendered.paint import PATTERNS, Paint
from training.rendered.sensor import Sensor
from training.rendered.things import Block, Ground, Pose, Room, Solid, at, turned
from training.rendered.trace import look

WHITE = Paint((0.8, 0.8, 0.8))
AHEAD = Camera(at(0, 0, 0), np.radians(60))
MAKERS = {**GEOMETRIC, **HOUSEHOLD}


def depth_of(things, camera=AHEAD, height=33, width=33):
    return look(things, camera, height, width)[1].reshape(height, width)


def points(*rows):
    return np.array(rows, np.float32)


@pytest.mark.parametrize(
    ("shape", "inside", "surface", "outside"),
    [
        (shapes.sphere(2), (1, 1, 0), (0, 2, 0), (2, 2, 0)),
        (shapes.box([1, 2, 3]), (0.9, 1.9, 2.9), (1, 0, 0), (0, 2.1, 0)),
        (shapes.box([1, 1, 1], 0.5), (0.9, 0, 0), (0, 1, 0), (0.99, 0.99, 0.99)),
        (shapes.cylinder(1, 2), (0.5, 1.9, 0.5), (0, 2, 0.5), (0.9, 0, 0.9)),
        (shapes.cone(1, 2), (0.4, 0, 0), (0.5, 0, 0), (0.4, 0.5, 0)),
        (shapes.pyramid(1, 2), (0.4, 0, 0.4), (0.5, 0, 0.5), (0.6, 0, 0)),
        (shapes.torus(2, 0.5), (2, 0.4, 0), (0, 0, 2.5), (0, 0, 0)),
        (shapes.capsule([0, 0, 0], [0, 2, 0], 0.5), (0, 2.4, 0), (0.5, 1, 0), (0.4, 2.4, 0)),
        (shapes.ellipsoid([1, 2, 3]), (0, 1.9, 0), (0, 0, 3), (1.1, 0, 0)),
        (shapes.roof([1, 1, 2]), (0, 0.9, 0), (0.5, 0, 0), (0, 0, 2.1)),
        (
            shapes.union(shapes.sphere(1), shapes.moved(shapes.sphere(1), [3, 0, 0])),
            (3, 0.5, 0),
            (2, 0, 0),
            (1.5, 0, 0),
        ),
        (
            shapes.intersection(shapes.sphere(1), shapes.box([0.5, 2, 2])),
            (0.4, 0, 0),
            (0.5, 0, 0),
            (0.6, 0, 0),
        ),
        (shapes.difference(shapes.sphere(2), shapes.sphere(1)), (1.5, 0, 0), (1, 0, 0), (0.5, 0, 0)),
        (shapes.shell(shapes.sphere(1), 0.2), (1, 0, 0), (0.9, 0, 0), (0, 0, 0)),
    ],
)
def test_f_is_positive_inside_zero_on_and_negative_outside(shape, inside, surface, outside):
    """The sign of every form is as promised, and F is 0 where the surface is."""
    found = shape(points(inside, surface, outside))
    assert found[0] > 0
    assert found[1] == pytest.approx(0, abs=1e-5)
    assert found[2] < 0


def test_a_blend_fills_the_seam_of_a_union():
    """Between two touching balls a union is outside, a blend inside; far away both are the same."""
    balls = [shapes.moved(shapes.sphere(1), [x, 0, 0]) for x in (-1.02, 1.02)]
    seam, top = points((0, 0, 0)), points((1.02, 1, 0))
    assert shapes.union(*balls)(seam) < 0 < shapes.blend(0.5, *balls)(seam)
    assert shapes.blend(0.5, *balls)(top) == pytest.approx(shapes.union(*balls)(top), abs=1e-5)


@pytest.mark.parametrize("name", MAKERS)
def test_bodies_keep_to_their_radius_and_change_by_at_most_one_a_metre(name):
    """No part of a body lies outside its radius or below its base; a step of -F never passes its surface."""
    rng = np.random.default_rng(3)
    body = MAKERS[name](0.5, rng)
    p = rng.uniform(-1, 1, (20_000, 3)).astype(np.float32)
    value = body.shape(p)
    inside = p[value > 0]
    assert len(inside)
    assert np.linalg.norm(inside, axis=1).max() <= body.radius * 1.01
    assert inside[:, 1].min() >= -body.base * 1.02
    step = rng.normal(0, 0.02, p.shape).astype(np.float32)
    assert np.all(np.abs(body.shape(p + step) - value) <= np.linalg.norm(step, axis=1) * 1.01 + 1e-5)


def test_depth_of_a_sphere_is_the_closed_form():
    """The middle pixel of a ball of radius 1, 4 m ahead, is at 3 m; every pixel agrees with the quadratic."""
    depth = depth_of([Solid(shapes.sphere(1), 1, at(0, 0, 4), WHITE)])
    rays, cosines = AHEAD.directions(33, 33)
    along = 4 * rays[:, 2]
    rest = along**2 - 15
    true = np.where(rest > 0, (along - np.sqrt(np.maximum(rest, 0))) * cosines, np.inf).reshape(33, 33)
    assert depth[16, 16] == pytest.approx(3, abs=5e-3)
    certain = np.abs(rest.reshape(33, 33)) > 0.3
    assert np.array_equal(np.isfinite(depth)[certain], np.isfinite(true)[certain])
    hit = certain & np.isfinite(true)
    assert np.allclose(depth[hit], true[hit], atol=0.02)


def test_a_wall_has_one_depth_and_not_one_distance():
    """Depth is along the optical axis: a wall square to it is equally deep everywhere."""
    room = Room(np.array([3, 2, 5], np.float32), at(0, 0, 0), WHITE)
    depth = depth_of([room])
    assert np.allclose(depth[12:21, 12:21], 5, atol=1e-4)


def test_blocks_agree_with_boxes_as_implicit_shapes():
    """The closed form and the marched form of a turned box give the same picture."""
    pose = Pose(points((0.2, -0.1, 4))[0], turned(0.7, 0.4, 0.2))
    half = np.array([0.8, 0.5, 0.6], np.float32)
    closed = depth_of([Block(half, pose, WHITE)])
    marched = depth_of([Solid(shapes.box(half.tolist()), 1.2, pose, WHITE)])
    both = np.isfinite(closed) & np.isfinite(marched)
    assert both.sum() > 50
    assert (np.isfinite(closed) ^ np.isfinite(marched)).sum() < 12
    assert np.allclose(closed[both], marched[both], atol=0.03)


def test_ground_recedes_and_the_sky_gives_no_reading():
    """Under a level camera 1.5 m high the lower half is h / tan, the upper half nothing."""
    camera = looking((0, 1.5, 0), (0, 1.5, 10), np.radians(60))
    depth = depth_of([Ground(at(0, 0, 0), WHITE, far=1000)], camera, 32, 32)
    tangent = np.tan(np.radians(30)) * ((np.arange(32) + 0.5) / 16 - 1)
    assert not np.isfinite(depth[:16]).any()
    assert np.allclose(depth[16:, 8], 1.5 / tangent[16:], rtol=1e-3)
    assert np.all(Sensor()(depth, np.random.default_rng(0))[:16] == 0)


def test_a_camera_sees_its_goal_in_the_middle():
    """Right is right and up is up: a thing beside the goal appears on its side."""
    camera = looking((1, 2, -3), (1, 0, 3), np.radians(50))
    thing = [Solid(shapes.sphere(0.3), 0.3, at(2, 0.8, 3), WHITE)]
    rows, columns = np.nonzero(np.isfinite(depth_of(thing, camera)))
    assert rows.mean() < 16 < columns.mean()


def test_a_mesh_is_met_where_its_triangles_are():
    """A cube of twelve triangles gives the picture of the box that it is."""
    corners = np.array(list(itertools.product((-1, 1), repeat=3)), np.float32)
    quads = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    faces = np.array([face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))])
    mesh = mesh_of(corners, faces, "cube", "cube")
    pose = Pose(points((0, 0, 4))[0], turned(0.5, 0.3))
    sculpture, half = Sculpture(mesh, 1.0, pose, WHITE), np.full(3, 3**-0.5, np.float32)
    found, true = depth_of([sculpture]), depth_of([Block(half, pose, WHITE)])
    assert np.array_equal(np.isfinite(found), np.isfinite(true))
    assert np.allclose(found[np.isfinite(true)], true[np.isfinite(true)], atol=1e-3)
    assert mesh.base == pytest.approx(3**-0.5, abs=1e-4)


def test_sensors_lose_what_is_out_of_range_and_edges():
    """Beyond the range nothing is read; holes lie along jumps; disparity steps grow with distance."""
    rng = np.random.default_rng(0)
    depth = np.ones((20, 20), np.float32)
    depth[:, 10:] = 6
    ranged = Sensor(farthest=4.5)(depth, rng)
    assert np.all(ranged[:, 10:] == 0)
    assert np.all(ranged[:, :10] == 1)
    holed = Sensor(holes=1.0)(depth, rng)
    assert np.all(holed[:, 9:11] == 0)
    assert np.all(holed[:, :9] == 1)
    slope = np.linspace(1, 10, 400, dtype=np.float32)[None]
    steps = np.unique(Sensor(steps=60)(slope, rng))
    assert np.diff(steps)[-1] > 10 * np.diff(steps)[0]
    assert 0.1 < (Sensor(patches=0.2)(np.ones((64, 64), np.float32), rng) == 0).mean() < 0.3


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_lie_between_their_two_colours(pattern):
    """A texture mixes its two colours and shows more than one tone."""
    p = np.random.default_rng(0).uniform(-1, 1, (500, 3)).astype(np.float32)
    found = Paint((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), pattern, 0.2)(p)
    assert found.min() >= -0.01
    assert found.max() <= 1.01
    assert found.std() > 0.05


def test_words_count_and_agree():
    """Captions say how many, with plurals as people write them."""
    assert listed(["table", "chair", "chair"]) == "a table and two chairs"
    assert counted("orange box", 1) == "an orange box"
    assert counted("person", 3) == "three people"
    assert counted("tree", 9) == "several trees"


@pytest.fixture(scope="module")
def drawn():
    return list(scenes(40, VAL_SEED))


def test_scenes_are_samples_that_the_service_takes(drawn):
    """Every scene is metres and aligned pixels, with something read, and passes the model's own prepare."""
    for found in drawn:
        assert found.metres.shape == found.pixels.shape[:2]
        assert (found.metres > 0).mean() > 0.02
        assert found.pixels.std() > 1
        depth, image = prepare_depth(DepthSample(found.metres)), prepare_image(ImageSample(found.pixels))
        assert isinstance(depth, Views)
        assert np.isfinite(depth.tensor.numpy()).all()
        assert np.isfinite(image.tensor.numpy()).all()


def test_scenes_have_words(drawn):
    """Captions, label and concept are there, and the set is not one kind of thing."""
    assert all(found.captions and all(found.captions) and found.label and found.concept for found in drawn)
    assert len({found.concept for found in drawn}) > 12
    assert {"street scene", "kitchen scene"} <= {found.concept for found in drawn}


def test_a_scene_depends_on_its_seed_and_number_alone(drawn):
    """Scene 7 is the same drawn alone, and another under another seed."""
    again, other = scene(7, VAL_SEED), scene(7, TRAIN_SEED)
    assert np.array_equal(again.metres, drawn[7].metres)
    assert np.array_equal(again.pixels, drawn[7].pixels)
    assert again.captions == drawn[7].captions
    assert not np.array_equal(other.metres, again.metres)


def test_picture_and_map_show_the_same(drawn):
    """Where a map jumps the picture changes: the two are aligned, and a mirrored picture is not."""
    straight = mirrored = 0.0
    for found in drawn:
        logs = np.log(np.maximum(found.metres, 0.05))
        jumps = np.abs(np.diff(logs, axis=1)) > 0.3
        change = np.abs(np.diff(found.pixels.astype(np.float32).sum(2), axis=1))
        if jumps.any():
            straight += change[jumps].mean() > change.mean()
            mirrored += change[:, ::-1][jumps].mean() > change.mean()
    assert straight > 1.3 * mirrored
