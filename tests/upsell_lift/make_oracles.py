"""Values of other packages for `test_estimate.py`: `python -m tests.upsell_lift.make_oracles`.

Their pins differ from the kit's and from each other's, so each is asked in an environment of its own, and its values are kept as a
table (rows of packages that are not there are kept as they are):

    pip install econml        # in one
    pip install causalml      # in another
"""

from __future__ import annotations

import csv
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

PATH = Path(__file__).with_name("oracles.csv")
SLOPES = np.array([1.0, -0.5, 0.25])


def data() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Covariates, outcomes, arms, and the models that everyone is given: expected outcomes and propensities."""
    rng = np.random.default_rng(20_240_229)
    X = rng.normal(size=(2000, 3))
    arm = (rng.random(2000) < propensity(X)[:, 1]).astype(int)
    y = X @ SLOPES + arm * (1 + 0.8 * X[:, 0]) + rng.normal(0, 1.5, 2000)
    mu = np.column_stack([expected(X, np.zeros(2000)), expected(X, np.ones(2000))])
    return X, y, arm, mu, propensity(X)


def expected(X: np.ndarray, arm: np.ndarray) -> np.ndarray:
    """An outcome model that is not quite right."""
    return X @ SLOPES * 0.9 + 0.7 * arm


def propensity(X: np.ndarray) -> np.ndarray:
    """The propensities."""
    share = 1 / (1 + np.exp(-0.6 * X[:, 1]))
    return np.column_stack([1 - share, share])


class Outcome:
    """The outcome model as scikit-learn would have it: the last column is the arm."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Outcome:
        """Learn nothing."""
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Give what is known."""
        return expected(X[:, :3], X[:, 3])

    def get_params(self, deep: bool = True) -> dict:  # noqa: FBT001, FBT002 - scikit-learn's signature
        """Have none."""
        return {}

    def set_params(self, **_params: object) -> Outcome:
        """Have none."""
        return self


class Propensity(Outcome):
    """The propensity model."""

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Give what is known."""
        return propensity(X)


def econml() -> dict[str, float]:
    """LinearDRLearner on given models: average effect and slopes."""
    from econml.dr import LinearDRLearner

    X, y, arm, _mu, _e = data()
    found = LinearDRLearner(
        model_regression=Outcome(), model_propensity=Propensity(), min_propensity=1e-9, cv=2, random_state=1
    )
    found.fit(y, arm, X=X)
    slopes = found.coef_(T=1)
    return {"ate": float(found.ate(X)), **{f"slope.{place}": float(slope) for place, slope in enumerate(slopes)}}


def causalml() -> dict[str, float]:
    """Average effects of its S- and T-learner with linear models, and the error of the first."""
    from causalml.inference.meta import BaseTRegressor, LRSRegressor
    from sklearn.linear_model import LinearRegression

    X, y, arm, _mu, _e = data()
    s_value, s_low, s_high = LRSRegressor(control_name=0).estimate_ate(X, arm, y)
    t_value, t_low, t_high = BaseTRegressor(learner=LinearRegression(), control_name=0).estimate_ate(X, arm, y)
    half = 2 * 1.959963984540054
    return {
        "s_learner.ate": float(s_value[0]), "s_learner.se": float((s_high[0] - s_low[0]) / half),
        "t_learner.ate": float(t_value[0]), "t_learner.se": float((t_high[0] - t_low[0]) / half),
    }  # fmt: skip


def main() -> None:
    """Ask whatever package is there, and keep the rows of the others."""
    kept: list[dict[str, object]] = []
    if PATH.is_file():
        with PATH.open() as file:
            kept = list(csv.DictReader(file))
    for name, ask in (("econml", econml), ("causalml", causalml)):
        try:
            release = version(name)
        except PackageNotFoundError:
            continue
        kept = [row for row in kept if row["library"] != name]
        kept += [
            {"library": name, "version": release, "quantity": key, "value": repr(value)} for key, value in ask().items()
        ]
    with PATH.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["library", "version", "quantity", "value"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(kept, key=lambda row: str(row["library"])))


if __name__ == "__main__":
    main()
