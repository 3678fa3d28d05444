"""Models of error responses (RFC 9457)."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from utskick.http.operation.schemas import Int32, Response, Uri, member


class Violation(Response):
    """A violated constraint."""

    field: str | None = member(
        "Path of the member in the request, or `operation.parameter`", "parties[0].mobileNumber"
    )
    message: str | None = member("The violated constraint", "must not be blank")


def _as_in_the_contract(schema: dict[str, Any]) -> None:
    """Leave further members unmentioned, and exclude problems that list violations."""
    schema.pop("additionalProperties", None)
    schema["not"] = {"required": ["violations"]}


class Problem(Response):
    """Error response (RFC 9457); the error catalogue lists the values of `code`."""

    model_config = ConfigDict(json_schema_extra=_as_in_the_contract, extra="allow")

    type: Uri | None = member("URI of the problem type; absent for `about:blank`")
    title: str | None = member("Title of the problem type", "Not Found")
    status: Int32 | None = member("HTTP status code", 404)
    detail: str | None = member("Explanation of this occurrence", "No message found")
    instance: Uri | None = member("URI of this occurrence")
    code: str | None = member("Stable error code", "not-found")


class ConstraintViolationProblem(Response):
    """One or more members or parameters violate a constraint.

    All violations are listed; nothing was stored.
    """

    type: Uri | None = member("URI of the problem type; absent for `about:blank`")
    title: str | None = member("Title of the problem type", "Constraint Violation")
    status: Int32 | None = member("HTTP status code", 400)
    detail: str | None = member("Explanation of this occurrence", "No message found")
    instance: Uri | None = member("URI of this occurrence")
    violations: list[Violation] = Field(description="All violations")
