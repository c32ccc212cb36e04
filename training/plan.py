"""What `sensorium train` does: the stages of `run.py` in their order, the export, the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from models.small.nets import ConvNet
from models.small.sizes import NETS
from models.small.text import TextTower
from training import export, parallel
from training.align import finished
from training.audio import train_audio
from training.depth import train_depth
from training.folders import Folders
from training.head import refit_head
from training.image import train_image
from training.imu import train_imu
from training.index import read_index
from training.recipe import Recipe, differences, in_words
from training.text import train_text
from training.thermal import train_thermal

STAGES = ("text", "image", "audio", "imu", "thermal", "depth")  # in this order
ON_PICTURES = ("thermal", "depth")  # these need the finished image tower


class PlanError(ValueError):
    """A training that cannot be done as asked; the message names what is missing or accepted."""


@dataclass(frozen=True)
class Plan:
    """Where from, where to, and which stages.

    `text_from`: weights whose text tower is taken instead of distilling one; `workers`: processes that share
    the image tower's batches; `threads`: of each.
    """

    data: Path
    out: Path
    modalities: Sequence[str] = STAGES
    recipe: Recipe = field(default_factory=Recipe)
    cache: Path | None = None
    text_from: Path | None = None
    threads: int = 1
    workers: int = 1

    @property
    def folders(self) -> Folders:
        return Folders(self.data, self.out, self.cache or self.out / "cache")

    @property
    def recorded(self) -> Path:
        """The file that keeps the recipe beside the checkpoints."""
        return self.out / "recipe.json"


def check(plan: Plan) -> None:
    """Raises PlanError for what can be known before anything is trained."""
    if not (plan.data / "index.csv").is_file():
        raise PlanError(f"{plan.data} has no index.csv: --data takes the folder of the packs that it lists")
    has = {item.modality for item in read_index(plan.data) if item.split == "train"}
    absent = [name for name in plan.modalities if name not in has | {"text"}]
    if absent:
        raise PlanError(
            f"index.csv lists no training items of {', '.join(absent)}; it has {', '.join(sorted(has))}"
        )
    if plan.workers > 1 and plan.recipe.image.device != "cpu":
        raise PlanError("--workers is for the CPU: on a GPU one process is enough")
    for name in plan.modalities:
        if name in ON_PICTURES and "image" not in plan.modalities and not (plan.out / "image.pt").exists():
            raise PlanError(f"{name} learns from the finished image tower: train image into {plan.out} first")
    recorded = _recorded(plan)
    begun = [name for name in plan.modalities if (plan.out / f"{name}.pt").exists()]
    changed = [text for name in begun for text in differences(plan.recipe, recorded, name)]
    if changed:
        raise PlanError(
            f"{plan.out} holds a run of another recipe ({'; '.join(changed)}): "
            "give the same settings to go on with it, or another --out"
        )


def carry_out(plan: Plan) -> None:
    """Train what is planned; goes on from the checkpoints in `plan.out`. Raises PlanError."""
    check(plan)
    print(in_words(plan.recipe), flush=True)
    plan.out.mkdir(parents=True, exist_ok=True)
    _keep_recipe(plan)
    torch.set_num_threads(plan.threads)
    text = hub(plan)
    for name in STAGES[1:]:
        if name in plan.modalities:
            towers(plan, text)[name]()


def towers(plan: Plan, text: TextTower) -> dict[str, Callable[[], object]]:
    """How each tower is trained against the finished text tower."""
    folders, recipe = plan.folders, plan.recipe

    def image() -> ConvNet:
        return finished(plan.out, "image")

    return {
        "image": lambda: image_stage(plan, text),
        "audio": lambda: train_audio(folders, text, recipe.audio),
        "imu": lambda: train_imu(folders, text, recipe.imu),
        "thermal": lambda: train_thermal(folders, text, image(), recipe.thermal),
        "depth": lambda: train_depth(folders, text, image(), recipe.depth),
    }


def image_stage(plan: Plan, text: TextTower) -> None:
    """The trunk, in several processes where asked for; then its last layer."""
    parallel.run(plan.workers, train_image, plan.folders, text, plan.recipe.image)
    refit_head(plan.folders, text, finished(plan.out, "image", refitted=False), plan.recipe.head)


def hub(plan: Plan) -> TextTower:
    """The frozen text tower: distilled, or taken from other weights. Raises PlanError."""
    if plan.text_from is not None:
        _take_text(plan.text_from, plan.out / "text_done.pt")
    return train_text(plan.data, plan.out, plan.recipe.text)


def _take_text(weights: Path, done: Path) -> None:
    """Write the text tower of shipped weights where a distilled one would be. Raises PlanError."""
    try:
        tensors = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise PlanError(
            f"--text-from {weights}: {error}; accepted are safetensors of sensorium-small"
        ) from error
    state = {
        key.removeprefix("text."): value.float() for key, value in tensors.items() if key.startswith("text.")
    }
    tower = TextTower()
    try:
        tower.load_state_dict(state)
    except RuntimeError as error:
        raise PlanError(f"--text-from {weights} holds no text tower of sensorium-small") from error
    state["bias"] = state["bias"] / export.TEXT_CENTRED  # as it was before the export
    if done.exists():
        kept = torch.load(done, weights_only=True)
        if any(not torch.equal(kept[key], value) for key, value in state.items()):
            raise PlanError(f"{done} is another text tower than that of {weights}: give another --out")
        return
    torch.save(state, done)


def missing_towers(out: Path) -> list[str]:
    """The towers that `out` lacks for an export."""
    files = {"text": "text_done", **{name: name for name in NETS}}
    return [name for name, file in files.items() if not (out / f"{file}.pt").exists()]


def export_to(plan: Plan, weights: Path) -> None:
    """Join the towers of `plan.out` into one file."""
    weights.parent.mkdir(parents=True, exist_ok=True)
    export.write(weights, *export.join(plan.data, plan.out))


def _keep_recipe(plan: Plan) -> None:
    """Write the configuration of the stages that are trained now; what is known of others stays."""
    new = {name: config for name, config in asdict(plan.recipe).items() if name in plan.modalities}
    if "image" in new:
        new["head"] = asdict(plan.recipe.head)
    plan.recorded.write_text(json.dumps(_recorded(plan) | new, indent=1), encoding="utf-8")


def _recorded(plan: Plan) -> dict[str, dict[str, object]]:
    if not plan.recorded.exists():
        return {}
    try:
        recorded: dict[str, dict[str, object]] = json.loads(plan.recorded.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PlanError(
            f"{plan.recorded} is no JSON; remove it to go on with the checkpoints beside it"
        ) from error
    return recorded
