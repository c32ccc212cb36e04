"""Texts as rows of 77 token ids of CLIP's byte-pair vocabulary."""

from __future__ import annotations

import numpy as np
import torch

from models import clip_bpe
from models.embedder import Views
from models.errors import MediaError
from models.samples import TextSample


def _bare(tokens: tuple[int, ...]) -> list[int]:
    """Token ids without the start and the end that may stand around them."""
    wrong = [token for token in tokens if not 0 <= token < clip_bpe.VOCABULARY]
    if wrong:
        raise MediaError(
            f"token id {wrong[0]} is not in CLIP's vocabulary; accepted are 0 to {clip_bpe.VOCABULARY - 1}"
        )
    ids = list(tokens)
    ids = ids[1:] if ids[:1] == [clip_bpe.START] else ids
    return ids[: ids.index(clip_bpe.END)] if clip_bpe.END in ids else ids


def prepare_text(sample: TextSample) -> Views:
    """One row int64 (1, 77). Start and end are put around token ids that lack them."""
    if sample.text is not None:
        ids = clip_bpe.encode(sample.text[: clip_bpe.READ_AT_MOST])
        whole = len(sample.text) <= clip_bpe.READ_AT_MOST
    else:
        ids, whole = _bare(sample.tokens or ()), True
    row, cut = clip_bpe.row(ids)
    notes = (f"text cut to {clip_bpe.CONTEXT} tokens",) if cut or not whole else ()
    return Views(
        torch.from_numpy(np.array([row], np.int64)), notes, tokens=min(len(ids) + 2, clip_bpe.CONTEXT)
    )
