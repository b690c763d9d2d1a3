"""Experiment files found and read: names, paths, YAML with line numbers in its complaints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from vae.errors import BadInput
from vae.registry import check_name

SHIPPED = Path(__file__).parent.parent / "shipped"


def find_experiment(name_or_path: str) -> Path:
    """The file that EXPERIMENT on a command line means: a path, or a name in `sweeps/`.

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


def experiment_name(experiment: str) -> str:
    """The name in the experiment file that EXPERIMENT means, or else EXPERIMENT itself: the name
    of an MLflow experiment.

    Raises:
        BadInput: for a file that cannot be read.
    """
    try:
        path = find_experiment(experiment)
    except BadInput:
        if Path(experiment).suffix in (".yaml", ".yml"):
            raise
        return experiment
    return str(read_yaml(path).get("name"))


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


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice, where YAML itself would keep the last."""

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
