"""Options: argument before environment before default; what is unsafe is refused, with the way out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sojourn.errors import ConfigurationError
from sojourn.options import DEFAULT
from sojourn.server.parsing import is_loopback
from sojourn.server.settings import OPTIONS, Settings, load, prepare, store_of, unknown_names


def refused(given: dict[str, Any], environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(given, environ or {})
    return str(caught.value)


def test_without_anything_it_is_sqlite_on_loopback() -> None:
    settings = load({}, {})
    assert (settings.host, settings.port, settings.password_policy) == ("127.0.0.1", 8000, "standard")
    assert (settings.store, settings.data_dir) == ("sqlite:///.sojourn/sojourn.db", Path(".sojourn"))
    assert (settings.open_users, settings.https, settings.max_sessions) == (False, False, None)
    assert (settings.ttl, settings.absolute) == (DEFAULT, DEFAULT)


def test_every_option_is_a_setting_and_has_its_name_in_the_environment() -> None:
    for option in OPTIONS:
        assert hasattr(Settings(), option.field)
        assert option.env == f"SOJOURN_{option.name.upper().replace('-', '_')}"


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("host", "localhost", "localhost"),
        ("host", "[::1]", "::1"),
        ("port", "0", 0),
        ("open_users", "yes", True),
        ("open_users", "0", False),
        ("ttl", "2 h", "2 h"),
        ("ttl", "none", None),
        ("absolute", "P1M", "P1M"),
        ("max_sessions", "5", 5),
        ("max_sessions", "none", None),
        ("password_policy", "none", "none"),
        ("behind_proxy", "127.0.0.1, 10.0.0.0/8", ("127.0.0.1", "10.0.0.0/8")),
        ("log_format", "json", "json"),
        ("store", "memory://", "memory://"),
        ("data_dir", "/srv/x y", Path("/srv/x y")),
    ],
)
def test_a_value_comes_from_the_argument_or_the_environment(field: str, text: str, value: object) -> None:
    env = f"SOJOURN_{field.upper()}"
    assert getattr(load({field: text}, {}), field) == value
    assert getattr(load({}, {env: text}), field) == value
    assert getattr(load({field: text}, {env: "never looked at"}), field) == value
    assert getattr(load({}, {env: ""}), field) == getattr(load({}, {}), field), "empty says nothing"


@pytest.mark.parametrize(
    ("field", "text", "advice"),
    [
        ("host", "http://x", "host name or address alone"),
        ("host", "127.0.0.1:80", "host name or address alone"),
        ("port", "http", "from 1 to 65535"),
        ("port", "65536", "from 1 to 65535"),
        ("port", "-1", "from 1 to 65535"),
        ("port", "٣", "from 1 to 65535"),
        ("open_users", "perhaps", "1 or 0"),
        ("ttl", "14", "say the unit"),
        ("absolute", "-1 d", "longer than zero"),
        ("max_sessions", "0", "from 1 upwards"),
        ("password_policy", "weak", "standard, none"),
        ("plain_http", "yes", "loopback, anywhere"),
        ("behind_proxy", "*", "address"),
        ("behind_proxy", ",", "address"),
        ("tls_cert", "/nowhere.pem", "no such file"),
        ("store", "sojourn.db", "is a URL"),
        ("log_format", "xml", "auto, human, json"),
    ],
)
def test_a_refusal_names_option_value_and_what_to_write(field: str, text: str, advice: str) -> None:
    by_argument, by_environment = refused({field: text}), refused({}, {f"SOJOURN_{field.upper()}": text})
    assert by_argument.startswith(f"--{field.replace('_', '-')}=")
    assert by_environment.startswith(f"SOJOURN_{field.upper()}=")
    assert advice in by_argument
    assert advice in by_environment


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "sojourn.example.org"])
def test_plain_http_to_the_network_is_refused(host: str) -> None:
    text = refused({"host": host})
    assert "plain http" in text
    assert "--behind-proxy" in text
    assert load({"host": host, "plain_http": "anywhere"}, {}).plain_http == "anywhere"
    behind = load({"host": host, "behind_proxy": "10.0.0.1"}, {})
    assert behind.https


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"])
def test_loopback_is_safe_in_plain_http(host: str) -> None:
    assert load({"host": host}, {}).host.lower() == host.lower()


def test_look_alikes_of_loopback_are_not(tmp_path: Path) -> None:
    for host in ("127.0.0.1.example.org", "localhost.example.org", "127.1", "0", ""):
        assert not is_loopback(host)


def test_tls_makes_any_host_safe_and_needs_both_files(tmp_path: Path) -> None:
    pem = tmp_path / "x.pem"
    pem.touch()
    settings = load({"host": "0.0.0.0", "tls_cert": str(pem), "tls_key": str(pem)}, {})
    assert settings.https
    assert "belong together" in refused({"tls_cert": str(pem)})
    assert "leave" in refused({"tls_cert": str(pem), "tls_key": str(pem), "behind_proxy": "10.0.0.1"})


@pytest.mark.parametrize("more", [{"host": "0.0.0.0", "plain_http": "anywhere"}, {"behind_proxy": "127.0.0.1"}])
def test_weak_passwords_stay_on_this_machine(more: dict[str, str]) -> None:
    assert load({"password_policy": "none"}, {}).password_policy == "none"
    assert "tests on this machine" in refused({"password_policy": "none", **more})


def test_store_and_folder_contradict_each_other_at_one_place_only() -> None:
    both = {"store": "memory://", "data_dir": "x"}
    assert "contradict" in refused(both)
    assert "contradict" in refused({}, {"SOJOURN_STORE": "memory://", "SOJOURN_DATA_DIR": "x"})
    assert store_of({"data_dir": "x"}, {"SOJOURN_STORE": "memory://"}) == ("sqlite:///x/sojourn.db", Path("x"))
    assert store_of({"store": "memory://"}, {"SOJOURN_DATA_DIR": "x"}) == ("memory://", None)
    assert store_of({"store": None, "data_dir": None}, {"SOJOURN_STORE": "memory://"}) == ("memory://", None)
    assert store_of({}, {"SOJOURN_DATA_DIR": "/y"}) == ("sqlite:////y/sojourn.db", Path("/y"))


def test_an_odd_folder_survives_the_url() -> None:
    url, _ = store_of({"data_dir": "/srv/a b?c#d%20"}, {})
    assert url == "sqlite:////srv/a%20b%3Fc%23d%2520/sojourn.db"


def test_the_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "deep"
    prepare(load({"data_dir": str(folder)}, {}))
    assert folder.stat().st_mode & 0o777 == 0o700
    prepare(load({"data_dir": str(folder)}, {}))  # it may be there


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    for bad in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigurationError, match=r"--data-dir=.*name a folder of yours"):
            prepare(load({"data_dir": str(bad)}, {}))
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere, so the system cannot say it here
    with pytest.raises(ConfigurationError, match="may not be written to"):
        prepare(load({"data_dir": str(tmp_path)}, {}))


def test_a_misspelt_name_in_the_environment_is_noticed() -> None:
    assert unknown_names({"SOJOURN_PROT": "1", "SOJOURN_PORT": "1", "PATH": "", "SOJOURN_PASSWORD": "x"}) == [
        "SOJOURN_PROT in the environment is no option; did you mean SOJOURN_PORT?"
    ]
    assert unknown_names({"SOJOURN_XYZZY": "1"}) == ["SOJOURN_XYZZY in the environment is no option."]
