"""Whatever a cell of a notebook shows is rich in JupyterLab and readable as text: held for the type of every last expression."""

import ast
import importlib
import inspect
import pkgutil
import re
from dataclasses import fields, is_dataclass

import nbformat
import pytest

import helpers
from helpers.reporting.findings import Absent
from helpers.study import Study
from tests.notebooks.lint import NOTEBOOKS

NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))


@pytest.fixture(scope="module")
def classes():
    """Every class of the kit, by name; topics may have some of the same name."""
    found = {}
    for module in pkgutil.walk_packages(helpers.__path__, "helpers."):
        if not module.name.startswith("helpers.running"):
            for name, kind in vars(importlib.import_module(module.name)).items():
                if isinstance(kind, type) and kind.__module__ == module.name:
                    found.setdefault(name, []).append(kind)
    return found


class Reader:
    """Tells of an expression which classes it may be, by what the functions of the kit say they return."""

    def __init__(self, classes):
        self.classes = classes
        self.known = {"study": {Study}}

    def returned(self, function):
        function = inspect.unwrap(function)
        return self.named(function.__annotations__.get("return", ""), function.__module__)

    def named(self, annotation, module):
        """The classes of an annotation in a module: its own package's before the kit's."""
        found = set()
        for name in (part.strip() for part in str(annotation).split("|")):
            package = module.rpartition(".")[0]
            near = [kind for kind in self.classes.get(name, []) if kind.__module__.startswith(package)]
            found |= set((near or self.classes.get(name, []))[:1])
        return found - {Absent}

    def of(self, node):
        """Classes of an expression; none where it is not the kit's."""
        if isinstance(node, ast.Name):
            return self.known.get(node.id, set())
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id not in self.known:
                module = importlib.import_module(f"helpers.{owner.id}")
                return self.returned(getattr(module, node.func.attr))
            return {kind for one in self.of(owner) for kind in self.returned(getattr(one, node.func.attr))}
        if isinstance(node, ast.Attribute):
            return {kind for one in self.of(node.value) for kind in self.part(one, node.attr)}
        return set()

    def part(self, one, name):
        if is_dataclass(one) and name in (told := {field.name: field.type for field in fields(one)}):
            return self.named(told[name], one.__module__)
        held = inspect.getattr_static(one, name)
        return self.returned(getattr(held, "fget", None) or held.func)

    def learn(self, statement):
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            if name != "study" and (kinds := self.of(statement.value)):
                self.known[name] = kinds


def shown(name, classes):
    """The last expression of each cell that has one, with its classes."""
    reader = Reader(classes)
    for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells:
        if cell.cell_type != "code":
            continue
        statements = ast.parse(cell.source).body
        for statement in statements:
            reader.learn(statement)
        if isinstance(statements[-1], ast.Expr):
            yield ast.unparse(statements[-1]), reader.of(statements[-1].value)


@pytest.mark.parametrize("name", NAMES)
def test_every_last_expression_shows_itself_richly_and_as_text(name, classes):
    found = list(shown(name, classes))
    assert len(found) > 3
    for text, kinds in found:
        assert kinds, f"{name}: what is {text}?"
        for kind in kinds:
            assert callable(getattr(kind, "_repr_html_", None)), f"{name}: {text} is a {kind.__name__}"
            code = inspect.unwrap(kind.__repr__).__code__
            assert re.search(r"helpers", code.co_filename), f"{name}: {text}: {kind.__name__} prints all its fields"


def test_every_result_of_the_kit_shows_itself(classes):
    from helpers.reporting.findings import Result

    results = [kind for kinds in classes.values() for kind in kinds if issubclass(kind, Result)]
    assert len(results) > 30
    for kind in results:
        for part in ("sentence", "figure", "table"):
            if part in vars(kind):
                required = [
                    one
                    for one in list(inspect.signature(getattr(kind, part)).parameters.values())[1:]
                    if one.default is one.empty
                ]
                assert not required, f"{kind.__name__}.{part} cannot be shown without {required}"
        assert "<string>" not in inspect.unwrap(kind.__repr__).__code__.co_filename
