"""Two descriptions of an API, held against each other: what a client of the first would find
different in the second.

Additions are no difference: other paths, optional members and parameters, more statuses, more words
in answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import orjson

Schema = Mapping[str, Any]

#: What a schema says of one value. Its words (description, title, examples) are each description's
#: own.
FACETS = (
    "type",
    "format",
    "enum",
    "const",
    "default",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "deprecated",
)
_METHODS = ("get", "post", "put", "patch", "delete", "head", "options")


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """``where`` names a place (``POST /{municipalityId}/sms query async``, ``SmsRequest.sender
    maxLength``); ``–`` is: not said."""

    where: str
    peer: str
    ours: str


@dataclass(frozen=True, slots=True)
class Row:
    """A difference that is meant: each of the three may hold ``*``."""

    where: str
    peer: str
    ours: str

    def covers(self, found: Difference) -> bool:
        return all(
            fnmatchcase(_literal(said), _literal(meant))
            for said, meant in (
                (found.where, self.where),
                (found.peer, self.peer),
                (found.ours, self.ours),
            )
        )


def _literal(text: str) -> str:
    """``*`` alone is special; a pattern's brackets and question marks are not."""
    return text.replace("[", "\x01").replace("?", "\x02")


def rows(page: str) -> list[Row]:
    """The rows of every table of a Markdown page whose first three columns are ``where | peer |
    Utskick``."""
    found, within = [], False
    for line in page.splitlines():
        cells = [
            cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]
        ]
        if [cell.lower() for cell in cells[:3]] == ["where", "peer", "utskick"]:
            within = True
        elif len(cells) < 4:
            within = False
        elif within and not set(cells[0]) <= set("-: "):
            found.append(Row(*(cell.strip("`") for cell in cells[:3])))
    return found


def differences(peer: Schema, ours: Schema) -> list[Difference]:
    """Every one once, in order."""
    return sorted(set(_Comparison(peer, ours).paths()))


