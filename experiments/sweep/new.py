"""`--new`: a folder with a question that runs as it is, and an encoder of one's own in it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.cli import check_can_be_made, command
from experiments.spec.experiment import check_name_of_experiment
from experiments.spec.yaml_files import SHIPPED
from vae.errors import BadInput, at


class NewQuestion(argparse.Action):
    """Writes the folder, says what to type next, and ends the command, as `--help` does."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        question = write_question(Path(str(values)))
        print(f"written: {', '.join(str(path) for path in sorted(question.parent.iterdir()))}")
        print(f"next: {command('sweep', str(question))}")
        print(f"then: {command('analyze', str(question))}")
        parser.exit()


def write_question(folder: Path) -> Path:
    """Write the files of a new question; returns the experiment file.

    Raises:
        BadInput: when there is something in `folder` already, or its name is none for a question.
    """
    name = folder.absolute().name
    with at(f"--new {folder}"):
        check_name_of_experiment(name)
        if folder.is_dir() and any(folder.iterdir()):
            raise BadInput("is not empty; choose another folder")
    check_can_be_made("--new", folder)
    folder.mkdir(parents=True, exist_ok=True)
    for template in sorted((SHIPPED / "new").glob("*.*")):
        path = folder / template.name.replace("question", name)
        path.write_text(template.read_text(encoding="utf-8").replace("QUESTION", name))
    return folder / f"{name}.yaml"
