import nbformat
import pytest

from tests.notebooks.lint import NOTEBOOKS, problems


def test_every_notebook_is_in_order():
    assert {path.name: problems(path) for path in NOTEBOOKS.glob("*.ipynb") if problems(path)} == {}


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda nb: nb.cells[1].update(source="x = 1"), "second code cell must open the study"),
        (lambda nb: nb.cells[0].metadata.clear(), "tagged `parameters`"),
        (lambda nb: nb.cells[0].update(execution_count=1), "outputs or an execution count"),
        (lambda nb: nb.cells[0].update(source="\n".join(["x = 1"] * 16)), "has 16 lines"),
        (lambda nb: nb.cells[0].update(source="def f():\n    return 1"), "defines a function"),
        (lambda nb: nb.cells[2].update(source="no title"), "has 0 H1"),
        (lambda nb: nb.cells.pop(), "last code cell must publish"),
    ],
)
def test_the_linter_finds_what_does_not_belong(tmp_path, spoil, told):
    notebook = nbformat.read(NOTEBOOKS / "pulse.ipynb", as_version=4)
    spoil(notebook)
    path = tmp_path / "pulse.ipynb"
    nbformat.write(notebook, path)
    assert any(told in problem for problem in problems(path))
