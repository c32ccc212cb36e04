"""The Python client of the tests' server, with waits that are short."""

import pytest

import sensorium_client as sc

QUICK = sc.Retries(first_s=0.01, longest_s=0.05)


@pytest.fixture
def sensorium(server):
    """The Python client of that server."""
    with sc.Client(server[1], retries=QUICK) as client:
        yield client


@pytest.fixture
def zoo(sensorium, request):
    """A fresh collection."""
    collection = sensorium.create(f"zoo-{abs(hash(request.node.nodeid))}")
    yield collection
    collection.drop()
