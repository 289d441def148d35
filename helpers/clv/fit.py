"""Fitting: one PyMC model a family, compiled once, served with each client's data, in two tiers.

`fast` finds the mode, takes a normal approximation there and corrects it by Pareto-smoothed importance sampling, whose k
says whether the correction can be trusted (Vehtari et al. 2024). `full` is NUTS by nutpie. `auto` starts with `fast` and
goes on to `full` where k > .7.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from helpers.clv import contractual, purchase, spend

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Tier = Literal["auto", "fast", "full"]
LARGEST_K = 0.7
LARGEST_RHAT = 1.01
SMALLEST_ESS = 400.0
CHAINS = 2
TUNE = 400
STEP = 1e-4


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """Draws of a family's coordinates, and how they were made.

    Attributes:
        family: Name of the family.
        theta: Draws, shape (draws, groups, coordinates).
        tier: `fast` or `full`.
        k: Pareto k of the importance weights; `None` where NUTS alone was run.
        rhat: Largest R-hat of NUTS.
        ess: Smallest bulk effective sample size of NUTS.
        divergences: Divergent transitions of NUTS.
        units: Rows after compression.
        customers: Customers they stand for.
    """

    family: str
    theta: NDArray
    tier: Literal["fast", "full"]
    k: float | None = None
    rhat: float | None = None
    ess: float | None = None
    divergences: int | None = None
    units: int = 0
    customers: int = 0

    @property
    def sound(self) -> bool:
        """Whether the sampler's own checks hold."""
        if self.tier == "fast":
            return self.k is not None and self.k <= LARGEST_K
        return (
            (self.rhat or 9.0) <= LARGEST_RHAT
            and (self.ess or 0.0) >= SMALLEST_ESS
            and (self.divergences or 0) <= len(self.theta) / 1000
        )


@dataclass(frozen=True)
class Compiled:
    """A family's model; each function of it is compiled when it is first asked for. Data go in by name."""

    model: Any

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the unconstrained values, in the order of the flat vector."""
        point = self.model.initial_point()
        return [np.shape(point[value.name]) for value in self.model.value_vars]

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

        # Without the interpreter's lock, chains run side by side on one compiled function.
        @njit(nogil=True)
        def free(*arguments: Any) -> Any:
            return inner(*arguments)

        return Function(free, self.shapes, tuple(made.get_shared()))


@dataclass(frozen=True)
class Function:
    """A compiled function of a flat vector of unconstrained values: `f(values)` is its value and gradient."""

    run: Any
    shapes: list[tuple[int, ...]]
    data: tuple[Any, ...]

    @property
    def size(self) -> int:
        """Length of the flat vector."""
        return sum(int(np.prod(shape)) for shape in self.shapes)

    def __call__(self, values: NDArray) -> tuple[float, NDArray]:
        """Value and gradient, shape (size,), at a flat vector."""
        found, *gradient = self.run(*self.parts(values), *(held.get_value(borrow=True) for held in self.data))
        return float(found), np.concatenate([np.ravel(part) for part in gradient])

    def parts(self, values: NDArray) -> list[NDArray]:
        """A flat vector cut into the model's shapes."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes])
        return [part.reshape(shape) for part, shape in zip(np.split(values, ends[:-1]), self.shapes, strict=True)]


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


def maximum_likelihood(family: str, data: dict[str, NDArray]) -> tuple[NDArray, float]:
    """Coordinates where the likelihood, without priors, is largest, and its logarithm there.

    Raises:
        ValueError: No maximum was found.
    """
    from scipy.optimize import minimize

    made = compiled(family, data)
    centre = np.array([mean for mean, _ in families()[family][0]])
    found = minimize(_negated(made.likelihood), centre, jac=True, method="BFGS", options={"gtol": 1e-5})
    if np.abs(found.jac).max() > 1e-2 * max(1.0, abs(found.fun) * 1e-3):
        raise ValueError(f"{family}: the likelihood has no maximum that could be found ({found.message})")
    return found.x, -float(found.fun)


def _negated(function: Function) -> Any:
    def negative(values: NDArray) -> tuple[float, NDArray]:
        value, gradient = function(values)
        if not np.isfinite(value):
            return 1e12, np.zeros_like(gradient)
        return -value, -gradient

    return negative


def fit(
    family: str,
    data: dict[str, NDArray],
    *,
    tier: Tier = "auto",
    draws: int = 1000,
    seed: int = 1,
    pooled: bool = False,
) -> Posterior:
    """Posterior of a family given compressed rows.

    Args:
        family: A purchase process, a spend family or a contractual one.
        data: From its `compressed`.
        tier: `fast`, `full`, or `auto`.
        draws: Draws to return.
        seed: Of all randomness.
        pooled: Partial pooling over the data's groups; always `full`, since a normal approximation does not hold
            between groups.
    """
    made = compiled(family, data, pooled=pooled)
    about = {"units": len(data["weight"]), "customers": round(float(data["weight"].sum()))}
    if pooled or tier == "full":
        return _nuts(family, made, draws=draws, seed=seed, about=about)
    quick = _laplace(family, made, draws=draws, seed=seed, about=about)
    if tier == "fast" or (tier == "auto" and quick.sound):
        return quick
    return _nuts(family, made, draws=draws, seed=seed, about={**about, "k": quick.k})


