"""What the A/B methods do under no effect, and how often they cover one: `python -m tests.calibration.ab_test`.

The map crosses metric, units and split. Each run draws an arm's sufficient statistics, so that many thousand runs of a cell take
seconds.
The rule `helpers.ab_test.supported` is read off this table: what it calls supported has a false-positive rate of 4.5 to 5.5 % and
covers in 94 to 96 %.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from helpers.ab_test.clusters import clustered
from helpers.ab_test.cuped import adjusted
from helpers.ab_test.estimate import compare
from helpers.ab_test.gates import srm
from helpers.ab_test.moments import Moments
from helpers.ab_test.proportions import score_of_difference
from helpers.ab_test.sequential import always_valid_critical, boundary
from helpers.ab_test.sturdy import permutation
from helpers.ab_test.supported import supported
from tests.calibration.ab_pipe import pipe
from tests.calibration.record import write

ALPHA, LIFT, SEED = 0.05, 0.2, 20_240_229
# Units in the smaller arm, and its share.
SIZES, SHARES = (100, 300, 1000, 3000, 10_000), (0.5, 0.3, 0.1)
LARGEST_DENSE = 1000
BLOCK = 4_000_000

# An arm: runs, units, lift and generator in; sums of x, x^2 and x^3 out, shape (runs,) each.
Sampler = Callable[[int, int, float, np.random.Generator], NDArray]


def _powers(values: NDArray) -> NDArray:
    squares = values * values
    return np.stack([values.sum(axis=1), squares.sum(axis=1), (squares * values).sum(axis=1)])


def _dense(draw: Callable[[np.random.Generator, tuple[int, int]], NDArray]) -> Sampler:
    def sample(runs: int, n: int, lift: float, rng: np.random.Generator) -> NDArray:
        step = max(1, BLOCK // n)
        parts = [_powers(draw(rng, (min(step, runs - at), n))) for at in range(0, runs, step)]
        return np.concatenate(parts, axis=1) * ((1 + lift) ** np.arange(1, 4))[:, None]

    return sample


def proportion(p: float) -> Sampler:
    """Zeros and ones."""

    def sample(runs: int, n: int, lift: float, rng: np.random.Generator) -> NDArray:
        return np.tile(rng.binomial(n, p * (1 + lift), runs).astype(float), (3, 1))

    return sample


def revenue(conversion: float, sigma: float) -> Sampler:
    """Nothing from most, a log-normal amount from buyers: only theirs are drawn."""

    def sample(runs: int, n: int, lift: float, rng: np.random.Generator) -> NDArray:
        found = np.empty((3, runs))
        step = max(1, int(BLOCK // max(1, n * conversion)))
        for at in range(0, runs, step):
            buyers = rng.binomial(n, conversion, min(step, runs - at))
            amounts = rng.lognormal(-(sigma**2) / 2, sigma, int(buyers.sum())) * (1 + lift)
            owner = np.repeat(np.arange(len(buyers)), buyers)
            for power in range(3):
                found[power, at : at + len(buyers)] = np.bincount(
                    owner, weights=amounts ** (power + 1), minlength=len(buyers)
                )
        return found

    return sample


def normal(runs: int, n: int, lift: float, rng: np.random.Generator) -> NDArray:
    """Mean 5, standard deviation 1, by its sufficient statistics."""
    mean = rng.normal(5.0, n**-0.5, runs)
    squares = rng.chisquare(n - 1, runs)
    sums = np.stack([n * mean, squares + n * mean**2, n * mean**3 + 3 * mean * squares])
    return sums * ((1 + lift) ** np.arange(1, 4))[:, None]


def _gamma(shape: float) -> Sampler:
    return _dense(lambda rng, size: rng.standard_gamma(shape, size))


def _ratio(runs: int, n: int, lift: float, rng: np.random.Generator) -> NDArray:
    """Revenue an order: 1 + Poisson(1) orders, gamma amounts around the customer's own level; linearised values, lifted.

    The linearisation of each run is around its own ratio, as the delta method's: l = R + (N - R D) / mean(D).
    """
    step = max(1, BLOCK // n)
    parts = []
    for at in range(0, runs, step):
        size = (min(step, runs - at), n)
        orders = 1.0 + rng.poisson(1.0, size)
        amounts = rng.standard_gamma(2.0 * orders) * rng.standard_gamma(2.0, size) * (1 + lift)
        own = amounts.sum(axis=1) / orders.sum(axis=1)
        linear = own[:, None] + (amounts - own[:, None] * orders) / orders.mean(axis=1)[:, None]
        parts.append(_powers(linear))
    return np.concatenate(parts, axis=1)


METRICS: dict[str, tuple[Sampler, bool]] = {
    "proportion .5": (proportion(0.5), False),
    "proportion .2": (proportion(0.2), False),
    "proportion .05": (proportion(0.05), False),
    "proportion .01": (proportion(0.01), False),
    "normal": (normal, False),
    "exponential": (_gamma(1.0), True),
    "gamma .25": (_gamma(0.25), True),
    "count": (_dense(lambda rng, size: rng.negative_binomial(0.5, 1 / 3, size).astype(float)), True),
    "ratio": (_ratio, True),
    "revenue 20 % .8": (revenue(0.2, 0.8), False),
    "revenue 5 % .5": (revenue(0.05, 0.5), False),
    "revenue 5 % 1.0": (revenue(0.05, 1.0), False),
    "revenue 5 % 1.5": (revenue(0.05, 1.5), False),
    "revenue 5 % 2.0": (revenue(0.05, 2.0), False),
    "revenue 5 % 1.25": (revenue(0.05, 1.25), False),
}


def skewness(name: str) -> float:
    """Of a metric's units, from the formula where there is one, else from two million of them."""
    kind, *rest = name.split()
    if kind == "proportion":
        p = float(rest[0])
        return (1 - 2 * p) / (p * (1 - p)) ** 0.5
    if kind == "revenue":
        share, sigma = float(rest[0]) / 100, float(rest[2])
        raw = [share * np.exp(k * (k - 1) / 2 * sigma**2) for k in (1, 2, 3)]
    elif kind == "normal":
        return 0.0
    else:
        raw = list(METRICS[name][0](200, 10_000, 0.0, np.random.default_rng(SEED)).sum(axis=1) / 2_000_000)
    variance = raw[1] - raw[0] ** 2
    return float((raw[2] - 3 * raw[0] * raw[1] + 2 * raw[0] ** 3) / variance**1.5)


