"""JSON answers that hold numpy vectors as they are."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import JSONResponse


class Answer(JSONResponse):
    """JSON written by orjson; float32 numbers in their shortest exact form."""

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
