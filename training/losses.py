"""The losses of the alignment. z: unit vectors of a batch, t: unit text vectors of the names, frozen."""

from __future__ import annotations

import torch
from torch.nn import functional

SMOOTHING = 0.1


def softmax_loss(  # noqa: PLR0913 - the letters of the formula
    z: torch.Tensor,
    t: torch.Tensor,
    own: torch.Tensor,
    scale: torch.Tensor,
    *,
    rivals: torch.Tensor | None = None,
    smoothing: float = SMOOTHING,
) -> torch.Tensor:
    """InfoNCE against a fixed set of names (Girdhar et al. 2023, eq. 1, with names as the second modality).

        L_i = -log( exp(s z_i.t_own) / sum_{j in rivals(own) + own} exp(s z_i.t_j) ),   s = 1 / temperature

    with label smoothing over the rivals. `own`: (n,) column of each item, -1 = leave out.
    `rivals`: bool (names, names), False where a name is no contradiction ("dog" for a Chihuahua).
    """
    keep = own >= 0
    if not keep.any():
        return z.new_zeros(())
    own = own[keep]
    logits = scale * z[keep] @ t.T
    allowed = torch.ones_like(logits, dtype=torch.bool) if rivals is None else rivals[own]
    log_p = logits.masked_fill(~allowed, -1e4).log_softmax(-1)
    hit = log_p.gather(1, own[:, None])[:, 0]
    even = (log_p * allowed).sum(-1) / allowed.sum(-1)
    return -((1 - smoothing) * hit + smoothing * even).mean()


def cosine_loss(z: torch.Tensor, t: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """1 - z_i.t_own, mean over the named items: raises matched cosines at no cost in ranking."""
    keep = own >= 0
    if not keep.any():
        return z.new_zeros(())
    return (1 - functional.cosine_similarity(z[keep], t[own[keep]])).mean()