def _centred(sums: NDArray, n: int) -> tuple[NDArray, NDArray, NDArray]:
    """Mean, centred sum of squares and of cubes."""
    mean = sums[0] / n
    squares = np.maximum(sums[1] - n * mean**2, 0)
    return mean, squares, sums[2] - 3 * mean * sums[1] + 2 * n * mean**3


def rejections(control: NDArray, treatment: NDArray, n: tuple[int, int], lift: float) -> tuple[NDArray, NDArray]:
    """Per run: whether the difference is significant, and whether Fieller's set holds the lift. `compare`, vectorised."""
    (c, squares_c, _), (t, squares_t, _) = _centred(control, n[0]), _centred(treatment, n[1])
    v_c, v_t = (squares / (size - 1) / size for squares, size in ((squares_c, n[0]), (squares_t, n[1])))
    with np.errstate(invalid="ignore", divide="ignore"):
        df = (v_c + v_t) ** 2 / (v_c**2 / (n[0] - 1) + v_t**2 / (n[1] - 1))
        q2 = stdtrit(df, ALPHA / 2) ** 2
        significant = (t - c) ** 2 > q2 * (v_c + v_t)
        held = (t - (1 + lift) * c) ** 2 <= q2 * (v_t + (1 + lift) ** 2 * v_c)
    # No variation, no verdict: not significant, nothing excluded.
    empty = v_c + v_t == 0
    return significant & ~empty, held | empty


def called(control: NDArray, treatment: NDArray, n: tuple[int, int]) -> float:
    """Share of runs whose own skewness, arms centred apart, the rule would call supported."""
    (_, squares_c, cubes_c), (_, squares_t, cubes_t) = _centred(control, n[0]), _centred(treatment, n[1])
    squares, cubes, whole = squares_c + squares_t, cubes_c + cubes_t, sum(n)
    with np.errstate(invalid="ignore", divide="ignore"):
        skew = np.where(squares > 0, whole**0.5 * cubes / squares**1.5, np.inf)
    return float(np.mean([supported(skewness=float(s), n_control=n[0], n_treatment=n[1]) for s in skew[:2000]]))


def cells() -> Iterator[tuple[str, int, float]]:
    """Metric, units in the smaller arm and its share."""
    for name, (_, dense) in METRICS.items():
        for n in SIZES:
            for share in SHARES:
                if not dense or n <= LARGEST_DENSE:
                    yield name, n, share


