"""`sensorium mcp`: the service as tools of a language model."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service import logs
from service.commands.options import settings_from
from service.settings import Settings

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer
    from starlette.types import ASGIApp

DEFAULT_PORT = 8001


async def serve_http(server: MCPServer, settings: Settings, host: str, port: int) -> None:
    """Streamable HTTP at /mcp; where there are keys (SENSORIUM_API_KEYS), for callers with read and write."""
    import uvicorn  # noqa: PLC0415 - takes a while

    from service.access.entry import access_of, warn_if_open  # noqa: PLC0415 - loads torch
    from service.access.gate import ToolGate  # noqa: PLC0415 - loads torch

    here = settings.model_copy(update={"host": host})
    keyring = access_of(here).keyring
    warn_if_open(here)
    app: ASGIApp = server.streamable_http_app(host=host)
    gated = app if keyring is None else ToolGate(app, keyring)
    config = uvicorn.Config(
        gated, host=host, port=port, log_config=None, access_log=False, proxy_headers=False
    )
    await uvicorn.Server(config).serve()


def mcp(  # noqa: PLR0913 - the options
    url: Annotated[
        str | None, typer.Option(help="A running service. Without it the model is loaded here.")
    ] = None,
    api_key: Annotated[
        str | None, typer.Option(envvar="SENSORIUM_API_KEY", help="Key of the running service.")
    ] = None,
    files: Annotated[
        Path | None,
        typer.Option(help="Folder whose files the tools may read.", file_okay=False, exists=True),
    ] = None,
    *,
    http: Annotated[bool, typer.Option("--http", help="Streamable HTTP at /mcp in place of stdio.")] = False,
    host: Annotated[str, typer.Option(help="With --http: address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="With --http: port to listen on.")] = DEFAULT_PORT,
    model: Annotated[str | None, typer.Option(help="Without --url: model to load.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Without --url: folder of the collections.")] = None,
) -> None:
    """Serve the tools embed, search, add and classify over the Model Context Protocol (stdio)."""
    settings = settings_from(model=model, data_dir=data_dir)
    logs.write_to_stderr(settings.log_level, settings.log_format)
    try:
        from service.mcp_server import Service, elsewhere, here, make_server  # noqa: PLC0415 - an extra
    except ImportError as error:
        typer.echo(f"the extra `mcp` is missing ({error}); pip install 'sensorium[mcp]'", err=True)
        raise typer.Exit(1) from error

    async def serve() -> None:
        if url is None:
            from service.app import create_app  # noqa: PLC0415 - loads torch

            # Its only caller is in this process; whoever calls that one is asked for keys there.
            own = settings.model_copy(update={"api_keys": None, "rate_limit": {}})
            connection = here(create_app(own))
        else:
            connection = elsewhere(url, api_key)
        async with connection as client:
            server = make_server(Service(client, files))
            if http:
                await serve_http(server, settings, host, port)
            else:
                await server.run_stdio_async()

    asyncio.run(serve())
