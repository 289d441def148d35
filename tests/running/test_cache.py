"""What is unchanged does not run again; a change of one ingredient runs again what hangs on it, and nothing else."""

import contextlib
import io
import json
import os
import shutil
import sys

import pytest

from helpers.params import ROOT
from helpers.running import digests, facts, ingredients
from helpers.running.batch import Judge
from helpers.running.cli import main
from helpers.running.execute import Setting
from helpers.running.plan import make_plan

TOPICS = ("ab_test", "clv", "pulse", "segmentation", "summary", "upsell_lift")


def ran(done):
    """Client and topic of the jobs that ran."""
    lines = [line.split() for line in done.stdout.splitlines() if " all " in line and not line.startswith("failed:")]
    return {(line[1], line[3]) for line in lines if line[-1] != "cached" and line[0] != "skipped"}


@pytest.fixture
def two(small):
    """Two clients and three topics that have run."""
    for topic in ("clv", "pulse", "segmentation"):
        small.notebook(topic, "study.period.label")
    small.client("acme")
    small.client("bolt")
    first = small.run("--jobs", 2)
    assert first.returncode == 0, first.stdout + first.stderr
    assert ran(first) == {(who, topic) for who in ("acme", "bolt") for topic in ("clv", "pulse", "segmentation")}
    return small


def test_nothing_changed_runs_nothing_and_a_missing_file_runs_its_job(two):
    assert ran(two.run()) == set()
    (two.reports / "acme" / "all" / "pulse.html").unlink()
    assert ran(two.run()) == {("acme", "pulse")}
    page = two.reports / "bolt" / "all" / "clv.ipynb"
    page.write_text(page.read_text()[:-10])
    assert ran(two.run()) == {("bolt", "clv")}
    assert ran(two.run("--force")) == {
        (who, topic) for who in ("acme", "bolt") for topic in ("clv", "pulse", "segmentation")
    }


def test_each_unchanged_job_is_judged_once_and_anew_after_a_job_of_its_client_began(two, monkeypatch):
    asked = []
    made_of = ingredients.ingredients
    monkeypatch.setattr(
        "helpers.running.batch.ingredients", lambda job, **more: asked.append(job.name) or made_of(job, **more)
    )
    every = [(who, "all", topic) for who in ("acme", "bolt") for topic in ("clv", "pulse", "segmentation")]
    # Where no kind of kernel is asked for, it is judged first whether there is enough to do for a warm one.
    before = dict(os.environ)
    os.environ.update(two.environment())
    monkeypatch.setattr(sys, "argv", two.command()[2:])
    try:
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        assert sorted(asked) == every
        plan = make_plan(names=[], periods=[two.period], chosen=[], params=two.params)
        judge = Judge(plan, Setting(params=two.params, reports=two.reports))
        first, second, *_others = (job for job in plan.jobs if job.client == "acme")
        asked.clear()
        for _again in range(2):
            assert judge.done(first)
            assert judge.done(second)
        judge.began(first)
        assert judge.done(second)
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert asked == [first.name, second.name, second.name]


def test_another_notebook_runs_its_topic(two):
    two.notebook("pulse", "study.period.label", "1 + 1")
    assert ran(two.run()) == {("acme", "pulse"), ("bolt", "pulse")}


def test_other_data_run_their_client(two):
    two.client("bolt", orders=9)
    assert ran(two.run()) == {("bolt", topic) for topic in ("clv", "pulse", "segmentation")}


def test_other_params_of_a_topic_run_that_topic_and_those_of_all_run_all(two):
    two.client("acme", more="pulse: {repeat_days: 30}\n")
    assert ran(two.run()) == {("acme", "pulse")}
    two.client("acme", more="pulse: {repeat_days: 30}\nseed: 2\n")
    assert ran(two.run()) == {("acme", topic) for topic in ("clv", "pulse", "segmentation")}
    # How long a notebook may take changes nothing that it says.
    two.client("acme", more="pulse: {repeat_days: 30}\nseed: 2\nrun: {timeout_minutes: 5}\n")
    assert ran(two.run()) == set()


