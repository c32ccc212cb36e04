"""clip-retrieval's web page and client, pointed at us."""

import base64
import json

import numpy as np
import pytest

from tests import media_files as files

COLOURS = ((0, 0, 0), (255, 0, 0), (0, 255, 0), (255, 255, 255))


def b64(data):
    return base64.b64encode(data).decode()


def photo(seed):
    """A picture of one colour and brightness that no other seed has."""
    return files.picture_bytes(np.full((32, 32, 3), COLOURS[seed], np.uint8))


@pytest.fixture
def filled(client, collection):
    """The name of a collection of four photographs, one of them twice under other ids, and two captions."""
    items = [
        {"id": f"photo {i}", "content": {"image": b64(photo(i))}, "metadata": {"caption": f"number {i}"}}
        for i in range(4)
    ]
    items += [
        {
            "id": "again",
            "content": {"image": b64(photo(0))},
            "metadata": {"url": "https://example.com/0.png"},
        },
        {"id": "note", "content": "a dog"},
        {"id": "other note", "content": "rain", "metadata": {"caption": "mine"}},
    ]
    assert client.post(f"{collection}/items", json={"items": items}).json()["stored"] == 7
    return collection.removeprefix("/v1/collections/")


def as_a_browser(client, path, body):
    """What `fetch(path, {method: "POST", body: JSON.stringify(..)})` sends."""
    headers = {"content-type": "text/plain;charset=UTF-8"}
    return client.post(path, content=json.dumps(body), headers=headers)


def asked(filled, **more):
    """The request of clip-retrieval's ClipClient and web page, with all their fields."""
    return {
        "text": None,
        "image": None,
        "image_url": None,
        "embedding_input": None,
        "deduplicate": False,
        "use_safety_model": True,
        "use_violence_detector": True,
        "indice_name": filled,
        "use_mclip": False,
        "aesthetic_score": 9,
        "aesthetic_weight": 0.5,
        "modality": "image",
        "num_images": 40,
        "num_result_ids": 40,
        **more,
    }


def test_collections_are_listed_as_indices(client, filled):
    """By name."""
    assert filled in client.get("/indices-list").json()


def test_an_image_finds_its_neighbours_with_links_to_the_originals(client, filled):
    """The same picture comes first at 1, with its caption and an address from which it can be read."""
    answer = as_a_browser(client, "/knn-service", asked(filled, image=b64(photo(2))))
    assert answer.status_code == 200, answer.text
    first = answer.json()[0]
    assert (first["id"], first["caption"]) == ("photo 2", "number 2")
    assert first["similarity"] == pytest.approx(1, abs=1e-5)
    assert client.get(first["url"]).content == photo(2)
    assert len(answer.json()) == 5


def test_what_an_item_says_of_itself_wins(client, filled):
    """Its own `url` and `caption` stay; a text is its own caption."""
    found = as_a_browser(client, "/knn-service", asked(filled, image=b64(photo(0)))).json()
    assert {each["id"]: each["url"] for each in found}["again"] == "https://example.com/0.png"
    texts = as_a_browser(client, "/knn-service", asked(filled, text="a dog", modality="text")).json()
    assert [(each["id"], each["caption"]) for each in texts] == [("note", "a dog"), ("other note", "mine")]


def test_duplicates_are_left_out_where_asked(client, filled):
    """One of the two ids of the same picture stays."""
    found = as_a_browser(client, "/knn-service", asked(filled, image=b64(photo(0)), deduplicate=True)).json()
    assert len({"photo 0", "again"} & {each["id"] for each in found}) == 1
    assert len(found) == 4


def test_only_the_first_ones_carry_metadata(client, filled):
    """`num_images` with metadata, `num_result_ids` in all; /metadata gives the rest."""
    body = asked(filled, image=b64(photo(1)), num_images=1, num_result_ids=3)
    found = as_a_browser(client, "/knn-service", body).json()
    assert ["url" in each for each in found] == [True, False, False]
    ids = [each["id"] for each in found]
    rest = as_a_browser(client, "/metadata", {"ids": ids, "indice_name": filled}).json()
    assert [each["id"] for each in rest] == ids
    assert rest[0]["metadata"] == {key: found[0][key] for key in ("url", "caption")}


def test_vectors_and_own_addresses_are_queries(client, filled):
    """`embedding_input`, and the address that we gave as `url`: the item, left out of its own results."""
    vector = client.get(f"/v1/collections/{filled}/items/photo 3?with_vector=true").json()["vector"]
    found = as_a_browser(client, "/knn-service", asked(filled, embedding_input=vector)).json()
    assert found[0]["id"] == "photo 3"
    similar = as_a_browser(client, "/knn-service", asked(filled, image_url=found[0]["url"])).json()
    assert "photo 3" not in [each["id"] for each in similar]
    assert len(similar) == 4


def test_wrong_requests_are_told_what_is_accepted(client, filled):
    """Nothing to look for, no such collection, modality or item, an address elsewhere."""
    for body, status in (
        (asked(filled), 400),
        (asked("nowhere", text="a"), 404),
        (asked(filled, text="a", modality="smell"), 400),
        (asked(filled, image_url="https://example.com/cat.png"), 422),
    ):
        answer = as_a_browser(client, "/knn-service", body)
        assert answer.status_code == status, answer.text
        assert answer.json()["error"]["message"]
    assert as_a_browser(client, "/metadata", {"ids": ["x"], "indice_name": filled}).status_code == 404


def test_pages_of_other_origins_are_let_in_where_the_setting_names_them(serve, client):
    """The web page stands elsewhere: its origin may ask, another may not, and by default none may."""
    page = {"origin": "https://front.example"}
    client_of_setting = serve(cors_origins="https://front.example, https://other.example")
    allowed = client_of_setting.get("/indices-list", headers=page)
    assert allowed.headers["access-control-allow-origin"] == page["origin"]
    refused = client_of_setting.get("/indices-list", headers={"origin": "https://stranger.example"})
    assert "access-control-allow-origin" not in refused.headers
    assert "access-control-allow-origin" not in client.get("/indices-list", headers=page).headers


def test_the_real_client_works(server, filled, tmp_path):
    """`clip_retrieval.clip_client.ClipClient` by text, by file and by vector."""
    module = pytest.importorskip("clip_retrieval.clip_client", reason="clip-retrieval is not installed")
    client = module.ClipClient(url=f"{server[1]}/knn-service", indice_name=filled, num_images=3)
    (tmp_path / "query.png").write_bytes(photo(1))
    found = client.query(image=str(tmp_path / "query.png"))
    assert (found[0]["id"], found[0]["caption"]) == ("photo 1", "number 1")
    assert len(client.query(text="a dog")) == 3
    assert len(client.query(embedding_input=[1.0] + [0.0] * 15)) == 3
