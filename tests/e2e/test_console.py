"""The console is usable by everybody: contrast, names, keyboard, small screens, both colour schemes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consoles import sign_in
from serving import Served, served
from support import needs

pytestmark = [needs("chromium", modules=("playwright",)), pytest.mark.xdist_group("browser")]

CONTRASTS = """() => {
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const over = (top, under) => top.slice(0, 3).map((c, i) => c * (top[3] ?? 1) + under[i] * (1 - (top[3] ?? 1)));
  const ground = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.push(numbers(getComputedStyle(e).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top.length === 4 && top[3] === 0 ? [0, 0, 0, 0] : top, under),
      matchMedia("(prefers-color-scheme: dark)").matches ? [0, 0, 0] : [255, 255, 255]);
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest(":disabled, [aria-disabled=true]")) continue; // WCAG asks nothing of these
    let opacity = 1; // getComputedStyle's colours know nothing of it
    for (let e = element; e; e = e.parentElement) opacity *= Number(getComputedStyle(e).opacity);
    if (!opacity) continue; // the toast, before its first words
    const style = getComputedStyle(element);
    const back = ground(element);
    const ink = over([...over(numbers(style.color), back), opacity], back);
    const [a, b] = [light(ink), light(back)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    found.push([(a + 0.05) / (b + 0.05), size >= 24 || (bold && size >= 18.66) ? 3 : 4.5,
      walker.currentNode.data.trim().slice(0, 40)]);
  }
  return found;
}"""

LISTED = "[...document.querySelectorAll('#rows tr:not(.ended) .name')].map((e) => e.textContent)"

NAMELESS = """() => [...document.querySelectorAll("button, input, select, a[href], summary, [tabindex='0']")]
  .filter((e) => e.checkVisibility())
  .filter((e) => !(e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.labels?.length
    || e.textContent.trim()))
  .map((e) => e.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("console")) as running:
        running.add("ada", "_admin")
        # Each user is one test's own: the tests share the server and come in any order.
        for name in ("luca", "mira"):
            running.add(name, "editor")
        for _ in range(3):
            running.client("mira")
        yield running


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_can_be_read_and_used_on_any_screen(
    browser: Any, shoot: Any, server: Served, scheme: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{server.url}/console")
    page.wait_for_selector("#view-sign-in:not([hidden])")
    check(page)
    sign_in(page, server, "ada")
    page.wait_for_selector("#rows tr .badge.own")
    check(page)
    shoot(page, "table")
    page.locator("#rows tr .open").first.click()
    page.wait_for_selector("#detail[open] .facts")
    check(page)
    shoot(page, "detail")
    page.keyboard.press("Escape")
    page.wait_for_selector("#detail:not([open])", state="attached")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, "no sideways scrolling"
    page.click("#sign-out")
    page.wait_for_selector("#view-sign-in:not([hidden])")
    context.close()


def check(page: Any) -> None:
    page.wait_for_timeout(250)  # transitions of colour
    weak = [found for found in page.evaluate(CONTRASTS) if found[0] < found[1] - 0.01]
    assert weak == [], "text that is hard to read (ratio, needed, text)"
    assert page.evaluate(NAMELESS) == [], "controls without a name"
    assert page.evaluate("[...document.querySelectorAll('th')].every((th) => th.scope)")


def test_the_keyboard_is_enough(browser: Any, server: Served) -> None:
    page = browser.new_page()
    sign_in(page, server, "ada")
    page.wait_for_selector("#rows tr .badge.own")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.type("mira")
    page.wait_for_function("() => document.querySelectorAll('#rows tr').length === 3")
    page.keyboard.press("Escape")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert {"sign-out", "search", "revoke-others", "open", "feed-kind"} <= {
        part for name in reached for part in name.split()
    }
    page.close()


def test_filter_page_and_revoking_all_of_a_user(browser: Any, server: Served, shoot: Any) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    sign_in(page, server, "ada")
    page.wait_for_selector("#rows tr .badge.own")
    extra = [server.client("luca") for _ in range(2)]
    page.wait_for_function(f"() => ({LISTED}).filter((name) => name === 'luca').length === 2")
    page.fill("#search", "nobody-here")
    page.wait_for_selector("#table-state:not([hidden])")
    shoot(page, "no-match")
    page.fill("#search", "")
    page.locator("#rows tr", has_text="luca").first.locator(".open").click()
    page.get_by_role("button", name="Revoke all of luca").click()
    page.wait_for_selector("#ask[open]")
    if page.locator("#ask-typed").is_visible():
        page.fill("#ask-word", "revoke")
    page.click("#ask-yes")
    page.wait_for_function(f"() => !({LISTED}).includes('luca')")
    assert page.evaluate(LISTED).count("mira") == 3, "nobody else's"
    for client in extra:
        assert client.get("/_session").json()["userCtx"]["name"] is None
    page.close()


def test_the_page_keeps_trying_when_the_server_is_gone(browser: Any, shoot: Any, tmp_path: Path) -> None:
    with served(tmp_path) as server:
        server.add("ada", "_admin")
        page = browser.new_page()
        sign_in(page, server, "ada")
        page.wait_for_selector("#rows tr .badge.own")
        server.stop()
        page.wait_for_selector("#banner:not([hidden])", timeout=15_000)
        check(page)
        shoot(page, "offline")
        page.close()
