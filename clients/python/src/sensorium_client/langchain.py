"""LangChain's `Embeddings` and `VectorStore` over a Sensorium server; the extra `langchain`."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from sensorium_client.bulk import NewItem
from sensorium_client.calls import Query
from sensorium_client.client import DEFAULT_URL, Client, Collection
from sensorium_client.content import Content, Vector
from sensorium_client.errors import NotFoundError, SensoriumError
from sensorium_client.results import Hit

# Where a document's text stands among the item's metadata.
TEXT_KEY = "page_content"
MODALITY_KEY = "modality"
SELECTION = ("filter", "modalities", "score_threshold", "per_modality", "group_by", "calibrate", "recall")


class SensoriumEmbeddings(Embeddings):
    """Vectors of texts by a server's model. `client`: in place of `url` and `api_key`."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        dimensions: int | None = None,
        client: Client | None = None,
    ) -> None:
        self.client = client or Client(url, api_key=api_key)
        self.dimensions = dimensions

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each text."""
        return self.embed_contents(texts) if texts else []

    def embed_query(self, text: str) -> list[float]:
        """The vector of one text."""
        return self.embed_contents([text])[0]

    def embed_contents(self, contents: Sequence[Content]) -> list[list[float]]:
        """Vectors of pictures, sounds, .. beside texts, in the same space."""
        vectors: list[list[float]] = self.client.embed(list(contents), dimensions=self.dimensions).tolist()
        return vectors


def document_of(metadata: Mapping[str, Any], modality: str, identifier: str) -> Document:
    """An item as a document; one that is no text has its modality among the metadata."""
    kept = {key: value for key, value in metadata.items() if key != TEXT_KEY}
    if TEXT_KEY not in metadata and modality != "text":
        kept.setdefault(MODALITY_KEY, modality)
    return Document(page_content=str(metadata.get(TEXT_KEY, "")), metadata=kept, id=identifier)


def item_of(text: str, metadata: Mapping[str, Any], identifier: str) -> NewItem:
    """A document as an item. Raises SensoriumError where its metadata use the key of the text."""
    if TEXT_KEY in metadata:
        raise SensoriumError(f"the metadata key {TEXT_KEY!r} is taken by the document's text")
    return NewItem(text, identifier, {**metadata, TEXT_KEY: text})


class SensoriumVectorStore(VectorStore):
    """Documents in a collection, which is made where there is none. The server's own model embeds them.

    Items that came another way (photographs, sounds) are found as well: as documents without text, their
    modality among the metadata. Queries may be any content: `store.similarity_search(Image("cat.jpg"))`.
    """

    def __init__(
        self,
        collection: str,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        client: Client | None = None,
    ) -> None:
        self.client = client or Client(url, api_key=api_key)
        self.collection: Collection = self.client.create(collection)

    @property
    def embeddings(self) -> SensoriumEmbeddings:
        """The server's model."""
        return SensoriumEmbeddings(client=self.client)

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **_: Any,
    ) -> list[str]:
        """Store texts and give their ids. Raises SensoriumError naming the first that cannot be stored."""
        given = list(texts)
        about = metadatas if metadatas is not None else [{}] * len(given)
        named = ids if ids is not None else [None] * len(given)
        if not len(given) == len(about) == len(named):
            raise SensoriumError(f"{len(given)} texts with {len(about)} metadatas and {len(named)} ids")
        final = [identifier or uuid.uuid4().hex for identifier in named]
        items = [item_of(*each) for each in zip(given, about, final, strict=True)]
        for result in self.collection.add(items):
            if result.error is not None:
                raise SensoriumError(f"text {result.position}: {result.error['message']}")
        return final

    def delete(self, ids: list[str] | None = None, **_: Any) -> bool | None:
        """Delete these documents; None stands for all of them."""
        chosen = list(self.collection.ids()) if ids is None else ids
        if chosen:
            self.collection.delete(chosen)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Those of the documents that are there."""
        found = []
        for identifier in ids:
            try:
                item = self.collection.get(identifier)
            except NotFoundError:
                continue
            found.append(document_of(item.metadata, item.modality, item.id))
        return found

    def _hits(self, query: Query, k: int, options: Mapping[str, Any]) -> list[Hit]:
        chosen = {name: options[name] for name in (*SELECTION, "diversity", "fusion") if name in options}
        return self.collection.search(query, limit=k, **chosen)

    def similarity_search_with_score(
        self, query: Query, k: int = 4, **options: Any
    ) -> list[tuple[Document, float]]:
        """Documents with cosines, the nearest first; `filter`, `modalities`, .. as in the server's search."""
        return [
            (document_of(hit.metadata, hit.modality, hit.id), hit.score)
            for hit in self._hits(query, k, options)
        ]

    def similarity_search(self, query: Query, k: int = 4, **options: Any) -> list[Document]:
        """Documents, the nearest first."""
        return [document for document, _ in self.similarity_search_with_score(query, k, **options)]

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **options: Any
    ) -> list[Document]:
        """Documents nearest to a vector of the server's model."""
        return self.similarity_search(Vector(np.asarray(embedding)), k, **options)

    def max_marginal_relevance_search(
        self,
        query: Query,
        k: int = 4,
        fetch_k: int = 20,  # noqa: ARG002 - the server looks at as many as it needs
        lambda_mult: float = 0.5,
        **options: Any,
    ) -> list[Document]:
        """Documents that are near and differ; `lambda_mult` 1 looks at nearness alone."""
        return self.similarity_search(query, k, diversity=1 - lambda_mult, **options)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **options: Any,
    ) -> list[Document]:
        """The same for a vector of the server's model."""
        vector = Vector(np.asarray(embedding))
        return self.max_marginal_relevance_search(vector, k, fetch_k, lambda_mult, **options)

    def _select_relevance_score_fn(self) -> Any:
        return lambda cosine: (cosine + 1) / 2

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | None = None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        collection: str = "langchain",
        **options: Any,
    ) -> SensoriumVectorStore:
        """A store with these texts. `embedding` may only be Sensorium's: the server embeds by itself."""
        if embedding is not None and not isinstance(embedding, SensoriumEmbeddings):
            raise SensoriumError("the server embeds with its own model; leave `embedding` out")
        if isinstance(embedding, SensoriumEmbeddings):
            options.setdefault("client", embedding.client)
        store = cls(collection, **options)
        store.add_texts(texts, metadatas, ids=ids)
        return store
