"""The schemas of bodies and answers, by name."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from utskick.http import directory_requests, directory_shapes
from utskick.http.reading import ResolveRequest
from utskick.http.service import Service
from utskick.http.shapes import SHAPES

REF = "#/components/schemas/{model}"

RESULTS = {
    "getBatchStatus": {"$ref": "#/components/schemas/MessageBatchResult"},
    "getMessageStatus": {"$ref": "#/components/schemas/MessageResult"},
    "getDeliveryStatus": {"$ref": "#/components/schemas/DeliveryResult"},
    "resolveDelivery": {"$ref": "#/components/schemas/DeliveryResult"},
    "getConversationHistory": {"type": "array", "items": {"$ref": "#/components/schemas/HistoryResponse"}},
}


def schemas(service: Service) -> dict[str, Any]:
    models: set[type[BaseModel]] = {m for c in service.channels.values() for f in c.forms for m in (f.request, f.short) if m}
    models.update([ResolveRequest, *directory_requests.MODELS])
    models.update(q.request for c in service.channels.values() for q in c.questions)
    _, found = models_json_schema([(m, "validation") for m in sorted(models, key=lambda m: m.__name__)], ref_template=REF)
    return {**SHAPES, **directory_shapes.SHAPES, **found.get("$defs", {})}
