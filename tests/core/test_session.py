"""The recording session: a mapping that becomes commands, intents, and what happens when the store answers."""

from __future__ import annotations

import enum
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sojourn.core.apply import apply
from sojourn.core.changes import ABSENT, Check, Clear, Increment, Push, Set, SetDefault, Unset
from sojourn.core.record import Client, Identity, Lifetime, Record
from sojourn.core.session import Recording
from sojourn.core.tokens import make_token
from sojourn.core.values import encode, encode_fields
from sojourn.errors import ChangeError, SessionNotFound, UsageError, ValueRefused

LIFE = Lifetime(1_000, "last_access", None, 0)
HANDLE = "0" * 31 + "1"


def make_record(data: dict[str, Any] | None = None, uid: str | None = None, **more: Any) -> Record:
    return Record(
        handle=HANDLE,
        secret_hash=b"h" * 32,
        created=1,
        last_access=2,
        last_update=3,
        lifetime=LIFE,
        data=encode_fields(data or {}),
        uid=uid,
        **more,
    )


def open_(data: dict[str, Any] | None = None, uid: str | None = None) -> Recording:
    return Recording(make_record(data, uid), make_token(HANDLE, b"s" * 32))


def recorded(session: Recording) -> list[Any]:
    changes, intent = session.swap_out()
    assert intent is None
    return list(changes)


# The mapping ------------------------------------------------------------------------------------------------------


def test_it_reads_as_a_mapping() -> None:
    session = open_({"a": 1, "b": [1, {"c": None}]})
    assert session["a"] == 1
    assert dict(session) == {"a": 1, "b": [1, {"c": None}]}
    assert len(session) == 2
    assert "a" in session
    assert 1 not in session
    assert session.get("z", 5) == 5
    with pytest.raises(KeyError):
        session["z"]
    assert not session.has_changes


def test_what_is_set_is_seen_at_once_and_sent_once() -> None:
    session = open_({"a": 1})
    session["a"] = 2
    session["b"] = "x"
    del session["a"]
    assert dict(session) == {"b": "x"}
    assert session.has_changes
    assert recorded(session) == [Set(("a",), b"2"), Set(("b",), b'"x"'), Unset(("a",))]
    assert not session.has_changes
    assert recorded(session) == []


def test_dict_names_mean_what_dict_means() -> None:
    session = open_({"a": 1})
    assert session.pop("a") == 1
    assert session.pop("a", 7) == 7
    with pytest.raises(KeyError):
        session.pop("a")
    with pytest.raises(KeyError):
        del session["a"]
    session.update({"x": 1}, y=2)
    assert session.setdefault("x", 9) == 1
    made: list[int] = session.setdefault("l", [])
    made.append(3)
    assert dict(session) == {"x": 1, "y": 2, "l": [3]}
    assert recorded(session)[-2:] == [SetDefault(("l",), b"[]"), Push(("l",), (b"3",))]
    session.clear()
    session.clear()
    assert recorded(session) == [Clear()]


def test_the_first_append_of_two_requests_stays() -> None:
    one, other = open_(), open_()
    one.setdefault("cart", []).append("tea")
    other.setdefault("cart", []).append("rice")
    after, _ = apply({}, [*recorded(one), *recorded(other)])
    assert after == {"cart": b'["tea","rice"]'}


@pytest.mark.parametrize("key", [1, None, ("a", "b"), b"a", 1.5])
def test_a_key_is_a_string(key: Any) -> None:
    session = open_({"a": 1})
    for write in (lambda: session.__setitem__(key, 1), lambda: session.setdefault(key, 1)):
        with pytest.raises(ValueRefused):
            write()
    assert dict(session) == {"a": 1}
    assert recorded(session) == []


class Name(enum.StrEnum):
    THEME = "theme"


def test_a_key_of_a_subclass_is_plain_text() -> None:
    session = open_()
    session[Name.THEME] = "dark"
    assert [type(key) for key in session] == [str]
    assert session["theme"] == "dark"


def test_a_value_that_cannot_be_kept_is_refused_where_it_is_set() -> None:
    session = open_({"a": 1})
    with pytest.raises(ValueRefused) as caught:
        session["a"] = {"x": [object()]}
    assert caught.value.path == ("a", "x", 0)
    assert dict(session) == {"a": 1}
    assert recorded(session) == []


