"""What one writes first: FastAPI around the same towers, one call of the model per request, in a thread.

    SENSORIUM_PORT=9000 python -m bench.serve_peer

It answers the requests of bench/serve.py in OpenAI's form, without queue, batches, limits or checks.
"""

from __future__ import annotations

import base64
import os
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Form, UploadFile
from pydantic import BaseModel

import models

EMBEDDER = models.load("sensorium-small")
APP = FastAPI()


class Request(BaseModel):
    input: list[Any]
    encoding_format: str = "float"


def answer(rows: list[Any], encoding_format: str) -> dict[str, Any]:
    data = [
        {
            "object": "embedding",
            "index": i,
            "embedding": base64.b64encode(row.tobytes()).decode()
            if encoding_format == "base64"
            else row.tolist(),
        }
        for i, row in enumerate(rows)
    ]
    return {"object": "list", "model": EMBEDDER.name, "data": data}


def embedded(modality: str, inputs: list[bytes]) -> list[Any]:
    return list(EMBEDDER.embed(modality, [EMBEDDER.decode(modality, each) for each in inputs]))


@APP.get("/readyz")
def readyz() -> dict[str, str]:
    return {"status": "ready"}


@APP.post("/v1/embeddings")
def embed(body: Request) -> dict[str, Any]:
    rows = []
    for each in body.input:
        if isinstance(each, str):
            rows += embedded("text", [each.encode()])
        else:
            [(modality, data)] = each.items()
            rows += embedded(modality, [base64.b64decode(data)])
    return answer(rows, body.encoding_format)


@APP.post("/v1/embeddings/{modality}")
def embed_files(
    modality: str, file: list[UploadFile], encoding_format: Annotated[str, Form()] = "float"
) -> dict[str, Any]:
    return answer(embedded(modality, [each.file.read() for each in file]), encoding_format)


if __name__ == "__main__":
    uvicorn.run(APP, port=int(os.environ["SENSORIUM_PORT"]), log_level="warning", access_log=False)
