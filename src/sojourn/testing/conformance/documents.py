"""Documents: texts with revisions, written only over the revision that the writer has seen."""

from __future__ import annotations

from sojourn.core.operations import (
    Ability,
    DeleteDocument,
    Document,
    ListDocuments,
    LoadDocument,
    SaveDocument,
)
from sojourn.testing.conformance.asking import Body, came
from sojourn.testing.conformance.behaviour import Trial, behaviour
from sojourn.testing.conformance.expecting import same
from sojourn.testing.conformance.hard_values import HARD_KEYS

__all__ = [
    "documents_are_deleted_by_revision",
    "documents_are_listed_by_key",
    "documents_are_saved_by_revision",
    "documents_keep_hard_texts",
    "writers_of_one_document_are_told_apart",
]

_NEEDS = Ability.DOCUMENTS


@behaviour("design 7: Documents with revisions", _NEEDS)
def documents_are_saved_by_revision(_trial: Trial) -> Body:
    """A document is written if its stored revision is the expected one, or if there is none and None is expected."""
    first, second, third = (Document("ann", f"{number}-abc", b'{"n":%d}' % number) for number in (1, 2, 3))
    same((yield from LoadDocument("users", "ann")), None, "a document that was never written")
    same((yield from SaveDocument("users", first, "1-abc")), False, "writing over a revision where nothing is")
    same((yield from LoadDocument("users", "ann")), None, "after that")
    same((yield from SaveDocument("users", first, None)), True, "writing where nothing is")
    for expected in (None, "2-abc", "1-ABC", "1-ab", "", "1-abc "):
        same((yield from SaveDocument("users", second, expected)), False, f"writing over revision {expected!r}")
        same((yield from LoadDocument("users", "ann")), first, "the document after a refusal")
    same((yield from SaveDocument("users", second, "1-abc")), True, "writing over the stored revision")
    same((yield from SaveDocument("users", third, "1-abc")), False, "writing over it again")
    same((yield from LoadDocument("users", "ann")), second, "the document at last")
    same((yield from LoadDocument("other", "ann")), None, "the same key in another collection")
    same((yield from SaveDocument("other", third, None)), True, "writing it there")
    same((yield from LoadDocument("users", "ann")), second, "the first collection's after that")


@behaviour("design 7: Documents with revisions", _NEEDS)
def documents_are_deleted_by_revision(_trial: Trial) -> Body:
    """A document is removed if its stored revision is the expected one; then it may be written anew."""
    document = Document("ann", "1-a", b"{}")
    same((yield from DeleteDocument("users", "ann", "1-a")), False, "removing what is not there")
    _ = yield from SaveDocument("users", document, None)
    for expected in ("2-a", "", "1-A"):
        same((yield from DeleteDocument("users", "ann", expected)), False, f"removing revision {expected!r}")
    same((yield from DeleteDocument("other", "ann", "1-a")), False, "removing it from another collection")
    same((yield from LoadDocument("users", "ann")), document, "the document after refusals")
    same((yield from DeleteDocument("users", "ann", "1-a")), True, "removing the stored revision")
    same((yield from LoadDocument("users", "ann")), None, "a removed document")
    same((yield from DeleteDocument("users", "ann", "1-a")), False, "removing it again")
    same((yield from SaveDocument("users", document, "1-a")), False, "writing over what was removed")
    same((yield from SaveDocument("users", document, None)), True, "writing it anew")


@behaviour("design 7: Documents; design 4: hard keys", _NEEDS)
def documents_keep_hard_texts(_trial: Trial) -> Body:
    """Keys and collections with odd letters are kept apart, and a body comes back as it was."""
    bodies = (b"{}", b'{"a":"\\u0000"}', '{"a":"é\u2028\U0001f600"}'.encode(), b" { } ", b'"' + b"x" * 100_000 + b'"')
    keys = [key for key in HARD_KEYS if key]
    for number, key in enumerate(keys):
        document = Document(key, f"1-{number}", bodies[number % len(bodies)])
        same((yield from SaveDocument("users", document, None)), True, f"writing the key {key[:20]!a}")
    for number, key in enumerate(keys):
        document = Document(key, f"1-{number}", bodies[number % len(bodies)])
        same((yield from LoadDocument("users", key)), document, f"the document {key[:20]!a}")


@behaviour("design 7: Documents; couch.md: _all_docs by key", _NEEDS)
def documents_are_listed_by_key(_trial: Trial) -> Body:
    """Documents come by key, in the order of code points, from start to end, both included, so many at most."""
    keys = sorted(
        ["org.couchdb.user:ann", "org.couchdb.user:Bob", "org.couchdb.user:bob", "a", "z", "é", "\uffff", "B"]
    )
    documents = [Document(key, f"1-{number}", b"{}") for number, key in enumerate(keys)]
    for document in (*documents[::2], *documents[1::2]):
        _ = yield from SaveDocument("users", document, None)
    _ = yield from SaveDocument("other", Document("b", "1-x", b"{}"), None)
    same((yield from ListDocuments("users")), tuple(documents), "all documents")
    same((yield from ListDocuments("nothing")), (), "the documents of an empty collection")
    same((yield from ListDocuments("users", limit=3)), tuple(documents[:3]), "three documents")
    for start, end in (
        ("a", "z"),
        ("org.", "org.\uffff"),
        (keys[2], keys[4]),
        (keys[3], keys[3]),
        ("zz", None),
        ("b", "a"),
    ):
        wanted = tuple([one for one in documents if start <= one.key and (end is None or one.key <= end)])
        same((yield from ListDocuments("users", start, end)), wanted, f"documents from {start!a} to {end!a}")


@behaviour("design 7: Documents with revisions; promise 1", _NEEDS)
def writers_of_one_document_are_told_apart(trial: Trial) -> Body:
    """Of many who write over the same revision at once exactly one is told that it did, and its text stands."""
    revision: str | None = None
    for turn in range(1, trial.races // 4 + 2):
        drafts = [Document("ann", f"{turn}-{number}", b"{}") for number in range(6)]
        answers = yield from came(*[iter(SaveDocument("users", draft, revision)) for draft in drafts])
        same(answers.count(True), 1, "how many of six were told that they wrote")
        same((yield from LoadDocument("users", "ann")), drafts[answers.index(True)], "the document that stands")
        revision = drafts[answers.index(True)].revision
