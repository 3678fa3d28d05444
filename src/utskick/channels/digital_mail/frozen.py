"""What is fixed at a delivery's first attempt, so that a repeat is the same to the byte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import orjson


@dataclass(frozen=True, slots=True, repr=False)
class Frozen:
    """``id``: of the message; ``date``: of the seal, with its zone; ``certificate``: SHA-256 in hex; ``fingerprint``: of all that the
    envelope is made of, in hex (see ``Sealing.fingerprint``); ``subject``, ``support_info``: only what the content has not itself.

    The envelope itself is not kept: a batch of 10 000 letters would keep it 10 000 times.
    """

    account: str
    id: str
    organization: str
    sender_name: str
    recipient: str
    supplier: str
    address: str
    date: str
    certificate: str
    subject: str = ""
    support_info: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""

    def written(self) -> bytes:
        return orjson.dumps({name: value for name, value in asdict(self).items() if value})

    @classmethod
    def read(cls, data: bytes) -> Frozen:
        """Raises ``ValueError`` or ``TypeError`` for what was not written here."""
        return cls(**orjson.loads(data))
