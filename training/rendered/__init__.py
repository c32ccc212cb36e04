"""Depth maps with pictures and captions, drawn by rule: rooms, streets, bodies, people, animals and meshes.

Everything solid is an implicit function, F(x) > 0 inside, F(x) < 0 outside, F(x) = 0 on the surface.
"""

from training.rendered.scenes import TRAIN_SEED, VAL_SEED, Scene, scene, scenes
from training.rendered.sensor import Sensor

__all__ = ["TRAIN_SEED", "VAL_SEED", "Scene", "Sensor", "scene", "scenes"]
