"""`sensorium keys`: API keys, made here and kept nowhere but with those who use them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.access.keys import Key, digest_of, keys_of_file, line_of, named, new_secret, scopes_of
from service.access.rates import parse_rate
from service.unreadable import plain

keys = typer.Typer(help="Make API keys (SENSORIUM_API_KEYS).", no_args_is_help=True)
FILE_MODE = 0o600


def ended(error: Exception) -> typer.Exit:
    """Say what is wrong; the exit code is 2."""
    typer.echo(plain(error), err=True)
    return typer.Exit(2)


def append(file: Path, key: Key) -> None:
    """Add the key's line, in a file that only its owner can read. Raises ValueError, OSError."""
    former = file.read_text(encoding="utf-8") if file.exists() else ""
    if key.name in {each.name for each in keys_of_file(former)}:
        raise ValueError(f"{file} has a key {key.name!r} already; take its line out, or choose another name")
    file.touch(FILE_MODE)
    separator = "" if not former or former.endswith("\n") else "\n"
    with file.open("a", encoding="utf-8") as opened:
        opened.write(f"{separator}{line_of(key)}\n")


@keys.command()
def new(
    name: Annotated[str, typer.Option(help="Who the key is for; stands in the logs.")],
    scopes: Annotated[str, typer.Option(help="Comma list of read, write, admin.")] = "read",
    rate: Annotated[
        str, typer.Option(help="Most per minute, such as requests=600,seconds=3600,pixels=5e8.")
    ] = "",
    file: Annotated[
        Path | None, typer.Option(help="File of keys that the new one's line is added to.")
    ] = None,
) -> None:
    """Print a new key once, and the line that stands for it in a file of keys.

    With --file the line goes there, and the key alone is printed. A running server takes it up by itself.
    """
    secret = new_secret()
    try:
        key = Key(named(name), scopes_of(scopes.split(",")), digest_of(secret), parse_rate(rate) or None)
        if file is not None:
            append(file, key)
    except (ValueError, OSError) as error:
        raise ended(error) from error
    if file is not None:
        typer.echo(secret)
        return
    typer.echo(f"key:  {secret}\nline: {line_of(key)}")


@keys.command("list")
def list_keys(file: Annotated[Path, typer.Argument(help="File of keys.")]) -> None:
    """Print the lines of a file of keys that count, or say which one is wrong."""
    try:
        for key in keys_of_file(file.read_text(encoding="utf-8")):
            typer.echo(line_of(key))
    except (ValueError, OSError) as error:
        raise ended(error) from error
