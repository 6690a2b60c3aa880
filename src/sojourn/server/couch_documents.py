"""Documents of `/_users`: from the wire to a draft, checked in CouchDB's order and words (C17), and back. Pure.

No key of a password ever leaves the house: a document shows its `password_scheme` and nothing else of it. So one that
comes back without a key keeps the password that there is, which is what clients that load, change and save mean.
"""

from __future__ import annotations

import re
from typing import Any, cast

from sojourn.core.accounts import KEY_PREFIX, Credentials, User, check_name
from sojourn.errors import ValueRefused
from sojourn.flows.directory import Draft
from sojourn.server.bodies import JsonObject
from sojourn.server.couch_answers import Refusal
from sojourn.server.couch_caller import Caller
from sojourn.users.passwords import MAX_ITERATIONS

__all__ = ["as_document", "check_members", "draft_of", "validate"]

_SPECIAL = {"_id", "_rev", "_deleted"}
_PASSWORD = {"password", "password_scheme", "password_sha", "salt", "derived_key", "iterations", "pbkdf2_prf"}
_OWN = _SPECIAL | _PASSWORD | {"name", "type", "roles"}
_PRFS = ("sha", "sha1", "sha224", "sha256", "sha384", "sha512")
_MAX_OWN_ITERATIONS = 10_000
"""For keys of callers who are no administrators: each sign-in would cost the iterations that they chose."""

_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){1,64}")


def as_document(user: User) -> JsonObject:
    """A user as the wire shows it."""
    shown: JsonObject = {
        "_id": user.key,
        "_rev": user.revision,
        "name": user.name,
        "type": "user",
        "roles": list(user.roles),
        **user.properties,
    }
    if user.credentials is not None:
        shown["password_scheme"] = user.credentials.scheme
    return shown


def check_members(document: JsonObject) -> JsonObject:
    """The document without members that are null where CouchDB reads null as absent (couchdb3 sends them).

    Raises:
        Refusal: 400 for a member that begins with an underscore and means nothing here.
    """
    for member in document:
        if member.startswith("_") and member not in _SPECIAL:
            raise Refusal(400, "doc_validation", f"Bad special document member: {member}")
    if "totp" in document:  # stored but not asked for at sign-in it would be a second factor in name only
        raise _forbidden("A second factor (totp) is not supported.")
    return {member: value for member, value in document.items() if member not in _PASSWORD or value is not None}


def validate(document: JsonObject, key: str, old: User | None, caller: Caller) -> None:
    """Pass silently if this caller may save this document under this key.

    Raises:
        Refusal: 403 with the text of the first rule that it breaks, in CouchDB's order.
    """
    _check_shape(document, key)
    name, roles = document["name"], document["roles"]
    if old is not None and old.name != name:
        raise _forbidden("Usernames can not be changed.")
    _check_scheme(document, old)
    had = old.roles if old is not None else ()
    if not caller.is_admin:
        if old is not None and caller.name != name:
            raise _forbidden("You may only update your own user document.")
        if old is not None and sorted(had) != sorted(roles):
            raise _forbidden("Only _admin may edit roles")
        if old is None and roles:
            raise _forbidden("Only _admin may set roles")
    # `_admin` is given by the command line only; a document that had it may be saved with it, or without.
    if any(role.startswith("_") and role != "_metrics" and role not in had for role in roles):
        raise _forbidden("No system roles (starting with underscore) in users db.")
    try:
        check_name(name)
    except ValueRefused as error:
        raise _forbidden(str(error)) from None


def _check_shape(document: JsonObject, key: str) -> None:
    name, roles = document.get("name"), document.get("roles")
    if document.get("type") != "user":
        raise _forbidden("doc.type must be user")
    if not name:
        raise _forbidden("doc.name is required")
    if not roles and not isinstance(roles, (list, dict)):  # as JavaScript judges: null, false, 0 and ""
        raise _forbidden("doc.roles must exist")
    if not isinstance(roles, list):
        raise _forbidden("doc.roles must be an array")
    if not all(isinstance(role, str) for role in cast("list[object]", roles)):
        raise _forbidden("doc.roles can only contain strings")
    if not isinstance(name, str) or key != KEY_PREFIX + name:
        raise _forbidden("Doc ID must be of the form org.couchdb.user:name")


