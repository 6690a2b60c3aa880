"""A tea shop on Starlette: sign-in, cart, a counter, my devices, sign-out. `python examples/starlette_shop.py`

Read it from top to bottom; each handler shows one thing that sessions do. You need starlette, uvicorn and
"sojourn[sqlite]"; then open http://127.0.0.1:8000 in two browsers and sign in as ada (password: lovelace) in both.
"""

from __future__ import annotations

import hmac
import sys
from html import escape
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sojourn import CsrfError
from sojourn.http.csrf import cross_origin_verdict
from sojourn.web.asgi import SessionMiddleware
from sojourn.web.visit import VisitedSession

TEAS = {"assam": "Assam", "darjeeling": "Darjeeling", "sencha": "Sencha", "rooibos": "Rooibos"}
PEOPLE = {"ada": "lovelace", "alan": "turing"}  # a real shop keeps hashes: see sojourn.users


def make_app(url: str = "sqlite:///shop.db") -> Starlette:
    """The shop on a store. A line of middleware is all the set-up: it opens, sweeps and closes the store."""
    sessions = Middleware(SessionMiddleware, sessions=url, ttl="14 days", max_sessions=5)
    routes = [
        Route("/", shelf),
        Route("/about", about),
        Route("/cart", cart),
        Route("/cart/{tea}", add, methods=["POST"]),
        Route("/cart/{tea}/remove", remove, methods=["POST"]),
        Route("/sips", sip, methods=["POST"]),
        Route("/sign-in", sign_in, methods=["GET", "POST"]),
        Route("/devices", devices),
        Route("/devices/others/sign-out", sign_out_others, methods=["POST"]),
        Route("/devices/{handle}/sign-out", sign_out_device, methods=["POST"]),
        Route("/sign-out", sign_out, methods=["POST"]),
    ]
    return Starlette(routes=routes, middleware=[sessions], exception_handlers={CsrfError: not_from_here})


# Pages --------------------------------------------------------------------------------------------------------------


async def about(_: Request) -> Response:
    """Looks at no session: no store is asked, no cookie sent, and any cache may keep it."""
    return HTMLResponse(f"{HEAD}<h1>About</h1><p>We sell tea, and this page is the same for all.</p>")


async def shelf(request: Request) -> Response:
    """Reads. A visitor without a cookie costs nothing, and gets none."""
    session = session_of(request)
    sips = session.get("sips", 0)
    teas = "".join(f"<li><b>{name}</b>{button(session, f'/cart/{tea}', 'Add')}" for tea, name in TEAS.items())
    return page(session, "Teas", f"<ul>{teas}<li>Sips so far: {sips}{button(session, '/sips', 'Sip')}</ul>")


async def sip(request: Request) -> Response:
    """Counts. However many requests sip at once, each one counts: `increment` happens where the data is."""
    session = await posted(request)
    session.increment("sips")
    return to("/")


async def cart(request: Request) -> Response:
    """Reads nested data as the plain dict that it is."""
    session = session_of(request)
    rows = "".join(
        f"<li>{count} x <b>{TEAS[tea]}</b>{button(session, f'/cart/{tea}/remove', 'Remove')}"
        for tea, count in session.get("cart", {}).items()
    )
    return page(session, "Cart", f"<ul>{rows}</ul>" if rows else "<p>Your cart is empty.</p>")


async def add(request: Request) -> Response:
    """Writes at a path. The first write of an anonymous visitor stores a session and sends its cookie."""
    session = await posted(request)
    session.increment(("cart", tea_of(request)))
    return to("/cart")


async def remove(request: Request) -> Response:
    """Removes at a path. An anonymous session that holds nothing any more ends, and its cookie goes."""
    session = await posted(request)
    session.unset(("cart", tea_of(request)))
    if not session.get("cart"):
        session.unset("cart")
    return to("/cart")


async def sign_in(request: Request) -> Response:
    """Signs in. The token changes, so one that was planted before is worth nothing; the cart stays."""
    wrong = ""
    if request.method == "POST":
        session = await posted(request)
        fields = await form(request)
        name = fields.get("name", "")
        if hmac.compare_digest(PEOPLE.get(name, "").encode(), fields.get("password", "").encode()) and name in PEOPLE:
            session.sign_in(name)
            return to("/")
        wrong = "<p class=wrong>Name or password is incorrect.</p>"
    session = session_of(request)
    inputs = (
        "<label>Name <input name=name autofocus></label><label>Password <input name=password type=password></label>"
    )
    text = f"{wrong}<form method=post>{token(session)}{inputs}<button>Sign in</button></form>"
    return page(session, "Sign in", text, status=401 if wrong else 200)


async def devices(request: Request) -> Response:
    """Lists my sessions. A handle is public and proves nothing, so it may stand in a page; a token never does."""
    session = signed_in(request)
    rows = ""
    async for other in session.manager.list(uid=session.uid, newest_first=True):
        is_this = other.handle == session.handle
        what = escape(other.client.user_agent or "unknown")
        action = "<i>this one</i>" if is_this else button(session, f"/devices/{other.handle}/sign-out", "Sign out")
        rows += f"<li><span>{what}<br><small>{escape(other.client.ip or '')}</small></span>{action}"
    return page(
        session, "My devices", f"<ul>{rows}</ul>{button(session, '/devices/others/sign-out', 'Sign out all others')}"
    )


