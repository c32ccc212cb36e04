"""The page at /docs: Swagger UI from an installed package, which works offline, without inline scripts."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.exceptions import HTTPException

router = APIRouter(include_in_schema=False)

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sensorium: API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
# The validator would send the description to a server of Swagger's makers.
START = """SwaggerUIBundle({
  url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout",
})
"""
SWAGGER_UI: Mapping[str, str] = MappingProxyType(
    {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
)


@router.get("/docs")
async def page() -> HTMLResponse:
    """The description of the API, to read and to try."""
    return HTMLResponse(PAGE)


@router.get("/docs/{file}")
async def asset(file: str) -> Response:
    """What the page loads."""
    if file == "start.js":
        return Response(START, media_type="text/javascript")
    if file not in SWAGGER_UI:
        raise HTTPException(404)
    folder = Path(str(files("fastapi_offline"))) / "static"
    return FileResponse(folder / file, media_type=SWAGGER_UI[file])
