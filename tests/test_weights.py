"""Checkpoints: what is accepted, what is refused and why, and that their identity is theirs alone."""

import json
import pickle
import shutil
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import models
from models.convert import convert
from models.errors import ParameterError, UnknownModalityError, UnknownModelError, WeightsError
from models.registry import CACHE_VARIABLE, REGISTRY, cache_dir
from models.weights import INDEX_NAME, digest_of, open_checkpoint
from tests import reference_weights

SOUND = models.AudioSample(np.random.default_rng(3).uniform(-1, 1, 40_000).astype(np.float32))
KEY = "modality_trunks.audio.blocks.1.mlp.fc1.weight"


@pytest.fixture(scope="module")
def state():
    return reference_weights.state_dict("nano")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, state):
    path = tmp_path_factory.mktemp("nano") / "nano.pth"
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory, checkpoint):
    path = tmp_path_factory.mktemp("converted") / "nano"
    convert(checkpoint, path)
    return path


def load(weights, *modalities):
    return models.load("imagebind-nano", weights=weights, modalities=modalities or ["audio"])


def saved(state, path):
    torch.save(state, path)
    return path


class Touch:
    """Unpickling it makes a file: what a hostile checkpoint would do."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_values_come_out_as_they_went_in(checkpoint, state):
    """Every tensor of a checkpoint, scalars and matrices."""
    tensors = open_checkpoint(checkpoint).tensors
    assert tensors.keys() == state.keys()
    assert all(torch.equal(tensors[key].read(), state[key]) for key in state)


def test_transposed_and_shared_tensors_are_read_as_seen(tmp_path):
    """torch.save keeps strides and offsets of views."""
    whole = torch.arange(24.0).reshape(4, 6)
    path = saved({"turned": whole.T, "column": whole[:, 2], "half": whole[2:].half()}, tmp_path / "views.pth")
    tensors = open_checkpoint(path).tensors
    assert torch.equal(tensors["turned"].read(), whole.T)
    assert torch.equal(tensors["column"].read(), whole[:, 2])
    assert torch.equal(tensors["half"].read(), whole[2:].half())
    assert tensors["turned"].digest() == digest_of(whole.T.contiguous())


def test_a_safetensors_file_is_accepted_and_is_the_same_model(tmp_path, checkpoint, state):
    """Same vectors, same identity."""
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, tmp_path / "nano.safetensors")
    ours, reference = load(tmp_path / "nano.safetensors"), load(checkpoint)
    assert np.array_equal(ours.embed("audio", [SOUND]), reference.embed("audio", [SOUND]))
    assert ours.identity == reference.identity


def test_a_converted_folder_is_the_same_model(checkpoint, folder):
    """One file per encoder, same vectors, same identity, all encoders."""
    names = {path.name for path in folder.iterdir()}
    assert names == {INDEX_NAME, *(f"{name}.safetensors" for name in REGISTRY["imagebind-nano"].modalities)}
    ours, reference = (
        models.load("imagebind-nano", weights=folder),
        models.load("imagebind-nano", weights=checkpoint),
    )
    assert ours.modalities == reference.modalities
    assert np.array_equal(ours.embed("audio", [SOUND]), reference.embed("audio", [SOUND]))
    assert ours.identity == reference.identity


def test_a_folder_may_hold_only_the_encoders_that_are_needed(tmp_path, checkpoint, folder):
    """The others' files left out: same identity; asking for one of them says what is missing."""
    part = tmp_path / "part"
    part.mkdir()
    for name in (INDEX_NAME, "audio.safetensors"):
        shutil.copy(folder / name, part / name)
    assert load(part).identity == load(checkpoint).identity
    with pytest.raises(WeightsError, match=r"without depth, thermal"):
        load(part, "audio", "thermal", "depth")


def test_other_values_are_another_identity(tmp_path, checkpoint, state):
    """One value changed in an encoder that is not even loaded."""
    changed = {key: tensor.clone() for key, tensor in state.items()}
    changed["modality_heads.imu.3.weight"][0, 0] += 1
    assert load(saved(changed, tmp_path / "changed.pth")).identity != load(checkpoint).identity


