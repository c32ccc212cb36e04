"""Distils the text tower from the teacher: loss = 1 - cos(student(s), teacher(s)) over the corpus."""

# ruff: noqa: S311 - draws training material, no secrets
from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from open_clip.tokenizer import SimpleTokenizer
from torch.nn import functional

from models import clip_bpe
from models.clip_bpe import CONTEXT, END, START, VOCABULARY
from models.small.text import TextTower
from training.config import TextConfig
from training.phrases import captions, corpus, named
from training.progress import Progress, load_checkpoint, save_checkpoint
from training.schedule import cosine_rate
from training.targets import read_targets, teach
from training.teacher import Teacher

KEPT_LAYERS = (0, 2, 5)  # of the teacher's six


def token_ids(texts: list[str]) -> torch.Tensor:
    """int64 (n, CONTEXT): start, text, end, zeros."""
    return torch.tensor([clip_bpe.row(clip_bpe.encode(text))[0] for text in texts])


def word_vectors(teacher: Teacher) -> torch.Tensor:
    """(VOCABULARY, 384): each byte-pair token as the mean of the teacher's pieces of the same string."""
    tokenizer = SimpleTokenizer()
    strings = [_string(tokenizer, token) for token in range(VOCABULARY)]
    strings[START], strings[END] = "[CLS]", "[SEP]"
    encoded = teacher.tokenizer.encode_batch(strings, add_special_tokens=False)
    ids = torch.tensor([e.ids for e in encoded])
    real = torch.tensor([e.attention_mask for e in encoded]).float()[..., None]
    sums = (functional.embedding(ids, teacher.words.detach()) * real).sum(1)
    return sums / real.sum(1).clamp(min=1)


def _string(tokenizer: SimpleTokenizer, token: int) -> str:
    symbols = tokenizer.decoder[token].removesuffix("</w>")
    return bytes(tokenizer.byte_decoder.get(s, 32) for s in symbols).decode("utf-8", "replace")


def start_from(teacher: Teacher, tower: TextTower) -> None:
    """Copy the kept layers; factorise the embedding E = mean + T W by SVD, common tokens weighing more."""
    words = word_vectors(teacher)
    mean = words.mean(0)
    weight = (torch.arange(VOCABULARY) + 500.0).rsqrt()[:, None]  # tokens are sorted by frequency
    _, _, right = torch.linalg.svd((words - mean) * weight, full_matrices=False)
    basis = right[: tower.tokens.weight.shape[1]]
    with torch.no_grad():
        tower.tokens.weight.copy_((words - mean) @ basis.T)
        tower.widen.weight.copy_(basis.T)
        tower.positions.copy_(teacher.positions[:CONTEXT] + mean)
    tower.norm.load_state_dict(teacher.norm.state_dict())
    for own, layer in zip(tower.blocks, KEPT_LAYERS, strict=True):
        own.load_state_dict(teacher.blocks[layer].state_dict())


def batches(lengths: torch.Tensor, size: int, rng: random.Random) -> list[torch.Tensor]:
    """Shuffled batches of sentences of similar length, so that little is padded."""
    order = torch.tensor(rng.sample(range(len(lengths)), len(lengths)))
    pools = torch.split(order, size * 32)
    sorted_pools = [pool[lengths[pool].argsort()] for pool in pools]
    cut = [batch for pool in sorted_pools for batch in torch.split(pool, size)]
    rng.shuffle(cut)
    return cut


def passes(lengths: torch.Tensor, config: TextConfig) -> Iterator[torch.Tensor]:
    """Batches without end; the same ones for the same seed."""
    rng = random.Random(config.seed)
    while True:
        yield from batches(lengths, config.batch, rng)


@torch.inference_mode()
def vectors(tower: TextTower, ids: torch.Tensor) -> torch.Tensor:
    """Raw head outputs (n, DIM), float32; texts of like length are encoded together."""
    order = (ids == END).int().argmax(-1).argsort()
    device = tower.bias.device
    heads = torch.cat([tower(part.to(device)).cpu() for part in torch.split(ids[order], 64)])
    return heads[order.argsort()]


def distil(data: Path, out: Path, config: TextConfig) -> TextTower:
    """Train and return the tower; goes on from `out/text.pt` after an interruption."""
    torch.manual_seed(config.seed)
    train, val = corpus(data, config.phrases, config.seed)
    for texts, name in ((train, "targets_train"), (val, "targets_val")):
        teach(texts, out / name)
    targets = read_targets(train, out / "targets_train")
    val_ids, val_targets = token_ids(val), read_targets(val, out / "targets_val").float()
    ids = token_ids(train)
    extra = _rows_of(train, set(named(data))).repeat(config.repeat_named - 1)
    rows = torch.cat([torch.arange(len(train)), extra])
    lengths = (ids == END).int().argmax(-1)

    tower = TextTower()
    start_from(Teacher(), tower)
    tower.to(config.device)
    optimizer = _optimizer(tower, config)
    steps = config.samples // config.batch
    done = load_checkpoint(out / "text.pt", tower, optimizer)
    progress = Progress(out / "text.pt", steps)
    for step, drawn in enumerate(islice(passes(lengths[rows], config), steps)):
        if step < done:
            continue
        chosen = rows[drawn]
        cosine_rate(optimizer, step / steps, config.warmup)
        with torch.autocast(torch.device(config.device).type, torch.bfloat16):
            said = tower(ids[chosen].to(config.device))
        aims = targets[chosen].float().to(config.device)
        loss = 1 - functional.cosine_similarity(said.float(), aims).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        optimizer.step()
        progress.step(step, loss)
        if (step + 1) % 400 == 0 or step + 1 == steps:
            cosines = functional.cosine_similarity(vectors(tower, val_ids), val_targets)
            heard, made = float(cosines[:-1000].mean()), float(cosines[-1000:].mean())
            progress.check(step, {"cosine captions": heard, "cosine phrases": made}, ())
            save_checkpoint(out / "text.pt", tower, optimizer, step + 1)
    return tower.cpu()


def centre(tower: TextTower, texts: list[str]) -> None:
    """Subtract the mean of the head outputs of `texts`: the modality's own offset, the gap, goes."""
    with torch.no_grad():
        tower.bias.sub_(vectors(tower, token_ids(texts)).mean(0))


def load_text(out: Path) -> TextTower:
    """The finished tower of `train_text`."""
    tower = TextTower()
    tower.load_state_dict(torch.load(out / "text_done.pt", weights_only=True))
    return tower.eval()


def train_text(data: Path, out: Path, config: TextConfig) -> TextTower:
    """Distil and centre; the finished tower is kept in `out/text_done.pt`."""
    done = out / "text_done.pt"
    if done.exists():
        return load_text(out)
    tower = distil(data, out, config)
    said = named(data)
    heard = captions(data)[0]
    centre(tower, said + random.Random(config.seed).sample(heard, len(said)))
    torch.save(tower.state_dict(), done)
    return tower.eval()


def _rows_of(texts: list[str], wanted: set[str]) -> torch.Tensor:
    return torch.tensor([row for row, text in enumerate(texts) if text in wanted])


def _optimizer(tower: TextTower, config: TextConfig) -> torch.optim.Optimizer:
    tokens = [tower.tokens.weight]
    rest = [p for name, p in tower.named_parameters() if name not in ("tokens.weight", "bias")]
    groups = [
        {"params": tokens, "lr": config.rate_tokens, "weight_decay": 0.0},
        {"params": rest, "lr": config.rate, "weight_decay": config.weight_decay},
    ]
    return torch.optim.AdamW(groups, fused=True)
