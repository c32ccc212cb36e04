"""LangChain's own standard suites on our classes, against a real server."""

import uuid

import numpy as np
import pytest

import sensorium_client as sc
from tests import media_files as files
from tests.small_embedder import DIM

reason = "the extra `langchain` is not installed"
pytest.importorskip("langchain_tests", reason=reason)

from langchain_core.documents import Document  # noqa: E402 - after the skip
from langchain_tests.integration_tests import (  # noqa: E402 - after the skip
    EmbeddingsIntegrationTests,
    VectorStoreIntegrationTests,
)

from sensorium_client.langchain import SensoriumEmbeddings, SensoriumVectorStore  # noqa: E402 - after the skip

# The suites' asynchronous tests run under anyio's plugin; the others do not notice.
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def store(server):
    """An empty store, dropped at the end."""
    store = SensoriumVectorStore(f"langchain-{uuid.uuid4().hex}", server[1])
    yield store
    store.collection.drop()
    store.client.close()


class TestEmbeddings(EmbeddingsIntegrationTests):
    """Standard suite."""

    @pytest.fixture(autouse=True)
    def _at(self, server):
        self.url = server[1]

    @property
    def embeddings_class(self):
        return SensoriumEmbeddings

    @property
    def embedding_model_params(self):
        return {"url": self.url}


class TestVectorStore(VectorStoreIntegrationTests):
    """Standard suite, synchronous and asynchronous."""

    @pytest.fixture
    def vectorstore(self, store):
        return store


def test_scores_filters_and_variety(store):
    """Cosines with documents, a filter on their metadata, and maximal marginal relevance."""
    texts = ["a dog", "a dog!", "rain on a roof"]
    store.add_texts(texts, [{"n": i} for i in range(3)], ids=["a", "b", "c"])
    [(first, score), *_] = store.similarity_search_with_score("a dog", k=3)
    assert first == Document(page_content="a dog", metadata={"n": 0}, id="a")
    assert score == pytest.approx(1, abs=1e-5)
    condition = {"must": [{"key": "n", "range": {"gte": 2}}]}
    assert [each.id for each in store.similarity_search("a dog", filter=condition)] == ["c"]
    various = store.max_marginal_relevance_search("a dog", k=2, lambda_mult=0.1)
    assert [each.id for each in various] == ["a", "c"]
    vector = store.embeddings.embed_query("rain on a roof")
    assert len(vector) == DIM
    assert store.similarity_search_by_vector(vector, k=1)[0].id == "c"
    apart = store.max_marginal_relevance_search_by_vector(vector, k=2, lambda_mult=0.9)
    assert [each.id for each in apart] == ["c", store.similarity_search_by_vector(vector, k=2)[1].id]
    [(_, relevance)] = store.similarity_search_with_relevance_scores("a dog", k=1)
    assert relevance == pytest.approx(1, abs=1e-5)


def test_pictures_are_documents_and_queries(store):
    """An item that is no text is found with its modality; a picture finds it."""
    store.collection.add_all([sc.NewItem(sc.Image(files.png()), id="photo", metadata={"by": "me"})])
    [found] = store.similarity_search(sc.Image(files.png()), k=1, modalities=["image"])
    assert found == Document(page_content="", metadata={"by": "me", "modality": "image"}, id="photo")
    pictures = store.embeddings.embed_contents([sc.Image(files.png()), "a dog"])
    assert np.array(pictures).shape == (2, DIM)


def test_what_cannot_be_stored_is_named(store):
    """A taken key, lists of different lengths, an empty text, an embedding of another kind."""
    for texts, more, said in (
        (["a"], {"metadatas": [{"page_content": "b"}]}, "page_content"),
        (["a", "b"], {"ids": ["x"]}, "2 texts"),
        (["a", ""], {}, "text 1"),
    ):
        with pytest.raises(sc.SensoriumError, match=said):
            store.add_texts(texts, **more)
    with pytest.raises(sc.SensoriumError, match="own model"):
        SensoriumVectorStore.from_texts(["a"], VectorStoreIntegrationTests.get_embeddings())


def test_a_store_from_texts(server, store):
    """`from_texts` with our embeddings uses their connection."""
    embeddings = SensoriumEmbeddings(client=store.client)
    made = SensoriumVectorStore.from_texts(["a dog"], embeddings, collection=store.collection.name)
    assert made.similarity_search("a dog", k=1)[0].page_content == "a dog"