def _check_scheme(document: JsonObject, old: User | None) -> None:
    if document.get("password_sha") and not document.get("salt"):
        raise _forbidden("Users with password_sha must have a salt.See /_utils/script/couch.js for example code.")
    scheme = document.get("password_scheme")
    if not scheme or _keeps(document, old):
        return
    if scheme not in ("simple", "pbkdf2"):
        shown = scheme if isinstance(scheme, str) else type(scheme).__name__
        raise _forbidden(f"Password scheme `{shown[:64]}` not supported.")
    if scheme == "pbkdf2" and "password" not in document:
        iterations = document.get("iterations")
        if not isinstance(iterations, (int, float)) or isinstance(iterations, bool):
            raise _forbidden("iterations must be a number.")
        if not isinstance(document.get("derived_key"), str):
            raise _forbidden("derived_key must be a string.")


def _keeps(document: JsonObject, old: User | None) -> bool:
    """Whether the document names the scheme that is stored and brings no key: the password stays, or is given anew."""
    if "password" in document:
        return True
    kept = None if old is None else old.credentials
    has_key = bool(document.get("derived_key") or document.get("password_sha"))
    return kept is not None and not has_key and document.get("password_scheme") == kept.scheme


def draft_of(document: JsonObject, caller: Caller) -> Draft:
    """What a validated document is to make of its user.

    Raises:
        Refusal: 403 for a password that is no string, a key that nobody could verify, or one that is dear to verify and
            does not come from an administrator.
    """
    password = document.get("password")
    if password is not None and not isinstance(password, str):
        raise _forbidden(f"Password value of '{str(password)[:64]}' is invalid.")
    properties: dict[str, Any] = {member: value for member, value in document.items() if member not in _OWN}
    credentials = None if password is not None else _credentials(document, caller)
    return Draft(document["name"], tuple(document["roles"]), properties, password, credentials)


def _credentials(document: JsonObject, caller: Caller) -> Credentials | None:
    """What a client has hashed for itself: Kanso by sha1 and salt, couch-login by pbkdf2. None if there is no key."""
    salt = document.get("salt", "")
    if not isinstance(salt, str) or len(salt) > 256:
        raise _forbidden("salt must be a string.")
    sha, derived = document.get("password_sha"), document.get("derived_key")
    if derived and document.get("password_scheme") == "pbkdf2":
        iterations, prf = document.get("iterations"), document.get("pbkdf2_prf", "sha")
        if not isinstance(iterations, int) or not 1 <= iterations <= MAX_ITERATIONS:
            raise _forbidden(f"iterations must be a number from 1 to {MAX_ITERATIONS}.")
        if not caller.is_admin and iterations > _MAX_OWN_ITERATIONS:
            raise _forbidden(f"Iteration count is too high for this server: at most {_MAX_OWN_ITERATIONS}.")
        if prf not in _PRFS:
            raise _forbidden(f"pbkdf2_prf must be one of {', '.join(_PRFS)}.")
        if not isinstance(derived, str) or not _HEX.fullmatch(derived):
            raise _forbidden("derived_key must be a string of hexadecimal digits.")
        return Credentials("pbkdf2", derived.lower(), salt, iterations, prf)
    if sha:
        if not isinstance(sha, str) or not re.fullmatch(r"[0-9a-fA-F]{40}", sha):
            raise _forbidden("password_sha must be the SHA-1 of password and salt in hexadecimal digits.")
        return Credentials("simple", sha.lower(), salt)
    return None


def _forbidden(reason: str) -> Refusal:
    return Refusal(403, "forbidden", reason)
