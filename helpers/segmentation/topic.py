"""What the segmentation needs, and its params."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from helpers.segmentation.schemes import prove_scheme

NEEDS = ("orders",)
OPTIONAL = ("customers",)
# Topics whose findings it reads where there are any: they run before it.
READS: tuple[str, ...] = ("clv",)


class Edges(BaseModel):
    """Given thresholds: four rising edges each, for recency in days, orders and net revenue."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recency: tuple[float, float, float, float]
    frequency: tuple[float, float, float, float]
    monetary: tuple[float, float, float, float]

    @model_validator(mode="after")
    def _rising(self) -> Self:
        for name in ("recency", "frequency", "monetary"):
            edges = getattr(self, name)
            if list(edges) != sorted(edges):
                raise ValueError(f"{name} == {list(edges)}, must rise")
        return self


class Params(BaseModel):
    """The `segmentation:` section.

    Attributes:
        window_months: Orders of so many months up to the period's end count.
        edges: Thresholds of the scores; quantiles of the customers where none are given.
        scheme: Segments by their codes (R, then FM), such as `Champions: [55, 54, 45]`.
        playbook: A YAML file of actions by segment.
        suppress_below: Profile cells of fewer customers are not shown.
        clusters: Most clusters that are tried.
        level: Coverage of the intervals.
        replicates: Draws of the bootstraps.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    window_months: int = Field(default=24, ge=1, le=120)
    edges: Edges | None = None
    scheme: dict[str, tuple[str, ...]] | None = None
    playbook: str = "params/playbook.yaml"
    suppress_below: int = Field(default=10, ge=2)
    clusters: int = Field(default=6, ge=2, le=10)
    level: float = Field(default=0.95, gt=0.5, lt=1)
    replicates: int = Field(default=1000, ge=200, le=20_000)

    @model_validator(mode="before")
    @classmethod
    def _codes_as_text(cls, values: dict[str, object]) -> dict[str, object]:
        scheme = values.get("scheme")
        if isinstance(scheme, dict):
            coded = {name: tuple(str(code) for code in codes) for name, codes in scheme.items()}
            return {**values, "scheme": coded}
        return values

    @model_validator(mode="after")
    def _proved(self) -> Self:
        if self.scheme is not None:
            prove_scheme(self.scheme)
        return self
