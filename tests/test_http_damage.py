"""Damaged collections and full disks as clients see them."""

import pytest

import sensorium_client as sc
from index import Store
from tests.small_disk import mounted

ITEMS = {"items": [{"id": "a", "content": "a dog"}]}


@pytest.fixture
def damaged(serve, tmp_path):
    """A client of a server with the sound collection `sound` and the damaged one `broken`."""
    words = {"model": "m", "identity": "identity-of-small-test-0", "dimension": 16}
    with Store.open(tmp_path / "data") as store:
        store.create("sound", **words)
        store.create("broken", **words)
    (tmp_path / "data" / "collections" / "broken" / "collection.sqlite").write_bytes(b"noise" * 1000)
    return serve()


def test_a_damaged_collection_is_listed_with_the_reason(damaged):
    """Between sound ones, which say that they are ready."""
    broken, sound = damaged.get("/v1/collections").json()["data"]
    assert (broken["name"], broken["status"]) == ("broken", "damaged")
    assert "from a backup" in broken["reason"]
    assert (sound["name"], sound["status"]) == ("sound", "ready")


def test_the_python_client_lists_a_damaged_collection_and_does_not_wait_for_it(damaged):
    """With the reason, beside the sound ones; its uses fail at once, not after their Retry-After."""
    with sc.Client(str(damaged.base_url)) as client:
        broken, sound = client.collections()
        assert (broken.name, broken.status, broken.total) == ("broken", "damaged", 0)
        assert "from a backup" in broken.reason
        assert (sound.status, sound.reason, sound.dimension) == ("ready", None, 16)
        with pytest.raises(sc.ServerFailedError, match="restore") as refused:
            client.collection("broken").search("a dog")
        assert refused.value.code == "damaged"


def test_every_use_of_a_damaged_collection_says_what_to_do(damaged):
    """503 with the name and the remedy; the other collection works; deleting makes room for a new one."""
    path = "/v1/collections/broken"
    for answer in (
        damaged.get(path),
        damaged.put(path),
        damaged.post(f"{path}/items", json=ITEMS),
        damaged.get(f"{path}/items"),
        damaged.get(f"{path}/items/a"),
        damaged.post(f"{path}/search", json={"query": "a"}),
        damaged.post(f"{path}/items/delete", json={"ids": ["a"]}),
    ):
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "damaged"
        for word in ("'broken'", "restore", "backup", "delete the collection"):
            assert word in answer.json()["error"]["message"]
        assert int(answer.headers["retry-after"]) >= 60
    assert damaged.post("/v1/collections/sound/items", json=ITEMS).status_code == 200
    assert damaged.get("/readyz").status_code == 200
    assert damaged.delete(path).status_code == 200
    assert damaged.put(path).status_code == 201


def test_a_full_disk_is_507_until_there_is_room_again(serve, tmp_path):
    """Nothing of the refused request is there, reading goes on, and so does writing once space is freed."""
    with mounted(tmp_path / "disk", megabytes=4) as disk:
        client = serve(data_dir=disk / "data")
        client.put("/v1/collections/things")
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(1_500_000))
        acknowledged = []
        for number in range(1000):
            text = f"{number} ".ljust(200_000, "x")
            answer = client.post(
                "/v1/collections/things/items", json={"items": [{"id": str(number), "content": text}]}
            )
            if answer.status_code != 200:
                break
            acknowledged.append(str(number))
        assert answer.status_code == 507
        assert answer.json()["error"]["code"] == "storage_full"
        assert answer.headers["retry-after"]
        listed = client.get("/v1/collections/things/items?limit=1000").json()["items"]
        assert [one["id"] for one in listed] == acknowledged
        query = {"query": "0 xx", "limit": 1000}
        found = client.post("/v1/collections/things/search", json=query).json()["results"]
        assert {one["id"] for one in found} == set(acknowledged)
        ballast.unlink()
        assert client.post("/v1/collections/things/items", json=ITEMS).status_code == 200
        assert client.get("/v1/collections/things/items/a").status_code == 200
