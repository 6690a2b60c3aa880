"""The console: one page and its files from the installed package, under headers that let it run nothing else."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sojourn import __version__
from sojourn.server.answers import Problem

__all__ = ["CSP", "console_routes"]

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}
_HSTS = "max-age=31536000"


def console_routes() -> list[Route]:
    """`/console` and the files below it. Only files that lay in the package at the start are ever opened."""
    files = {path.relative_to(_STATIC).as_posix(): path for path in _STATIC.rglob("*") if path.suffix in _TYPES}

    async def page(request: Request) -> Response:
        return _serve(request, files.get("console.html"))

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        return _serve(request, None if name == "console.html" else files.get(name))

    async def with_slash(_request: Request) -> Response:
        return RedirectResponse("/console", 308)

    return [Route("/console", page), Route("/console/", with_slash), Route("/console/{name:path}", file)]


def _serve(request: Request, path: Path | None) -> Response:
    if path is None or not path.is_file():
        raise Problem(404, "There is no such file.")
    body = path.read_bytes()  # a few kilobytes from the page cache
    is_page = path.suffix == ".html"
    headers = {
        "content-security-policy": CSP,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store" if is_page else "no-cache",
    }
    if request.url.scheme == "https":
        headers["strict-transport-security"] = _HSTS
    if not is_page:
        headers["etag"] = f'"{__version__}-{path.stat().st_mtime_ns:x}-{len(body):x}"'
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
    return Response(body, headers={**headers, "content-type": _TYPES[path.suffix]})
