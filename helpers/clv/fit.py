"""Fitting: one PyMC model a family, compiled once, served with each client's data, in two tiers.

`fast` finds the mode, takes a normal approximation there and corrects it by Pareto-smoothed importance sampling, whose k
says whether the correction can be trusted (Vehtari et al. 2024). `full` is NUTS by nutpie. `auto` starts with `fast` and
goes on to `full` where k > .7.
"""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """A family's model with its compiled density; data go in by name."""

    model: Any
    density: Callable[[NDArray], tuple[NDArray, NDArray]]
    likelihood: Callable[[NDArray], tuple[NDArray, NDArray]]
    nuts: list[Any]


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
        pm.Potential("rows", pt.sum(held["weight"] * log_likelihood(theta, held, family)))
    return model


# Compiling takes seconds, and one compiled model serves every client: each is kept for the life of the process.
# Partially pooled ones have as many parameters as groups, so the number of groups is part of the key (0: not pooled).
_shelf: dict[tuple[str, int], Compiled] = {}


def compiled(family: str, data: dict[str, NDArray], *, pooled: bool = False) -> Compiled:
    """The family's compiled model, holding these data."""
    import pymc as pm
    import pytensor

    key = family, int(data["group"].max()) + 1 if pooled else 0
    if key in _shelf:
        with _shelf[key].model:
            pm.set_data(data)
        return _shelf[key]
    model = build(family, data, pooled=pooled)
    values: list[Any] = list(model.value_vars)

    def function(expression: Any) -> Any:
        gradient: Any = pytensor.grad(expression, values)
        made = pytensor.function(values, [expression, *gradient], mode="NUMBA")
        made.trust_input = True
        return made

    _shelf[key] = Compiled(
        model=model, density=function(model.logp(jacobian=True)), likelihood=function(model.potentiallogp), nuts=[]
    )
    return _shelf[key]


def _flat(values: NDArray, shapes: list[tuple[int, ...]]) -> list[NDArray]:
    """A vector cut into arrays of the model's shapes."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(values, ends[:-1]), shapes, strict=True)]


def _evaluate(function: Any, values: NDArray, shapes: list[tuple[int, ...]]) -> tuple[float, NDArray]:
    found, *gradient = function(*_flat(values, shapes))
    return float(found), np.concatenate([np.ravel(part) for part in gradient])


def maximum_likelihood(family: str, data: dict[str, NDArray]) -> tuple[NDArray, float]:
    """Coordinates where the likelihood, without priors, is largest, and its logarithm there.

    Raises:
        ValueError: No maximum was found.
    """
    from scipy.optimize import minimize

    made = compiled(family, data)
    centre = np.array([mean for mean, _ in families()[family][0]])
    found = minimize(_negated(made.likelihood, [centre.shape]), centre, jac=True, method="BFGS", options={"gtol": 1e-5})
    if np.abs(found.jac).max() > 1e-2 * max(1.0, abs(found.fun) * 1e-3):
        raise ValueError(f"{family}: the likelihood has no maximum that could be found ({found.message})")
    return found.x, -float(found.fun)


def _negated(function: Any, shapes: list[tuple[int, ...]]) -> Any:
    def negative(values: NDArray) -> tuple[float, NDArray]:
        value, gradient = _evaluate(function, values, shapes)
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
    if pooled:
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
    shapes = [centre.shape]
    objective = _negated(made.density, shapes)
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
    log_target = np.array([-objective(theta)[0] for theta in drawn])
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

    if not made.nuts:
        made.nuts.append(nutpie.compile_pymc_model(made.model, freeze_model=False))
    data = {variable.name: variable.get_value() for variable in made.model.data_vars}
    program = made.nuts[0].with_data(**data)
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
    theta = trace.posterior["theta"].to_numpy()
    chains, kept = theta.shape[:2]
    flat = theta.reshape(chains, kept, -1)
    rhat = max(float(array_stats.rhat(flat[..., i])) for i in range(flat.shape[-1]))
    ess = min(float(array_stats.ess(flat[..., i])) for i in range(flat.shape[-1]))
    return Posterior(
        family=family,
        theta=theta.reshape(chains * kept, *theta.shape[2:]),
        tier="full",
        rhat=rhat,
        ess=ess,
        divergences=int(trace.sample_stats["diverging"].sum()),
        **about,
    )
