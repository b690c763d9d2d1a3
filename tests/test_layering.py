"""What a module may load. Each check runs in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

VAE = [f"vae.{p.stem}" for p in (REPOSITORY / "vae").glob("*.py") if p.stem != "__init__"]


def loaded(code: str) -> set[str]:
    report = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", report], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_vae_loads_neither_mlflow_nor_optuna_nor_yaml() -> None:
    modules = loaded(f"import {', '.join(VAE)}")
    assert "torch" in modules
    assert modules.isdisjoint({"mlflow", "optuna", "yaml", "experiments", "torchvision"})


def test_analyze_loads_no_torch() -> None:
    modules = loaded("import analyze, experiments.frames, experiments.reporting.folder")
    assert modules.isdisjoint({"torch", "torchvision"})


def test_planning_loads_neither_torch_nor_mlflow() -> None:
    modules = loaded("import sweep, experiments.plan_table")
    assert modules.isdisjoint({"torch", "mlflow", "pandas", "numpy"})


def test_ray_is_not_needed_unless_it_is_asked_for() -> None:
    """Everything else of a sweep, where ray cannot be imported."""
    modules = loaded(
        "import sys; sys.modules['ray'] = None\n"
        "import sweep, analyze, experiments.running, experiments.worker, experiments.search\n"
        "del sys.modules['ray']"
    )
    assert "experiments.execution" in modules
    assert modules.isdisjoint({"ray", "experiments.ray_engine", "experiments.ray_worker"})


def test_the_map_of_modules_leaves_none_out() -> None:
    import experiments

    folder = REPOSITORY / "experiments"
    modules = {p.stem for p in folder.glob("*.py")} | {p.parent.name for p in folder.glob("*/*.py")}
    entries = re.findall(r"^    (\w+(?:, \w+)*)  ", experiments.__doc__ or "", re.MULTILINE)
    assert sorted(", ".join(entries).split(", ")) == sorted(modules - {"__init__"})


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("mlflow", "experiments/tracking/"),
        ("optuna", "experiments/studies"),
        ("ray", "experiments/ray_"),
    ],
)
def test_one_place_imports(package: str, allowed: str) -> None:
    pattern = re.compile(rf"^\s*(import|from) {package}\b", re.MULTILINE)
    for folder in ("vae", "experiments", "."):
        for path in (REPOSITORY / folder).glob("*.py" if folder == "." else "**/*.py"):
            relative = path.relative_to(REPOSITORY).as_posix()
            if not relative.startswith(allowed):
                assert not pattern.search(Path(path).read_text()), relative
