"""CouchDB's `/_users`: one document a user, under revisions, behind the switch `open_users`.

Closed, only administrators get in. Open, anybody may sign up, users may read, change and remove their own document, and
every other document is hidden by the 404 of one that does not exist.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sojourn.core.accounts import KEY_PREFIX, User
from sojourn.errors import DocumentConflict, SessionError, ValueRefused
from sojourn.server.bodies import JsonObject, media_type, parse_json, read_body
from sojourn.server.couch_answers import CouchRoute, Refusal, answer, require_own_origin
from sojourn.server.couch_caller import Caller, caller_of, session_of
from sojourn.server.couch_documents import as_document, check_members, draft_of, validate
from sojourn.server.services import Services

__all__ = ["user_routes"]

_MAX_DOCUMENT = 65_536
"""Octets of a user document's JSON, unpacked: every sign-in loads it."""

_REVISION = re.compile(r"[0-9]{1,9}-[0-9a-f]{32}")


def user_routes(services: Services) -> list[Route]:
    """The routes of `/_users`."""
    return [
        Route("/_users", CouchRoute(services, GET=_about, POST=_post)),
        Route("/_users/", CouchRoute(services, GET=_about, POST=_post)),
        Route("/_users/{key:path}", CouchRoute(services, GET=_get, PUT=_put, DELETE=_delete)),
    ]


async def _enter(request: Request, services: Services) -> Caller:
    """Who it is, if they may use this database at all."""
    require_own_origin(request, services)
    caller = await caller_of(request, services)
    if caller.is_admin or services.open_users:
        return caller
    if caller.name is None:
        raise Refusal(401, "unauthorized", "You are not authorized to access this db.")
    raise Refusal(403, "forbidden", "You are not allowed to access this db.")


async def _about(request: Request, services: Services) -> Response:
    _ = await _enter(request, services)
    return answer({"db_name": "_users"})


async def _get(request: Request, services: Services) -> Response:
    caller = await _enter(request, services)
    key = _key(request, caller)
    user = await _visible(services, caller, key)
    if user is None:
        raise _missing()
    etag = f'"{user.revision}"'
    if request.headers.get("if-none-match") in (etag, "*"):
        return Response(status_code=304, headers={"ETag": etag, "Cache-Control": "must-revalidate"})
    return answer(as_document(user), headers={"ETag": etag})


async def _post(request: Request, services: Services) -> Response:
    caller = await _enter(request, services)
    document = await _document(request)
    key = document.get("_id")
    if not isinstance(key, str):
        raise Refusal(403, "forbidden", "Doc ID must be of the form org.couchdb.user:name")
    return await _save(request, services, caller, key, document)


async def _put(request: Request, services: Services) -> Response:
    caller = await _enter(request, services)
    key = _key(request, caller)
    return await _save(request, services, caller, key, await _document(request))


async def _save(request: Request, services: Services, caller: Caller, key: str, document: JsonObject) -> Response:
    revision = _revision(request, document)
    if not caller.is_admin and caller.name is not None and key != KEY_PREFIX + caller.name:
        raise _missing()
    document = check_members(document)
    password = document.get("password")
    if password is not None and not isinstance(password, str):  # CouchDB hashes before it validates
        raise Refusal(403, "forbidden", f"Password value of '{str(password)[:64]}' is invalid.")
    old = await _find(services, key)
    if revision != (None if old is None else old.revision):
        raise DocumentConflict(key)
    if document.pop("_deleted", False) is True:
        return await _remove(request, services, caller, old, key)
    if old is not None and caller.name is None:
        raise Refusal(403, "forbidden", "You may only update your own user document.")
    validate(document, key, old, caller)
    draft = draft_of(document, caller)
    own = session_of(request) if caller.by == "cookie" and caller.name == draft.name else None
    try:
        user = await services.directory.save(draft, old, keep=None if own is None else own.handle, actor=caller.name)
    except ValueRefused as error:
        raise Refusal(400, "bad_request", f"Password does not conform to requirements. {error}") from None
    if own is not None and old is not None and user.stamp != old.stamp:
        await _renew(request)
    location = f"{request.url.scheme}://{request.headers.get('host', '')}/_users/{quote(user.key, safe=':')}"
    body = {"ok": True, "id": user.key, "rev": user.revision}
    return answer(body, 201, {"ETag": f'"{user.revision}"', "Location": location})


