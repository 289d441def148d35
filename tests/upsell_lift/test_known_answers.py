"""Known answers on public data: Hillstrom's e-mails, LaLonde's training, Cattaneo's birth weights."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.treatment

from helpers.data.load import load_tables
from helpers.params import ROOT, expand, load_params
from helpers.stats.split import ratio_p
from helpers.upsell_lift import analyse
from helpers.upsell_lift.assumptions import overlap
from helpers.upsell_lift.average import average
from helpers.upsell_lift.design import encode
from helpers.upsell_lift.estimate import aipw, aipw_treated, difference_in_means
from helpers.upsell_lift.heterogeneity import ranking_words
from helpers.upsell_lift.nuisance import Linear, cross_fitted, folds
from helpers.upsell_lift.policy import prove
from helpers.upsell_lift.rate import ranking
from tests.upsell_lift.pipe import drawn, findings

ARMS = ("No E-Mail", "Mens E-Mail", "Womens E-Mail")
EFFECTS = {
    ("Mens E-Mail", "visit"): (0.076590, 0.003386),
    ("Mens E-Mail", "conversion"): (0.006805, 0.000921),
    ("Mens E-Mail", "spend"): (0.769827, 0.145247),
    ("Womens E-Mail", "visit"): (0.045233, 0.003234),
    ("Womens E-Mail", "conversion"): (0.003111, 0.000823),
    ("Womens E-Mail", "spend"): (0.424412, 0.130333),
}
COVARIATES = ["recency", "history", "mens", "womens", "newbie", "zip_code", "channel"]
# Dehejia and Wahba's specification for the survey's people.
LALONDE = ["age", "education", "black", "hispanic", "married", "nodegree", "re74", "re75"]

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def hillstrom(public_data):
    return pd.read_csv(public_data / "hillstrom/hillstrom.csv.gz")


@pytest.fixture(scope="module")
def sent(hillstrom):
    return hillstrom["segment"].map({name: place for place, name in enumerate(ARMS)}).to_numpy()


@pytest.fixture(scope="module")
def observed(public_data):
    """The trained of the experiment with the survey's people, and Dehejia and Wahba's covariates."""
    trained = pd.read_csv(public_data / "lalonde/nsw_dw.csv").query("treat == 1")
    frame = pd.concat([trained, pd.read_csv(public_data / "lalonde/cps_controls.csv.gz")], ignore_index=True)
    X = frame[LALONDE].assign(
        u74=frame["re74"] == 0, u75=frame["re75"] == 0, age2=frame["age"] ** 2, education2=frame["education"] ** 2,
        age3=frame["age"] ** 3, both=frame["education"] * frame["re74"],
    )  # fmt: skip
    Z = X.to_numpy(float)
    return frame["treat"].to_numpy(int), frame["re78"].to_numpy(float), (Z - Z.mean(0)) / Z.std(0)


@pytest.fixture(scope="module")
def logit(observed):
    """Logit propensities, by maximum likelihood."""
    arm, _y, Z = observed
    share = sm.Logit(arm, sm.add_constant(Z)).fit(disp=0, maxiter=500).predict()
    return np.column_stack([1 - share, share])


@pytest.fixture
def example(public_data):
    """Analyse an example client; skipped where its data are not at hand."""
    assert public_data.is_dir()
    return _example


def _example(name):
    loaded = load_params(name, folder=ROOT / "params" / "examples")
    tables = load_tables(loaded, names=("experiments",), expand=expand)
    return analyse(loaded.upsell_lift, tables.kept, margin=loaded.economics.margin, seed=loaded.seed)


@pytest.mark.parametrize(("arm", "outcome"), EFFECTS)
def test_hillstroms_six_effects_and_their_errors(hillstrom, sent, arm, outcome):
    effect = difference_in_means(hillstrom[outcome].to_numpy(float), sent, treated=ARMS.index(arm))
    assert (effect.value, effect.se) == pytest.approx(EFFECTS[arm, outcome], abs=1e-6)


def test_taking_the_other_email_for_control_is_what_a_difference_never_does(hillstrom, sent):
    effect = difference_in_means(hillstrom["visit"].to_numpy(float), sent, treated=2)
    wrong = hillstrom.loc[sent == 2, "visit"].mean() - hillstrom.loc[sent != 2, "visit"].mean()
    assert wrong == pytest.approx(0.0069, abs=5e-5)
    assert effect.value == pytest.approx(0.0452, abs=5e-5)
    assert effect.n_control == (sent == 0).sum()


def test_hillstroms_split(sent):
    assert ratio_p(np.bincount(sent), np.full(3, 1 / 3)) == pytest.approx(0.904, abs=5e-4)


@pytest.mark.parametrize(("mens", "womens", "effect"), [(0, 1, 0.0740), (1, 0, 0.0111)])
def test_womens_visit_effect_by_what_was_bought(hillstrom, sent, mens, womens, effect):
    inside = ((hillstrom["mens"] == mens) & (hillstrom["womens"] == womens)).to_numpy()
    found = difference_in_means(hillstrom["visit"].to_numpy(float)[inside], sent[inside], treated=2)
    assert found.value == pytest.approx(effect, abs=5e-5)


@pytest.mark.parametrize(
    ("arm", "outcome", "z", "words"),
    [
        (2, "visit", 3.55, "Yes: those ranked first gain more than others would"),
        (2, "spend", 1.21, "Not shown: no better than a random pick, as far as can be told"),
        (1, "spend", -2.17, "No, it does harm: those ranked first gain less than a random pick would"),
    ],
)
def test_rankings_on_the_odd_rows(hillstrom, sent, arm, outcome, z, words):
    """A linear model an arm on the even rows; scores of the odd ones weighted by their own shares, arm and control alone.

    A standard error from a few hundred half-samples is itself uncertain by some 5 %: with thousands of them, these z are 3.75,
    1.20 and -2.17.
    """
    X, y = encode(hillstrom[COVARIATES]).X, hillstrom[outcome].to_numpy(float)
    odd = np.arange(len(y)) % 2 == 1
    first, second = (Linear().fit(X[~odd & (sent == a)], y[~odd & (sent == a)]) for a in (arm, 0))
    held = odd & np.isin(sent, (0, arm))
    share = (sent[held] == arm).mean()
    gamma = y[held] * np.where(sent[held] == arm, 1 / share, -1 / (1 - share))
    found = ranking(gamma, first.predict(X[held]) - second.predict(X[held]), seed=1, replicates=1000)
    assert found.autoc.z == pytest.approx(z, abs=0.25)
    assert ranking_words(found.autoc) == words


@pytest.mark.slow
def test_the_proof_on_the_odd_rows_refuses_mens_spend(hillstrom, sent):
    X = encode(hillstrom[COVARIATES]).X
    Y = np.column_stack([hillstrom["spend"], hillstrom["visit"], np.zeros(len(X))]).astype(float)
    odd = np.arange(len(X)) % 2 == 1
    known = {"arms": 3, "shares": np.bincount(sent) / len(sent)}
    proof = prove(X, Y, sent, targets=(0, 1), budget_share=None, level=0.90, seed=1, test=odd, **known)
    assert proof.rankings[2, 1].autoc.low > 0
    assert proof.rankings[1, 0].autoc.high < 0
    assert not proof.proven


@pytest.mark.slow
def test_hillstrom_as_a_study(example):
    analysis = example("hillstrom")
    found = findings(analysis)
    for (arm, outcome), (value, se) in EFFECTS.items():
        number = found.numbers[f"ate.{arm}.{outcome}"]
        assert number.value == pytest.approx(value, abs=1e-6)
        assert found.numbers[f"ate.{arm}.{outcome}.se"].value == pytest.approx(se, abs=1e-6)
        assert number.low < found.numbers[f"adjusted.{arm}.{outcome}"].value < number.high
    assert next(check for check in found.checks if check.id == "arms.srm").value == pytest.approx(0.904, abs=5e-4)
    assert found.numbers["rate.Womens E-Mail.visit.autoc"].low > 0
    assert found.numbers["rate.Mens E-Mail.spend.autoc"].low < 0
    page = drawn(analysis)
    assert "Yes: those ranked first gain more than others would" in page
    assert "Not shown: no better than a random pick" in page
    assert found.decisions[0].value["action"] == "all"
    assert found.decisions[0].evidence == "experiment"


def test_lalondes_experiment(public_data):
    frame = pd.read_csv(public_data / "lalonde/nsw_dw.csv")
    effect = difference_in_means(frame["re78"].to_numpy(), frame["treat"].to_numpy(int), treated=1)
    assert (effect.value, effect.se) == (pytest.approx(1794.34, abs=0.005), pytest.approx(671.0, abs=0.05))


def test_training_against_the_survey(observed, logit):
    arm, y, Z = observed
    assert difference_in_means(y, arm, treated=1).value == pytest.approx(-8497.5, abs=0.05)
    none = np.zeros((len(y), 2))
    weighted = aipw_treated(y, arm, none, logit, treated=1)
    control = sm.OLS(y[arm == 0], sm.add_constant(Z)[arm == 0]).fit().predict(sm.add_constant(Z))
    mu = np.column_stack([control, control])
    robust = aipw_treated(y, arm, mu, logit, treated=1, normalised=False)
    compared = overlap(y, arm, none, logit, treated=1, level=0.90, cluster=None)
    assert weighted.value == pytest.approx(1782, abs=1)
    assert robust.value == pytest.approx(1577, abs=1)
    assert compared.trimmed.value == pytest.approx(2741, abs=1)
    assert compared.thin == pytest.approx(0.927, abs=5e-4)
    assert not compared.passed
    ols = np.linalg.lstsq(np.column_stack([arm, np.ones(len(y)), Z]), y, rcond=None)[0][0]
    assert ols == pytest.approx(1567, abs=1)


@pytest.mark.slow
def test_training_against_the_survey_as_a_study_comes_out_humble(example):
    analysis = example("lalonde")
    found = findings(analysis)
    key = "Dehejia-Wahba Sample.earnings_1978"
    assert found.numbers[f"naive.{key}"].value == pytest.approx(-8497.5, abs=0.05)
    assert found.numbers[f"ate.{key}"].low < 1794 < found.numbers[f"ate.{key}"].high
    assert f"trimmed.{key}" in found.numbers
    assert (found.status, found.decisions) == ("blocked", ())
    assert next(check for check in found.checks if check.id.startswith("overlap")).status == "fail"
    text = (found.headline + drawn(analysis)).lower()
    for verb in ("earns", "brings", "causes", "adds", "what the offer changes", "change for a taker", "thanks to"):
        assert verb not in text
    assert analysis.evidence == "association"
    assert average(analysis).table().title == "How those with and without the offer differ"


def test_matchits_lalonde(public_data):
    frame = pd.read_csv(public_data / "lalonde/lalonde_matchit.csv")
    arm, y = frame["treat"].to_numpy(int), frame["re78"].to_numpy(float)
    assert difference_in_means(y, arm, treated=1).value == pytest.approx(-635.0, abs=0.05)
    X = encode(frame[["age", "educ", "race", "married", "nodegree", "re74", "re75"]]).X
    fitted = sm.OLS(y, sm.add_constant(np.column_stack([arm, X]))).fit()
    assert (fitted.params[1], fitted.bse[1]) == (pytest.approx(1548.2, abs=0.05), pytest.approx(781.3, abs=0.05))
    found = cross_fitted(X, y[:, None], arm, arms=2, shares=None, fold=folds(len(y), seed=1), seed=1)
    effect = aipw_treated(y, arm, found.mu[:, :, 0], found.e, treated=1)
    assert effect.low < 1548.2 < effect.high


def test_cattaneos_birth_weights_without_cross_fitting():
    """statsmodels and Stata: AIPW -230.99 (26.214), from its own models, so that the estimator alone is judged.

    Their standard error is of all moments together and counts what estimating the two models costs; the influence function takes them
    as given, as cross-fitting allows, and is 3 % smaller here.
    """
    path = Path(statsmodels.treatment.__file__).parent / "tests/results/cataneo2.csv"
    frame = pd.read_csv(path)
    arm, y = frame["mbsmoke_"].to_numpy(int), frame["bweight"].to_numpy(float)
    by = {
        "share": sm.add_constant(frame[["mmarried_", "mage", "mage2", "fbaby_", "medu"]].astype(float)),
        "outcome": sm.add_constant(frame[["prenatal1_", "mmarried_", "mage", "fbaby_"]].astype(float)),
    }
    share = sm.Probit(arm, by["share"]).fit(disp=0).predict()
    mu = np.column_stack([sm.OLS(y[arm == a], by["outcome"][arm == a]).fit().predict(by["outcome"]) for a in (0, 1)])
    effect = aipw(y, arm, mu, np.column_stack([1 - share, share]), treated=1)
    assert effect.value == pytest.approx(-230.99, rel=1e-3, abs=1e-2)
    assert effect.se == pytest.approx(26.214, rel=0.04)
