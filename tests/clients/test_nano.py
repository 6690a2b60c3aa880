"""npm's nano, CouchDB's own client for JavaScript, unchanged: it keeps a cookie only if that has `Expires`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from serving import PASSWORD, Served

SCRIPT = """
import { createRequire } from 'node:module'
const [url, password] = process.argv.slice(2)
const make = createRequire(import.meta.url)('nano')
const nano = make(url), other = make(url)
const users = nano.use('_users')
const failure = async (work) => {
  try { await work(); return null } catch (error) { return [error.statusCode, error.error, error.reason] }
}
const steps = {}
steps.before = await nano.session()
steps.wrong = await failure(() => nano.auth('anna', 'wrong wrong wrong'))
steps.auth = await nano.auth('anna', password)
steps.session = await nano.session()
steps.stranger = await other.session()
steps.own = await users.get('org.couchdb.user:anna')
steps.hidden = await failure(() => users.get('org.couchdb.user:root'))
steps.saved = await users.insert({ ...steps.own, email: 'a@example.org' })
steps.stale = await failure(() => users.insert({ ...steps.own, email: 'b@example.org' }))
steps.head = (await users.head('org.couchdb.user:anna')).etag
steps.still = await nano.session()
await other.auth('anna', password)
steps.out = await nano.request({ method: 'DELETE', path: '_session' })
steps.after = await nano.session()
steps.other = await other.session()
steps.uuids = await nano.uuids(3)
steps.info = await nano.info()
console.log(JSON.stringify(steps))
"""


def test_nano_signs_in_reads_the_session_and_signs_out(couch: Served, run_node: Callable[..., str]) -> None:
    steps: dict[str, Any] = json.loads(run_node(SCRIPT, couch.url, PASSWORD, packages=("nano@^11",)))
    anonymous = {"name": None, "roles": []}
    anna = {"name": "anna", "roles": ["editor"]}
    assert steps["before"]["userCtx"] == anonymous
    assert steps["wrong"] == [401, "unauthorized", "Name or password is incorrect."]
    assert steps["auth"] == {"ok": True, "name": "anna", "roles": ["editor"]}
    assert steps["session"]["userCtx"] == anna
    assert steps["session"]["info"] == {
        "authentication_handlers": ["cookie", "default"],
        "authenticated": "cookie",
        "authentication_db": "_users",
    }
    assert steps["stranger"]["userCtx"] == anonymous
    assert steps["own"]["name"] == "anna"
    assert steps["hidden"] == [404, "not_found", "missing"]
    assert steps["saved"]["ok"] is True
    assert steps["stale"] == [409, "conflict", "Document update conflict."]
    assert steps["head"] == f'"{steps["saved"]["rev"]}"'
    assert steps["still"]["userCtx"] == anna
    assert steps["out"] == {"ok": True}
    assert steps["after"]["userCtx"] == anonymous
    assert steps["other"]["userCtx"] == anna
    assert len(set(steps["uuids"]["uuids"])) == 3
    assert steps["info"]["couchdb"] == "Welcome"
