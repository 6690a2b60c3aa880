"""Stores that take one operation for another, answer one wrong, or spoil data on its way in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from broken_register import COMMANDS, broken
from sojourn.core import changes as c
from sojourn.core.events import EndReason
from sojourn.core.operations import (
    Acknowledge,
    Append,
    Apply,
    Claim,
    Count,
    Create,
    Delete,
    DeleteDocument,
    Enlist,
    FindByUser,
    Health,
    List,
    ListDocuments,
    Load,
    Ping,
    SaveDocument,
    Sweep,
    Tail,
)
from sojourn.core.record import Record
from sojourn.core.values import decode_fields, encode_fields
from sojourn.stores.memory import MemoryStore
from sojourn.testing import conformance

__all__ = ["wrong"]


def wrong(name: str, on: type, change: Callable[[Any], Any], *names: str, colour: str = "sync") -> None:
    """A store that takes one operation for another."""

    def perform(self: MemoryStore, op: Any) -> Any:
        return MemoryStore._perform(self, change(op) if isinstance(op, on) else op)

    broken(*names, colour=colour)(type(name, (MemoryStore,), {"_perform": perform, "perform": perform}))


def answering(name: str, on: type, change: Callable[[Any], Any], *names: str) -> None:
    """A store that does an operation and answers wrong."""

    def perform(self: MemoryStore, op: Any) -> Any:
        reply = MemoryStore._perform(self, op)
        return change(reply) if isinstance(op, on) else reply

    broken(*names)(type(name, (MemoryStore,), {"_perform": perform, "perform": perform}))


def spoiling(name: str, change: Callable[[dict[str, Any]], dict[str, Any]], *names: str) -> None:
    """A store that spoils data on its way in."""

    def perform(self: MemoryStore, op: Any) -> Any:
        if isinstance(op, Create):
            op = Create(replace(op.record, data=encode_fields(change(decode_fields(op.record.data)))))
        return MemoryStore._perform(self, op)

    broken(*names)(type(name, (MemoryStore,), {"_perform": perform, "perform": perform}))


# Operations taken for others ------------------------------------------------------------------------------------

wrong(
    "IgnoresGeneration",
    Apply,
    lambda op: replace(op, generation=None),
    "apply_checks_the_generation",
    "identities_let_one_through",
    "identity_changes_raise_the_generation",
)
wrong("HasNoSizeLimit", Apply, lambda op: replace(op, max_bytes=10**9), "apply_keeps_to_the_size_limit")
wrong("HasASmallLimit", Apply, lambda op: replace(op, max_bytes=min(op.max_bytes, 500_000)), "apply_stores_a_mebibyte")
wrong("TouchesAreUpdates", Apply, lambda op: replace(op, touch_only=False), "apply_touch_only_leaves_last_update")
wrong("TellsOfEveryChange", Apply, lambda op: replace(op, events=True), "apply_appends_its_events")
wrong("ForgetsClients", Apply, lambda op: replace(op, client=None), "lifetime_and_client_are_replaced")
wrong(
    "KeepsLifetimes",
    Apply,
    lambda op: replace(op, lifetime=None),
    "lifetime_and_client_are_replaced",
    "sweep_finds_what_was_shortened",
)
wrong("EndsAnybodys", Delete, lambda op: replace(op, only_uid=None), "delete_keeps_to_its_conditions")
wrong(
    "EndsWhatIsInUse",
    Delete,
    lambda op: replace(op, only_empty=False),
    "delete_keeps_to_its_conditions",
    "emptied_wins_every_race",
    colour="async",
)
wrong("EndsTheLiving", Delete, lambda op: replace(op, only_expired=False), "delete_keeps_to_its_conditions")
wrong(
    "EndsAsLogout",
    Delete,
    lambda op: replace(op, reason=EndReason.LOGOUT),
    "delete_appends_the_one_event",
    "delete_answers_what_it_ended",
    "a_limit_evicts_the_oldest",
)
wrong("HasNoOwners", Delete, lambda op: replace(op, owner=None), "claims_pass_on_after_a_lease")
wrong("SweepsForNobody", Sweep, lambda op: replace(op, claim_events=False), "sweep_claims_for_its_owner")
wrong("SweepsWithoutLimit", Sweep, lambda op: replace(op, limit=10**6), "sweep_keeps_to_its_limit")
wrong("NeverForgets", Sweep, lambda op: replace(op, keep_events_ms=10**12), "old_events_are_forgotten")
wrong("OneForEverybody", Sweep, lambda op: replace(op, owner="all"), "sweep_has_one_holder")
wrong(
    "AdmitsEverybody",
    Enlist,
    lambda op: replace(op, refuse=False),
    "enlist_refuses_at_the_limit",
    "enlist_appends_its_event",
    "enlisted_at_once_never_pass_a_refusing_limit",
    "a_refusing_limit_leaves_nothing_behind",
)
wrong(
    "KnowsNoLimit",
    Enlist,
    lambda op: replace(op, limit=None),
    "enlist_counts_to_the_limit",
    "parallel_sign_ins_keep_the_limit",
    "parallel_sign_ins_keep_a_refusing_limit",
    "a_limit_evicts_the_oldest",
)
for _on in (Enlist, FindByUser):
    wrong(f"FoldsCaseIn{_on.__name__}", _on, lambda op: replace(op, uid=op.uid.casefold()), "users_are_kept_apart")
wrong(
    "ListsInOneOrder",
    List,
    lambda op: replace(op, newest_first=False),
    "list_goes_by_creation",
    "list_pages_under_parallel_writes",
)
wrong("ListsEverybody", List, lambda op: replace(op, uid=None), "list_filters")
wrong("ListsAllHandles", List, lambda op: replace(op, handle_prefix=""), "list_filters")
wrong("CountsTheDead", Count, lambda op: replace(op, now=0), "count_means_the_living")
wrong("CountsEverybody", Count, lambda op: replace(op, uid=None), "count_means_the_living")
wrong("TailsWithoutLimit", Tail, lambda op: replace(op, limit=10**6), "tail_goes_on_from_its_cursor")
wrong(
    "TailsTheEndOnly",
    Tail,
    lambda op: Tail(None),
    "appended_events_come_back",
    "tail_goes_on_from_its_cursor",
    "create_appends_one_event",
    "delete_appends_the_one_event",
    "tails_miss_nothing_under_parallel_writes",
)
wrong("LeasesForEver", Claim, lambda op: replace(op, lease_ms=10**12), "claims_pass_on_after_a_lease")
wrong(
    "LeasesForNothing",
    Claim,
    lambda op: replace(op, lease_ms=0),
    "claims_pass_on_after_a_lease",
    "claims_at_once_are_told_apart",
)
wrong("AcknowledgesNothing", Acknowledge, lambda op: Acknowledge(()), "acknowledged_ends_are_done")
wrong("AppendsTheFirst", Append, lambda op: Append(op.events[:1]), "appended_events_come_back")
wrong("SavesOnlyNew", SaveDocument, lambda op: replace(op, expected=None), "documents_are_saved_by_revision")
wrong("MixesCollections", SaveDocument, lambda op: replace(op, collection="users"), "documents_are_saved_by_revision")
wrong("ListsToTheEnd", ListDocuments, lambda op: replace(op, end=None), "documents_are_listed_by_key")
wrong(
    "TrimsKeys",
    SaveDocument,
    lambda op: replace(op, document=replace(op.document, key=op.document.key.strip())),
    "documents_keep_hard_texts",
)

# Wrong answers --------------------------------------------------------------------------------------------------

answering(
    "CreatesTwice",
    Create,
    lambda reply: True,
    "create_refuses_an_existing_handle",
    "creators_of_one_handle_are_told_apart",
)
answering("NamesNothing", Ping, lambda reply: Health("", "", ""), "ping_names_the_store")
answering(
    "AnswersBackwards", Apply, lambda reply: replace(reply, answers=reply.answers[::-1]), "apply_answers_in_order"
)
answering(
    "AnswersNothing",
    Apply,
    lambda reply: replace(reply, answers=tuple(None for _ in reply.answers)),
    "apply_answers_in_order",
    "command_take",
    "command_pop_first",
)
answering(
    "MakesItsOwnIds",
    Delete,
    lambda reply: reply and replace(reply, event=replace(reply.event, id="random")),
    "delete_answers_what_it_ended",
)
answering(
    "NamesNoneOfMany",
    Enlist,
    lambda reply: replace(reply, members=()),
    "enlist_counts_to_the_limit",
    "parallel_sign_ins_keep_the_limit",
)
answering(
    "NamesTheYoungestFirst",
    Enlist,
    lambda reply: replace(reply, members=reply.members[::-1]),
    "enlist_counts_to_the_limit",
    "a_limit_evicts_the_oldest",
)
answering("SortsIndexes", FindByUser, lambda reply: tuple(sorted(reply)), "enlist_keeps_the_order")
answering(
    "SleepsTooLong",
    Sweep,
    lambda reply: replace(reply, next_due=None),
    "sweep_answers_when_to_look_again",
    "sweep_forgets_nothing_after_writes",
)
answering("TellsOfNoGap", Tail, lambda reply: replace(reply, gap=False), "old_events_are_forgotten")
answering(
    "SeesGapsEverywhere",
    Tail,
    lambda reply: replace(reply, gap=True),
    "tail_goes_on_from_its_cursor",
    "tails_miss_nothing_under_parallel_writes",
)
answering("DeletesNothing", DeleteDocument, lambda reply: not reply, "documents_are_deleted_by_revision")
answering(
    "HidesTheExpired",
    Load,
    lambda reply: None if reply and reply.created < 1_780_000_000_000 else reply,
    "load_answers_expired_records",
)
answering(
    "AnswersSomething",
    Load,
    lambda reply: reply or Record("0" * 32, b"", 0, 0, 0, conformance.LIFETIME),
    "load_answers_none_for_nothing",
)

# Spoiled data ---------------------------------------------------------------------------------------------------


def every_value(change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(inner) for key, inner in value.items()}
        return [walk(inner) for inner in value] if isinstance(value, list) else change(value)

    return lambda data: {key: walk(value) for key, value in data.items()}


_VALUES = "create_keeps_hard_values"
spoiling("LosesNul", every_value(lambda v: v.replace("\0", "") if isinstance(v, str) else v), _VALUES)
spoiling("MakesFloatsInts", every_value(lambda v: int(v) if isinstance(v, float) and v == 1 else v), _VALUES)
spoiling(
    "RoundsLikeJavaScript", every_value(lambda v: int(float(v)) if type(v) is int and abs(v) < 2**62 else v), _VALUES
)
spoiling("TakesTrueForOne", every_value(lambda v: 1 if v is True else v), _VALUES)
spoiling("CutsMicroseconds", every_value(lambda v: v.replace(microsecond=0) if hasattr(v, "fold") else v), _VALUES)
spoiling("NormalisesText", every_value(lambda v: v.replace("e\u0301", "é") if isinstance(v, str) else v), _VALUES)
spoiling("LosesEmptyLists", lambda data: {k: {} if v == [] else v for k, v in data.items()}, _VALUES)
spoiling(
    "SplitsKeysAtDots", lambda data: {k.partition(".")[0] or k: v for k, v in data.items()}, "create_keeps_hard_keys"
)
spoiling("DropsProto", lambda data: {k: v for k, v in data.items() if k != "__proto__"}, "create_keeps_hard_keys")


# Each command left out: so the table of each can fail ----------------------------------------------------------


def _without(name: str) -> None:
    kind = next(t for t in vars(c).values() if isinstance(t, type) and getattr(t, "__struct_config__", None)
                and t.__struct_config__.tag == name)  # fmt: skip
    wrong(
        f"Skips{kind.__name__}",
        Apply,
        lambda op: replace(op, changes=tuple(one for one in op.changes if type(one) is not kind)),
        f"command_{name}",
    )


for _command in COMMANDS:
    _without(_command)
wrong(
    "SkipsTheLast",
    Apply,
    lambda op: replace(op, changes=op.changes[:-1]),
    "checks_let_one_through",
    "apply_does_a_batch_in_order",
    "command_set",
)
