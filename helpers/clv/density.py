"""The posterior density of each family: one PyMC model, compiled once, that serves every client's data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.clv import contractual, purchase, spend

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Compiled:
    """A family's model; each function of it is compiled when it is first asked for. Data go in by name."""

    model: Any

    @cached_property
    def density(self) -> Function:
        """Log posterior density, up to a constant."""
        return self._function(self.model.logp(jacobian=True))

    @cached_property
    def likelihood(self) -> Function:
        """Log-likelihood."""
        return self._function(self.model.potentiallogp)

    def _function(self, expression: Any) -> Function:
        import pytensor
        from numba import njit

        values: list[Any] = list(self.model.value_vars)
        gradient: Any = pytensor.grad(expression, values)
        made = pytensor.function(values, [expression, *gradient], mode="NUMBA")
        inner: Any = made.vm.jit_fn
        point = self.model.initial_point()
        start = np.concatenate([np.ravel(point[value.name]) for value in values])
        size = len(point[values[0].name])

        # Without the interpreter's lock, chains run side by side on one compiled function.
        @njit(nogil=True)
        def whole(flat: NDArray, *data: Any) -> Any:
            value, gradient = inner(flat, *data)
            return value.item(), gradient

        @njit(nogil=True)
        def parted(flat: NDArray, *data: Any) -> Any:
            value, mean, between, offset = inner(
                flat[:size], flat[size : 2 * size], flat[2 * size :].reshape((-1, size)), *data
            )
            return value.item(), np.concatenate((mean, between, offset.ravel()))

        run = whole if len(values) == 1 else parted
        return Function(run=run, start=start, size=size, data=tuple(made.get_shared()))


@dataclass(frozen=True, kw_only=True)
class Function:
    """A compiled function of the model's unconstrained values as one vector: `f(values)` is its value and gradient.

    Attributes:
        run: The function of the vector and the data.
        start: The model's initial point.
        size: Coordinates of one group.
        data: The model's data, which hold the arrays of the client at hand.
    """

    run: Any
    start: NDArray
    size: int
    data: tuple[Any, ...]

    def __call__(self, values: NDArray) -> tuple[float, NDArray]:
        """Value and gradient, of the shape of `start`."""
        return self.of_data()(values)

    def of_data(self) -> Callable[[NDArray], tuple[float, NDArray]]:
        """The function with the data as they are now, for many calls."""
        run, data = self.run, [held.get_value(borrow=True) for held in self.data]
        return lambda values: run(values, *data)


def families() -> dict[str, tuple[tuple[tuple[float, float], ...], Callable[..., Any]]]:
    """Priors and log-likelihood by family."""
    return {
        **{name: (prior, purchase.log_likelihood) for name, prior in purchase.PRIORS.items()},
        **{name: (prior, spend.log_likelihood) for name, prior in spend.PRIORS.items()},
        **{name: (prior, contractual.log_likelihood) for name, prior in contractual.PRIORS.items()},
    }


def build(family: str, data: dict[str, NDArray], *, pooled: bool = False) -> Any:
    """The PyMC model of a family.

    Args:
        family: A purchase process, a spend family or a contractual one.
        data: Compressed rows.
        pooled: Whether each group has coordinates of its own around a common mean, with a spread that is learned
            (non-centred); else all rows share one set.
    """
    import pymc as pm
    import pytensor.tensor as pt

    priors, log_likelihood = families()[family]
    centre, spread = (np.array(part) for part in zip(*priors, strict=True))
    with pm.Model() as model:
        held = {name: pm.Data(name, values) for name, values in data.items()}
        if pooled:
            groups = int(data["group"].max()) + 1
            mean = pm.Normal("mean", centre, spread, shape=len(centre))
            between = pm.HalfNormal("between", 0.5, shape=len(centre))
            offset = pm.Normal("offset", 0.0, 1.0, shape=(groups, len(centre)))
            theta = pm.Deterministic("theta", mean[None, :] + between[None, :] * offset)
        else:
            flat = pm.Normal("flat", centre, spread, shape=len(centre))
            theta = pm.Deterministic("theta", flat[None, :])
        pm.Potential("rows", pt.dot(held["weight"], log_likelihood(theta, held, family)))
    return model


# Compiling takes seconds, and one compiled model serves every client: each is kept for the life of the process.
# Partially pooled ones have as many parameters as groups, so the number of groups is part of the key (0: not pooled).
_shelf: dict[tuple[str, int], Compiled] = {}


def compiled(family: str, data: dict[str, NDArray], *, pooled: bool = False) -> Compiled:
    """The family's compiled model, holding these data."""
    import pymc as pm

    key = family, int(data["group"].max()) + 1 if pooled else 0
    if key not in _shelf:
        _shelf[key] = Compiled(build(family, data, pooled=pooled))
    else:
        with _shelf[key].model:
            pm.set_data(data)
    return _shelf[key]
