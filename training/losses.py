"""The losses of the alignment. z (n, DIM): unit vectors of a batch; t (m, DIM): of the hub, frozen.

s = 1 / temperature is learned. ImageBind (Girdhar et al. 2023, eq. 1) aligns pairs (q_i, k_i) by

    L_{q,k} = -log( exp(q_i.k_i / tau) / ( exp(q_i.k_i / tau) + sum_{j != i} exp(q_i.k_j / tau) ) )

in both directions, L = L_{q,k} + L_{k,q}. Here q = z and k = t, and several items may share one k (a name, a
photograph).
"""

from __future__ import annotations

import torch
from torch.nn import functional

SMOOTHING = 0.1
NEVER = -1e4  # a logit that takes no part in a softmax


def softmax_loss(  # noqa: PLR0913 - the letters of the formula
    z: torch.Tensor,
    t: torch.Tensor,
    own: torch.Tensor,
    scale: torch.Tensor,
    *,
    rivals: torch.Tensor | None = None,
    smoothing: float = SMOOTHING,
) -> torch.Tensor:
    """From item to hub, L_{q,k}: each item against all of t.

        L_i = -log( exp(s z_i.t_own) / sum_{j in rivals(own) + own} exp(s z_i.t_j) )

    with label smoothing over the rivals. `own`: (n,) column of each item, -1 = leave out.
    `rivals`: bool (names, names), False where a name is no contradiction ("dog" for a Chihuahua).
    """
    keep = own >= 0
    if not keep.any():
        return z.new_zeros(())
    own = own[keep]
    logits = scale * z[keep] @ t.T
    allowed = torch.ones_like(logits, dtype=torch.bool) if rivals is None else rivals[own]
    log_p = logits.masked_fill(~allowed, NEVER).log_softmax(-1)
    hit = log_p.gather(1, own[:, None])[:, 0]
    even = (log_p * allowed).sum(-1) / allowed.sum(-1)
    return -((1 - smoothing) * hit + smoothing * even).mean()


def returning_loss(
    z: torch.Tensor, t: torch.Tensor, positives: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """From hub to item, L_{k,q}, for several positives P(j) of each column j.

        L_j = -1/|P(j)| sum_{i in P(j)} log( e_i / ( e_i + sum_{l not in P(j)} e_l ) ),   e_i = exp(s z_i.t_j)

    so that items of the same name are no negatives of each other. `positives`: bool (n, m); a column without
    a positive in the batch is left out.
    """
    asked = positives.any(0)
    if not asked.any():
        return z.new_zeros(())
    logits, own = scale * t[asked] @ z.T, positives[:, asked].T
    others = logits.masked_fill(own, NEVER).logsumexp(-1, keepdim=True)
    each = torch.logaddexp(logits, others) - logits
    return ((each * own).sum(-1) / own.sum(-1)).mean()


def info_nce(z: torch.Tensor, t: torch.Tensor, positives: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """The mean of both directions, each with several positives. `positives`: bool (n, m)."""
    return (returning_loss(t, z, positives.T, scale) + returning_loss(z, t, positives, scale)) / 2


def columns_of(own: torch.Tensor, count: int) -> torch.Tensor:
    """`positives` of items that have one column each: bool (n, count); -1 has none."""
    return own[:, None] == torch.arange(count, device=own.device)


def cosine_loss(z: torch.Tensor, t: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """1 - z_i.t_own, mean over the named items: raises matched cosines at no cost in ranking."""
    keep = own >= 0
    if not keep.any():
        return z.new_zeros(())
    return (1 - functional.cosine_similarity(z[keep], t[own[keep]])).mean()


def class_loss(logits: torch.Tensor, own: torch.Tensor, together: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of a plain classifier (n, classes); only classes of the item's own data set are rivals.

    `own`: (n,), -1 = leave out. `together`: bool (classes, classes), True within a data set.
    """
    keep = own >= 0
    if not keep.any():
        return logits.new_zeros(())
    own = own[keep]
    return functional.cross_entropy(logits[keep].masked_fill(~together[own], NEVER), own)
