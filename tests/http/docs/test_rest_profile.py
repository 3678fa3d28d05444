"""Digg's REST API profile, rule by rule: docs/reference/rest-profile.md is written from this table
(``UTSKICK_WRITE=1 pytest …``), and every rule that a program can check is checked here."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from tests.http.conftest import Client
from tests.http.docs.test_openapi import described, operations
from tests.shape.sizes import ROOT

PAGE: Final = ROOT / "docs" / "reference" / "rest-profile.md"
Document = dict[str, Any]
MET, BROKEN, NONE = "met", "broken for the contract's sake", "not applicable"


@dataclass(frozen=True, slots=True)
class Rule:
    """``level``: of the profile; ``about``: what it asks for, in our words; ``check``: whether a
    description meets it, None where no description says it."""

    id: str
    level: Literal["SKALL", "BÖR", "KAN"]
    about: str
    verdict: str
    note: str
    check: Callable[[Document], bool] | None = None


def paths(document: Document) -> list[str]:
    return list(document["paths"])


def segments(document: Document) -> Iterator[str]:
    """Fixed parts of paths."""
    for path in paths(document):
        yield from (part for part in path.split("/") if part and not part.startswith("{"))


def queries(document: Document) -> Iterator[dict[str, Any]]:
    for *_, operation in operations(document):
        yield from (p for p in operation["parameters"] if p["in"] == "query")


def members(document: Document) -> Iterator[str]:
    for schema in document["components"]["schemas"].values():
        yield from schema.get("properties", {})


def successes(document: Document) -> Iterator[dict[str, Any]]:
    for *_, operation in operations(document):
        for status, answer in operation["responses"].items():
            if status < "400":
                yield from answer.get("content", {}).items()


def every_problem(document: Document) -> bool:
    kinds = {
        media
        for *_, operation in operations(document)
        if operation["tags"] != ["Tokens"] and operation["tags"] != ["Health"]
        for status, answer in operation["responses"].items()
        if status >= "400"
        for media in answer["content"]
    }
    return kinds == {"application/problem+json"}


def paged(document: Document) -> bool:
    for *_, operation in operations(document):
        names = {p["name"] for p in operation["parameters"] if p["in"] == "query"}
        if "page" in names and "limit" not in names:
            return False
    return True


def limits(document: Document) -> set[Any]:
    return {p["schema"].get("default") for p in queries(document) if p["name"] == "limit"}


def schemes(document: Document) -> list[dict[str, Any]]:
    return list(document["components"]["securitySchemes"].values())


CAMEL: Final = re.compile(r"[a-z][A-Za-z0-9]*")
RULES: Final = (
    Rule(
        "DOK.01",
        "BÖR",
        "Documentation is available online",
        MET,
        "`/docs`, `/openapi.json` and `/api-docs`, without a token",
        lambda d: "/api-docs" in d["paths"],
    ),
    Rule(
        "DOK.03",
        "SKALL",
        "General information: version, title, contact, licence",
        MET,
        "`info`; the contact comes from the settings",
        lambda d: {"version", "title", "description", "contact", "license"} <= d["info"].keys(),
    ),
    Rule(
        "DOK.06",
        "BÖR",
        "Documentation in Swedish and English",
        BROKEN,
        "English only, as the API itself; the glossary has the Swedish terms",
    ),
    Rule(
        "DOK.07",
        "BÖR",
        "A general description of the API",
        MET,
        "`info.description`",
        lambda d: bool(d["info"]["description"]),
    ),
    Rule(
        "DOK.08",
        "SKALL",
        "The service level is described",
        MET,
        "`termsOfService`: the municipality's page, from the settings (`http.terms`)",
        lambda d: bool(d["info"]["termsOfService"]),
    ),
    Rule(
        "DOK.09",
        "SKALL",
        "Known problems and limitations are described",
        MET,
        "a section of `info.description`",
        lambda d: "limitation" in d["info"]["description"],
    ),
    Rule(
        "DOK.11",
        "SKALL",
        "Purpose and behaviour are described",
        MET,
        "`info.description`",
        lambda d: len(d["info"]["description"]) > 200,
    ),
    Rule(
        "DOK.15",
        "SKALL",
        "Complete examples of requests and responses",
        MET,
        "an example of every JSON body; a test validates each",
        lambda d: all("example" in c for m, c in successes(d) if m == "application/json"),
    ),
    Rule(
        "DOK.17",
        "BÖR",
        "The latest version of OpenAPI",
        MET,
        "3.1",
        lambda d: d["openapi"].startswith("3."),
    ),
    Rule(
        "DOK.19",
        "SKALL",
        "Every operation is described",
        MET,
        "summary and description",
        lambda d: all(o["description"] and o["summary"] for *_, o in operations(d)),
    ),
    Rule(
        "DOK.20",
        "SKALL",
        "Return codes are documented",
        MET,
        "every status that a test or the fuzzer has seen",
        lambda d: all(a["description"] for *_, o in operations(d) for a in o["responses"].values()),
    ),
    Rule(
        "DOT.01",
        "SKALL",
        "Dates and times as RFC 3339, in UTC",
        BROKEN,
        "members of the contract are Swedish local time without zone; ours are RFC 3339 with the "
        "Swedish offset",
    ),
    Rule(
        "DOT.04",
        "SKALL",
        "Members with times are declared as such",
        BROKEN,
        "`date-time`; those of the contract have the format `date-time-local`",
    ),
    Rule(
        "RES.02",
        "BÖR",
        "No personal identity numbers in paths or queries",
        MET,
        "persons are named by party id",
        lambda d: not {"pnr", "personnummer", "ssn"} & {p["name"].lower() for p in queries(d)},
    ),
    Rule(
        "RES.06",
        "SKALL",
        "Resource names in lower case with hyphens",
        BROKEN,
        "`conversationHistory` of the contract; all others follow",
        lambda d: {s for s in segments(d) if re.search("[A-Z_]", s)} == {"conversationHistory"},
    ),
    Rule(
        "UFN.01",
        "BÖR",
        "URL as `{protocol}://{domain}/{api}/{version}/…`",
        BROKEN,
        "the contract has no version in the path; name and prefix are set at the proxy "
        "(`http.public_url`)",
    ),
    Rule(
        "UFN.02",
        "SKALL",
        "HTTPS on port 443",
        MET,
        "by the proxy in front of the service; the service itself listens on loopback",
    ),
    Rule(
        "UFN.05",
        "BÖR",
        "URLs of at most 2 048 characters",
        MET,
        "paths are short",
        lambda d: max(map(len, paths(d))) < 200,
    ),
    Rule(
        "UFN.07",
        "SKALL",
        "Only a–z, 0–9, `-`, `.` and `~` in URLs",
        BROKEN,
        "`conversationHistory` of the contract",
    ),
    Rule(
        "UFN.08",
        "SKALL",
        "Words are separated by hyphens",
        BROKEN,
        "`conversationHistory`, `webmessage` of the contract",
        lambda d: "webmessage" in set(segments(d)),
    ),
    Rule(
        "UFN.09",
        "SKALL",
        "No space and no underscore in paths",
        MET,
        "",
        lambda d: not any(re.search("[ _]", p) for p in paths(d)),
    ),
    Rule(
        "AME.01",
        "BÖR",
        "JSON (RFC 8259) for representations",
        MET,
        "files, PDF and event streams beside it",
    ),
    Rule(
        "AME.02",
        "BÖR",
        "`application/json` is the default",
        MET,
        "without `Accept` JSON is returned",
    ),
    Rule(
        "AME.04",
        "BÖR",
        "camelCase or snake_case for members",
        MET,
        "camelCase; statistics have the message types of the contract as members",
    ),
    Rule(
        "AME.05",
        "SKALL",
        "One of them throughout",
        BROKEN,
        "`_meta` and the members of statistics of the contract; members of the token endpoint are "
        "those of RFC 6749",
        lambda d: "_meta" in set(members(d)),
    ),
    Rule(
        "AME.06",
        "BÖR",
        "Members with lists have plural names",
        BROKEN,
        "`kept`, `protocol`, `routedTo` and `DEPARTMENT_STATISTICS`",
    ),
    Rule(
        "AME.07",
        "BÖR",
        "Alphanumeric members",
        MET,
        "and `_`",
        lambda d: all(re.fullmatch(r"\w+", m) for m in members(d)),
    ),
    Rule("ARQ.01", "BÖR", "Requests in UTF-8", MET, "any other encoding is a 400"),
    Rule(
        "ARQ.03",
        "BÖR",
        "Usual request headers are supported",
        MET,
        "`Accept`, `Connection`, `Date`; `If-Match` where there is an `ETag`; responses are never "
        "cached; no cookies",
    ),
    Rule(
        "ARQ.05",
        "SKALL",
        "No payload in headers",
        MET,
        "headers name caller, request and key",
        lambda d: all(
            p["schema"]["type"] == "string"
            for *_, o in operations(d)
            for p in o["parameters"]
            if p["in"] == "header"
        ),
    ),
    Rule(
        "FEL.01",
        "SKALL",
        "Errors as RFC 9457 with type, title, status, detail, instance",
        MET,
        "`type` is absent for `about:blank`; `code` in addition",
        lambda d: (
            {"type", "title", "status", "detail", "instance"}
            <= d["components"]["schemas"]["Problem"]["properties"].keys()
        ),
    ),
    Rule(
        "FEL.02",
        "SKALL",
        "`application/problem+json`",
        MET,
        "the token endpoint answers as RFC 6749 demands",
        every_problem,
    ),
    Rule(
        "VER.05",
        "BÖR",
        "The major version in the URL",
        BROKEN,
        "the contract has none; it can be part of `http.public_url`",
    ),
    Rule(
        "VER.06",
        "SKALL",
        "Information about the API at `api-info`",
        MET,
        "`GET /api-info`",
        lambda d: "/api-info" in d["paths"],
    ),
    Rule(
        "FNS.01",
        "SKALL",
        "Consistent names of parameters",
        MET,
        "camelCase",
        lambda d: all(CAMEL.fullmatch(p["name"]) for p in queries(d)),
    ),
    Rule(
        "FNS.03",
        "SKALL",
        "Parameters begin with a letter",
        MET,
        "",
        lambda d: all(p["name"][0].isalpha() for p in queries(d)),
    ),
    Rule(
        "FNS.05",
        "BÖR",
        "Query parameters are optional",
        BROKEN,
        "`batchId`, `fileName`, `partyId` and `destination` of the contract are needed",
        lambda d: (
            {p["name"] for p in queries(d) if p["required"]}
            == {"batchId", "fileName", "partyId", "destination"}
        ),
    ),
    Rule(
        "FNS.06",
        "BÖR",
        "URL-safe names of parameters",
        MET,
        "",
        lambda d: all(re.fullmatch(r"[A-Za-z0-9._~-]+", p["name"]) for p in queries(d)),
    ),
    Rule(
        "FNS.07",
        "SKALL",
        "Paging by `limit` with `page` or `offset`",
        MET,
        "the event feed continues from an opaque position instead",
        paged,
    ),
    Rule(
        "FNS.08",
        "SKALL",
        "`page` begins with 1",
        MET,
        "",
        lambda d: all(p["schema"]["default"] == 1 for p in queries(d) if p["name"] == "page"),
    ),
    Rule(
        "FNS.09",
        "BÖR",
        "`limit` is 20 by default",
        BROKEN,
        "15, as the contract has it",
        lambda d: 15 in limits(d),
    ),
    Rule("SAK.01", "SKALL", "HTTPS with TLS 1.2 or later", MET, "by the proxy"),
    Rule(
        "SAK.09",
        "SKALL",
        "No Basic or Digest authentication",
        MET,
        "of the API; the token endpoint takes client credentials as RFC 6749 demands, receipts "
        "what providers can send",
        lambda d: all(s.get("scheme") not in ("basic", "digest") for s in schemes(d)),
    ),
    Rule(
        "SAK.10",
        "SKALL",
        "`Authorization: Bearer`",
        MET,
        "RFC 6750 and RFC 9068",
        lambda d: any(s.get("scheme") == "bearer" for s in schemes(d)),
    ),
    Rule(
        "SAK.15",
        "SKALL",
        "No API keys in URLs",
        NONE,
        "there are no API keys; a provider's receipt may carry its secret in the path where it "
        "cannot send a header",
        lambda d: all(s["type"] != "apiKey" for s in schemes(d)),
    ),
    Rule("SAK.16", "SKALL", "API keys in a header", NONE, "there are no API keys"),
    Rule(
        "SAK.18",
        "BÖR",
        "OAuth 2.0",
        MET,
        "client credentials, own or external issuer",
        lambda d: any(s["type"] == "oauth2" for s in schemes(d)),
    ),
    Rule(
        "FOR.02",
        "SKALL",
        "GET takes no body",
        MET,
        "",
        lambda d: all("requestBody" not in o for m, _, o in operations(d) if m == "GET"),
    ),
)


def page() -> str:
    counts = {verdict: sum(r.verdict == verdict for r in RULES) for verdict in (MET, BROKEN, NONE)}
    lines = [
        "# Digg's REST API profile",
        "",
        "How the API follows version 1.2.0 of the national REST API profile. The rules are those",
        "that Digg's own tool checks on an API description, and AME.06; the summaries are ours. A",
        "test writes this page, and checks every rule that a program can check.",
        "",
        "Where a rule is broken, the contract with the clients of the service that Utskick replaces",
        "demands it.",
        "",
        f"{counts[MET]} met, {counts[BROKEN]} broken, {counts[NONE]} not applicable.",
        "",
        "| Rule | Level | About | Verdict | Note |",
        "|---|---|---|---|---|",
        *(f"| {r.id} | {r.level} | {r.about} | {r.verdict} | {r.note} |" for r in RULES),
    ]
    return "\n".join(lines) + "\n"


def test_the_page_is_what_is_checked_here() -> None:
    if os.environ.get("UTSKICK_WRITE"):
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "write it anew with UTSKICK_WRITE=1"


async def test_every_verdict_holds(client: Client) -> None:
    document = await described(client)
    wrong = [rule.id for rule in RULES if rule.check is not None and not rule.check(document)]
    assert wrong == []


def test_every_rule_stands_once() -> None:
    names = [rule.id for rule in RULES]
    assert len(names) == len(set(names))
    assert [r.id for r in RULES if r.verdict == BROKEN and not r.note] == []
