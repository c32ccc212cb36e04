"""Records of a training and the report made from them."""

import gzip
import json

import pytest

from training import report
from training.record import PAUSE_S, read
from training.report import write_report
from training.report_page import curves


def line(time, step, loss=1.0, **more):
    return {"time": time, "step": step, "steps": 40, "loss": loss, **more}


def write(path, *lines, end=""):
    path.write_text("".join(json.dumps(one) + "\n" for one in lines) + end, encoding="utf-8")
    return path


@pytest.fixture
def folders(tmp_path):
    """(data, out): an index of two sets, a finished run of the IMU tower with an evaluation."""
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    out.mkdir()
    rows = ["imu,train,SisFall"] * 3 + ["imu,val,SisFall"] + ["image,train,My | photos"]
    text = "modality,split,source\n" + "\n".join(rows) + "\n"
    (data / "index.csv").write_text(text, encoding="utf-8")
    write(
        out / "imu.jsonl",
        line(0, 20, 2.0, figures={"sisfall": 0.5}),
        line(60, 40, 0.5, figures={"sisfall": 0.75}),
    )
    return data, out


def test_losses_and_figures_over_the_steps(tmp_path):
    """A loss line and a check of the same step are one point; figures keep their names."""
    lines = [line(0, 10, 3.0, rate=1.0), line(5, 20, 2.0), line(6, 20, 2.0, figures={"a": 0.1, "b": 0.2})]
    record = read(write(tmp_path / "imu.jsonl", *lines))
    assert (record.name, record.step, record.steps) == ("imu", 20, 40)
    assert record.losses == [(10, 3.0), (20, 2.0)]
    assert record.figures == {"a": [(20, 0.1)], "b": [(20, 0.2)]}
    assert record.last == {"a": 0.1, "b": 0.2}


def test_steps_done_again_after_a_kill_count_once(tmp_path):
    """What lay beyond the checkpoint is replaced, and the time between the two runs is no work."""
    before = [line(0, 10, 3.0), line(20, 20, 2.5), line(40, 30, 9.0)]
    after = [line(40 + PAUSE_S + 1, 25, 2.2), line(60 + PAUSE_S + 1, 40, 2.0)]
    record = read(write(tmp_path / "imu.jsonl", *before, *after))
    assert record.losses == [(10, 3.0), (20, 2.5), (25, 2.2), (40, 2.0)]
    assert record.seconds == 60
    assert record.pauses == 1


def test_a_line_cut_by_a_kill_is_left_out(tmp_path):
    """The last line may be half a line; anywhere else it is a fault that is named."""
    good = line(0, 10)
    assert read(write(tmp_path / "imu.jsonl", good, end='{"time": 1, "st')).step == 10
    with pytest.raises(ValueError, match=r"audio\.jsonl, line 1"):
        read(write(tmp_path / "audio.jsonl", {"time": 1}, good))
    with pytest.raises(ValueError, match="no record"):
        read(write(tmp_path / "depth.jsonl"))


def test_the_page_has_stages_figures_data_and_machine(folders):
    """Without an evaluation the figures are those of the last check; an unknown set says so."""
    data, out = folders
    weights = out / "w.safetensors"
    weights.write_bytes(b"abc")
    page = write_report(data, out, weights).read_text(encoding="utf-8")
    assert "| imu | 40 of 40 | 1.0 min | 0 | 0.5000 |" in page
    assert "| imu | sisfall | 0.750 |" in page
    assert "| SisFall | imu | 3 | 1 | free for research |" in page
    assert "| My / photos | image | 1 | 0 | unknown to this table" in page
    assert (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" in page
    )  # SHA-256 of abc (FIPS 180)
    assert "all-MiniLM-L6-v2" in page
    facts = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert facts["machine"]["cores"] >= 1
    assert facts["weights"]["bytes"] == 3


def test_a_whole_caption_file_counts_its_captions(tmp_path):
    """An asterisk in the index stands for every row of the file."""
    with gzip.open(tmp_path / "said.csv.gz", "wt", encoding="utf-8") as file:
        file.write('caption\na dog\n"two\nlines"\na cat\n')
    index = "modality,archive,file,split,source\ntext,said.csv.gz,*,train,Clotho\n"
    (tmp_path / "index.csv").write_text(index, encoding="utf-8")
    [row] = report.materials(tmp_path)
    assert (row["train"], row["val"], row["licence"]) == (3, 0, "Tampere University's terms")


def test_the_figures_of_an_evaluation_are_the_final_table(folders):
    """Value, interval and number of items; a file of something else is refused by name."""
    data, out = folders
    row = {"task": "SisFall", "measure": "top-1", "value": 0.9, "low": 0.88, "high": 0.92, "n": 574}
    (out / "figures.json").write_text(json.dumps({"figures": [row]}), encoding="utf-8")
    page = write_report(data, out).read_text(encoding="utf-8")
    assert "| SisFall | top-1 |  | 0.900 | 0.880 to 0.920 | 574 |" in page
    assert "No weights were exported" in page
    for wrong in ('{"figures": [{"task": "x"}]}', "[]", "{"):
        (out / "figures.json").write_text(wrong, encoding="utf-8")
        with pytest.raises(ValueError, match=r"figures\.json"):
            write_report(data, out)


def test_a_folder_without_records_is_refused(folders, tmp_path):
    """The message says what a record is called."""
    with pytest.raises(ValueError, match=r"NAME\.jsonl"):
        write_report(folders[0], tmp_path)


def test_curves_of_a_stage(folders):
    """One picture of the loss, one of the figures where there are any."""
    record = read(folders[1] / "imu.jsonl")
    assert set(curves(record)) == {"imu-loss.svg", "imu-figures.svg"}
    lines = [line(0, 10, 3.0), line(5, 20, float("nan"))]
    assert set(curves(read(write(folders[1] / "text.jsonl", *lines)))) == {"text-loss.svg"}


def test_every_set_of_the_licence_table_is_told_apart():
    """A known source has its licence, an unknown one a warning."""
    assert report.licence_of("HIT-UAV") == "CC BY 4.0"
    assert "look before you publish" in report.licence_of("somebody's disk")
