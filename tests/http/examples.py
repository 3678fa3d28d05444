"""Examples of all request bodies, by the name of the schema."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from utskick.channels import registry
from utskick.http.operation.examples import EXAMPLES as OF_HTTP
from utskick.http.operation.schemas import name_of


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    return [found for each in model.__subclasses__() for found in (each, *_models(each))]


assert registry.CHANNELS, "imports the models of all channels"
EXAMPLES: Final[dict[str, Any]] = {
    **{name_of(m): m.__dict__["example"] for m in _models(BaseModel) if "example" in m.__dict__},
    **OF_HTTP,
}
