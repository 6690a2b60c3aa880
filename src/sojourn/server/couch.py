"""CouchDB's `/_session`, and the few routes beside it that its clients need: `/`, `/_up`, `/_uuids`.

Six things are done better than by CouchDB 3.5 (couch.md): logging out expires the cookie and ends the session on the
server, a new password counts at once, wrong JSON types are 400, every sign-in has a new token, and nobody anonymous
overwrites a document.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sojourn.errors import LimitReached, StoreError, WrongCredentials
from sojourn.server.bodies import JsonObject, media_type, parse_form, parse_json, read_body
from sojourn.server.couch_answers import CouchRoute, Refusal, answer, require_own_origin
from sojourn.server.couch_caller import address_of, caller_of, session_of, wrong_credentials
from sojourn.server.couch_users import user_routes
from sojourn.server.services import Services

__all__ = ["COUCHDB_VERSION", "couch_routes"]

COUCHDB_VERSION = "3.5.0"
"""The CouchDB whose contract these routes keep; clients choose their behaviour by it."""

_HOST = re.compile(r"[A-Za-z0-9._-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?")
_MAX_UUIDS = 1000


def couch_routes(services: Services) -> list[Route]:
    """The routes; they need `SessionMiddleware` around them, with a cookie named AuthSession."""
    return [
        Route("/", CouchRoute(services, GET=_welcome)),
        Route("/_up", CouchRoute(services, GET=_up)),
        Route("/_uuids", CouchRoute(services, GET=_uuids)),
        Route("/_session", CouchRoute(services, GET=_show, POST=_sign_in, DELETE=_sign_out)),
        *user_routes(services),
    ]


async def _sign_in(request: Request, services: Services) -> Response:
    """POST: C1 to C4, C13. The old token of the request, if any, is dead afterwards (ASVS 7.2.4)."""
    require_own_origin(request, services)
    fields = await _fields(request)
    name, password = _name_and_password(fields)
    following, failing = _target(request, "next"), _target(request, "fail")
    session = session_of(request)
    try:
        user = await services.directory.authenticate(name, password, address_of(request))
        session.sign_in(user.name, roles=[role for role in user.roles if role])
        await session.commit()
        user = await services.directory.confirm(session, user)
    except WrongCredentials:
        _ = await session.end()  # C4 takes the browser's cookie away, so what it opened is not to live on
        session.clear_cookie()
        if failing is None:
            raise wrong_credentials() from None
        return answer({"error": "unauthorized", "reason": "Name or password is incorrect."}, 302, {"Location": failing})
    except LimitReached as error:
        raise Refusal(403, "forbidden", str(error)) from None
    body = {"ok": True, "name": user.name, "roles": list(user.roles)}
    return answer(body) if following is None else answer(body, 302, {"Location": following})


async def _show(request: Request, services: Services) -> Response:
    """GET: C5 and C6. Anonymous is 200, and has no `authenticated`."""
    caller = await caller_of(request, services)
    if caller.name is None and request.query_params.get("basic") == "true":
        raise Refusal(401, "unauthorized", "Please login.")
    info: JsonObject = {"authentication_handlers": ["cookie", "default"]}
    if caller.by is not None:
        info["authenticated"] = caller.by
    info["authentication_db"] = "_users"  # always: Kanso's users module cannot work without (couch.md)
    return answer({"ok": True, "userCtx": {"name": caller.name, "roles": list(caller.roles)}, "info": info})


async def _sign_out(request: Request, services: Services) -> Response:
    """DELETE: C7. The session is over on the server; the cookie is expired even if there was none."""
    require_own_origin(request, services)
    following = _target(request, "next")
    session = session_of(request)
    await session.load()
    _ = await session.end()
    session.clear_cookie()
    return answer({"ok": True}) if following is None else answer({"ok": True}, 302, {"Location": following})


async def _fields(request: Request) -> JsonObject:
    kind = media_type(request)
    if kind == "application/json":
        return parse_json(await read_body(request))
    if kind == "application/x-www-form-urlencoded":
        return parse_form(await read_body(request))
    raise Refusal(
        415,
        "bad_content_type",
        "Content-Type must be 'application/x-www-form-urlencoded' or 'application/json'",
    )


def _name_and_password(fields: JsonObject) -> tuple[str, str]:
    """C2: the name by either of its names, and the password, empty if it is missing."""
    texts: dict[str, str] = {}
    for field in ("name", "username", "password"):
        value = fields.get(field)
        if value is None:
            continue
        if not isinstance(value, str):
            raise Refusal(400, "bad_request", f"{field} must be a string")
        texts[field] = value
    given = {texts[field] for field in ("name", "username") if field in texts}
    if len(given) > 1:
        raise Refusal(400, "bad_request", "request body contains different usernames")
    if not given:
        raise Refusal(400, "bad_request", "request body must contain a username")
    return given.pop(), texts.get("password", "")


def _target(request: Request, parameter: str) -> str | None:
    """Where `?next=` or `?fail=` leads: always on this very host (no open redirect), percent-encoded."""
    path = request.query_params.get(parameter)
    if path is None:
        return None
    if not path.startswith("/"):
        raise Refusal(400, "bad_request", "path must begin with a /.")
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        raise Refusal(400, "bad_request", "The Host header is missing or malformed.")
    safe = quote(path.encode("utf-8", "replace"), safe="/?#[]@!$&'()*+,;=:%~")
    return f"{request.url.scheme}://{host}{safe}"


async def _welcome(request: Request, services: Services) -> Response:
    from sojourn import __version__

    _ = await caller_of(request, services)  # clients find out by this page whether a password is right (couchdb3)
    return answer(
        {
            "couchdb": "Welcome",
            "version": COUCHDB_VERSION,
            "features": [],
            "vendor": {"name": "Sojourn", "version": __version__},
        }
    )


async def _up(_request: Request, services: Services) -> Response:
    try:
        _ = await services.manager.health()
    except StoreError:
        return answer({"status": "store_unavailable"}, 503, {"Retry-After": "1"})
    return answer({"status": "ok"})


async def _uuids(request: Request, services: Services) -> Response:
    text = request.query_params.get("count", "1")
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise Refusal(400, "bad_request", "count must be a number from 0 upwards")
    if int(text) > _MAX_UUIDS:
        raise Refusal(400, "bad_request", f"count parameter too large: at most {_MAX_UUIDS}")
    made = [services.manager.entropy(16).hex() for _ in range(int(text))]
    return answer({"uuids": made}, headers={"Cache-Control": "must-revalidate, no-cache", "Pragma": "no-cache"})
