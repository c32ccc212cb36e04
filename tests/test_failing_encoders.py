"""An encoder that fails, seen over HTTP: who is told what, and when all is well again."""

import base64
import dataclasses

import torch
from torch import nn

from tests import media_files as files
from tests.small_embedder import small_embedder
from tests.test_http_service import EMBEDDINGS, wait_for


class Fragile(nn.Module):
    """An encoder that chokes on texts of `poison` tokens and, while `broken`, on everything."""

    def __init__(self, encoder, poison=None):
        super().__init__()
        self.encoder, self.poison, self.broken = encoder, poison, False

    def forward(self, ids):
        if self.broken:
            raise torch.OutOfMemoryError("tried to allocate 20 GiB of /home/secret")
        if self.poison is not None and ((ids != 0).sum(1) == self.poison).any():
            raise RuntimeError("device-side assert in /home/secret")
        return self.encoder(ids)


def fragile_embedder(**trouble):
    embedder = small_embedder()
    tower = embedder.towers["text"]
    encoder = Fragile(tower.encoder, **trouble)
    towers = {**embedder.towers, "text": dataclasses.replace(tower, encoder=encoder)}
    return dataclasses.replace(embedder, towers=towers), encoder


def test_a_poisoned_item_fails_without_its_neighbours(serve):
    """Of three items in one batch two are stored, the third is an error that tells nothing of the inside."""
    embedder, _ = fragile_embedder(poison=3)
    client = serve(embedder)
    client.put("/v1/collections/c")
    items = [{"id": name, "content": text} for name, text in (("a", "dog"), ("b", "a cat"), ("c", "rain"))]
    answer = client.post("/v1/collections/c/items", json={"items": items})
    assert [each["status"] for each in answer.json()["results"]] == ["error", "stored", "stored"]
    assert "secret" not in answer.text
    assert client.get("/readyz").status_code == 200


def test_an_encoder_without_memory_is_not_ready_until_it_has_some(serve):
    """503 for texts and on /readyz, nothing of the inside told; pictures go on; then texts are back."""
    embedder, encoder = fragile_embedder()
    client = serve(embedder)
    encoder.broken = True
    refused = client.post(EMBEDDINGS, json={"input": "a dog"})
    assert refused.status_code == 503
    assert "out of memory" in refused.json()["error"]["message"]
    assert int(refused.headers["retry-after"]) >= 1
    wait_for(lambda: client.get("/readyz").status_code == 503)
    assert "text (OutOfMemoryError)" in client.get("/readyz").json()["error"]["message"]
    again = client.post(EMBEDDINGS, json={"input": "a dog"})
    assert (again.status_code, again.json()["error"]["code"]) == (503, "not_ready")
    assert "secret" not in refused.text + again.text + client.get("/readyz").text
    picture = {"image": base64.b64encode(files.png()).decode()}
    assert client.post(EMBEDDINGS, json={"input": picture}).status_code == 200
    encoder.broken = False
    wait_for(lambda: client.get("/readyz").status_code == 200)
    assert client.post(EMBEDDINGS, json={"input": "a dog"}).status_code == 200
