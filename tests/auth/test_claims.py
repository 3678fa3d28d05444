"""How issuers name client, municipality and scope, each in their own way."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from utskick.auth import client_registry as register
from utskick.auth.claim_path import parse_path
from utskick.auth.claims import Claims
from utskick.auth.settings import AuthSection, IssuerSection


def granted(payload: dict[str, Any], **settings: Any) -> tuple[str, set[str], set[str]]:
    grant = Claims.of(IssuerSection(**{"url": "https://login.example.se", **settings})).grant(
        {"exp": 9e9, "client_id": "c", **payload}
    )
    return grant.client, set(grant.municipalities), set(grant.scopes)


def test_the_client_is_the_first_of_the_usual_claims_or_the_one_that_is_set() -> None:
    assert granted({})[0] == "c@login.example.se"
    assert granted({"client_id": None, "azp": "a", "sub": "s"})[0] == "a@login.example.se"
    assert granted({"client_id": None, "sub": "s"}, label="kommun")[0] == "s@kommun"
    assert (
        granted({"appid": "entra"}, client_claim="appid", url="https://login.example.se/realms/k")[
            0
        ]
        == "entra@login.example.se/realms/k"
    )


@given(
    st.text("ab@.", min_size=1),
    st.text("ab@.", min_size=1),
    st.sampled_from(["a", "b.a"]),
    st.sampled_from(["a", "b.a"]),
)
def test_clients_of_two_issuers_never_have_one_name(
    one: str, other: str, here: str, there: str
) -> None:
    same = (
        granted({"client_id": one}, label=here)[0] == granted({"client_id": other}, label=there)[0]
    )
    assert same is ((one, here) == (other, there))
    assert not register.is_name(granted({"client_id": one}, label=here)[0]), (
        "nor one of the embedded issuer's"
    )


@pytest.mark.parametrize(
    ("claim", "found"),
    [
        ("2281", {"2281"}),
        (2281, {"2281"}),
        (114, {"0114"}),
        (["2281", 2262], {"2281", "2262"}),
        ("2281,2262", {"2281", "2262"}),
        ("2281, 2262 ", {"2281", "2262"}),
        ("2281 2262\t2260", {"2281", "2262", "2260"}),
        (["2281,2262", "2260"], {"2281", "2262", "2260"}),
        (True, set()),
        (2281.0, set()),
        (-1, set()),
        (10_000, set()),
        ({"2281": True}, set()),
        ([["2281"], None], set()),
        (" , ", set()),
    ],
)
def test_municipalities_come_in_every_form_that_issuers_have(claim: Any, found: set[str]) -> None:
    assert granted({"municipalities": claim})[1] == found


def test_municipalities_are_those_of_the_claim_or_the_issuers_own() -> None:
    assert granted({"kommun": "2281"}, municipality_claim="kommun")[1] == {"2281"}
    assert granted({"municipalities": "2262"}, municipalities=("2281",))[1] == {"2281"}
    assert granted({})[1] == set()


def test_scopes_are_a_text_or_a_list_wherever_they_stand() -> None:
    assert granted({"scope": "sms:send status:read"})[2] == {"sms:send", "status:read"}
    assert granted({"scp": "sms:send"})[2] == {"sms:send"}
    assert granted({"scp": ["sms:send"]})[2] == {"sms:send"}
    assert granted({"roles": ["sms:send"]})[2] == {"sms:send"}
    assert granted({"realm_access": {"roles": ["sms:send"]}}, scope_claim="realm_access.roles")[
        2
    ] == {"sms:send"}
    assert granted({"scope": " sms:send  status:read\n"})[2] == {"sms:send", "status:read"}
    assert granted(
        {"https://example.se/roles": ["sms:send"]}, scope_claim="https://example.se/roles"
    )[2] == {"sms:send"}


_KEYCLOAK = {"resource_access": {"utskick.sundsvall.se": {"roles": ["sms:send"]}}}


@pytest.mark.parametrize(
    "path",
    [
        'resource_access."utskick.sundsvall.se".roles',
        r"resource_access.utskick\.sundsvall\.se.roles",
        ["resource_access", "utskick.sundsvall.se", "roles"],
    ],
)
def test_a_name_with_dots_is_quoted_escaped_or_in_a_list(path: Any) -> None:
    assert granted(_KEYCLOAK, scope_claim=path)[2] == {"sms:send"}
    assert granted(_KEYCLOAK, scope_claim="resource_access.utskick.sundsvall.se.roles")[2] == set()


@given(st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=4))
def test_every_path_can_be_written_in_quotes_and_with_escapes(names: list[str]) -> None:
    quoted = ".".join('"' + re.sub(r'([\\"])', r"\\\1", name) + '"' for name in names)
    escaped = ".".join(re.sub(r'([\\".])', r"\\\1", name) for name in names)
    assert parse_path(quoted) == parse_path(escaped) == tuple(names)


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", '"a', '"a"b', '""', "a\\", [], [""]])
def test_a_path_that_names_nothing_is_refused_with_the_rule(path: Any) -> None:
    with pytest.raises(ValidationError, match="a name that has dots itself is written in quotes"):
        IssuerSection(url="https://a.se", scope_claim=path)


def test_with_a_mapping_only_the_words_in_it_count() -> None:
    mapping = {"Utskick.Send": ("sms:send", "email:send"), "Utskick.Read": ("history:read",)}
    assert granted({"roles": ["Utskick.Send", "admin"]}, scopes=mapping)[2] == {
        "sms:send",
        "email:send",
    }


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"mode": "external"}, "requires an issuer"),
        ({"mode": "both"}, "requires an issuer"),
        ({"issuers": [{"url": "https://a.se"}]}, "does not accept tokens"),
        (
            {"mode": "external", "issuers": [{"url": "https://a.se"}, {"url": "https://a.se"}]},
            "a different url",
        ),
        (
            {"mode": "external", "issuers": [{"url": "https://a.se"}, {"url": "https://a.se/"}]},
            "a different label",
        ),
        ({"mode": "external", "issuers": [{"url": "https://a.se", "audience": []}]}, "audience"),
        ({"mode": "external", "issuers": [{"url": "http://login.example.se"}]}, "https"),
        (
            {
                "mode": "external",
                "issuers": [{"url": "https://a.se", "jwks_url": "http://a.se/keys"}],
            },
            "https",
        ),
        (
            {"mode": "external", "issuers": [{"url": "https://a.se", "municipalities": []}]},
            "municipalities",
        ),
        ({"mode": "external", "issuers": [{"url": "https://a.se", "label": "a@b"}]}, "label"),
        (
            {
                "mode": "external",
                "issuers": [
                    {"url": "https://a.se", "label": "k"},
                    {"url": "https://b.se", "label": "k"},
                ],
            },
            "a different label",
        ),
        (
            {
                "mode": "external",
                "issuers": [{"url": "https://a.se"}, {"url": "https://b.se", "label": "a.se"}],
            },
            "a different label",
        ),
        ({"certificate_header": "x y"}, "certificate_header"),
        ({"token_seconds": 86400}, "token_seconds"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(
    settings: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValidationError, match=why):
        AuthSection.model_validate(settings)


def test_strict_clients_are_named_by_their_issuers_settings_or_by_the_embedded_ones_claim() -> None:
    section = IssuerSection(url="https://login.example.se", strict_clients=("old",))
    foreign, embedded = Claims.of(section), Claims()
    assert foreign.grant({"exp": 9e9, "client_id": "old"}).strict
    assert not foreign.grant({"exp": 9e9, "client_id": "new"}).strict
    assert not foreign.grant({"exp": 9e9, "client_id": "new", "contract": "strict"}).strict
    assert embedded.grant({"exp": 9e9, "client_id": "old", "contract": "strict"}).strict
    assert not embedded.grant({"exp": 9e9, "client_id": "old"}).strict


def test_tokens_last_ten_minutes_and_in_the_sandbox_an_hour_unless_it_is_set() -> None:
    assert AuthSection().token_seconds == 600
    assert AuthSection().in_sandbox().token_seconds == 3600
    assert AuthSection(token_seconds=600).in_sandbox().token_seconds == 600