def cell(name: str, n: int, share: float, *, runs: int, seed: int) -> dict[str, object]:
    """False-positive rate and coverage of one cell; the smaller arm is the treatment."""
    rng = np.random.default_rng([seed, list(METRICS).index(name), n, round(share * 100)])
    sample = METRICS[name][0]
    sizes = (round(n * (1 - share) / share), n)
    control, same, lifted = (
        sample(runs, size, lift, rng) for size, lift in ((sizes[0], 0.0), (sizes[1], 0.0), (sizes[1], LIFT))
    )
    skew = skewness(name)
    return {
        "part": "map",
        "case": name,
        "n": n,
        "share": share,
        "skew": skew,
        "method": "welch, fieller",
        "fpr": rejections(control, same, sizes, 0.0)[0].mean(),
        "coverage": rejections(control, lifted, sizes, LIFT)[1].mean(),
        "supported": float(supported(skewness=skew, n_control=sizes[0], n_treatment=sizes[1])),
        "called": called(control, same, sizes),
        "runs": runs,
        "seed": seed,
    }


def held_out(*, runs: int, seed: int) -> list[dict[str, object]]:
    """Supported cells once more with another seed: the rule's limits were chosen on the map, so the map cannot judge them."""
    found = []
    for name, n, share in cells():
        if supported(skewness=skewness(name), n_control=round(n * (1 - share) / share), n_treatment=n):
            found.append(cell(name, n, share, runs=runs, seed=seed + 1) | {"part": "held_out"})
    return found


def sequential(
    looks: int, *, runs: int, seed: int, power_drift: float = 1.959964 + 0.841621
) -> Iterator[dict[str, object]]:
    """Irregular looks at a Brownian path: false positives of each procedure, power at the fixed test's 80 %."""
    rng = np.random.default_rng([seed, looks])
    times = np.sort(rng.dirichlet(np.full(looks, 3.0)).cumsum())
    times[-1] = 1.0
    steps = np.diff(times, prepend=0.0)
    path = (rng.normal(size=(runs, looks)) * np.sqrt(steps)).cumsum(axis=1)
    null, moved = path / np.sqrt(times), (path + power_drift * times) / np.sqrt(times)
    units = 5000 * times
    edges = {
        "none": np.full(looks, 1.959964),
        "obrien_fleming": boundary(times, spending="obrien_fleming").critical,
        "pocock": boundary(times, spending="pocock").critical,
        "hwang_shih_decani": boundary(times, spending="hwang_shih_decani").critical,
        "confidence sequence": np.array([always_valid_critical(n) for n in units]),
    }
    for method, edge in edges.items():
        yield {
            "part": "sequential",
            "case": f"{looks} looks",
            "n": looks,
            "method": method,
            "fpr": (np.abs(null) > edge).any(axis=1).mean(),
            "power": (moved > edge).any(axis=1).mean(),
            "runs": runs,
            "seed": seed,
        }


def clusters(count: int, *, runs: int, seed: int) -> dict[str, object]:
    """CRV3 with t: clusters of uneven size, an intraclass correlation of .1."""
    rng = np.random.default_rng([seed, count])
    false, covered = 0, 0
    for _ in range(runs):
        size = rng.poisson(rng.gamma(4.0, 12.5, count)) + 5.0
        level = 10 + rng.normal(0, 0.1**0.5, count) + rng.normal(0, 1, count) * np.sqrt(0.9 / size)
        half = count // 2
        sides = {"numerator_control": level[:half] * size[:half], "denominator_control": size[:half]}
        sides |= {"denominator_treatment": size[half:]}
        false += compare(clustered(**sides, numerator_treatment=level[half:] * size[half:])).significant
        lifted = compare(clustered(**sides, numerator_treatment=1.02 * level[half:] * size[half:]))
        covered += lifted.lift.contains(0.02)
    return {
        "part": "clusters",
        "case": f"{count} clusters",
        "n": count,
        "method": "crv3, t",
        "fpr": false / runs,
        "coverage": covered / runs,
        "runs": runs,
        "seed": seed,
    }


def cuped(rho: float, *, runs: int, seed: int, n: int = 400) -> dict[str, object]:
    """Variance ratio, false positives and coverage of the lift with one covariate; control mean 2, so that lifts are noisy."""
    rng = np.random.default_rng([seed, round(rho * 100)])
    raw, better, said, false, covered = [], [], [], 0, 0
    for _ in range(runs):
        sides = []
        for _side in range(2):
            x = rng.normal(size=n)
            sides.append((x, 2 + rho * x + np.sqrt(1 - rho**2) * rng.normal(size=n)))
        (x_c, y_c), (x_t, y_t) = sides
        control, same = Moments.of(y=y_c, x=x_c), Moments.of(y=y_t, x=x_t)
        found = adjusted(control, same, "y", covariates=["x"])
        raw.append(y_t.mean() - y_c.mean())
        better.append(found.pair.difference)
        said.append(found.variance_ratio)
        false += compare(found.pair).significant
        lifted = adjusted(control, Moments.of(y=2 * y_t, x=x_t), "y", covariates=["x"])
        covered += compare(lifted.pair).lift.contains(1.0)
    return {
        "part": "cuped",
        "case": f"rho {rho}",
        "n": n,
        "method": "cuped, fieller",
        "fpr": false / runs,
        "coverage": covered / runs,
        "variance_ratio": np.var(better) / np.var(raw),
        "said": np.mean(said),
        "runs": runs,
        "seed": seed,
    }