# AB4: data has its own namespace
@pytest.mark.parametrize(
    "key", ["commit", "token", "path", "domain", "secure", "httpOnly", "touch", "uid", "_token", "__class__", "get"]
)
def test_ab4_no_key_collides_with_a_method_or_attribute(key: str) -> None:
    session = open_({"uid": "data"})
    method = getattr(session, key, None)
    session[key] = "/evil"
    assert session[key] == "/evil"
    assert getattr(session, key, None) == method
    assert session.uid is None
    with pytest.raises(AttributeError):
        session.anything = 1  # type: ignore[attr-defined]  # slots: a mistyped attribute is no data


# Altered in place --------------------------------------------------------------------------------------------------


def test_nested_alterations_are_found() -> None:
    session = open_({"cart": {"items": ["a"], "open": True}})
    session["cart"]["items"].append("tea")
    session["cart"]["open"] = False
    assert session.has_changes
    assert recorded(session) == [Push(("cart", "items"), (b'"tea"',)), Set(("cart", "open"), b"false")]
    assert not session.has_changes


def test_looking_is_no_change() -> None:
    session = open_({"cart": {"items": ["a"]}, "f": 1.0})
    assert session["cart"]["items"][0] == "a"
    list(session.items())
    assert not session.has_changes


def test_alterations_stand_before_the_command_that_follows() -> None:
    session = open_({"l": [1]})
    session["l"].append(2)
    session.push("l", 3)
    assert session["l"] == [1, 2, 3]
    assert recorded(session) == [Push(("l",), (b"2",)), Push(("l",), (b"3",))]


def test_an_object_set_and_altered_later_counts() -> None:
    session = open_()
    cart: dict[str, Any] = {}
    session["cart"] = cart
    cart["tea"] = 1
    assert session["cart"] == {"tea": 1}
    assert recorded(session) == [Set(("cart",), b"{}"), Set(("cart", "tea"), b"1")]
    cart["tea"] = 2
    assert recorded(session) == [Set(("cart", "tea"), b"2")]


def test_a_list_inside_a_tuple_counts() -> None:
    session = open_()
    session["t"] = (1, [2])
    session["t"][1].append(3)
    assert recorded(session) == [Set(("t",), b"[1,[2]]"), Set(("t",), b"[1,[2,3]]")]


def test_an_alteration_that_cannot_be_stored_is_refused_at_commit() -> None:
    session = open_({"l": [1], "m": {}})
    session["l"].append(object())
    with pytest.raises(ValueRefused):
        session.swap_out()
    with pytest.raises(ValueRefused):
        _ = session.has_changes
    session["l"].pop()
    assert recorded(session) == []


def test_what_was_handed_out_is_forgotten_when_it_is_replaced() -> None:
    session = open_({"cart": {"n": 1}})
    old = session["cart"]
    session["cart"] = {"n": 5}
    old["n"] = 2
    assert session["cart"] == {"n": 5}
    del session["cart"]
    old["n"] = 3
    assert recorded(session) == [Set(("cart",), b'{"n":5}'), Unset(("cart",))]


# Commands ---------------------------------------------------------------------------------------------------------


def test_commands_answer_what_this_request_sees() -> None:
    session = open_({"n": 5})
    assert session.increment("n", 2) == 7
    assert session.increment(("a", "n")) == 1
    assert session.minimum("n", 3) == 3
    assert session.maximum("n", 3.5) == 3.5
    assert recorded(session)[:2] == [Increment(("n",), 2), Increment(("a", "n"), 1)]


EVERY: list[Callable[[Recording], object]] = [
    lambda s: s.set("k", 1),
    lambda s: s.set(("k", "x"), 1),
    lambda s: s.set({"k": [1], "j": 2}),
    lambda s: s.set_default("k", 1),
    lambda s: s.set_default("a", 1),
    lambda s: s.unset("a", ("d", "x"), "z"),
    lambda s: s.rename("a", ("d", "y")),
    lambda s: s.increment(("d", "x")),
    lambda s: s.minimum("a", 0),
    lambda s: s.maximum("a", 10),
    lambda s: s.push("l", 1, 2, keep=2),
    lambda s: s.add_to_set("l", 1, 5),
    lambda s: s.pull("l", 1),
    lambda s: s.check("a", 1),
    lambda s: s.clear(),
    lambda s: s.__setitem__("a", 2),
    lambda s: s.__delitem__("a"),
    lambda s: s.setdefault("n", {}),
    lambda s: s["l"].append(9),
    lambda s: s["d"].pop("x"),
]


