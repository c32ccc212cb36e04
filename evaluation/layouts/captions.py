"""Sounds with several captions each: AudioCaps (Kim et al. 2019) and Clotho (Drossos et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from evaluation.items import file_item, text_item
from evaluation.layouts.tables import SOUNDS, DataSet, absent, files_by_stem, first_there, rows_of
from evaluation.pairing import Pairing

AUDIOCAPS = """\
{split}.csv       youtube_id, start_time, caption (audiocap_id); one row per caption; --split test
audio/ or {split}/ or wav/   YOUTUBE_ID.wav, YYOUTUBE_ID.wav, YOUTUBE_ID_START.wav or AUDIOCAP_ID.wav
                             (.flac .mp3 .ogg .opus .m4a too)"""
CLOTHO = """\
clotho_captions_{split}.csv   file_name, caption_1 ... caption_5; --split evaluation
{split}/*.wav                 (or clotho_audio_{split}/, audio/)"""


def _pairs(name: str, sounds: Mapping[Path, Sequence[str]], notes: Sequence[str]) -> DataSet:
    owners = [owner for owner, said in enumerate(sounds.values()) for _ in said]
    captions = [text_item(caption) for said in sounds.values() for caption in said]
    return DataSet([Pairing(name, [file_item("audio", path) for path in sounds], captions, owners)], notes)


def audiocaps(root: Path, split: str | None) -> DataSet:
    """Rows of one clip are its captions."""
    split = split or "test"
    rows = rows_of(
        first_there(root, f"{split}.csv", f"dataset/{split}.csv"), ("youtube_id", "start_time", "caption")
    )
    folders = [root / name for name in (f"audio/{split}", "audio", split, "wav", "wavs", ".")]
    files = files_by_stem(folders, SOUNDS)
    said: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in rows:
        said.setdefault((row["youtube_id"], row["start_time"]), []).append(row)
    sounds: dict[Path, list[str]] = {}
    missing = []
    for (youtube, start), own in said.items():
        stems = [f"{youtube}_{start}", youtube, f"Y{youtube}", *(row.get("audiocap_id", "") for row in own)]
        found = [files[stem] for stem in stems if stem in files]
        if found:
            sounds.setdefault(found[0], []).extend(row["caption"] for row in own)
        else:
            missing.append(f"{youtube}.wav")
    notes = absent(missing, len(said), "sounds")
    return _pairs("AudioCaps", sounds, notes)


def clotho(root: Path, split: str | None) -> DataSet:
    """Five captions of every sound."""
    split = split or "evaluation"
    table = first_there(root, f"clotho_captions_{split}.csv", f"clotho_csv_files/clotho_captions_{split}.csv")
    columns = [f"caption_{number}" for number in range(1, 6)]
    rows = rows_of(table, ("file_name", *columns))
    folder = first_there(
        root, split, f"clotho_audio_{split}/{split}", f"clotho_audio_{split}", f"audio/{split}", "audio"
    )
    there = [row for row in rows if (folder / row["file_name"]).exists()]
    notes = absent([row["file_name"] for row in rows if row not in there], len(rows), "sounds")
    sounds = {folder / row["file_name"]: [row[c] for c in columns if row[c].strip()] for row in there}
    return _pairs("Clotho", sounds, notes)