class _Comparison:
    """Schemas are compared once for each pair of names, and told under the peer's name."""

    def __init__(self, peer: Schema, ours: Schema) -> None:
        self._peer = peer
        self._ours = ours
        self._seen: set[tuple[str, str, bool]] = set()

    def paths(self) -> Iterator[Difference]:
        for path, item in self._peer["paths"].items():
            for method in (m for m in _METHODS if m in item):
                where = f"{method.upper()} {path}"
                found = self._ours["paths"].get(path, {}).get(method)
                if found is None:
                    yield Difference(where, "there", "missing")
                else:
                    yield from self._operation(where, item[method], found)

    def _operation(self, where: str, peer: Schema, ours: Schema) -> Iterator[Difference]:
        for member in ("operationId", "tags", "deprecated"):
            yield from _said(f"{where} {member}", peer.get(member), ours.get(member))
        yield from self._parameters(where, peer.get("parameters", ()), ours.get("parameters", ()))
        yield from self._body(f"{where} request", peer.get("requestBody"), ours.get("requestBody"))
        for status, answer in peer["responses"].items():
            found = ours["responses"].get(status)
            if found is None:
                yield Difference(f"{where} {status}", "there", "missing")
            else:
                yield from self._answer(f"{where} {status}", answer, found)

    def _parameters(self, where: str, peer: Any, ours: Any) -> Iterator[Difference]:
        def named(parameters: Any) -> dict[tuple[str, str], Schema]:
            return {
                (p["in"], p["name"].lower() if p["in"] == "header" else p["name"]): p
                for p in parameters
            }

        theirs, own = named(peer), named(ours)
        for (place, name), parameter in theirs.items():
            at = f"{where} {place} {name}"
            if (place, name) not in own:
                yield Difference(at, "there", "missing")
                continue
            found = own[place, name]
            yield from _said(
                f"{at} required", parameter.get("required", False), found.get("required", False)
            )
            yield from _said(
                f"{at} deprecated",
                parameter.get("deprecated", False),
                found.get("deprecated", False),
            )
            yield from self._schema(at, parameter["schema"], found["schema"], answer=False)
        for (place, name), parameter in own.items():
            if (place, name) not in theirs and parameter.get("required", False):
                yield Difference(f"{where} {place} {name}", "missing", "required")

    def _body(self, where: str, peer: Schema | None, ours: Schema | None) -> Iterator[Difference]:
        if peer is None or ours is None:
            if peer is not ours:
                yield Difference(
                    where, "none" if peer is None else "there", "none" if ours is None else "there"
                )
            return
        yield from _said(
            f"{where} required", peer.get("required", False), ours.get("required", False)
        )
        yield from self._content(where, peer["content"], ours["content"], answer=False)

    def _answer(self, where: str, peer: Schema, ours: Schema) -> Iterator[Difference]:
        for name, header in peer.get("headers", {}).items():
            found = ours.get("headers", {}).get(name)
            if found is None:
                yield Difference(f"{where} header {name}", "there", "missing")
            else:
                yield from self._schema(
                    f"{where} header {name}", header["schema"], found["schema"], answer=True
                )
        yield from self._content(
            where, peer.get("content", {}), ours.get("content", {}), answer=True
        )

    def _content(
        self, where: str, peer: Schema, ours: Schema, *, answer: bool
    ) -> Iterator[Difference]:
        if not peer and ours:
            yield Difference(f"{where} media types", "none", ", ".join(sorted(ours)))
        for media, content in peer.items():
            if media not in ours:
                yield Difference(f"{where} {media}", "there", "missing")
            else:
                yield from self._schema(
                    f"{where} {media}", content["schema"], ours[media]["schema"], answer=answer
                )

    # -- schemas ----------------------------------------

    def _schema(
        self, where: str, peer: Schema, ours: Schema, *, answer: bool
    ) -> Iterator[Difference]:
        named, other, at = peer.get("$ref", ""), ours.get("$ref", ""), where
        if named:
            if (named, other or where, answer) in self._seen:
                return
            self._seen.add((named, other or where, answer))
            where = named.rpartition("/")[2]
            if other and other.rpartition("/")[2] != where:
                yield Difference(f"schema {where}", where, other.rpartition("/")[2])
        peer, ours = self._resolved(self._peer, peer), self._resolved(self._ours, ours)
        for choice in ("oneOf", "anyOf", "allOf"):
            if choice in peer or choice in ours:
                yield from self._choice(at, (peer, ours), choice, answer=answer)
                return
        yield from self._facets(where, peer, ours, answer=answer)
        yield from self._properties(where, peer, ours, answer=answer)
        for inner, sign in (("items", "[]"), ("additionalProperties", "{}")):
            if isinstance(peer.get(inner), Mapping) and isinstance(ours.get(inner), Mapping):
                yield from self._schema(where + sign, peer[inner], ours[inner], answer=answer)
            elif peer.get(inner) != ours.get(inner):
                yield Difference(
                    f"{where} {inner}", _shown(peer.get(inner)), _shown(ours.get(inner))
                )

    def _choice(
        self, where: str, both: tuple[Schema, Schema], choice: str, *, answer: bool
    ) -> Iterator[Difference]:
        """By the names of what can be chosen; each of them is compared as well."""
        peer, ours = ({_name(one): one for one in side.get(choice, ())} for side in both)
        yield from _said(f"{where} {choice}", sorted(peer) or None, sorted(ours) or None)
        for name in peer.keys() & ours.keys():
            yield from self._schema(where, peer[name], ours[name], answer=answer)

    def _facets(
        self, where: str, peer: Schema, ours: Schema, *, answer: bool
    ) -> Iterator[Difference]:
        for facet in FACETS:
            if facet.endswith("Items") and "array" not in (peer.get("type"), ours.get("type")):
                continue  # said of what is no list, it means nothing
            said, found = peer.get(facet), ours.get(facet)
            if facet == "enum" and said is not None and found is not None:
                said, found = sorted(said), sorted(found)
                if answer and set(said) <= set(found):
                    continue
            yield from _said(f"{where} {facet}", said, found)

    def _properties(
        self, where: str, peer: Schema, ours: Schema, *, answer: bool
    ) -> Iterator[Difference]:
        needed, wanted = set(peer.get("required", ())), set(ours.get("required", ()))
        own = ours.get("properties", {})
        for name, member in peer.get("properties", {}).items():
            if name not in own:
                yield Difference(f"{where}.{name}", "there", "missing")
                continue
            yield from _said(f"{where}.{name} required", name in needed, name in wanted)
            yield from self._schema(f"{where}.{name}", member, own[name], answer=answer)
        for name in sorted(wanted - set(peer.get("properties", {}))):
            yield Difference(f"{where}.{name}", "missing", "required")

    @staticmethod
    def _resolved(document: Schema, schema: Schema) -> Schema:
        while "$ref" in schema:
            found: Any = document
            for step in schema["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            schema = {**found, **{k: v for k, v in schema.items() if k != "$ref"}}
        return schema


def _said(where: str, peer: Any, ours: Any) -> Iterator[Difference]:
    if peer != ours:
        yield Difference(where, _shown(peer), _shown(ours))


def _name(schema: Schema) -> str:
    return (
        str(schema.get("$ref", "")).rpartition("/")[2]
        or orjson.dumps(schema, option=orjson.OPT_SORT_KEYS).decode()
    )


def _shown(value: Any) -> str:
    return (
        "–" if value is None else value if isinstance(value, str) else orjson.dumps(value).decode()
    )