@given(st.lists(st.sampled_from(EVERY), max_size=8))
def test_what_it_shows_is_what_its_batch_does(steps: list[Callable[[Recording], object]]) -> None:
    data = {"a": 1, "d": {"x": 1}, "l": [1, 2]}
    session = open_(data)
    for step in steps:
        with suppress(ChangeError, KeyError, AttributeError):  # it did not fit, and must have left no trace
            step(session)
    shown = encode_fields(dict(session))
    changes = [change for change in recorded(session) if not isinstance(change, Check)]
    assert apply(encode_fields(data), changes)[0] == shown


def test_a_refused_command_leaves_no_trace() -> None:
    session = open_({"a": "text"})
    for refused in (lambda: session.increment("a"), lambda: session.push("a", 1), lambda: session.set(("a", "b"), 1)):
        with pytest.raises(ChangeError):
            refused()
    with pytest.raises(ValueRefused):
        session.set({"b": 1, "c": object()})
    assert dict(session) == {"a": "text"}
    assert recorded(session) == []


def test_check_is_left_to_the_store() -> None:
    session = open_({"a": 1})
    session.check("a", 2)
    session.check("b", ABSENT)
    assert recorded(session) == [Check(("a",), b"2"), Check(("b",), None)]


# What the store answers ------------------------------------------------------------------------------------------


def test_adopt_shows_what_the_store_holds() -> None:
    session = open_({"a": 1, "b": 1})
    token = make_token(HANDLE, b"t" * 32)
    session.adopt(make_record({"b": 2, "c": 3}, "luca"), token)
    assert dict(session) == {"b": 2, "c": 3}
    assert session.uid == "luca"
    assert session.token == token.text


def test_adopt_keeps_what_was_recorded_since_on_top() -> None:
    session = open_({"n": 1})
    session.increment("n")
    session.adopt(make_record({"n": 10, "m": 1}))
    assert dict(session) == {"n": 11, "m": 1}
    assert recorded(session) == [Increment(("n",), 1)]


def test_adopt_keeps_what_was_altered_in_place() -> None:
    session = open_({"l": [1], "d": {"x": 1}})
    session["l"].append(2)
    session["d"]["y"] = 2
    session.adopt(make_record({"l": [1, 7], "d": {"x": 5}}))
    assert dict(session) == {"l": [1, 7, 2], "d": {"x": 5, "y": 2}}
    assert recorded(session) == [Push(("l",), (b"2",)), Set(("d", "y"), b"2")]


def test_adopt_with_changes_that_no_longer_fit_shows_the_store() -> None:
    session = open_({"n": 1})
    session.increment("n")
    session.adopt(make_record({"n": "text"}))
    assert dict(session) == {"n": "text"}
    assert recorded(session) == [Increment(("n",), 1)]


def test_objects_handed_out_are_renewed_in_place() -> None:
    session = open_({"cart": {"items": ["a"]}})
    cart, items = session["cart"], session["cart"]["items"]
    session.adopt(make_record({"cart": {"items": ["a", "b"], "open": True}}))
    assert cart == {"items": ["a", "b"], "open": True}
    assert cart["items"] is items
    items.append("c")
    assert recorded(session) == [Push(("cart", "items"), (b'"c"',))]


def test_objects_whose_kind_changed_are_let_go() -> None:
    session = open_({"a": {"n": 1}, "b": [1]})
    a, b = session["a"], session["b"]
    session.adopt(make_record({"a": [1]}))
    a["n"] = 2
    b.append(2)
    assert dict(session) == {"a": [1]}
    assert recorded(session) == []


