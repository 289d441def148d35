"""A result that tests publish from their notebooks."""

from dataclasses import dataclass

from helpers.reporting.findings import Definition, Number, Result


@dataclass(frozen=True, kw_only=True)
class Count(Result):
    """One number."""

    n: int

    def numbers(self):
        return {"count": Number(value=self.n, unit="count", n=self.n, definition="count")}

    def definitions(self):
        return {"count": Definition(name="Count", text="A count.")}
