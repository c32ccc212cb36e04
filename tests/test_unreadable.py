"""What the system says of files, in words."""

import pytest
from typer.testing import CliRunner

from service.cli import cli
from service.unreadable import plain


def said_of(work):
    """The words for the error that `work` ends with."""
    try:
        work()
    except OSError as error:
        return plain(error)
    raise AssertionError("it did not fail")


def test_what_is_missing_is_named(tmp_path):
    """A file, or the folder that it should be in."""
    assert said_of((tmp_path / "a.png").read_bytes) == f"there is no file {tmp_path / 'a.png'}"
    lost = tmp_path / "none" / "at" / "a.png"
    assert said_of(lost.read_bytes) == f"there is no folder {tmp_path / 'none'}"


def test_folders_and_other_faults_are_named(tmp_path):
    """A folder in place of a file, and whatever else the system says, without its number."""
    assert said_of(tmp_path.read_bytes) == f"{tmp_path} is a folder, not a file"
    (tmp_path / "file").write_bytes(b"")
    assert said_of((tmp_path / "file" / "x").read_bytes) == f"{tmp_path / 'file' / 'x'}: Not a directory"


def test_errors_of_our_own_keep_their_words(tmp_path):
    """Also those of the system that name no file."""
    assert plain(ValueError("too large")) == "too large"
    assert plain(ConnectionRefusedError(111, "Connection refused")) == "Connection refused"


@pytest.mark.parametrize(
    "words",
    [
        ["keys", "list", "ABSENT"],
        ["keys", "new", "--name", "a", "--file", "ABSENT/keys.txt"],
        ["restore", "ABSENT"],
        ["bind", "ABSENT", "--modality", "touch"],
    ],
    ids=lambda words: words[0] + " " + words[1],
)
def test_commands_say_it_so(tmp_path, words):
    """Each ends with the path that is missing, not with a number of the system."""
    absent = tmp_path / "absent"
    done = CliRunner().invoke(cli, [each.replace("ABSENT", str(absent)) for each in words])
    assert done.exit_code != 0
    assert str(absent) in done.output.replace("\n", "")
    assert "Errno" not in done.output
