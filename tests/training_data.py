"""A data folder in miniature, as the training reads it: coloured shapes, tones, movements, pairs."""

import csv
import gzip
import io
import zipfile

import numpy as np
import soundfile
from PIL import Image, ImageDraw

COLUMNS = (
    "modality",
    "archive",
    "file",
    "split",
    "label",
    "concept",
    "pair_id",
    "caption",
    "licence_group",
    "source",
)
RATE_HZ = 16_000


def png(pixels):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def shape(kind, seed, side=40):
    """A red circle or a blue square somewhere on grey, RGB."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (side, side), (120, 120, 120))
    x, y = rng.integers(2, side // 2, 2).tolist()
    draw = ImageDraw.Draw(picture)
    box = (x, y, x + side // 3, y + side // 3)
    draw.ellipse(box, "red") if kind == "red circle" else draw.rectangle(box, "blue")
    return np.asarray(picture)


def tone(hertz, seed):
    """Ogg bytes of half a second."""
    rng = np.random.default_rng(seed)
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(RATE_HZ // 2) / RATE_HZ + rng.uniform(0, 6))
    out = io.BytesIO()
    soundfile.write(out, wave + 0.01 * rng.normal(size=wave.size), RATE_HZ, format="OGG")
    return out.getvalue()


def movement(strength, seed, count):
    """(count, 6) in g and rad/s: gravity along -y, steps of two hertz."""
    rng = np.random.default_rng(seed)
    steps = strength * np.sin(2 * np.pi * 2 * np.arange(count)[:, None] / 50 + rng.uniform(0, 6))
    return np.float32([0, -1, 0, 0, 0, 0]) + steps * np.float32([0.2, 0.5, 0.3, 1, 0.5, 0.5])


class Folder:
    """Collects the packs and the rows of `index.csv`."""

    def __init__(self, root):
        self.root, self.rows, self.zips = root, [], {}

    def row(self, modality, archive, file, *described, **more):
        split, label = described
        row = {"modality": modality, "archive": archive, "file": file, "split": split, "label": label}
        self.rows.append({"concept": label, "source": archive, **row, **more})

    def member(self, modality, archive, file, content, *row, **more):
        self.zips.setdefault(archive, {})[file] = content
        self.row(modality, archive, file, *row, **more)

    def npz(self, archive, **arrays):
        path = self.root / archive
        path.parent.mkdir(exist_ok=True)
        np.savez(path, **arrays)

    def write(self):
        for archive, members in self.zips.items():
            (self.root / archive).parent.mkdir(exist_ok=True)
            with zipfile.ZipFile(self.root / archive, "w") as file:
                for name, content in members.items():
                    file.writestr(name, content)
        with (self.root / "index.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, COLUMNS, restval="")
            table.writeheader()
            table.writerows(self.rows)


def split_of(number):
    """Every third item is for validation."""
    return "val" if number % 3 == 2 else "train"


def add_pictures(folder):
    shapes = ["red circle", "blue square"] * 6
    encoded = [png(shape(kind, seed)) for seed, kind in enumerate(shapes)]
    start = np.cumsum([0, *map(len, encoded)])
    folder.npz("images/tiny_imagenet.npz", data=np.frombuffer(b"".join(encoded), np.uint8), start=start)
    for number, kind in enumerate(shapes):
        split = split_of(number // 2)
        folder.row("image", "images/tiny_imagenet.npz", number, split, kind, source="Tiny-ImageNet-200")
    for number in range(3):
        pair = {"pair_id": f"photo-{number}", "source": "Flickr8k"}
        photo = png(shape("red circle", 50 + number)[:, :30])
        folder.member("image", "images/flickr1k.zip", f"{number}.png", photo, split_of(number), "", **pair)
        said = {"caption": "A red ball on a grey floor .", **pair}
        folder.row("text", "text/flickr8k_captions.csv.gz", number, split_of(number), "", **said)


def add_sounds(folder):
    for number in range(12):
        label, hertz = (("whistle", 2_000), ("hum", 150))[number % 2]
        split, content = split_of(number // 2), tone(hertz, number)
        folder.member("audio", "sounds/esc10.zip", f"{number}.ogg", content, split, label, source="ESC-10")


def add_movements(folder):
    kinds = [("walking", 1.0), ("sitting", 0.02)] * 9
    for archive, count, source in (("sisfall", 256, "SisFall"), ("uci_har", 128, "UCI HAR")):
        x = np.stack([movement(strength, seed, count) for seed, (_, strength) in enumerate(kinds)])
        scale = np.full(6, 1e-3, np.float32)
        stored = {"x": (x / scale).astype(np.int16), "scale": scale} if archive == "sisfall" else {"x": x}
        folder.npz(f"imu/{archive}.npz", **stored)
        for number, (label, _) in enumerate(kinds):
            folder.row("imu", f"imu/{archive}.npz", number, split_of(number // 2), label, source=source)


def add_pairs(folder):
    """Thermal and depth maps with the photographs that belong to them."""
    rng = np.random.default_rng(9)
    for number in range(6):
        warm = rng.integers(0, 256, (48, 64), np.uint8)
        far = rng.integers(500, 4_000, (48, 64)).astype(np.uint16)
        for modality, archive, pixels, label in (
            ("thermal", "thermal/roadscene.zip", warm, "road scene"),
            ("depth", "depth/sevenscenes_kitchen.zip", far, "kitchen with a table and chairs"),
        ):
            pair = {"pair_id": f"{modality}-{number}", "source": archive}
            photo = png(shape("blue square", 70 + number))
            split = split_of(number)
            folder.member(modality, archive, f"map/{number}.png", png(pixels), split, label, **pair)
            folder.member("image", archive, f"rgb/{number}.png", photo, split, label, **pair)


def add_captions(root):
    """The caption files, a sentence or two each."""
    (root / "text").mkdir()
    for name, column in (("audiocaps", "split"), ("clotho", "split"), ("flickr8k_captions", "image")):
        with gzip.open(root / f"text/{name}.csv.gz", "wt", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow([column, "caption"])
            table.writerows([["train", f"a dog barks near a road in {name}"], ["train", "a man walks"]])


def make(root):
    """Write the folder."""
    add_captions(root)
    folder = Folder(root)
    for add in (add_pictures, add_sounds, add_movements, add_pairs):
        add(folder)
    folder.write()
    return root