def _laplace(family: str, made: Compiled, *, draws: int, seed: int, about: dict[str, Any]) -> Posterior:
    """Normal approximation at the mode, widened a little, with Pareto-smoothed importance resampling."""
    from arviz_stats.base import array_stats
    from scipy.optimize import minimize

    centre = np.array([mean for mean, _ in families()[family][0]])
    objective = _negated(made.density)
    mode = minimize(objective, centre, jac=True, method="BFGS", options={"gtol": 1e-4}).x
    size = len(mode)
    steps = np.eye(size) * STEP
    hessian = np.array([(objective(mode + step)[1] - objective(mode - step)[1]) / (2 * STEP) for step in steps])
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    if values.min() <= 0 or not np.isfinite(values).all():
        # No curvature, no normal approximation: an infinite k sends `auto` to NUTS.
        return Posterior(family=family, theta=np.tile(mode, (draws, 1, 1)), tier="fast", k=np.inf, **about)
    rng = np.random.default_rng(seed)
    proposals = 2 * draws
    # Student's t with 8 degrees of freedom: tails heavier than the posterior's keep the weights bounded.
    freedom = 8.0
    normal = rng.standard_normal((proposals, size))
    stretch = np.sqrt(freedom / rng.chisquare(freedom, proposals))[:, None]
    root = vectors / np.sqrt(values)
    drawn = mode + (normal * stretch) @ root.T
    with ThreadPoolExecutor(CHAINS) as pool:
        log_target = np.array([-value for value, _ in pool.map(objective, drawn)])
    distance = ((normal * stretch) ** 2).sum(axis=1)
    log_weight = log_target + (freedom + size) / 2 * np.log1p(distance / freedom)
    log_weight -= log_weight.max()
    smoothed, k = array_stats.psislw(-log_weight)  # it expects log-likelihoods, whose inverses are the weights
    weight = np.exp(smoothed - smoothed.max())
    # Systematic resampling: the least noise that resampling can have.
    edges = np.cumsum(weight) / weight.sum()
    places = np.searchsorted(edges, (np.arange(draws) + rng.random()) / draws).clip(max=proposals - 1)
    theta = rng.permutation(drawn[places])[:, None, :]
    return Posterior(family=family, theta=theta, tier="fast", k=float(k), **about)


def _nuts(family: str, made: Compiled, *, draws: int, seed: int, about: dict[str, Any]) -> Posterior:
    import nutpie
    from arviz_stats.base import array_stats

    density = made.density
    spread = np.array([spread for _, spread in families()[family][0]])

    def start(chain_seed: int) -> NDArray:
        """A point well within the priors, another one for each chain, so that R-hat can tell."""
        jitter = np.random.default_rng(chain_seed).uniform(-0.5, 0.5, density.size)
        point = np.concatenate([np.ravel(made.model.initial_point()[value.name]) for value in made.model.value_vars])
        return point + jitter * (spread if density.size == len(spread) else 1.0)

    program = nutpie.compiled_pyfunc.from_pyfunc(
        density.size,
        lambda: density,
        lambda _one, _two, _chain: lambda values: {"values": values},
        [np.dtype(float)],
        [(density.size,)],
        ["values"],
        make_initial_point_fn=start,
    )
    trace = nutpie.sample(
        program,
        draws=max(draws, 1000),
        tune=TUNE,
        chains=CHAINS,
        cores=CHAINS,
        seed=seed,
        adaptation="low_rank",
        progress_bar=False,
        save_warmup=False,
    )
    values = trace.posterior["values"].to_numpy()
    chains, kept = values.shape[:2]
    theta = _theta(density, values.reshape(chains * kept, -1))
    flat = theta.reshape(chains, kept, -1)
    rhat = max(float(array_stats.rhat(flat[..., i])) for i in range(flat.shape[-1]))
    ess = min(float(array_stats.ess(flat[..., i])) for i in range(flat.shape[-1]))
    return Posterior(
        family=family,
        theta=theta,
        tier="full",
        rhat=rhat,
        ess=ess,
        divergences=int(trace.sample_stats["diverging"].sum()),
        **about,
    )


def _theta(density: Function, values: NDArray) -> NDArray:
    """Coordinates, shape (draws, groups, coordinates), from the unconstrained values of `build`'s two forms."""
    if len(density.shapes) == 1:
        return values[:, None, :]
    size = density.shapes[0][0]
    mean, log_between, offset = np.split(values, [size, 2 * size], axis=1)
    return mean[:, None, :] + np.exp(log_between)[:, None, :] * offset.reshape(len(values), -1, size)
