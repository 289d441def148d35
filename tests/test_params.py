from importlib.metadata import entry_points

import pytest
import yaml

from helpers.errors import ParamsError
from helpers.params import ROOT, _backends, _model, expand, load_params, merge
from helpers.yaml_files import read_yaml

GOOD = """
    client: acme
    name: Acme Ltd
    currency: GBP
    data:
      tables:
        orders: {from: DATA/orders.csv}
"""


def test_a_client_needs_only_what_differs_from_the_defaults(params_folder):
    params = load_params("acme", folder=params_folder("acme", GOOD))
    assert params.economics.margin == 0.35
    assert params.periods.grain == "quarter"
    assert params.pulse.repeat_days == 90


def test_defaults_are_read_once_for_all_clients_and_again_when_they_change(params_folder, monkeypatch):
    folder = params_folder("acme", GOOD)
    (folder / "defaults.yaml").write_text("economics: {margin: 0.5}\n")
    read = []
    monkeypatch.setattr("helpers.params.read_yaml", lambda path: read.append(path.name) or read_yaml(path))
    for _again in range(2):
        assert load_params("acme", folder=folder).economics.margin == 0.5
    assert read.count("defaults.yaml") == 1
    (folder / "defaults.yaml").write_text("economics: {margin: 0.25}\n")
    assert load_params("acme", folder=folder).economics.margin == 0.25


def test_what_is_installed_is_looked_up_once(params_folder, monkeypatch):
    looked = []
    monkeypatch.setattr("helpers.params.entry_points", lambda **group: looked.append(group) or entry_points(**group))
    _backends.cache_clear()
    for _again in range(3):
        load_params("acme", folder=params_folder("acme", GOOD))
    assert len(looked) == 1


def test_defaults_yaml_says_every_default_that_the_code_has():
    defaults = read_yaml(ROOT / "params" / "defaults.yaml")
    minimal = {"client": "x", "name": "X", "currency": "GBP", "data": {"tables": {"orders": {"from": "x.csv"}}}}
    assert _model().model_validate(merge(defaults, minimal)) == _model().model_validate(minimal)
    topics = {name for name in _model().model_fields if name in {"pulse", "segmentation", "clv", "summary"}}
    assert topics <= defaults.keys()
    for name in topics:
        assert set(defaults[name]) == set(_model().model_fields[name].annotation.model_fields)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("economcs: {margin: 1}", r"economcs: unknown key; did you mean 'economics'"),
        ("economics: {margn: 0.2}", r"economics.margn: unknown key; did you mean 'margin'"),
        ("economics: {margin: high}", r"economics.margin: .*number.*'high'"),
        ("economics: {margin: 35}", r"economics.margin: .*less than or equal to 1"),
        ("currency: pounds", r"currency: .*pattern.*'pounds'"),
        ("timezone: Europe/Londn", r"timezone: .*did you mean 'Europe/London'"),
        ("locale: xx_YY", r"locale: .*xx_YY"),
        ("periods: {grain: fortnight}", r"periods.grain: .*'fortnight'"),
        ("pulse: {repeat_dayz: 30}", r"pulse.repeat_dayz: unknown key; did you mean 'repeat_days'"),
        ("brand: {colour: green}", r"brand.colour"),
        ("segmentation: {scheme: {Best: [55]}}", r"no partition.*no segment has 11, 12"),
    ],
)
def test_a_mistake_is_named_with_file_and_key(params_folder, change, told):
    content = yaml.safe_load(GOOD) | yaml.safe_load(change)
    folder = params_folder("acme", yaml.safe_dump(content))
    with pytest.raises(ParamsError, match=told) as error:
        load_params("acme", folder=folder)
    assert "acme.yaml" in str(error.value)


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ("{order: {from: x.csv}}", "unknown table 'order'; did you mean 'orders'"),
        ("{orders: {from: x.csv, columns: {customer: id}}}", "no column 'customer'; did you mean 'customer_id'"),
        ("{customers: {from: x.csv}}", "needs one of experiments, offers, order_lines, orders, subscriptions"),
        ("{orders: {}}", "data.tables.orders.from: is missing"),
    ],
)
def test_a_mistake_in_the_tables_is_named(params_folder, tables, told):
    text = f"client: acme\nname: A\ncurrency: GBP\ndata:\n  tables: {tables}\n"
    with pytest.raises(ParamsError, match=told):
        load_params("acme", folder=params_folder("acme", text))


def test_an_unknown_client_is_met_with_the_nearest_one(params_folder):
    folder = params_folder("acme", GOOD)
    with pytest.raises(ParamsError, match="did you mean 'acme'"):
        load_params("acmee", folder=folder)


@pytest.mark.parametrize("name", ["../acme", "/etc/passwd", "Acme", "", "a/b", "defaults", "."])
def test_a_client_name_never_becomes_a_path_unchecked(params_folder, name):
    with pytest.raises(ParamsError, match="client =="):
        load_params(name, folder=params_folder("acme", GOOD))


def test_the_file_and_the_client_in_it_must_agree(params_folder):
    with pytest.raises(ParamsError, match="must be the file's name, 'other'"):
        load_params("other", folder=params_folder("other", GOOD))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\na: 2\n", "'a' stands twice"),
        ("a: &x 1\nb: *x\n", "aliases"),
        ("- 1\n", "mapping"),
        ("a: [", "acme.yaml"),
    ],
)
def test_yaml_that_hides_what_it_says_is_refused(tmp_path, text, told):
    path = tmp_path / "acme.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError, match=told):
        read_yaml(path)


def test_variables_in_paths_are_filled_and_a_missing_one_is_named(monkeypatch):
    monkeypatch.setenv("SOMEWHERE", "/data")
    assert str(expand("${SOMEWHERE}/x.csv", key="k")) == "/data/x.csv"
    monkeypatch.delenv("SOMEWHERE")
    with pytest.raises(ParamsError, match=r"data.tables.orders.from: environment variable SOMEWHERE is not set"):
        expand("${SOMEWHERE}/x.csv", key="data.tables.orders.from")
