"""The example shop, end to end: real uvicorn, real HTTP, two browsers of one person."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

from support import ROOT

pytestmark = pytest.mark.anyio


def example() -> Any:
    """The example as a module, from its file."""
    spec = spec_from_file_location("starlette_shop", ROOT / "examples" / "starlette_shop.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # annotations are looked up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["memory", "sqlite"])
async def shop(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a running shop."""
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'shop.db'}?synchronous=NORMAL"
    config = uvicorn.Config(example().make_app(url), host="127.0.0.1", port=0, log_level="warning", lifespan="on")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())  # serve() would take the test run's signals
    while not server.started:
        assert not task.done(), "it did not start"
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await task


class Browser:
    """A person at a browser: follows links to forms, sends them with their hidden fields."""

    def __init__(self, shop: str, name: str) -> None:
        self.client = httpx2.AsyncClient(base_url=shop, follow_redirects=True, headers={"user-agent": name})
        self.origin = shop
        self.text = ""

    async def see(self, path: str, status: int = 200) -> str:
        answer = await self.client.get(path)
        assert answer.status_code == status
        self.text = answer.text
        return self.text

    async def press(self, action: str, status: int = 200, **fields: str) -> str:
        """Send the form with that action on the page that is seen."""
        found = re.search(rf'action="?{re.escape(action)}"?>(.*?)</form>', self.text, re.DOTALL)
        assert found, f"no form {action} on {self.text}"
        return await self.send(action, status, csrf=self._token(found[1]), **fields)

    async def send(self, path: str, status: int = 200, origin: str | None = None, **fields: str) -> str:
        headers = {"origin": origin or self.origin}
        answer = await self.client.post(path, data=fields, headers=headers)
        assert answer.status_code == status, answer.text
        self.text = answer.text
        return self.text

    async def sign_in(self, name: str, password: str, status: int = 200) -> str:
        await self.see("/sign-in")
        return await self.send("/sign-in", status, csrf=self._token(self.text), name=name, password=password)

    @property
    def token(self) -> str | None:
        return self.client.cookies.get("sid")

    @staticmethod
    def _token(text: str) -> str:
        found = re.search(r'name=csrf value="([^"]+)"', text)
        return found[1] if found else ""


@pytest.fixture
async def laptop(shop: str) -> AsyncIterator[Browser]:
    browser = Browser(shop, "Laptop")
    async with browser.client:
        yield browser


@pytest.fixture
async def phone(shop: str) -> AsyncIterator[Browser]:
    browser = Browser(shop, "Phone")
    async with browser.client:
        yield browser


async def test_a_visitor_who_only_looks_gets_no_cookie(laptop: Browser) -> None:
    about = await laptop.client.get("/about")
    assert "vary" not in about.headers
    shelf = await laptop.client.get("/")
    assert shelf.headers["vary"] == "Cookie"
    assert laptop.token is None


async def test_the_cart_survives_the_sign_in_and_the_token_does_not(laptop: Browser) -> None:
    await laptop.see("/")
    assert "1 x <b>Assam</b>" in await laptop.press("/cart/assam")
    await laptop.see("/")
    assert "2 x <b>Assam</b>" in await laptop.press("/cart/assam")
    before = laptop.token
    assert "ada" in await laptop.sign_in("ada", "lovelace")
    assert before not in (None, laptop.token)
    assert "2 x <b>Assam</b>" in await laptop.see("/cart")
    assert "empty" in await laptop.press("/cart/assam/remove")
    assert "Cart (0)" in laptop.text


async def test_an_anonymous_cart_that_is_emptied_takes_its_cookie_along(laptop: Browser) -> None:
    await laptop.see("/")
    await laptop.press("/cart/sencha")
    assert laptop.token is not None
    await laptop.press("/cart/sencha/remove")
    assert laptop.token is None


async def test_a_wrong_password_signs_nobody_in(laptop: Browser) -> None:
    for name, password in (("ada", "turing"), ("nobody", ""), ("", ""), ("ada", "")):
        assert "incorrect" in await laptop.sign_in(name, password, 401)
    assert laptop.token is None


async def test_every_sip_counts(laptop: Browser) -> None:
    await laptop.sign_in("ada", "lovelace")
    csrf = laptop._token(laptop.text)
    await asyncio.gather(*(laptop.send("/sips", csrf=csrf) for _ in range(20)))
    assert "Sips so far: 20" in await laptop.see("/")


async def test_one_device_signs_the_other_out(laptop: Browser, phone: Browser) -> None:
    await laptop.sign_in("ada", "lovelace")
    await phone.sign_in("ada", "lovelace")
    text = await laptop.see("/devices")
    assert "Laptop" in text
    assert "Phone" in text
    assert (laptop.token or "").partition(".")[2] not in text
    (handle,) = re.findall(r"/devices/([0-9a-f]{32})/sign-out", text)
    assert (phone.token or "").startswith(handle)
    assert "Phone" not in await laptop.press(f"/devices/{handle}/sign-out")
    assert "Sign in" in await phone.see("/")
    assert phone.token is None


async def test_all_other_devices_at_once(laptop: Browser, phone: Browser) -> None:
    await phone.sign_in("ada", "lovelace")
    await laptop.sign_in("ada", "lovelace")
    await laptop.see("/devices")
    await laptop.press("/devices/others/sign-out")
    assert "<h1>Sign in</h1>" in await phone.see("/devices")
    assert "ada" in await laptop.see("/")


async def test_nobody_signs_out_somebody_elses_device(laptop: Browser, phone: Browser) -> None:
    await laptop.sign_in("ada", "lovelace")
    await phone.sign_in("alan", "turing")
    handle = (phone.token or "").partition(".")[0]
    await laptop.send(f"/devices/{handle}/sign-out", csrf=laptop._token(laptop.text))
    assert "alan" in await phone.see("/")


async def test_signing_out_is_final(laptop: Browser) -> None:
    await laptop.sign_in("ada", "lovelace")
    token = laptop.token or ""
    await laptop.press("/sign-out")
    assert laptop.token is None
    laptop.client.cookies.set("sid", token, domain="127.0.0.1")
    assert "Sign in" in await laptop.see("/")


async def test_forms_of_others_are_refused(laptop: Browser, phone: Browser) -> None:
    await laptop.sign_in("ada", "lovelace")
    await phone.sign_in("ada", "lovelace")
    foreign = phone._token(phone.text)
    for csrf in ("", "forged", foreign):
        assert "not ours" in await laptop.send("/sign-out", 403, csrf=csrf)
    own = laptop._token(await laptop.see("/"))
    assert "not ours" in await laptop.send("/sign-out", 403, csrf=own, origin="https://evil.example")
    await phone.press("/sign-out") if "/sign-out" in await phone.see("/") else None
    assert "not ours" in await phone.send(
        "/sign-in", 403, name="alan", password="turing", origin="https://evil.example"
    )  # nobody is signed in as somebody else from another site
    assert "ada" in await laptop.see("/")


async def test_what_is_not_sold_is_not_found(laptop: Browser) -> None:
    await laptop.send("/cart/coffee", 404)
    assert laptop.token is None