async def _renew(request: Request) -> None:
    """Give the one session that stays after its owner's new password a new token (ASVS 7.4.3)."""
    session = session_of(request)
    try:
        await session.refresh()  # its roles, and with them its generation, may be others now
        session.rotate()
        await session.commit()
    except SessionError:
        return  # it has ended meanwhile: nothing stays


async def _delete(request: Request, services: Services) -> Response:
    caller = await _enter(request, services)
    key = _key(request, caller)
    old = await _visible(services, caller, key)
    if old is None:
        raise _missing()
    if _revision(request, {}) != old.revision:
        raise DocumentConflict(key)
    return await _remove(request, services, caller, old, key)


async def _remove(request: Request, services: Services, caller: Caller, old: User | None, key: str) -> Response:
    if old is None:
        raise _missing()
    if not caller.is_admin and caller.name != old.name:
        raise Refusal(403, "forbidden", "Only admins may delete other user docs.")
    if not await services.directory.delete(old.name, revision=old.revision, actor=caller.name):
        raise DocumentConflict(key)
    if caller.by == "cookie" and caller.name == old.name:
        _ = await session_of(request).end()  # it is dead already; this clears the cookie
    number = int(old.revision.partition("-")[0]) + 1
    revision = f"{number}-{services.manager.entropy(16).hex()}"
    return answer({"ok": True, "id": key, "rev": revision}, headers={"ETag": f'"{revision}"'})


async def _visible(services: Services, caller: Caller, key: str) -> User | None:
    """The user of a key, if the caller may know of it."""
    if not caller.is_admin and (caller.name is None or key != KEY_PREFIX + caller.name):
        return None
    return await _find(services, key)


async def _find(services: Services, key: str) -> User | None:
    return await services.directory.get(key[len(KEY_PREFIX) :]) if key.startswith(KEY_PREFIX) else None


def _key(request: Request, caller: Caller) -> str:
    key: str = request.path_params["key"]
    if key.startswith("_design/"):
        raise Refusal(403, "forbidden", "Design documents of this db are not served.")
    if key.startswith("_") and not caller.is_admin:
        raise Refusal(401, "unauthorized", "You are not a server admin.")
    return key


async def _document(request: Request) -> JsonObject:
    if media_type(request) != "application/json":
        raise Refusal(415, "bad_content_type", "Content-Type must be application/json")
    body = await read_body(request)
    if len(body) > _MAX_DOCUMENT:
        raise Refusal(413, "document_too_large", f"A user document has at most {_MAX_DOCUMENT} bytes.")
    return parse_json(body)


def _revision(request: Request, document: JsonObject) -> str | None:
    """The revision that a writer names, by `_rev`, `?rev=` or If-Match; two different ones are refused."""
    if "_rev" in document and not isinstance(document["_rev"], str):
        raise Refusal(400, "bad_request", "Invalid rev format")
    named = {
        text
        for text in (
            document.get("_rev"),
            request.query_params.get("rev"),
            (request.headers.get("if-match") or "").strip().strip('"') or None,
        )
        if text is not None
    }
    if len(named) > 1:
        raise Refusal(400, "bad_request", "Document rev and etag have different values")
    if named and not all(_REVISION.fullmatch(text) for text in named):
        raise Refusal(400, "bad_request", "Invalid rev format")
    return named.pop() if named else None


def _missing() -> Refusal:
    return Refusal(404, "not_found", "missing")
