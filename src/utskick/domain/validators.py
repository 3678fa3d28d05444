"""The contract's validators (section 1.1) as types for request bodies, and their error messages."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError, core_schema

from utskick.domain import email_address
from utskick.domain.characters import composed, folded, without_invisible
from utskick.domain.clock import NotAMoment, read_moment
from utskick.domain.email_address import WELL_FORMED, is_email
from utskick.domain.errors import (
    MOST_TOLD,
    Invalid,
    Unreadable,
    UtskickError,
    Violation,
    told_of_rest,
)
from utskick.domain.ids import parse_id
from utskick.domain.phone_number import NotANumber, canonical, is_msisdn, read_number

#: Characters of what statistics are counted by: origin, department, user.
LONGEST_NAME = 255
_SURROGATES = re.compile("[\ud800-\udfff]")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}\Z")
_REFERENCE = re.compile(r"[ -~\xa1-\xac\xae-\ud7ff\ue000-\U0010ffff]{1,64}\Z")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_PERSON = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


class Body(BaseModel):
    """A request body: camelCase in JSON, unknown members ignored, numbers accepted as text.

    Contract section 1.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        coerce_numbers_to_str=True,
        frozen=True,
    )


@dataclass(frozen=True)
class Constraint:
    """Constraints of one member. All that fail are reported, each in its words.

    ``missing``: reported when it is absent or null. ``cleaned``: what the value becomes before it
    is checked.
    """

    checks: tuple[tuple[str, Callable[[Any], bool]], ...]
    missing: str = "must not be null"
    schema: tuple[tuple[str, Any], ...] = ()
    cleaned: Callable[[Any], Any] | None = None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), **dict(self.schema)}

    def _check(self, value: Any) -> Any:
        if self.cleaned is not None:
            value = self.cleaned(value)
        failed = [message for message, holds in self.checks if not holds(value)]
        if failed:
            raise PydanticCustomError("violation", "{messages}", {"messages": failed})
        return value


def broken(*messages: str) -> PydanticCustomError:
    """Return the error that a model's own validator raises, with messages to report as they are."""
    return PydanticCustomError("violation", "{messages}", {"messages": list(messages)})


def _filled(value: str) -> bool:
    return bool(value.strip())


def is_clean(value: str) -> bool:
    """Return whether there is no control character.

    Nothing could end a line, a header or a record (RFC 5322 section 2.2, OWASP ASVS 1.3.11).
    """
    return not any(ch < " " or ch == "\x7f" or ch in "\x85\u2028\u2029" for ch in value)


def has_no_nul(value: str) -> bool:
    return "\x00" not in value


def is_base64(value: str) -> bool:
    """Return whether ``java.util.Base64.getDecoder()`` accepts it.

    No white space, padding optional.
    """
    if not _BASE64.match(value):
        return False
    bare = value.rstrip("=")
    return len(bare) % 4 != 1 and (value == bare or len(value) % 4 == 0)


def decode_base64(value: str) -> bytes:
    """Return the bytes of a value for which ``is_base64`` holds."""
    try:
        return b64decode(value + "=" * (-len(value) % 4), validate=True)
    except Base64Error as fault:
        raise ValueError("not a valid BASE64-encoded string") from fault


NOT_BLANK = ("must not be blank", _filled)
CLEAN = ("must not contain control characters", is_clean)
CLEAN_LINES = (
    "must not contain control characters other than line breaks",
    lambda value: is_clean(value.replace("\r", "").replace("\n", "")),
)
UTF8 = ("must be text that UTF-8 can hold", lambda value: not _SURROGATES.search(value))
NO_NUL = ("must not contain the character NUL", has_no_nul)
MSISDN_MESSAGE = (
    r"must be a valid MSISDN (example: +46701740605). Regular expression: ^\+[1-9][\d]{3,14}$"
)

#: Text is composed (NFC) before its length is counted, and sent so; ids of the caller are not.
Composed = AfterValidator(composed)
Verbatim = Annotated[
    str, Constraint((NOT_BLANK, NO_NUL, UTF8), "must not be blank", (("minLength", 1),))
]
Text = Annotated[
    str, Composed, Constraint((NOT_BLANK, NO_NUL, UTF8), "must not be blank", (("minLength", 1),))
]
Line = Annotated[
    str, Composed, Constraint((NOT_BLANK, CLEAN, UTF8), "must not be blank", (("minLength", 1),))
]
FreeText = Annotated[str, Composed, Constraint((NO_NUL, UTF8))]
FreeLine = Annotated[str, Composed, Constraint((CLEAN, UTF8))]
#: Line breaks of a member that is printed as one line become spaces.
Folded = AfterValidator(folded)
Uuid = Annotated[
    str,
    Constraint(
        (("not a valid UUID", lambda v: parse_id(v) is not None),),
        "not a valid UUID",
        (("format", "uuid"),),
        without_invisible,
    ),
]
Person = Annotated[
    str,
    Constraint(
        (("must be 1-64 of letters, digits, '-' and '_'", lambda v: _PERSON.match(v) is not None),),
        schema=(("pattern", "^[A-Za-z0-9_-]{1,64}$"),),
    ),
]
#: Invisible characters mean nothing in ids and numbers, and are removed.
Msisdn = Annotated[
    str,
    Constraint(
        ((MSISDN_MESSAGE, is_msisdn),),
        MSISDN_MESSAGE,
        (("pattern", "^\\+[1-9][0-9]{3,14}$"),),
        lambda v: canonical(without_invisible(v)),
    ),
]


