"""One line of the measurements: a value, and the limit of the same run that it is held against."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """``ratio``: value to limit; ``target``: what the ratio must reach (or stay under, where
    ``under``)."""

    name: str
    value: float
    unit: str
    limit: float
    target: float
    under: bool = False

    @property
    def ratio(self) -> float:
        return self.value / self.limit if self.limit else 0.0

    @property
    def ok(self) -> bool:
        return self.ratio <= self.target if self.under else self.ratio >= self.target

    def __str__(self) -> str:
        said = f"{self.value:.1f} {self.unit} limit={self.limit:.1f} ratio={self.ratio:.3f} target={'<=' if self.under else '>='}{self.target}"
        return f"BENCH {self.name} {said} {'ok' if self.ok else 'short'}"