def test_only_whole_imagebind_checkpoints_are_converted(tmp_path, state):
    """A missing key is named, and nothing is left in the destination."""
    part = {key: tensor for key, tensor in state.items() if key != KEY}
    with pytest.raises(WeightsError, match=r"blocks\.1\.mlp\.fc1"):
        convert(saved(part, tmp_path / "part.pth"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop(KEY), r"lacks modality_trunks\.audio\.blocks\.1\.mlp\.fc1\.weight"),
        (lambda state: state.update(extra=torch.ones(2)), r"unexpected extra"),
        (lambda state: state.update({KEY: torch.ones(3, 5)}), r"other shapes for .*fc1\.weight \[3, 5\]"),
        (lambda state: [state.pop(key) for key in list(state)[:9]], r"and 6 more"),
        (lambda state: state.update(names=["a"]), r"no plain state dict"),
    ],
)
def test_state_dicts_that_do_not_fit_are_refused_by_name(tmp_path, state, change, message):
    """Missing, unexpected, of another shape, many at once, not tensors."""
    changed = dict(state)
    change(changed)
    with pytest.raises(WeightsError, match=message):
        load(saved(changed, tmp_path / "changed.pth"))


@pytest.mark.parametrize(
    "content", [b"", b"not a checkpoint", b"PK\x03\x04 broken", b"\x10" + b"\0" * 7 + b"{" * 20]
)
def test_files_that_are_no_checkpoints_are_refused(tmp_path, content):
    """Empty, text, a broken zip, a broken safetensors header: the message says what is accepted."""
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"model\.pth"):
        load(path)


@pytest.mark.parametrize("nest", ["state_dict", "model"])
def test_a_state_dict_inside_a_training_checkpoint_is_found(tmp_path, checkpoint, state, nest):
    """Under the usual names, beside an epoch: the same identity as bare."""
    nested = saved({nest: state, "epoch": 3}, tmp_path / "nested.pth")
    assert load(nested).identity == load(checkpoint).identity


def test_half_precision_weights_are_widened(tmp_path, state):
    """float16 values are taken as float32: the vectors move by rounding only."""
    half = load(saved({key: tensor.half() for key, tensor in state.items()}, tmp_path / "half.pth"))
    whole = load(saved(state, tmp_path / "whole.pth"))
    assert np.abs(half.embed("audio", [SOUND]) - whole.embed("audio", [SOUND])).max() < 5e-3


def test_a_compressed_checkpoint_is_refused(tmp_path, checkpoint):
    """Values are read at their place; from a packed file they would be noise."""
    packed = tmp_path / "packed.pth"
    with zipfile.ZipFile(checkpoint) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for row in source.infolist():
            target.writestr(row.filename, source.read(row))
    with pytest.raises(WeightsError, match=r"packed\.pth has been compressed; accepted is"):
        load(packed, "text")


def test_weights_of_another_model_are_told_apart(tmp_path):
    """Keys found and keys expected both stand in the message."""
    other = saved(torch.nn.Linear(3, 4).state_dict(), tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"another model.*expected modality_.*found bias, weight"):
        load(other)


def test_the_format_before_torch_1_6_is_named(tmp_path, state):
    """A bare pickle is refused with the reason."""
    old = tmp_path / "old.pth"
    torch.save(state, old, _use_new_zipfile_serialization=False)
    with pytest.raises(WeightsError, match=r"before 1\.6; accepted is"):
        load(old)