def test_other_findings_run_the_topics_that_read_them(two):
    path = two.reports / "acme" / "all" / "clv.json"
    content = json.loads(path.read_text())
    content["reason"] = "x" * len(content["reason"] or "") if content["reason"] else None
    content["decisions"] = [{"id": "x", "text": "x", "evidence": "model", "value": {}}]
    two.notebook("clv", "study.period.label", last="study.publish()  # again")
    # The same findings come out again, so segmentation, which reads them, stays as it is.
    assert ran(two.run()) == {("acme", "clv"), ("bolt", "clv")}
    two.notebook(
        "clv",
        "from tests.running.published import Count",
        last="study.publish(Count(n=7))",
    )
    assert ran(two.run()) == {(who, topic) for who in ("acme", "bolt") for topic in ("clv", "segmentation")}


def test_what_a_topic_found_in_the_period_before_counts_where_it_goes_on_from_that(small):
    for topic in ("pulse", "upsell_lift"):
        small.notebook(topic, "1")
    small.client("acme", more="    offers: {from: offers.csv}\n")
    offers = "customer_id,offer,offered_at,arm\nc0,x,2024-02-01,offer\nc1,x,2024-02-01,control\n"
    (small.base / "offers.csv").write_text(offers)
    path = small.params / "acme.yaml"
    path.write_text(path.read_text().replace("offers.csv", str(small.base / "offers.csv")))
    made = make_plan(names=[], periods=["2024-01", "2024-02"], chosen=["pulse", "upsell_lift"], params=small.params)
    assert not made.errors

    def keys():
        return {
            (job.period, job.topic): ingredients.ingredients(
                job, params=made.params["acme"], facts=made.facts["acme"], reports=small.reports
            )
            for job in made.jobs
        }

    before = keys()
    for topic in ("pulse", "upsell_lift"):
        found = small.reports / "acme" / "2024-01" / f"{topic}.json"
        found.parent.mkdir(parents=True, exist_ok=True)
        found.write_text('{"numbers": {}}')
    after = keys()
    assert {name for name in before if before[name] != after[name]} == {("2024-02", "upsell_lift")}