def test_a_callers_constant_never_learns_what_others_wrote() -> None:
    default: dict[str, Any] = {"items": []}
    session = open_()
    session["cart"] = default
    recorded(session)
    session.adopt(make_record({"cart": {"items": ["somebody's"]}}))
    assert default == {"items": []}
    assert session["cart"] == {"items": ["somebody's"]}
    session["cart"]["items"].append("mine")
    assert default == {"items": []}
    assert recorded(session) == [Push(("cart", "items"), (b'"mine"',))]


def test_one_object_at_two_places_cannot_become_two() -> None:
    session = open_({"d": {}})
    inner = {"n": 1}
    session["d"]["x"] = session["d"]["y"] = inner
    recorded(session)
    session.adopt(make_record({"d": {"x": {"n": 1}, "y": {"n": 2}}}))
    assert session["d"] == {"x": {"n": 1}, "y": {"n": 2}}
    assert recorded(session) == []


def test_adopt_leaves_an_unfit_alteration_to_the_commit() -> None:
    session = open_({"l": [1]})
    session["l"].append(object())
    session.adopt(make_record({"l": [1, 2]}))
    with pytest.raises(ValueRefused):
        session.swap_out()
    session["l"].pop()
    assert session["l"] == [1]


def test_put_back_stands_before_what_came_since() -> None:
    session = open_({"a": 1})
    session["a"] = 2
    session.rotate()
    session.sign_in("luca")
    changes, intent = session.swap_out()
    session["a"] = 3
    session.set_client(label="phone")
    session.put_back(changes, intent)
    again, merged = session.swap_out()
    assert again == (Set(("a",), b"2"), Set(("a",), b"3"))
    assert merged is not None
    assert merged.rotate
    assert merged.identity is not None
    assert merged.identity.uid == "luca"
    assert merged.client == Client(label="phone")


def test_put_back_without_news_restores_the_intent() -> None:
    session = open_()
    session.rotate()
    changes, intent = session.swap_out()
    session.put_back(changes, intent)
    assert session.swap_out() == (changes, intent)


def test_drop_changes_shows_the_store_again() -> None:
    session = open_({"a": 1, "l": [1]})
    session["a"] = 2
    session["l"].append(2)
    session.sign_in("luca")
    session.drop_changes()
    assert dict(session) == {"a": 1, "l": [1]}
    assert session.uid is None
    assert not session.has_changes


def test_forget_leaves_nothing() -> None:
    session = open_({"a": 1}, "luca")
    session.forget()
    assert (dict(session), session.uid, session.token, session.handle) == ({}, None, None, None)
    assert session.ended
    with pytest.raises(SessionNotFound):
        session.living()
    with pytest.raises(UsageError):
        Recording().living()


def test_detach_keeps_the_data_without_touching_the_record() -> None:
    record = make_record({"a": 1})
    session = Recording(record)
    session.detach(dict(session.texts()))
    session["b"] = 2
    assert dict(session) == {"a": 1, "b": 2}
    assert record.data == {"a": b"1"}
    session.detach({})
    assert dict(session) == {}
    assert session.is_new


def test_the_record_is_never_written_into() -> None:
    record = make_record({"a": 1, "l": []})
    session = Recording(record)
    session["a"] = 2
    session["l"].append(1)
    session.push("l", 2)
    session.clear()
    assert record.data == {"a": b"1", "l": b"[]"}


# Intents ------------------------------------------------------------------------------------------------------------


def test_sign_in_is_seen_at_once_and_happens_at_commit() -> None:
    session = open_({"cart": [1]})
    session.sign_in("luca", roles=["editor"], user_data={"lang": "it"}, acting_as="root")
    assert (session.uid, session.roles, session.user_data) == ("luca", ("editor",), {"lang": "it"})
    assert dict(session) == {"cart": [1]}  # an anonymous session keeps its data
    assert session.record is not None
    assert session.record.uid is None
    changes, intent = session.swap_out()
    assert changes == ()
    assert intent is not None
    assert intent.identity == Identity("luca", ("editor",), b'{"lang":"it"}', None, "root")
    assert not intent.replace


def test_signing_in_again_keeps_the_session() -> None:
    session = open_({"a": 1}, "luca")
    session.sign_in("luca", roles=["new"])
    assert dict(session) == {"a": 1}
    assert not session.is_replaced


