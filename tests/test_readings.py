"""Light inputs are prepared in the encoder's thread; what turns out to be heavy goes to the decoders."""

import dataclasses
import threading

import numpy as np
import pytest
import torch

from models.embedder import Views
from service.access.metering import METER
from service.readings import LIGHT_BYTES, LIGHT_S, Reading
from tests import media_files as files
from tests.small_embedder import small_embedder

LANES = 2


class Watched:
    """A tower's `prepare`, with the names of the threads that it was called in."""

    def __init__(self, prepare):
        self.prepare = prepare
        self.threads = []

    def __call__(self, sample):
        self.threads.append(threading.current_thread().name.partition("_")[0])
        return self.prepare(sample)


@pytest.fixture
def watched(serve):
    """A function: modality, settings -> a client of a server with two threads, and the watched tower."""

    def start(modality, **settings):
        embedder = small_embedder()
        watch = Watched(embedder.towers[modality].prepare)
        tower = dataclasses.replace(embedder.towers[modality], prepare=watch)
        towers = {**embedder.towers, modality: tower}
        values = {"threads": LANES, "encode_lanes": LANES, **settings}
        client = serve(dataclasses.replace(embedder, towers=towers), **values)
        watch.threads.clear()
        return client, watch

    return start


def uploaded(client, data):
    return client.post("/v1/embeddings/audio", files=[("file", data)])


def vector(answer):
    assert answer.status_code == 200, answer.text
    return np.array(answer.json()["data"][0]["embedding"])


def test_a_light_sound_is_prepared_by_the_way(watched):
    """In the encoder's thread, to the vector of the decoder's."""
    client, watch = watched("audio")
    got = vector(uploaded(client, files.ogg(2.0)))
    assert watch.threads == ["encoder"]
    [expected] = small_embedder().embed("audio", [small_embedder().decode("audio", files.ogg(2.0))])
    assert abs(got - expected).max() < 1e-6


@pytest.mark.parametrize("data", [files.flac(LIGHT_S + 5, hz=0.0), files.wav(LIGHT_BYTES / 32_000 + 1)])
def test_a_heavy_sound_goes_to_the_decoders(watched, data):
    """One of few bytes that last long, and one of many bytes."""
    client, watch = watched("audio")
    vector(uploaded(client, data))
    assert watch.threads == ["decode"]


def test_processors_with_more_threads_decode_beside_the_encoder(watched):
    """Where the lanes leave some over."""
    client, watch = watched("audio", threads=4)
    vector(uploaded(client, files.ogg(2.0)))
    assert watch.threads == ["decode"]


def test_short_texts_are_prepared_by_the_way(watched):
    """Long ones by the tokenizer's threads."""
    client, watch = watched("text")
    for text in ("a dog", "a dog " * 1000):
        vector(client.post("/v1/embeddings", json={"input": text}))
    assert watch.threads == ["encoder", "tokenize"]


def test_a_broken_sound_is_told_as_before(watched):
    """Damage and lengths over the server's own limit have the same codes; others are served."""
    client, _ = watched("audio", max_audio_s=3.0)
    for data, status, code in ((files.ogg(2.0)[:300], 422, "truncated_media"), (files.ogg(5.0), 413, None)):
        answer = uploaded(client, data)
        assert answer.status_code == status
        assert code in (None, answer.json()["error"]["code"])
    assert vector(uploaded(client, files.ogg(2.0))).any()


def test_whoever_sent_it_is_charged_once():
    """In the context of the request, also where its batch is tried again."""
    token = METER.set("a meter")
    charged = []

    def prepare():
        charged.append(METER.get())
        return Views(torch.zeros(3, 1))

    reading = Reading("audio", prepare)
    METER.reset(token)
    assert [reading() is reading(), charged, reading.expected] == [True, ["a meter"], 3]


def test_what_nobody_waits_for_is_not_prepared():
    """Its caller has left while it stood in line."""
    reading = Reading("audio", lambda: pytest.fail("prepared"))
    reading.wanted = False
    with pytest.raises(RuntimeError, match="left"):
        reading()