def test_a_type_of_values_that_is_not_known_is_named(tmp_path, state):
    """8-bit floats are no way to keep these weights."""
    save_file(state | {KEY: state[KEY].to(torch.float8_e4m3fn)}, tmp_path / "f8.safetensors")
    with pytest.raises(WeightsError, match="F8_E4M3; accepted are F64, F32"):
        load(tmp_path / "f8.safetensors")


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_truncated_checkpoints_are_refused(tmp_path, checkpoint, folder, share):
    """Cut short while it was copied, in either format."""
    whole = checkpoint.read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(WeightsError, match=r"cut\.pth"):
        load(tmp_path / "cut.pth")
    whole = (folder / "audio.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(WeightsError, match=r"cut\.safetensors"):
        load(tmp_path / "cut.safetensors")


@pytest.mark.parametrize("save", [torch.save, lambda state, path: path.write_bytes(pickle.dumps(state))])
def test_code_in_a_checkpoint_does_not_run(tmp_path, state, save):
    """Neither from torch's format nor from a bare pickle; the file that it would make is not made."""
    save(state | {"extra": Touch(tmp_path / "made")}, tmp_path / "hostile.pth")
    with pytest.raises(WeightsError, match=r"hostile\.pth"):
        load(tmp_path / "hostile.pth")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "index", ["", "[]", '{"files": []}', json.dumps({"sensorium-checkpoint-1": {"files": 3}})]
)
def test_folders_without_a_usable_index_are_refused(tmp_path, index):
    """The message names the index and what is accepted."""
    (tmp_path / INDEX_NAME).write_text(index)
    with pytest.raises(WeightsError, match="sensorium convert"):
        load(tmp_path)


def test_a_path_that_does_not_exist_is_named(tmp_path):
    """Also for a model that could be downloaded: a path given is a path meant."""
    with pytest.raises(WeightsError, match="nowhere"):
        models.load("imagebind-huge", weights=tmp_path / "nowhere.pth")


def test_a_checkpoint_of_another_size_is_refused(checkpoint):
    """The reduced weights are no imagebind-huge."""
    with pytest.raises(WeightsError, match="lacks"):
        models.load("imagebind-huge", weights=checkpoint)


def test_names_that_do_not_exist_are_refused(checkpoint):
    """Model, modality, device and precision; each message lists what is accepted."""
    with pytest.raises(UnknownModelError, match="sensorium-small, imagebind-huge"):
        models.load("imagebind")
    with pytest.raises(UnknownModalityError, match=r"smell.*text, image, audio"):
        load(checkpoint, "smell")
    with pytest.raises(UnknownModalityError, match="smell"):
        load(checkpoint).embed("smell", [])
    for device in ("abacus", "meta", "mps"):
        with pytest.raises(ParameterError, match="cpu, cuda"):
            models.load("imagebind-nano", weights=checkpoint, device=device)
    with pytest.raises(ParameterError, match="accepted is cpu"):
        models.load("imagebind-nano", weights=checkpoint, device="cuda:99")
    with pytest.raises(ParameterError, match="fp32, bf16"):
        models.load("imagebind-nano", weights="read_after_this_check.pth", precision="fp7")


def test_one_modality_may_be_given_as_a_string(checkpoint):
    """It is not taken apart into letters."""
    assert models.load("imagebind-nano", weights=checkpoint, modalities="text").modalities == ("text",)


def test_a_model_without_weights_of_its_own_asks_for_a_path():
    """imagebind-nano exists for tests only."""
    with pytest.raises(WeightsError, match="path"):
        models.load("imagebind-nano")


def test_video_asks_for_the_image_encoder(checkpoint):
    """There is no video tower."""
    assert load(checkpoint, "video", "text").modalities == ("text", "image")


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    """Read when it is asked for, not when the module is imported."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv(CACHE_VARIABLE)
    assert cache_dir().parts[-2:] == ("sensorium", "models")


def test_a_registered_download_is_looked_for_in_the_cache(monkeypatch, tmp_path):
    """A file of the right length there (a hole, here) is taken without any request, and then read."""
    entry = REGISTRY["imagebind-huge"]
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    with (tmp_path / "imagebind_huge.pth").open("wb") as file:
        file.truncate(entry.size_bytes)
    with pytest.raises(WeightsError, match=r"imagebind_huge\.pth is not a checkpoint"):
        models.load("imagebind-huge", modalities=["text"])
