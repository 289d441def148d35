"""YAML files of people: plain mappings, in which nothing hides what a line says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from helpers.errors import ParamsError

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_FILE = 1_000_000


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping; duplicate keys and aliases are errors.

    Raises:
        ParamsError: The file is no YAML mapping; the message names file and line.
    """
    if path.stat().st_size > LARGEST_FILE:
        raise ParamsError(f"{path}: larger than {LARGEST_FILE} bytes, which is no params file")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a safe loader's subclass
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ParamsError(f"{path}: must be a mapping of keys to values")
    return content


class _Loader(yaml.SafeLoader):
    """Safe YAML without aliases, merge keys and duplicate keys, which hide what a file says."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases are not allowed", problem_mark=self.peek_event().start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(problem=f"key {key!r} stands twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep=deep)


# YAML 1.1 takes a column called No, or the country NO, for a boolean; here only true and false are.
_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false|True|False)$"), list("tTfF"))
