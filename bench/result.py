"""Result of a measurement: a value, and a limit measured in the same run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """Result; the ratio of value to limit must reach ``target``, or stay below it if ``under``."""

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
        content = (
            f"{self.value:.1f} {self.unit} limit={self.limit:.1f} ratio={self.ratio:.3f} "
            f"target={'<=' if self.under else '>='}{self.target}"
        )
        return f"BENCH {self.name} {content} {'ok' if self.ok else 'short'}"
