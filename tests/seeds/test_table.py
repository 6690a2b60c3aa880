"""docs/seeds.md held against the code: no item is missing, and every proof that it names is there."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from support import ROOT

PAGE = ROOT / "docs" / "seeds.md"
ITEMS = {
    "K": 12,
    "KB": 4,
    "U": 8,
    "UB": 7,
    "C": 17,
    "M": 19,
    "MB": 9,
    "F": 17,
    "FB": 7,
    "G": 4,
    "GB": 2,
    "A": 16,
    "AB": 10,
}
"""How many items each list has (checklist A.1 to A.7; the two bugs of G have no numbers there)."""


def rows() -> Iterator[tuple[str, list[str]]]:
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if re.match(r"\| [A-Z]+\d+ \|", line):
            item, _, _, proof = [cell.strip() for cell in line.strip("|").split(" | ")]
            yield item, [part.strip().strip("`") for part in proof.split(",")]


def test_every_item_stands_there_once() -> None:
    found = [item for item, _ in rows()]
    assert found == [f"{letters}{number}" for letters, count in ITEMS.items() for number in range(1, count + 1)]


@pytest.fixture(scope="module")
def written() -> set[str]:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    return {name for text in texts for name in re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE)}


def test_every_proof_exists(written: set[str]) -> None:
    missing = [
        f"{item}: {proof}"
        for item, proofs in rows()
        for proof in proofs
        if not (
            re.fullmatch(r"issue [3-5]", proof)
            or proof in written
            or (proof.endswith(".py") and (ROOT / proof).is_file())
        )
    ]
    assert missing == []


def test_every_test_of_an_item_stands_in_the_table(written: set[str]) -> None:
    """Tests in tests/seeds are named after items; one that the table forgets proves something nobody finds."""
    named = {proof for _, proofs in rows() for proof in proofs}
    here = [path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "seeds").glob("test_[afgm].py")]
    found = {name for text in here for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}
    assert len(found) > 60
    assert found <= written
    assert found - named == set()
