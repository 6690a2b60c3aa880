"""The conformance kit under pytest: a base class whose tests run every behaviour in both colours."""

from __future__ import annotations

from typing import Any, ClassVar

from sojourn.stores.base import SessionStore
from sojourn.testing.conformance import Behaviour, Colour, behaviours, check

__all__ = ["StoreConformance"]


class StoreConformance:
    """Derive from it, and give the fixture `store`, which makes a new and empty store for each test.

        class TestMyStore(StoreConformance):
            @pytest.fixture
            def store(self, tmp_path):
                return MyStore(tmp_path / "sessions")

    The kit sets the store up and closes it. Behaviours of abilities that it does not declare are skipped.

    Attributes:
        colours: How it is asked.
        races: How many sessions each race is run on.
        sign_ins: How many sign-ins come at once.
    """

    colours: ClassVar[tuple[Colour, ...]] = ("sync", "async")
    races: ClassVar[int] = 20
    sign_ins: ClassVar[int] = 200

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Make one test of each behaviour and colour; pytest calls this."""
        if "behaviour" in metafunc.fixturenames:
            metafunc.parametrize("behaviour", behaviours(), ids=[one.name for one in behaviours()])
            metafunc.parametrize("colour", self.colours)

    def test_behaviour(self, store: SessionStore, behaviour: Behaviour, colour: Colour) -> None:
        """The store shows one behaviour in one colour."""
        if behaviour.needs not in store.abilities:
            import pytest

            pytest.skip(f"{type(store).__name__} does not declare {behaviour.needs!r}")
        check(behaviour, store, colour, races=self.races, sign_ins=self.sign_ins)
