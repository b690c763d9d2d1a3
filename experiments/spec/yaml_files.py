"""Experiment files found and read: names, paths, YAML with line numbers in its complaints."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from vae.components.registry import check_name
from vae.errors import BadInput

_TYPES = ("bool", "float", "int", "str", "timestamp")

_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL_OR_HEXADECIMAL = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FRACTION = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")

SHIPPED = Path(__file__).parent.parent / "shipped"


def find_experiment(name_or_path: str) -> Path:
    """The file that EXPERIMENT on a command line means: a path, or the name of a shipped one.

    Raises:
        BadInput: naming the choices.
    """
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        if not path.is_file():
            raise BadInput(f"{path}: no such file")
        return path
    shipped = {file.stem: file for file in SHIPPED.glob("*.yaml")}
    return shipped[check_name(shipped, name_or_path, "experiment")]


def code_folder(experiment: str) -> Path:
    """Where the user's own code is of what EXPERIMENT means: beside a file, or here."""
    path = Path(experiment)
    return path.absolute().parent if path.suffix in (".yaml", ".yml") else Path.cwd()


def name_in(path: Path) -> str:
    """The name of the experiment that a file describes.

    Raises:
        BadInput: for a file that cannot be read, or says none.
    """
    name = read_yaml(path).get("name")
    if not isinstance(name, str) or not name:
        raise BadInput(f"{path}: name: should be a word or a few (got {name!r})")
    return name


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that `path` holds.

    Raises:
        BadInput: with the line number where there is one.
    """
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise BadInput("is not UTF-8 text") from error
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}") from error
    if not isinstance(content, dict):
        raise BadInput("should be a mapping of keys, like `name: my-question`")
    return content


def parse_yaml(text: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - it is a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadInput(f"line {line}: not YAML: {error.problem}") from error
    except RecursionError as error:
        raise BadInput("not YAML: nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"not YAML: {' '.join(str(error).split())}") from error


def read_as_yaml_1_2(text: str) -> bool | int | float | str:
    """A word without quotes as YAML 1.2 has it (its core schema, chapter 10.3.2)."""
    if _BOOLEAN.fullmatch(text):
        return text.lower() == "true"
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL_OR_HEXADECIMAL.fullmatch(text):
        return int(text, 0)
    if _FRACTION.fullmatch(text):
        return float(text)
    if _NO_NUMBER.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def _date(value: object) -> str:
    return f"the date {value}"


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice, where YAML itself would keep the last; and what
    YAML 1.1, which this is, and YAML 1.2, which people read, take for different things.
    """

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        event = self.peek_event()
        node = super().compose_scalar_node(anchor)
        plain = event.tag is None and event.implicit[0]
        if plain and node.tag.rpartition(":")[2] in _TYPES:
            self._refuse_two_meanings(node)
        return node

    def _refuse_two_meanings(self, node: yaml.ScalarNode) -> None:
        here, elsewhere = self.construct_object(node), read_as_yaml_1_2(node.value)
        if isinstance(here, str) and isinstance(elsewhere, float):  # what it is, its field says
            return
        if repr(here) != repr(elsewhere):
            meanings = [json.dumps(meaning, default=_date) for meaning in (here, elsewhere)]
            raise BadInput(
                f"line {node.start_mark.line + 1}: `{node.value}` means {meanings[0]} in YAML 1.1 "
                f"and {meanings[1]} in YAML 1.2; write the one that is meant"
            )

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise BadInput(f"line {line}: a key should be a word")
            if key_node.value in seen:
                raise BadInput(f"line {line}: key '{key_node.value}' is given twice")
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)
