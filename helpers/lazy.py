"""Packages whose parts are loaded when they are first used: reading params, or looking at what is done already, needs none."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


class LazyPackage(ModuleType):
    """A package that imports a name's module when the name is first asked for."""

    def __getattr__(self, name: str) -> Any:
        module = self.__dict__["_modules"].get(name)
        if module is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(module), name)
        super().__setattr__(name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # A function may be called as its module is; importing the module must not hide it.
        if isinstance(value, ModuleType) and name in self.__dict__["_modules"]:
            return
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.__dict__["_modules"]})


def lazy_package(name: str) -> None:
    """Make a package load lazily what its `__init__.py` imports for type checkers alone.

    Args:
        name: The package's `__name__`.
    """
    package = sys.modules[name]
    tree = ast.parse(Path(str(package.__file__)).read_text(encoding="utf-8"))
    package.__dict__["_modules"] = {
        alias.name: node.module
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    package.__class__ = LazyPackage
