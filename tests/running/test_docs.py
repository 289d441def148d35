"""The examples in docs/scheduling.md are what they say."""

import ast
import re

import papermill
import yaml
from typer.testing import CliRunner

from helpers.running.cli import app
from tests.running.conftest import ROOT

TEXT = (ROOT / "docs" / "scheduling.md").read_text()


def blocks(kind):
    return re.findall(rf"```{kind}\n(.*?)```", TEXT, flags=re.DOTALL)


def test_the_workflow_runs_one_client_a_job():
    (text,) = blocks("yaml")
    study = yaml.safe_load(text)["jobs"]["study"]
    commands = [step["run"] for step in study["steps"] if "run" in step]
    assert study["strategy"]["matrix"]["client"]
    assert commands[0] == "make setup"
    assert re.search(r"^setup:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert commands[1].startswith(".venv/bin/valuebook run ${{ matrix.client }}")


def test_every_option_that_is_named_is_there():
    named = set(re.findall(r"valuebook run[^\n#]*", TEXT)) | set(re.findall(r"`(--[a-z-]+)`", TEXT))
    options = {option for line in named for option in re.findall(r"--[a-z-]+", line)}
    shown = re.sub(r"\x1b\[[0-9;]*m", "", CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200"}).stdout)
    assert {"--jobs", "--executor", "--scheduler", "--retry-failed"} <= options
    assert all(option in shown for option in options)


def test_the_operators_papermill_call_runs_a_topic(small, monkeypatch):
    (call,) = [
        node
        for text in blocks("python")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "PapermillOperator"
    ]
    given = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    assert (ROOT / given["input_nb"]).is_file()
    small.client(given["parameters"]["client"])
    small.notebook("clv", "study.period.label")
    monkeypatch.setenv("VALUEBOOK_PARAMS", str(small.params))
    monkeypatch.setenv("VALUEBOOK_REPORTS", str(small.reports))
    papermill.execute_notebook(
        str(small.notebooks / "clv.ipynb"),
        str(small.base / "out.ipynb"),
        parameters=given["parameters"],
        kernel_name=given["kernel_name"],
        progress_bar=False,
    )
    assert list(small.reports.glob("acme/*/clv.json"))
