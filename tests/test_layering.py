"""What a module may load. Each check runs in a process of its own."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

VAE = [
    ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
    for path in (REPOSITORY / "vae").rglob("*.py")
    if path.stem != "__init__"
]


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
    modules = loaded(
        "import experiments.commands.analyze, experiments.analysis.load\n"
        "import experiments.reporting.folder"
    )
    assert modules.isdisjoint({"torch", "torchvision"})


def test_planning_loads_neither_torch_nor_mlflow() -> None:
    modules = loaded("import experiments.commands.sweep, experiments.sweep.dry_run")
    assert modules.isdisjoint({"torch", "mlflow", "pandas", "numpy"})


def test_ray_is_not_needed_unless_it_is_asked_for() -> None:
    """Everything else of a sweep, where ray cannot be imported."""
    modules = loaded(
        "import sys; sys.modules['ray'] = None\n"
        "import experiments.sweep.run, experiments.execution.worker\n"
        "import experiments.proposers.search\n"
        "del sys.modules['ray']"
    )
    assert "experiments.execution.loop" in modules
    assert "ray" not in modules


ORDER = {
    "experiments": (
        "secrets", "formatting", "metrics", "spec", "tracking", "cli", "analysis", "planning",
        "execution", "proposers", "sweep", "reporting", "models", "commands",
    ),
    "vae": (
        "errors", "randomness", "components", "data", "resolution", "consistency", "configuration",
        "distributions", "layers", "encoders", "decoders", "losses", "objectives", "transforms",
        "model", "splits", "evaluation", "optimizer", "schedules", "training", "checkpoints",
        "rehearsal", "archive",
    ),
}  # fmt: skip
"""What a folder holds, each of which imports from those before it alone."""


def imported(path: Path, package: str, types: bool) -> set[str]:
    """What of `package` a module imports anywhere, lazily, too, and for `types` alone or not."""
    modules: list[str] = []
    tree = ast.parse(path.read_text())
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in for_types and not types:
            continue
        if isinstance(node, ast.ImportFrom) and node.module == package:
            modules += [f"{package}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules.append(node.module or "")
        elif isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
    return {m.split(".")[1] for m in modules if m.startswith(f"{package}.")}


@pytest.mark.parametrize(("package", "types"), [("experiments", True), ("vae", False)])
def test_no_import_goes_backwards(package: str, types: bool) -> None:
    folder, order = REPOSITORY / package, ORDER[package]
    backwards = [
        f"{path.relative_to(folder)} imports {name}"
        for path in folder.rglob("*.py")
        if path != folder / "__init__.py"
        for name in imported(path, package, types)
        if order.index(name) > order.index(path.relative_to(folder).parts[0].removesuffix(".py"))
    ]
    assert backwards == []


@pytest.mark.parametrize("package", ORDER)
def test_the_map_of_a_package_leaves_nothing_out(package: str) -> None:
    folder = REPOSITORY / package
    held = {p.stem for p in folder.glob("*.py")} | {p.parent.name for p in folder.glob("*/*.py")}
    told = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    entries = re.findall(r"^    (\w+(?:, \w+)*)(?:$|  )", told, re.MULTILINE)
    assert ", ".join(entries).split(", ") == list(ORDER[package])
    assert set(ORDER[package]) == held - {"__init__"}


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_files_that_a_newcomer_is_sent_to_exist(page: str) -> None:
    named = re.findall(
        r"`((?:experiments|vae|tests|docs)/[\w/]+\.(?:py|md))`", (REPOSITORY / page).read_text()
    )
    assert named and [name for name in named if not (REPOSITORY / name).exists()] == []


def test_packages_import_nothing_by_themselves() -> None:
    for package in ORDER:
        for path in (REPOSITORY / package).glob("*/__init__.py"):
            assert path.read_text() == "", path


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("mlflow", "experiments/tracking/"),
        ("optuna", "experiments/proposers/optuna_"),
        ("ray", "experiments/execution/ray_"),
        ("submitit", ("experiments/execution/slurm_jobs", "experiments/execution/job_worker")),
    ],
)
def test_one_place_imports(package: str, allowed: str | tuple[str, ...]) -> None:
    pattern = re.compile(rf"^\s*(import|from) {package}\b", re.MULTILINE)
    for folder in ("vae", "experiments", "."):
        for path in (REPOSITORY / folder).glob("*.py" if folder == "." else "**/*.py"):
            relative = path.relative_to(REPOSITORY).as_posix()
            if not relative.startswith(allowed):
                assert not pattern.search(Path(path).read_text()), relative
