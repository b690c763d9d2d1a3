"""README keeps its promises: what it says of adding an encoder is done to the letter."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from experiments.spec.experiment import load_experiment
from experiments.spec.yaml_files import SHIPPED
from tests.conftest import REPOSITORY, environment

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_an_encoder_is_added_as_readme_says(tmp_path: Path) -> None:
    section = README.split("## Adding an encoder")[1].split("\n## ")[0]
    written, registered = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    for folder in ("vae", "experiments"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    shutil.copy(REPOSITORY / "sweep.py", tmp_path)
    encoders, registry = tmp_path / "vae" / "encoders.py", tmp_path / "vae" / "registry.py"
    encoders.write_text(f"{encoders.read_text()}\n\n{written}")
    (line,) = re.findall(r'^    "\w+": "vae.encoders:\w+",\n', registered, re.MULTILINE)
    text = registry.read_text()
    assert "ENCODERS = {\n" in text
    registry.write_text(text.replace("ENCODERS = {\n", "ENCODERS = {\n" + line))
    (command,) = re.findall(r"`python (sweep\.py quickstart [^`]*)`", section)
    quick = ["--set", "epochs=1", "--set", "loss=sse", "--set", "transform=none", "--seeds", "0"]
    done = subprocess.run(
        [sys.executable, *command.split(), *quick, "--engine", "serial"],
        cwd=tmp_path, env=environment() | {"PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "wide sse none s0  finished" in done.stderr


def test_the_files_that_readme_explains_can_be_run(tmp_path: Path) -> None:
    grid, study = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "x.yaml"
    path.write_text(grid)
    experiment = load_experiment(path)
    assert (experiment.name, len(experiment.configurations)) == ("seed-grid", (4 - 1) * 3 * 2)
    path.write_text(f"name: x\n{study}")
    searched = load_experiment(path).study
    assert searched and list(searched.space) == ["lr", "latent_dim", "encoder"]


def test_every_shipped_sweep_and_picture_is_there() -> None:
    for path in SHIPPED.glob("*.yaml"):
        assert f"`{path.stem}`" in README
    for link in re.findall(r"\]\((docs/[^)]+)\)", README):
        assert (REPOSITORY / link).exists()
    assert "<!--" not in README, "a figure is missing"
    assert os.fspath(REPOSITORY) not in README