async def sign_out_device(request: Request) -> Response:
    """Ends one of my sessions. That device's next request is anonymous, whatever it was about to write."""
    session = signed_in(request, await posted(request))
    handle = request.path_params["handle"]
    async for other in session.manager.list(uid=session.uid):  # only mine, whatever the address says
        if other.handle == handle:
            await session.manager.revoke(handle, actor=session.uid)
    return to("/devices")


async def sign_out_others(request: Request) -> Response:
    """Ends all my sessions but this one."""
    session = signed_in(request, await posted(request))
    await session.manager.revoke(uid=session.uid, keep=session, actor=session.uid)
    return to("/devices")


async def sign_out(request: Request) -> Response:
    """Ends this session, at once and for good; the answer clears the cookie."""
    session = await posted(request)
    await session.end()
    return to("/")


async def not_from_here(_request: Request, _error: Exception) -> Response:
    """The answer to a form that our pages did not send."""
    return HTMLResponse(f"{HEAD}<h1>Please try again</h1><p>That form was too old, or not ours.</p>", status_code=403)


# What they share ----------------------------------------------------------------------------------------------------


def session_of(request: Request) -> VisitedSession:
    """The request's session; `request.session` is the same object, for code that takes it for a dict."""
    session: VisitedSession = request.scope["sojourn"]
    return session


def signed_in(request: Request, session: VisitedSession | None = None) -> VisitedSession:
    """The session of somebody who is signed in; others are sent to do so."""
    session = session or session_of(request)
    if session.uid is None:
        raise HTTPException(303, headers={"location": "/sign-in"})
    return session


async def form(request: Request) -> dict[str, str]:
    """The fields of a form."""
    return dict(parse_qsl((await request.body()).decode("latin-1"), keep_blank_values=True))


async def posted(request: Request) -> VisitedSession:
    """The session of a request that changes something, once it is sure that a page of ours sent it.

    A visitor whom we remember proves it by the token in our forms. One whom we do not has none; there the browser tells
    which site the form was on, so that nobody signs you in as somebody else either.
    """
    session = session_of(request)
    headers = request.headers
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if not cross_origin_verdict(request.method, headers.get("host"), origin, site).is_allowed:
        raise CsrfError("the form was on another site")
    if not session.is_new:
        session.assert_csrf((await form(request)).get("csrf"))
    return session


def tea_of(request: Request) -> str:
    """The tea that a path names."""
    tea: str = request.path_params["tea"]
    if tea not in TEAS:
        raise HTTPException(404)
    return tea


def token(session: VisitedSession) -> str:
    """The hidden field of our forms: another text each time, nothing is stored, and it dies with the next sign-in."""
    return "" if session.is_new else f'<input type=hidden name=csrf value="{session.create_csrf()}">'


def button(session: VisitedSession, path: str, text: str) -> str:
    """A form that is a button."""
    return f'<form method=post action="{escape(path)}">{token(session)}<button>{text}</button></form>'


def to(path: str) -> Response:
    """Show that page next; a reload then repeats no change."""
    return RedirectResponse(path, status_code=303)


def page(session: VisitedSession, title: str, text: str, status: int = 200) -> Response:
    """A whole page, with who you are in the corner."""
    count = sum(session.get("cart", {}).values())
    if session.uid is None:
        who = "<a href=/sign-in>Sign in</a>"
    else:
        who = f"{escape(session.uid)} <a href=/devices>Devices</a>{button(session, '/sign-out', 'Sign out')}"
    nav = f"<nav><a href=/>Teas</a><a href=/cart>Cart ({count})</a><a href=/about>About</a><span>{who}</span></nav>"
    return HTMLResponse(f"{HEAD}<title>{title}</title>{nav}<h1>{title}</h1>{text}", status_code=status)


HEAD = """<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width"><style>
:root { color-scheme: light dark; --line: #8884; --tea: #0a7d55 }
body { font: 1rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 1.5rem auto; padding: 0 1rem }
nav, nav span, li { display: flex; gap: 1rem; align-items: center }
nav { border-bottom: 1px solid var(--line); padding-bottom: .7rem } nav span { margin-left: auto }
ul { list-style: none; padding: 0 } li { border-bottom: 1px solid var(--line); padding: .5rem 0 }
li > :last-child { margin-left: auto; white-space: nowrap } li span { display: block } a { color: var(--tea) }
form { margin: 0 } label { display: block; margin: .6rem 0 } .wrong { color: #c33 }
button { font: inherit; color: #fff; background: var(--tea); border: 0; border-radius: .4rem; padding: .2rem .8rem }
</style>"""


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(make_app(*sys.argv[1:2]), host="127.0.0.1", port=8000)
