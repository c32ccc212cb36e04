"""Several models in one process: which one answers, whose collection it is, and what one that fails costs."""

import dataclasses
import threading

import httpx
import numpy as np
import pytest

from models.errors import WeightsError
from models.footprint import TooLittleMemoryError, available_bytes, expect_room, needed_bytes
from models.imagebind.sizes import SIZES
from models.registry import REGISTRY
from service.app import create_app
from service.loading import bound_to, load_model, modalities_for
from service.settings import Settings
from tests import reference_weights
from tests.conftest import PATIENCE_S, running, wait_until_ready
from tests.small_embedder import small_embedder

FIRST, SECOND = "small-test", "small-other"


@pytest.fixture
def both(serve):
    """A client of a server with two models, the first the default."""
    return serve([small_embedder(), small_embedder(SECOND, seed=1)])


def embedding(client, text, **fields):
    answer = client.post("/v1/embeddings", json={"input": text, **fields}).json()
    return answer["model"], np.array(answer["data"][0]["embedding"])


def test_the_field_model_picks(both):
    """Left out it is the first one; each gives its own vectors, and answers with its own name."""
    default, picked = embedding(both, "a dog"), embedding(both, "a dog", model=SECOND)
    assert (default[0], picked[0]) == (FIRST, SECOND)
    assert np.allclose(default[1], small_embedder().embed("text", [sample("a dog")])[0], atol=1e-6)
    assert abs(default[1] @ picked[1]) < 0.9
    named = both.post("/v1/embeddings/text", files={"file": ("a.txt", b"a dog")}, data={"model": SECOND})
    assert np.allclose(named.json()["data"][0]["embedding"], picked[1], atol=1e-6)


def sample(text):
    return small_embedder().decode("text", text.encode())


def test_zero_shot_is_done_by_the_model_that_is_named(both):
    """Scores of `classify` and `similarity` are cosines in that model's space."""
    a, b = (embedding(both, text, model=SECOND)[1] for text in ("a dog", "rain"))
    scores = both.post("/v1/similarity", json={"model": SECOND, "a": ["a dog"], "b": ["rain"]}).json()
    assert (scores["scores"][0][0], scores["model"]) == (pytest.approx(a @ b, abs=1e-6), SECOND)
    request = {"model": SECOND, "input": "a dog", "labels": ["rain"]}
    classified = both.post("/v1/classify", json=request).json()
    assert classified["data"][0]["labels"][0]["score"] == pytest.approx(a @ b, abs=1e-6)


def test_a_collection_is_filled_and_searched_by_its_own_model(both):
    """What was made with the second model is found through it, though nobody names it again."""
    made = both.put("/v1/collections/zoo", json={"model": SECOND}).json()
    assert made["model"] == SECOND
    items = [{"id": text, "content": text} for text in ("a dog", "a cat", "rain")]
    assert both.post("/v1/collections/zoo/items", json={"items": items}).json()["stored"] == 3
    answer = both.post("/v1/collections/zoo/search", json={"query": "a cat"}).json()
    assert answer["model"] == SECOND
    assert answer["results"][0]["id"] == "a cat"
    assert answer["results"][0]["score"] == pytest.approx(1, abs=1e-5)
    stored = both.get("/v1/collections/zoo/items/a cat", params={"with_vector": True}).json()["vector"]
    assert np.allclose(stored, embedding(both, "a cat", model=SECOND)[1], atol=1e-6)
    assert both.put("/v1/collections/zoo", json={}).status_code == 409


@pytest.mark.parametrize("name", ["imagebind-huge", "no-such-model"])
def test_a_model_that_is_not_here_is_told_which_ones_are(both, name):
    """404 `model_not_found`, for known and unknown names alike, wherever a model may be named."""
    for path, body in (
        ("/v1/embeddings", {"input": "a"}),
        ("/v1/classify", {"input": "a", "labels": ["b"]}),
        ("/v1/similarity", {"a": ["a"], "b": ["b"]}),
        ("/v1/collections/never-made", {}),
    ):
        method = "PUT" if "collections" in path else "POST"
        answer = both.request(method, path, json={"model": name, **body})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
        assert answer.json()["error"]["param"] == "model"
        assert f"'{FIRST}', '{SECOND}'" in answer.json()["error"]["message"]


def test_the_list_says_which_are_loaded(both):
    """Both of them, the registry's others not."""
    loaded = {model["id"]: model["loaded"] for model in both.get("/v1/models").json()["data"]}
    assert {name for name, there in loaded.items() if there} == {FIRST, SECOND}
    assert both.get(f"/v1/models/{SECOND}").json()["identity"] == f"identity-of-{SECOND}-1"
    ready = both.get("/readyz").json()
    assert (ready["status"], ready["model"], ready["models"]) == ("ready", FIRST, [FIRST, SECOND])


def counted(embedder, running_now, most):
    """The embedder, whose text tower notes how many encoders run at the same time."""
    tower = embedder.towers["text"]
    forward = tower.encoder.forward

    def watched(ids):
        running_now.append(1)
        most.append(len(running_now))
        try:
            return forward(ids)
        finally:
            running_now.pop()

    tower.encoder.forward = watched
    return embedder


