"""How a label is said: prompt templates per modality and everyday phrases for sounds and movements."""

from __future__ import annotations

from collections.abc import Mapping

TEMPLATES = {
    "image": (
        "{}",
        "a {}",
        "a photo of a {}",
        "a picture of the {}",
        "a blurry photo of a {}",
        "a close-up photo of a {}",
        "a {} in the photo",
    ),
    "audio": ("{}", "a {}", "the sound of a {}", "a recording of a {}", "the noise of a {}"),
    "speech": ("{}", "the word {}", "someone saying {}", "a voice says {}", "the spoken digit {}"),
    "thermal": (
        "{}",
        "a {}",
        "a thermal image of a {}",
        "an infrared photo of a {}",
        "a {} seen by a heat camera",
    ),
    "depth": ("{}", "a {}", "a depth map of a {}", "the shape of a {}", "a 3D scan of a {}"),
    "imu": (
        "{}",
        "a person {}",
        "someone {}",
        "someone is {}",
        "a person is {}",
        "a movement recording of a person {}",
        "motion sensor data of {}",
    ),
}

# What people write instead of the label; added to the templates' sentences.
PHRASES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "audio": {
        "dog": ("a dog barking", "dogs bark", "a dog barks loudly"),
        "cat": ("a cat meowing", "a cat meows", "a kitten purring"),
        "bird": ("a bird singing", "birds chirping", "a bird chirps"),
        "cow": ("a cow mooing", "a cow moos"),
        "lion": ("a lion roaring", "a lion roars", "a big cat growling"),
        "frog": ("a frog croaking", "frogs croak"),
        "sheep": ("a sheep bleating", "sheep baa"),
        "hen": ("a hen clucking", "chickens clucking"),
        "rooster": ("a rooster crowing", "a rooster crows", "a cock crowing"),
        "monkey": ("a monkey screeching", "monkeys chattering"),
        "donkey": ("a donkey braying", "a donkey hee-haws"),
        "rain": ("rain falling", "heavy rain pouring down", "it is raining"),
        "sea waves": ("waves crashing on the shore", "ocean waves", "waves breaking on a beach"),
        "clock tick": ("a clock ticking", "a ticking clock", "the ticking of a watch"),
        "sneezing": ("a person sneezing", "someone sneezes"),
        "helicopter": ("a helicopter flying overhead", "the blades of a helicopter"),
        "chainsaw": ("a chainsaw cutting wood", "a chainsaw running"),
        "crackling fire": ("a fire crackling", "a campfire burning", "wood burning and crackling"),
        "crying baby": ("a baby crying", "an infant cries", "a baby is crying loudly"),
    },
    "imu": {
        "walking": ("a person walking", "someone walks", "walking slowly", "taking a walk"),
        "walking quickly": ("a person walking fast", "someone walks quickly", "a brisk walk"),
        "jogging": ("a person jogging", "someone jogs", "jogging slowly"),
        "running": ("a person running", "someone runs fast", "a sprint"),
        "walking upstairs": ("climbing stairs", "someone walks up the stairs", "going upstairs"),
        "walking downstairs": ("going down the stairs", "someone walks down the stairs"),
        "walking on stairs": ("someone going up and down the stairs", "using the stairs"),
        "sitting": ("a person sitting still", "someone sits", "sitting on a chair"),
        "standing": ("a person standing still", "someone stands", "standing upright"),
        "lying down": ("a person lying still", "someone lies down", "lying in bed"),
        "jumping": ("a person jumping", "someone jumps up and down"),
        "falling forward": ("someone falls", "a person falls forward", "a fall onto the face"),
        "falling backward": ("someone falls", "a person falls backward", "a fall onto the back"),
        "falling sideways": ("someone falls", "a person falls sideways", "a fall to the side"),
        "falling vertically": ("someone falls", "a person faints", "collapsing straight down"),
        "stumbling while walking": ("someone stumbles", "a person trips while walking"),
        "collapsing into a chair": ("someone drops into a chair", "falling into a chair"),
        "getting in and out of a car": ("someone gets into a car", "getting out of a car"),
        "sitting down and standing up": ("someone sits down and gets up", "getting up from a chair"),
        "sitting then lying down": ("someone sits and then lies down", "going to bed"),
        "turning over while lying down": ("someone rolls over in bed", "turning over in bed"),
        "bending at the knees": ("someone squats", "bending the knees"),
        "bending forward": ("someone bends over", "bending down to pick something up"),
    },
    "thermal": {
        "road scene": ("a road at night", "cars on a street", "a street"),
        "dog": ("a warm dog",),
        "person": ("people", "a warm person", "people walking"),
        "car": ("cars", "parked cars", "vehicles"),
        "bicycle": ("bicycles", "someone on a bike"),
    },
    "depth": {
        "kitchen with a table and chairs": ("a kitchen", "a room with a table"),
        "street with traffic lights": ("a street", "a road with traffic lights"),
    },
    "image": {
        "road scene": ("a road", "cars on a street", "a street"),
        "kitchen with a table and chairs": ("a kitchen", "a room with a table"),
        "street with traffic lights": ("a street", "a road with traffic lights"),
        "human face": ("a person", "the face of a person", "a portrait"),
    },
}
DIGITS = frozenset(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])


def sentences(modality: str, label: str) -> list[str]:
    """Every way the training says `label` of `modality`; the bare label comes first."""
    kind = "speech" if modality == "audio" and label in DIGITS else modality
    said = [template.format(label) for template in TEMPLATES[kind]]
    return said + list(PHRASES.get(modality, {}).get(label, ()))
