"""Triangle meshes as things: rays against the triangles of every cell that they come near."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.samples import Float32
from training.index import Item
from training.rendered.paint import Painted
from training.rendered.things import Pose, turned

FINEST = 36  # vertices are merged in a lattice of this many cells an edge
CELLS = 7  # an edge of the lattice in which triangles are looked for
NORMALS = 40  # an edge of the lattice in which normals are kept
SAMPLES = 60_000  # of the surface, to fill it
UPRIGHT = {"alligator": (-np.pi / 2, 0.0), "homer": (0.0, 0.0)}  # pitch, roll of meshes that lie


@dataclass(frozen=True, eq=False)
class Mesh:
    """Within 1 of the origin.

    `cells`: (middle (3,), radius, triangles (m, 3, 3)) of each cell;
    `outward` (NORMALS, NORMALS, NORMALS, 3): normals of the surface; `base`: depth of the lowest point.
    """

    name: str
    concept: str
    cells: list[tuple[Float32, float, Float32]]
    outward: Float32
    base: float


def _merged(vertices: Float32, faces: np.ndarray) -> Float32:
    """Triangles (m, 3, 3) after vertices in the same cell have become their mean (Rossignac, Borrel 1993)."""
    cell = np.floor((vertices + 1) / 2 * (FINEST - 1)).astype(int) @ np.array([FINEST**2, FINEST, 1])
    _, row, count = np.unique(cell, return_inverse=True, return_counts=True)
    means = np.stack([np.bincount(row, vertices[:, axis]) for axis in range(3)], 1) / count[:, None]
    corners = row[faces]
    whole = (
        (corners[:, 0] != corners[:, 1]) & (corners[:, 1] != corners[:, 2]) & (corners[:, 0] != corners[:, 2])
    )
    return np.asarray(means[np.unique(corners[whole], axis=0)], np.float32)


def _voxels(points: Float32) -> tuple[np.ndarray, ...]:
    return tuple(np.clip(((points + 1) / 2 * NORMALS).astype(int), 0, NORMALS - 1).T)


def _outward(triangles: Float32) -> Float32:
    """Normals of the cells that the surface passes, of about unit length, 0 elsewhere."""
    rng = np.random.default_rng(0)
    cross = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    area = np.linalg.norm(cross, axis=1)
    rows = rng.choice(len(triangles), SAMPLES, p=area / area.sum())
    share = rng.dirichlet([1, 1, 1], SAMPLES).astype(np.float32)
    found = np.zeros((NORMALS, NORMALS, NORMALS, 3), np.float32)
    np.add.at(found, _voxels((triangles[rows] * share[:, :, None]).sum(1)), cross[rows] / area[rows, None])
    return found


def _cells(triangles: Float32) -> list[tuple[Float32, float, Float32]]:
    number = np.floor((triangles.mean(1) + 1) / 2 * (CELLS - 1e-3)).astype(int) @ np.array(
        [CELLS**2, CELLS, 1]
    )
    found = []
    for own in (triangles[number == one] for one in np.unique(number)):
        middle = (own.min((0, 1)) + own.max((0, 1))) / 2
        found.append((middle, float(np.linalg.norm(own - middle, axis=2).max()), own))
    return found


def mesh_of(vertices: Float32, faces: np.ndarray, name: str, concept: str) -> Mesh:
    """`vertices` (n, 3), any unit, y up; `faces` (m, 3): rows of vertices, counter-clockwise from outside."""
    middle = (vertices.min(0) + vertices.max(0)) / 2
    scaled = (vertices - middle) / np.linalg.norm(vertices - middle, axis=1).max()
    triangles = _merged(scaled.astype(np.float32), faces)
    return Mesh(name, concept, _cells(triangles), _outward(triangles), -float(triangles[..., 1].min()))


def read_meshes(data: Path, items: list[Item]) -> list[Mesh]:
    """The meshes of the data folder; `v` int16 and `f` triangles in an npz each."""
    found = []
    for item in items:
        if item.modality == "mesh":
            with np.load(data / item.archive) as arrays:
                vertices, faces = arrays["v"].astype(np.float32), arrays["f"].astype(int)
            pitch, roll = UPRIGHT.get(Path(item.archive).stem, (0.0, 0.0))
            found.append(mesh_of(vertices @ turned(0, pitch, roll).T, faces, item.label, item.concept))
    return found


def _triangles_hit(triangles: Float32, origins: Float32, directions: Float32) -> Float32:
    """Nearest of triangles (m, 3, 3) on each ray (n,), inf = none (Moeller, Trumbore 1997)."""
    corner, one, other = triangles[:, 0], triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    p = np.cross(directions[:, None], other[None])
    det = np.einsum("nmc,mc->nm", p, one)
    det = np.where(np.abs(det) < 1e-9, np.float32(1e-9), det)
    s = origins[:, None] - corner[None]
    u = np.einsum("nmc,nmc->nm", s, p) / det
    q = np.cross(s, one[None])
    v = np.einsum("nmc,nc->nm", q, directions) / det
    t = np.einsum("nmc,mc->nm", q, other) / det
    met = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 1e-4)
    return np.asarray(np.where(met, t, np.inf).min(1), np.float32)


@dataclass(frozen=True, eq=False)
class Sculpture:
    """A mesh, `radius` [m] large."""

    mesh: Mesh
    radius: float
    pose: Pose
    paint: Painted

    def hit(self, origins: Float32, directions: Float32) -> Float32:
        found = np.full(len(directions), np.inf, np.float32)
        start = origins / self.radius
        for middle, reach, triangles in self.mesh.cells:
            way = middle - start
            along = (way * directions).sum(1)
            rows = np.flatnonzero((way * way).sum(1) - along * along < reach * reach)
            if len(rows):
                t = _triangles_hit(triangles, start[rows], directions[rows])
                found[rows] = np.minimum(found[rows], t)
        return found * self.radius

    def normals(self, points: Float32) -> Float32:
        found = self.mesh.outward[_voxels(points / self.radius)]
        length = np.linalg.norm(found, axis=1, keepdims=True)
        return np.asarray(found / np.maximum(length, 1e-6), np.float32)