def _phone(value: str) -> str:
    found = read_number(value)
    if isinstance(found, NotANumber):
        raise broken(MSISDN_MESSAGE, *([found.reason] if found.detail else []))
    return found


#: A number as people write it; becomes E.164.
Phone = Annotated[str, Constraint((), MSISDN_MESSAGE), AfterValidator(_phone)]


def _visible_address(value: str) -> str:
    found = email_address.cleaned(value)
    if unseen := email_address.hidden(found):
        raise broken(WELL_FORMED, f"must not contain {unseen}")
    return found


VisibleAddress = AfterValidator(_visible_address)
Email = Annotated[
    str,
    VisibleAddress,
    Constraint(
        (NOT_BLANK, (WELL_FORMED, lambda v: v == "" or is_email(v))),
        "must not be blank",
        (("format", "email"), ("minLength", 1)),
    ),
]
OptionalEmail = Annotated[
    str,
    VisibleAddress,
    Constraint(
        ((WELL_FORMED, lambda v: v == "" or is_email(v)),),
        schema=(("format", "email"),),
    ),
]
Base64 = Annotated[
    str,
    Constraint(
        (("not a valid BASE64-encoded string", is_base64),),
        "not a valid BASE64-encoded string",
        (("contentEncoding", "base64"),),
    ),
]
Reference = Annotated[
    str,
    Constraint(
        (("must be 1-64 printable characters", lambda v: _REFERENCE.match(v) is not None),),
        schema=(("minLength", 1), ("maxLength", 64)),
    ),
]
#: Beside a member whose null the contract names: all that may be left out may be null as well.
OR_NULL: dict[str, Any] = {"type": ["string", "null"]}
NotEmpty = Constraint((("must not be empty", bool),), "must not be empty", (("minItems", 1),))


def _moment(value: Any) -> datetime | None:
    if value is None:
        return value
    found = read_moment(value)
    if isinstance(found, NotAMoment):
        raise PydanticKnownError("datetime_parsing", {"error": found.value})
    return found


def _day(value: Any) -> Any:
    """Return a date, or what is none for pydantic to refuse: a number would be seconds to it."""
    return value if value is None or (isinstance(value, str) and _DAY.match(value)) else ""


#: A date of ISO 8601, as a string; numbers of seconds and times are no dates.
Day = Annotated[date, BeforeValidator(_day)]
#: A time of RFC 3339, or Swedish local time without a zone, as everywhere in the contract.
Moment = Annotated[datetime, BeforeValidator(_moment)]


def told(fault: ValidationError) -> list[str]:
    """Return each fault with its path, and without the value: it may be a password."""
    errors = fault.errors(include_url=False, include_input=False, include_context=False)
    return [f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in errors]


def refusal(fault: ValidationError, model: type[BaseModel]) -> UtskickError:
    """Return the error to answer with.

    ``Unreadable`` where the form is wrong, else ``Invalid``.
    """
    return refusal_of(fault.errors(include_url=False), model)


def refusal_of(errors: Iterable[Any], model: type[BaseModel], more: int = 0) -> UtskickError:
    """Return the error for faults as pydantic reports them. ``more``: those only counted."""
    found: list[Violation] = []
    unreadable: list[Violation] = []
    for error in errors:
        where = error["loc"]
        if error["type"] == "violation":
            found.extend(Violation(path_of(where), message) for message in error["ctx"]["messages"])
        elif error["type"] == "missing" or (error["input"] is None and where):
            found.append(Violation(path_of(where), _missing_message(model, where)))
        elif error["type"] == "json_invalid":
            unreadable.append(Violation("", f"not JSON: {error['ctx']['error']}"))
        else:
            unreadable.append(Violation(path_of(where), error["msg"]))
    if unreadable:
        reasons = [
            {"field": v.field, "message": v.message} if v.field else {"message": v.message}
            for v in unreadable[:MOST_TOLD]
        ]
        if more := more + len(unreadable[MOST_TOLD:]):
            reasons.append({"message": told_of_rest(more)})
        return Unreadable("Failed to read request", reasons=reasons)
    return Invalid(found, more)


def path_of(where: Iterable[str | int]) -> str:
    """Return ``parties[0].mobileNumber`` for ``("parties", 0, "mobileNumber")``."""
    path = ""
    for part in where:
        if part == "[key]":
            continue
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def _missing_message(model: type[BaseModel], where: tuple[str | int, ...]) -> str:
    names = [part for part in where if isinstance(part, str)]
    for name in names[:-1]:
        field = next((f for key, f in model.model_fields.items() if name in (f.alias, key)), None)
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            return "must not be null"
        model = inner
    field = next(
        (f for key, f in model.model_fields.items() if names and names[-1] in (f.alias, key)), None
    )
    metadata = field.metadata if field else ()
    if field and isinstance(where[-1], int):  # The rules of a list are not those of its elements.
        metadata = getattr(_element_of(field.annotation), "__metadata__", ())
    rules = [m for m in metadata if isinstance(m, Constraint)]
    return rules[0].missing if rules else "must not be null"


def _element_of(annotation: Any) -> Any:
    """Return ``Annotated[str, Rule(...)]`` of a list of it, which may be annotated or optional."""
    if get_origin(annotation) in (list, tuple):
        return get_args(annotation)[0]
    return next(
        (found for part in getattr(annotation, "__args__", ()) if (found := _element_of(part))),
        None,
    )


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for arg in getattr(annotation, "__args__", ()) if (m := _model_in(arg))), None)