def ratio_of_variants(looks: int, *, runs: int, seed: int) -> dict[str, object]:
    """Clean splits looked at `looks` times, 500 units more each: how often the gate raises a false alarm, and finds 51 to 49."""
    rng = np.random.default_rng([seed, looks])
    arrivals = rng.multinomial(500, [0.5, 0.5], size=(runs, looks)).cumsum(axis=1)
    expected = {"a": 1, "b": 1}
    broken = rng.multinomial(500, [0.49, 0.51], size=(runs // 10, looks)).cumsum(axis=1)
    alarms, found = (
        [any(not srm({"a": int(a), "b": int(b)}, expected=expected).passed for a, b in run) for run in each]
        for each in (arrivals, broken)
    )
    return {
        "part": "srm",
        "case": f"{looks} looks",
        "n": looks,
        "method": "chi-square",
        "fpr": np.mean(alarms),
        "power": np.mean(found),
        "runs": runs,
        "seed": seed,
    }


def sturdier(sigma: float, n: int, share: float, *, runs: int, seed: int) -> dict[str, object]:
    """The permutation test where normal theory is not supported."""
    rng = np.random.default_rng([seed, n, round(share * 100), round(sigma * 10)])
    sizes = (round(n * (1 - share) / share), n)
    false, covered = 0, 0
    for run in range(runs):
        control, treatment = (
            np.where(rng.random(size) < 0.05, rng.lognormal(-(sigma**2) / 2, sigma, size), 0.0) for size in sizes
        )
        false += bool((p := permutation(control, treatment, draws=399, seed=run).p) is not None and p < ALPHA)
        covered += permutation(control, (1 + LIFT) * treatment, draws=399, seed=run).lift.contains(LIFT)
    return {
        "part": "sturdy",
        "case": f"revenue 5 % {sigma}",
        "n": n,
        "share": share,
        "method": "permutation",
        "fpr": false / runs,
        "coverage": covered / runs,
        "runs": runs,
        "seed": seed,
    }


def scores(p: float, n: int, *, runs: int, seed: int) -> dict[str, object]:
    """The score test of two proportions where counts are small."""
    rng = np.random.default_rng([seed, n, round(p * 1000)])
    counts = rng.binomial(n, p, size=(runs, 2))
    false = np.mean([abs(score_of_difference(0.0, int(a), n, int(b), n)) > 1.959964 for a, b in counts])
    held = np.mean(
        [
            abs(score_of_difference(0.5 * p, int(a), n, int(b), n)) <= 1.959964
            for a, b in zip(counts[:, 0], rng.binomial(n, 1.5 * p, runs), strict=True)
        ]
    )
    return {
        "part": "score",
        "case": f"proportion {p}",
        "n": n,
        "share": 0.5,
        "method": "score",
        "fpr": false,
        "coverage": held,
        "runs": runs,
        "seed": seed,
    }


def calibrate(*, runs: int, seed: int) -> list[dict[str, object]]:
    """All parts, one row a case."""
    rows = [cell(*one, runs=runs, seed=seed) for one in cells()]
    rows += held_out(runs=runs // 2, seed=seed)
    for looks in (5, 14, 28):
        rows += sequential(looks, runs=10 * runs, seed=seed)
    rows += [clusters(count, runs=runs, seed=seed) for count in (6, 10, 20)]
    rows += [cuped(rho, runs=max(runs // 4, 500), seed=seed) for rho in (0.3, 0.5, 0.7, 0.9)]
    rows += [ratio_of_variants(looks, runs=max(runs // 4, 100), seed=seed) for looks in (28, 100)]
    rows += [scores(p, n, runs=runs, seed=seed) for p, n in ((0.01, 100), (0.01, 300), (0.05, 100), (0.5, 100))]
    rows += [
        sturdier(1.25, n, share, runs=max(runs // 20, 50), seed=seed)
        for n, share in ((500, 0.5), (2000, 0.5), (500, 0.1), (2000, 0.1))
    ]
    return rows + list(pipe(runs=max(runs // 10, 100), seed=seed))


if __name__ == "__main__":
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    write("ab_test", calibrate(runs=round(40_000 * share), seed=SEED))
