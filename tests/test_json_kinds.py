"""In JSON a number is a number and a text is a text; forms go on saying everything as text."""

import pytest

from tests.media_files import gradient, picture_bytes


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("limit", "3", "an integer"),
        ("limit", True, "an integer"),
        ("limit", 1e300, "an integer from 1 to 1000"),
        ("limit", -1e19, "an integer from 1 to 1000"),
        ("per_modality", 2**63, "an integer from 1"),
        ("offset", "0", "an integer"),
        ("per_modality", "2", "an integer"),
        ("score_threshold", "0.2", "a number"),
        ("diversity", False, "a number"),
        ("calibrate", "true", "true or false"),
        ("with_vector", 1, "true or false"),
    ],
)
def test_searches_refuse_what_is_of_another_kind(client, collection, field, value, expected):
    """400 with the field, what it has to be and what it was."""
    answer = client.post(f"{collection}/search", json={"query": "a", field: value})
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["param"] == field
    assert expected in error["message"]
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    assert shown in error["message"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("limit", 3), ("limit", 3.0), ("score_threshold", 0), ("score_threshold", None), ("with_vector", True)],
)
def test_searches_take_what_is_of_the_kind(client, collection, field, value):
    """3.0 is an integer to JSON Schema, 0 a number, and null what is left out."""
    assert client.post(f"{collection}/search", json={"query": "a", field: value}).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"), [("dimensions", "4"), ("output_dimension", "4"), ("normalized", 1)]
)
def test_embeddings_refuse_it_under_every_name_of_the_field(client, field, value):
    """OpenAI's word and those of others."""
    answer = client.post("/v1/embeddings", json={"input": "a", field: value})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == field


def test_collections_refuse_it_though_their_body_may_be_left_out(client, collection):
    """`recall` as text."""
    answer = client.put(collection, json={"recall": "0.95"})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "recall"
    assert client.put(collection).status_code == 200


def test_forms_still_say_numbers_as_text(client):
    """A multipart upload knows nothing else."""
    answer = client.post(
        "/v1/embeddings/image",
        files={"file": ("a.png", picture_bytes(gradient()))},
        data={"dimensions": "4", "normalize": "true"},
    )
    assert answer.status_code == 200
    assert len(answer.json()["data"][0]["embedding"]) == 4


def test_bodies_that_are_no_json_are_still_told_so(client, collection):
    """The reader of kinds does not get in the way."""
    answer = client.post(
        f"{collection}/search", content=b"{nonsense", headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_json"
