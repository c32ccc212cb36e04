"""Options that several commands take, and the settings they lie on top of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from service.settings import Settings

# Units stand in words: rich takes what is in brackets for its markup.
SampleRate = Annotated[float | None, typer.Option(help="IMU: samples per second (Hz).")]
Unit = Annotated[str | None, typer.Option(help="Depth: m, mm or relative. IMU: si or g.")]
FocalLength = Annotated[float | None, typer.Option(help="Depth: focal length in pixels.")]
Baseline = Annotated[float | None, typer.Option(help="Depth: distance of the stereo cameras in metres.")]
Coldest = Annotated[float | None, typer.Option(help="Thermal: coldest value in degrees C.")]
Warmest = Annotated[float | None, typer.Option(help="Thermal: warmest value in degrees C.")]
Server = Annotated[str | None, typer.Option(help="Address of a running server to work through.")]
Key = Annotated[str | None, typer.Option(envvar="SENSORIUM_API_KEY", help="Key of the running server.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder of the collections, which no server may hold.")]


def settings_from(**given: Any) -> Settings:
    """SENSORIUM_* with the command line's options on top; ends the program where they are wrong."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        for each in error.errors():
            name = str(each["loc"][0])
            typer.echo(f"--{name.replace('_', '-')} / SENSORIUM_{name.upper()}: {each['msg']}", err=True)
        raise typer.Exit(2) from error