@pytest.mark.parametrize("lanes", [1, 2])
def test_encoders_take_turns(serve, lanes):
    """Many callers of both models at once: never do more encoders run than lanes, and all are answered."""
    running_now, most = [], []
    both = serve(
        [counted(small_embedder(), running_now, most), counted(small_embedder(SECOND, 1), running_now, most)],
        encode_lanes=lanes,
    )
    answers = []

    def ask(name):
        with httpx.Client(base_url=both.base_url, timeout=PATIENCE_S) as client:
            for i in range(8):
                body = {"model": name, "input": [f"{i} {j}" for j in range(16)]}
                answers.append(client.post("/v1/embeddings", json=body).status_code)

    threads = [threading.Thread(target=ask, args=(name,)) for name in (FIRST, SECOND) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert answers == [200] * 64
    assert 1 <= max(most) <= lanes


def wait_for_health(url):
    with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        while "still loading" in client.get("/readyz").text:
            pass
        return client.get("/readyz")


def test_one_model_that_fails_does_not_take_down_the_others(tmp_path):
    """Degraded, with the reason; the others serve, and whoever names the failed one is told why."""
    settings = Settings(
        models=["sensorium-small", f"imagebind-nano={tmp_path / 'absent.pth'}"],
        modalities="text",
        data_dir=tmp_path / "data",
    )
    told = threading.Event()
    with running(create_app(settings, on_failure=told.set)) as url:
        ready = wait_for_health(url)
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert "absent.pth" in ready.json()["failed"]["imagebind-nano"]
        assert httpx.post(f"{url}/v1/embeddings", json={"input": "a dog"}).status_code == 200
        answer = httpx.post(f"{url}/v1/embeddings", json={"input": "a", "model": "imagebind-nano"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
        assert "absent.pth" in answer.json()["error"]["message"]
        assert not told.is_set()


def test_a_default_model_that_fails_leaves_the_named_ones(tmp_path):
    """Not ready, since requests without a name cannot be served; those that name another one are."""
    settings = Settings(
        models=[f"imagebind-nano={tmp_path / 'absent.pth'}", "sensorium-small"],
        modalities="text",
        data_dir=tmp_path / "data",
    )
    with running(create_app(settings)) as url:
        assert wait_for_health(url).status_code == 503
        assert httpx.post(f"{url}/v1/embeddings", json={"input": "a dog"}).status_code == 503
        body = {"input": "a dog", "model": "sensorium-small"}
        assert httpx.post(f"{url}/v1/embeddings", json=body).status_code == 200


def test_two_real_models_side_by_side(tmp_path):
    """The bundled model and ImageBind's small relative, each with its own dimension."""
    weights = reference_weights.save("nano", tmp_path / "nano.pth")
    settings = Settings(models=f"sensorium-small,imagebind-nano={weights}", data_dir=tmp_path / "data")
    with running(create_app(settings)) as url:
        wait_until_ready(url)
        with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
            assert len(embedding(client, "a dog")[1]) == 384
            assert len(embedding(client, "a dog", model="imagebind-nano")[1]) == 32


def test_settings_name_the_models():
    """The first is the default unless `model` names it; weights stand behind a name."""
    both = Settings(models="sensorium-small, imagebind-huge=/w/huge.pth", modalities="text,audio")
    assert both.served_models == ("sensorium-small", "imagebind-huge")
    assert (str(both.weights_of("imagebind-huge")), both.weights_of("sensorium-small")) == (
        "/w/huge.pth",
        None,
    )
    other = Settings(models="sensorium-small,imagebind-huge", model="imagebind-huge", weights="/w/h.pth")
    assert other.served_models == ("imagebind-huge", "sensorium-small")
    assert str(other.weights_of("imagebind-huge")) == "/w/h.pth"
    assert Settings().served_models == ("sensorium-small",)
    for wrong in ("sensorium-small,sensorium-small=x", "=path"):
        with pytest.raises(ValueError, match="accepted is a list"):
            Settings(models=wrong)


def test_each_model_loads_those_of_the_modalities_that_it_has():
    """Beside a model for text and image, one of six senses gets what it has of the list."""
    settings = Settings(models="sensorium-small,open_clip:RN50/none", modalities="text,audio,video")
    assert modalities_for(settings, "sensorium-small") == ("text", "audio", "video")
    assert modalities_for(settings, "open_clip:RN50/none") == ("text", "video")
    assert bound_to(settings, "sensorium-small") == []


def test_what_weights_need_is_known_before_they_are_read():
    """The published checkpoint's 4.8 GB, less where fewer modalities or bytes are asked for."""
    published = REGISTRY["imagebind-huge"].size_bytes
    assert needed_bytes("imagebind-huge") == pytest.approx(published, rel=0.01)
    assert needed_bytes("imagebind-huge", ["text", "audio"]) == pytest.approx(1.76e9, rel=0.02)
    assert needed_bytes("imagebind-huge", precision="bf16") == pytest.approx(published / 2, rel=0.01)
    assert needed_bytes("sensorium-small") < 1e8
    assert needed_bytes("open_clip:RN50/none") is None
    assert set(SIZES["huge"].trunks) == set(REGISTRY["imagebind-huge"].modalities)
    assert available_bytes() is None or available_bytes() > 1e6


def test_a_model_that_would_not_fit_is_refused_with_both_figures():
    """And one that fits, or of which nothing is known, is not."""
    with pytest.raises(TooLittleMemoryError, match=r"needs about 4,804 MB .* and 1,200 MB are available"):
        expect_room("imagebind-huge", 4_803_584_173, 1_200_000_000)
    expect_room("imagebind-huge", 4_803_584_173, 8_000_000_000)
    expect_room("open_clip:RN50/none", None, 1)
    expect_room("sensorium-small", 1, None)
    assert dataclasses.is_dataclass(load_model(Settings(modalities="imu")))
    with pytest.raises(WeightsError):
        load_model(Settings(models="sensorium-small,imagebind-nano=/absent.pth"), "imagebind-nano")
