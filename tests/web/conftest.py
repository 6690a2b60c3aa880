"""Sites of the ASGI adapter, one on each kind of store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from asgi_site import KINDS, Site, site_on


@pytest.fixture(params=KINDS)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    """A site on each kind of store."""
    made = await site_on(request.param, tmp_path)
    yield made
    await made.store.aclose()


@pytest.fixture
async def memory(tmp_path: Path) -> Site:
    """A site in memory, where the store makes no difference."""
    return await site_on("memory", tmp_path)


@pytest.fixture
async def network(tmp_path: Path) -> Site:
    """A site on a store far away."""
    return await site_on("network", tmp_path)
