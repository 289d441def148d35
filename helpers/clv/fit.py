"""Fitting in two tiers, on one compiled density.

`fast` finds the mode, takes a normal approximation there and corrects it by Pareto-smoothed importance sampling, whose k
says whether the correction can be trusted (Vehtari et al. 2024). `full` is NUTS by nutpie. `auto` starts with `fast` and
goes on to `full` where k > .7.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from helpers.clv.density import Compiled, Function, compiled, families

if TYPE_CHECKING:
    from numpy.typing import NDArray

Tier = Literal["auto", "fast", "full"]
LARGEST_K = 0.7
LARGEST_RHAT = 1.01
SMALLEST_ESS = 400.0
CHAINS = 2
FEWEST_DRAWS = 1000
PLAIN = {"tune": 400, "target_accept": 0.8}
# Between few groups, the spread's posterior has a narrow neck: short steps go through it, long ones diverge.
CAREFUL = {"tune": 1000, "target_accept": 0.98}
STEP = 1e-4
ROUNDS = 3
EVEN_K = 0.4


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
    evaluate = function.of_data()

    def negative(values: NDArray) -> tuple[float, NDArray]:
        value, gradient = evaluate(values)
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
        return _sampled(family, made, draws=draws, seed=seed, about=about)
    quick = _laplace(family, made, draws=draws, seed=seed, about=about)
    if tier == "fast" or (tier == "auto" and quick.sound):
        return quick
    return _sampled(family, made, draws=draws, seed=seed, about={**about, "k": quick.k})


def _laplace(family: str, made: Compiled, *, draws: int, seed: int, about: dict[str, Any]) -> Posterior:
    """Normal approximation at the mode, as a t, corrected by Pareto-smoothed importance resampling.

    Where the weights are uneven, the approximation moves to their mean and covariance and is corrected again (adaptive
    importance sampling; Cappe et al. 2008): what counts is the k of the last round.
    """
    from scipy.optimize import minimize

    centre = np.array([mean for mean, _ in families()[family][0]])
    objective = _negated(made.density)
    place = minimize(objective, centre, jac=True, method="BFGS", options={"gtol": 1e-4}).x
    steps = np.eye(len(place)) * STEP
    hessian = np.array([(objective(place + step)[1] - objective(place - step)[1]) / (2 * STEP) for step in steps])
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    if values.min() <= 0 or not np.isfinite(values).all():
        # No curvature, no normal approximation: an infinite k sends `auto` to NUTS.
        return Posterior(family=family, theta=np.tile(place, (draws, 1, 1)), tier="fast", k=np.inf, **about)
    root = vectors / np.sqrt(values)
    rng = np.random.default_rng(seed)
    for _round in range(ROUNDS):
        drawn, weight, k = _weighted(objective, place, root, proposals=2 * draws, rng=rng)
        if k <= EVEN_K:
            break
        place = weight @ drawn
        covariance = (drawn - place).T @ ((drawn - place) * weight[:, None])
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 1e-12))
    # Systematic resampling: the least noise that resampling can have.
    picks = np.searchsorted(np.cumsum(weight), (np.arange(draws) + rng.random()) / draws).clip(max=len(drawn) - 1)
    theta = rng.permutation(drawn[picks])[:, None, :]
    return Posterior(family=family, theta=theta, tier="fast", k=k, **about)


def _weighted(
    objective: Any, place: NDArray, root: NDArray, *, proposals: int, rng: np.random.Generator
) -> tuple[NDArray, NDArray, float]:
    """Draws around a place, their smoothed importance weights (which sum to 1), and Pareto k."""
    from arviz_stats.base import array_stats

    size = len(place)
    # Student's t with 8 degrees of freedom: tails heavier than the posterior's keep the weights bounded.
    freedom = 8.0
    stretch = np.sqrt(freedom / rng.chisquare(freedom, proposals))[:, None]
    spread = rng.standard_normal((proposals, size)) * stretch
    drawn = place + spread @ root.T
    with ThreadPoolExecutor(CHAINS) as pool:
        parts = pool.map(lambda part: [-objective(one)[0] for one in part], np.array_split(drawn, CHAINS))
        log_target = np.concatenate(list(parts))
    log_weight = log_target + (freedom + size) / 2 * np.log1p((spread**2).sum(axis=1) / freedom)
    log_weight -= log_weight.max()
    smoothed, k = array_stats.psislw(-log_weight)  # it expects log-likelihoods, whose inverses are the weights
    weight = np.exp(smoothed - smoothed.max())
    return drawn, weight / weight.sum(), float(k)


def _sampled(family: str, made: Compiled, *, draws: int, seed: int, about: dict[str, Any]) -> Posterior:
    """NUTS; where its chains disagree, once more with short steps and more of them."""
    pooled = len(made.density.start) > made.density.size
    found = _nuts(family, made, draws=draws, seed=seed, about=about, careful=pooled)
    if pooled or found.sound:
        return found
    return _nuts(family, made, draws=draws, seed=seed, about=about, careful=True)


def _nuts(family: str, made: Compiled, *, draws: int, seed: int, about: dict[str, Any], careful: bool) -> Posterior:
    import nutpie
    from arviz_stats.base import array_stats

    density = made.density
    evaluate = density.of_data()
    spread = np.resize([spread for _, spread in families()[family][0]], len(density.start))

    def start(chain_seed: int) -> NDArray:
        """A point well within the priors, another one for each chain, so that R-hat can tell."""
        return density.start + np.random.default_rng(chain_seed).uniform(-0.5, 0.5, len(density.start)) * spread

    program = nutpie.compiled_pyfunc.from_pyfunc(
        len(density.start),
        lambda: evaluate,
        lambda _one, _two, _chain: lambda values: {"values": values},
        [np.dtype(float)],
        [density.start.shape],
        ["values"],
        make_initial_point_fn=start,
    )
    trace = nutpie.sample(
        program,
        draws=max(draws, 2 * FEWEST_DRAWS if careful else FEWEST_DRAWS),
        **(CAREFUL if careful else PLAIN),
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
    size = density.size
    if values.shape[1] == size:
        return values[:, None, :]
    mean, log_between, offset = np.split(values, [size, 2 * size], axis=1)
    return mean[:, None, :] + np.exp(log_between)[:, None, :] * offset.reshape(len(values), -1, size)
