"""What `pip install` of a wheel brings; it works in a folder with nothing of ours in it."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, environment

PACKAGES = ("vae", "experiments")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built from a copy, as building writes beside what it reads; without pip, which would
    download setuptools once more.
    """
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, tree)
    for script in REPOSITORY.glob("*.py"):
        shutil.copy(script, tree)
    for package in (*PACKAGES, "tests", "benchmarks"):
        shutil.copytree(
            REPOSITORY / package, tree / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", build, str(out)], cwd=tree, check=True, capture_output=True
    )
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


def test_it_holds_the_two_packages_whole_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    """No top-level `evaluate`, which is Hugging Face's, `sweep` or `analyze`; no tests."""
    info = {name for name in wheel.namelist() if ".dist-info/" in name}
    expected = {
        path.relative_to(REPOSITORY).as_posix()
        for package in PACKAGES
        for path in (REPOSITORY / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "experiments/shipped/quickstart.yaml" in expected
    assert set(wheel.namelist()) - info == expected


def test_its_commands_are_the_three(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    points = configparser.ConfigParser()
    points.read_string(wheel.read(name).decode())
    assert dict(points["console_scripts"]) == {
        f"vae-{name}": f"experiments.commands.{name}:main"
        for name in ("sweep", "analyze", "evaluate")
    }


@pytest.mark.processes
def test_it_works_in_an_empty_folder(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    site, scripts, empty = (tmp_path / name for name in ("site", "bin", "empty"))
    for folder in (scripts, empty):
        folder.mkdir()
    wheel.extractall(site)
    script = scripts / "vae-sweep"
    script.write_text("from experiments.commands.sweep import main\nmain()\n")
    script.chmod(0o755)
    (scripts / "vae-analyze").touch(mode=0o755)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        there = {"PYTHONPATH": str(site), "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
        return subprocess.run(
            [sys.executable, str(script), *arguments],
            cwd=empty, env=environment() | there, capture_output=True, text=True,
        )  # fmt: skip

    planned = run("quickstart", "--dry-run")
    assert "12 configurations × 3 seeds = 36 trials: 36 missing" in planned.stdout
    assert list(empty.iterdir()) == []
    refused = run("quikstart")
    assert refused.returncode == 2
    assert refused.stderr.startswith("vae-sweep: error: unknown experiment 'quikstart'; did you")
    (empty / "mine.yaml").write_text(
        "{name: mine, dataset: mnist5k, fixed: {encoder: mlp1, hidden_dim: 8, latent_dim: 2, "
        "epochs: 1, batch_size: 500, nll_images: 10, nll_samples: 2}}"
    )
    done = run("mine.yaml", "--engine", "serial")
    assert done.stderr.splitlines()[-1].endswith("To compare: vae-analyze mine.yaml")
