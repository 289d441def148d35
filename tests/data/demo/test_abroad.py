import pandas as pd
import pytest

from helpers.data.demo import make_abroad, make_demo
from helpers.data.demo.abroad import COUNTRIES, MONEY, WORDED
from helpers.errors import DataError
from helpers.params import ROOT, load_params
from helpers.running.cli import DEMOS

LANGUAGES = sorted(COUNTRIES)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return make_demo(tmp_path_factory.mktemp("home") / "demo", customers=300)


@pytest.fixture(scope="module", params=LANGUAGES)
def there(request, home):
    folder = home.parent / f"demo_{request.param}"
    return request.param, make_abroad(home, folder, language=request.param)


def test_customers_and_moments_are_those_of_the_demo(home, there):
    _language, folder = there
    assert {path.name for path in home.glob("*.parquet")} == {path.name for path in folder.glob("*.parquet")}
    for path in home.glob("*.parquet"):
        old, new = pd.read_parquet(path), pd.read_parquet(folder / path.name)
        kept = [column for column in old if column not in (*MONEY.get(path.stem, ()), *WORDED, "description")]
        pd.testing.assert_frame_equal(old[kept], new[kept])


def test_amounts_are_the_demos_at_the_countrys_rate(home, there):
    language, folder = there
    country = COUNTRIES[language]
    for name, columns in MONEY.items():
        old, new = pd.read_parquet(home / f"{name}.parquet"), pd.read_parquet(folder / f"{name}.parquet")
        for column in columns:
            assert (new[column] - old[column] * country.rate).abs().max() <= country.step / 2
            assert (new[column] % country.step == 0).all()


def test_every_english_word_is_said_in_the_language(home, there):
    language, folder = there
    same = {"web", "email", "18-34", "35-54"} if language == "vi" else set()
    for path in home.glob("*.parquet"):
        old, new = pd.read_parquet(path), pd.read_parquet(folder / path.name)
        for column in (*WORDED, "description"):
            if column in old:
                assert not set(old[column].dropna()) & set(new[column].dropna()) - same, (path.name, column)


def test_what_was_made_is_left_alone_and_what_is_anothers_is_not_touched(home, there):
    language, folder = there
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    make_abroad(home, folder, language=language)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    foreign = home.parent / f"foreign_{language}"
    foreign.mkdir()
    (foreign / "own.txt").write_text("mine")
    with pytest.raises(DataError, match="not the demo's"):
        make_abroad(home, foreign, language=language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_params_are_the_demos_in_the_language(language):
    home, there = load_params("demo", folder=ROOT / "params"), load_params(f"demo_{language}", folder=ROOT / "params")
    assert there.locale.startswith(language)
    assert there.data.demo.language == language
    assert there.data.demo.seed == home.data.demo.seed
    assert there.economics.cac == home.economics.cac * COUNTRIES[language].rate
    assert [test.id for test in there.ab_test.tests] == [test.id for test in home.ab_test.tests]


def test_the_demo_runs_one_client_a_language():
    assert set(DEMOS) == {"demo", *(f"demo_{language}" for language in LANGUAGES)}
