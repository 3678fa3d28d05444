"""Words of the API's description that the channels bring, put in when the document is built."""

from __future__ import annotations

from typing import Any, Final

from utskick.http.context import ApiContext

#: In a list: all message types.
EACH_TYPE: Final = "<each message type>"
#: Examples: the first channel's message type, and its name.
TYPE_EXAMPLE: Final = "<message type>"
CHANNEL_EXAMPLE: Final = "<channel>"


def filled(document: Any, service: ApiContext) -> Any:
    """Return the document with the words in place of the placeholders."""
    first = next(iter(service.channels.values()))
    examples = {TYPE_EXAMPLE: first.message_type, CHANNEL_EXAMPLE: first.name}
    return _filled(document, examples, service.message_types)


def _filled(value: Any, examples: dict[str, str], types: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(inner, examples, types) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [
            word
            for inner in value
            for word in (types if inner == EACH_TYPE else (_filled(inner, examples, types),))
        ]
    return examples.get(value, value) if isinstance(value, str) else value
