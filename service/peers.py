"""Requests for embeddings as other services word them, read by the one grammar of parts.

`messages` as vLLM's chat embeddings, `inputs` with `content` as Cohere's and Voyage's, `texts` and `images`
as Cohere's; `input` is OpenAI's, Jina's and our own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from models.errors import ParameterError
from service.errors import LocatedError
from service.parts import Fused, Part, Senses, limited, parse_inputs, parse_part

FIELDS = ("input", "inputs", "messages", "texts", "images")
# These tell a language model how to answer, which is no content.
INSTRUCTIONS = frozenset({"system", "developer"})


def said(message: Any, where: str) -> Iterator[tuple[Any, str]]:
    """The pieces of a message that are not empty, with their places. Raises LocatedError."""
    if not isinstance(message, dict) or "content" not in message:
        raise LocatedError(ParameterError("a message is an object with `role` and `content`"), where)
    if message.get("role") in INSTRUCTIONS:
        return
    content = message["content"]
    pieces = content if isinstance(content, list) else [content]
    for i, piece in enumerate(pieces):
        text = piece.get("text") if isinstance(piece, dict) and piece.get("type") == "text" else piece
        if text not in ("", None):
            yield piece, f"{where}.content[{i}]" if isinstance(content, list) else f"{where}.content"


def conversation(messages: Any, most: int, senses: Senses) -> list[Part]:
    """One part: the blend of what the messages hold. Raises LocatedError."""
    if not isinstance(messages, list):
        raise LocatedError(ParameterError("`messages` has to be a list of messages"), "messages")
    pieces = [each for i, message in enumerate(messages) for each in said(message, f"messages[{i}]")]
    if not pieces:
        raise LocatedError(ParameterError("the messages hold nothing to embed"), "messages")
    parts = tuple(parse_part(value, where, senses=senses) for value, where in pieces)
    return limited([parts[0] if len(parts) == 1 else Part(Fused(parts), "messages")], "messages", most)


def parts_of(request: Mapping[str, Any], most: int, strings: str, senses: Senses) -> list[Part]:
    """The parts of the one field of FIELDS that is there. Raises LocatedError."""
    given: Sequence[str] = [name for name in FIELDS if request.get(name) is not None]
    if len(given) != 1:
        found = f"both {' and '.join(given)}" if given else "none of them"
        message = f"exactly one of {', '.join(FIELDS)} has to be there; this request has {found}"
        raise LocatedError(ParameterError(message), given[1] if given else "input")
    [name] = given
    if name == "messages":
        return conversation(request[name], most, senses)
    bare = {"texts": "text", "images": "image"}.get(name, strings)
    return parse_inputs(request[name], name, most, bare, senses)
