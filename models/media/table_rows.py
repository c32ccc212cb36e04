"""CSV files row by row: never held as a whole, with bounds on rows and on the length of a line."""

import csv
import re
from collections.abc import Iterator

from models.errors import MediaError, MediaTooLargeError, UnsupportedMediaError

LONGEST_LINE = 65_536
LINE = re.compile(r"([^\r\n]*)(?:\r\n|\r|\n|\Z)")


def _text(data: bytes, wanted: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnsupportedMediaError(f"accepted are {wanted}; these bytes are neither") from error
    if "\0" in text:
        raise UnsupportedMediaError(f"accepted are {wanted}; these bytes are neither")
    return text


def _too_many(most: int) -> MediaTooLargeError:
    return MediaTooLargeError(f"the CSV has more lines than are accepted: at most {most}")


def _open_quote(line: int) -> MediaError:
    """A cell that goes on over lines without end is all that the reader objects to."""
    return MediaError(f"line {line} of the CSV opens a quote that is not closed")


def _lines(text: str, most: int) -> Iterator[str]:
    for number, match in enumerate(LINE.finditer(text)):
        if match.start() == len(text):
            return
        if number > most:
            raise _too_many(most)
        if match.end(1) - match.start() > LONGEST_LINE:
            raise MediaTooLargeError(
                f"line {number + 1} of the CSV has more than the accepted {LONGEST_LINE} characters"
            )
        yield match[1]


def _delimiter(text: str, most: int) -> str:
    """By the first line that is neither blank nor a comment."""
    lines = _lines(text, most)
    heading = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    return max(",;\t", key=heading.count)


def rows_of(data: bytes, most: int, wanted: str) -> Iterator[tuple[int, list[str]]]:
    """Its (first) line's number and the cells (comma, semicolon, tab) of each row; no blanks, no comments.

    `most`: how many lines below the first are accepted.
    Raises UnsupportedMediaError naming what is `wanted`, MediaTooLargeError, MediaError.
    """
    text = _text(data, wanted)
    # Counted in a blink, before seconds are spent on the rows that would be accepted.
    if max(text.count("\n"), text.count("\r")) > most + 1:
        raise _too_many(most)
    reader = csv.reader(_lines(text, most), delimiter=_delimiter(text, most))
    first = 1
    try:
        for row in reader:
            # The reader's own bound belongs to the process, and others may have moved it.
            if reader.line_num > first and sum(map(len, row)) > LONGEST_LINE:
                raise _open_quote(first)
            if row and (row[0].strip() or any(map(str.strip, row))) and not row[0].startswith("#"):
                yield first, row
            first = reader.line_num + 1
    except csv.Error as error:
        raise _open_quote(first) from error