@pytest.mark.parametrize("first", [None, "set_user", "twice"])
def test_another_user_takes_nothing_over(first: str | None) -> None:
    session = open_({"secret": 1, "l": []}, "anna")
    handed_out = session["l"]
    session["more"] = 2
    if first == "set_user":
        session.set_user(None)
    elif first == "twice":
        session.sign_in("carl")
        session["carls"] = 1
    session.sign_in("luca")
    handed_out.append("anna's")
    session["own"] = 1
    assert dict(session) == {"own": 1}
    assert session.is_replaced
    changes, intent = session.swap_out()
    assert changes == (Set(("own",), b"1"),)
    assert intent is not None
    assert intent.replace


def test_a_user_switch_before_it_is_stored_needs_no_replacement() -> None:
    session = Recording()
    session.sign_in("anna")
    session["secret"] = 1
    session.sign_in("luca")
    assert dict(session) == {}
    assert session.uid == "luca"
    assert not session.is_replaced


def test_back_to_the_first_user_is_still_another_session() -> None:
    session = open_({"secret": 1}, "anna")
    session.sign_in("luca")
    session.sign_in("anna")
    assert session.is_replaced
    assert dict(session) == {}


@pytest.mark.parametrize("uid", ["", None, 1, b"luca", "a\x00", "\ud800"])
def test_a_user_has_a_name_that_every_store_keeps(uid: Any) -> None:
    session = open_({"a": 1}, "anna")
    with pytest.raises(ValueRefused):
        session.sign_in(uid)
    with pytest.raises(ValueRefused):
        session.sign_in("luca", acting_as="" if uid is None else uid)
    assert session.uid == "anna"
    assert dict(session) == {"a": 1}  # refused, it has switched nothing


@pytest.mark.parametrize("roles", ["editor", [1], [""], [None], ["\ud800"], ["a\x00"]])
def test_roles_are_a_list_of_names(roles: Any) -> None:
    with pytest.raises(ValueRefused):
        open_().sign_in("luca", roles=roles)


def test_user_data_is_refused_like_data_and_a_fresh_copy() -> None:
    session = open_()
    with pytest.raises(ValueRefused) as caught:
        session.sign_in("luca", user_data={"x": object()})
    assert caught.value.path == ("user_data", "x")
    session.sign_in("luca", user_data={"l": []})
    session.user_data["l"].append(1)
    assert session.user_data == {"l": []}


def test_set_user_none_removes_the_user_and_keeps_the_data() -> None:
    session = Recording(replace(make_record({"a": 1}, "luca"), user_data=b'{"x":1}', roles=("r",)))
    session.set_user(None)
    assert (session.uid, session.roles, session.user_data) == (None, (), {})
    assert dict(session) == {"a": 1}


def test_clients_are_cut_and_keep_what_is_not_given() -> None:
    session = open_()
    session.set_client(ip="192.0.2.1", user_agent="x" * 600)
    session.set_client(label="phone\ud800\x00")
    assert session.client == Client("192.0.2.1", "x" * 512, "phone??")


def test_other_wishes_wait_for_the_commit() -> None:
    session = open_()
    life = Lifetime(5, "created", None, 0)
    session.rotate()
    session.wish_lifetime(life)
    assert session.has_changes
    _, intent = session.swap_out()
    assert intent is not None
    assert intent.rotate
    assert intent.lifetime == life
    assert not session.has_changes


def test_attributes_of_a_new_and_a_stored_session() -> None:
    new = Recording()
    assert new.is_new
    assert (new.handle, new.token, new.created, new.last_access, new.last_update) == (None,) * 5
    assert new.client == Client()
    stored = open_({"a": 1}, "luca")
    assert not stored.is_new
    assert (stored.handle, stored.created, stored.last_access, stored.last_update) == (HANDLE, 1, 2, 3)
    assert stored.authenticated_at is None
    assert stored.texts() == {"a": encode(1)}


def test_no_repr_shows_a_secret() -> None:
    session = open_({"password": "hunter2"}, "luca")
    assert session.token is not None
    secret = session.token.partition(".")[2]
    assert repr(session) == f"<Recording {HANDLE} uid='luca'>"
    assert repr(Recording()) == "<Recording new uid=None>"
    assert secret not in repr(session)
    assert "hunter2" not in repr(session) + repr(session.record)