def test_what_the_summary_found_in_any_earlier_period_counts_and_what_others_found_in_this_one(small):
    small.client("acme")
    made = make_plan(names=[], periods=["2024-03"], chosen=["summary"], params=small.params)
    (job,) = made.jobs

    def key():
        known = ingredients.ingredients(
            job, params=made.params["acme"], facts=made.facts["acme"], reports=small.reports
        )
        return digests.of_json(known)

    keys = [key()]
    for period, topic, counts in (
        ("2024-01", "summary", True),
        ("2024-02", "summary", True),
        ("2024-03", "pulse", True),
        ("2024-04", "summary", False),
        ("2024-01", "pulse", False),
    ):
        found = small.reports / "acme" / period / f"{topic}.json"
        found.parent.mkdir(parents=True, exist_ok=True)
        found.write_text('{"numbers": {}}')
        keys.append(key())
        assert (keys[-1] != keys[-2]) is counts, (period, topic)


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the kit's sources to change, which the hashes are taken of."""
    for name in ("helpers", "notebooks", "params"):
        shutil.copytree(ROOT / name, tmp_path / "kit" / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.lock", tmp_path / "kit")
    for module in (digests, ingredients):
        monkeypatch.setattr(module, "ROOT", tmp_path / "kit")
    monkeypatch.setattr(ingredients, "TEMPLATE", tmp_path / "kit/helpers/reporting/template")
    monkeypatch.setattr(ingredients, "CATALOGUES", tmp_path / "kit/helpers/reporting/locale")
    monkeypatch.setenv("VALUEBOOK_NOTEBOOKS", str(tmp_path / "kit/notebooks"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield tmp_path / "kit"
    # Hashes of the copy must not be taken for the kit's by the tests that follow.
    for remembered in (ingredients.code, ingredients.template, facts._reader):
        remembered.cache_clear()


@pytest.mark.parametrize(
    ("path", "dependants"),
    [
        ("helpers/segmentation/rfm.py", {"segmentation"}),
        ("helpers/clv/fit.py", {"clv"}),
        ("helpers/upsell_lift/timing.py", {"upsell_lift"}),
        ("helpers/stats/shrinkage.py", {"ab_test", "upsell_lift"}),
        ("helpers/ab_test/calibration.csv", {"ab_test"}),
        ("helpers/stats/bootstrap.py", set(TOPICS) - {"summary"}),
        ("helpers/summary/gather.py", {"summary"}),
        ("helpers/shelf.py", set(TOPICS)),
        ("helpers/study.py", set(TOPICS)),
        ("helpers/reporting/template/report.css", set(TOPICS)),
        ("helpers/running/execute.py", set(TOPICS)),
        ("helpers/running/progress.py", set()),
        ("requirements.lock", set(TOPICS)),
        ("notebooks/pulse.ipynb", {"pulse"}),
        ("params/playbook.yaml", {"segmentation"}),
    ],
)
def test_a_change_of_the_kit_changes_the_keys_of_what_imports_it(small, copy, path, dependants):
    small.client("acme")
    plan = make_plan(names=[], periods=["all"], chosen=[], params=small.params)

    def keys():
        ingredients.code.cache_clear()
        ingredients.template.cache_clear()
        return {
            job.topic: digests.of_json(
                ingredients.ingredients(
                    job, params=plan.params["acme"], facts=plan.facts["acme"], reports=small.reports
                )
            )
            for job in plan.jobs
        }

    before = keys()
    text = (copy / path).read_text()
    mark = {
        ".py": "# changed\n",
        ".csv": "\n",
        ".css": "/* changed */\n",
        ".lock": "# changed\n",
        ".yaml": "# changed\n",
    }
    (copy / path).write_text(
        text.replace("# Customer pulse", "# Customer pulses")
        if path.endswith(".ipynb")
        else text + mark[(copy / path).suffix]
    )
    after = keys()
    changed = {topic for topic in before if before[topic] != after[topic]}
    if path == "helpers/stats/bootstrap.py":
        # Whoever imports it, and nobody else; which topics those are is theirs to say.
        importers = {topic for topic in TOPICS if _imports(copy, topic, "stats/bootstrap.py")}
        assert changed == importers
        assert changed
    else:
        assert changed == dependants


def _imports(kit, topic, path):
    return kit / "helpers" / path in digests._closure(
        frozenset({f"helpers.{topic}", f"helpers.{topic}.topic", "helpers.study"})
    )


def test_a_file_is_hashed_again_when_it_changed_and_not_before(tmp_path, monkeypatch):
    file = tmp_path / "data.csv"
    file.write_text("one")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    memory = digests.Memory(tmp_path / "hashes.json")
    first = memory.of_file(file)
    memory.save()
    monkeypatch.setattr(digests, "sha256_of", lambda path: "hashed again")
    assert digests.Memory(tmp_path / "hashes.json").of_file(file) == first
    file.write_text("two")
    assert digests.Memory(tmp_path / "hashes.json").of_file(file) == "hashed again"


def verify(world):
    """Exit code of verifying a study, and what is said."""
    said = io.StringIO()
    before, argv = dict(os.environ), sys.argv
    os.environ.update(world.environment())
    sys.argv = ["valuebook", "verify", str(world.reports / "acme" / "all"), "--params", str(world.params)]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            main()
    except SystemExit as ended:
        return ended.code or 0, said.getvalue()
    finally:
        os.environ.clear()
        os.environ.update(before)
        sys.argv = argv


def test_verify_tells_a_report_that_comes_out_again_from_one_that_was_changed(two):
    assert verify(two)[0] == 0
    path = two.reports / "acme" / "all" / "pulse.json"
    content = json.loads(path.read_text())
    content["decisions"] = [{"id": "x", "text": "x", "evidence": "model", "value": {}}]
    path.write_text(json.dumps(content))
    code, told = verify(two)
    assert code == 1
    assert "pulse: decisions came out otherwise" in told


def test_verify_looks_at_a_clients_tests_without_leaving_a_look(two):
    ledger = two.params / "looks" / "acme.ab_test.jsonl"
    ledger.parent.mkdir()
    ledger.write_text("{}\n")
    append = (
        "from helpers.ab_test import ledger_of\n\nwith ledger_of(client).open('a') as file:\n    file.write('{}\\n')"
    )
    two.notebook("pulse", append)
    assert ran(two.run()) == {("acme", "pulse"), ("bolt", "pulse")}
    assert ledger.read_text() == "{}\n{}\n"
    assert verify(two)[0] == 0
    assert ledger.read_text() == "{}\n{}\n"


def test_a_change_of_a_catalogue_changes_the_keys_of_clients_who_read_it(copy):
    def keys():
        ingredients.template.cache_clear()
        return {locale: ingredients.template(locale) for locale in ("en_GB", "vi_VN", "fa_IR")}

    before = keys()
    path = copy / "helpers/reporting/locale/fa/LC_MESSAGES/valuebook.po"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('msgid "n"\nmsgstr "ن"\n')
    after = keys()
    assert {locale for locale in before if before[locale] != after[locale]} == {"fa_IR"}
