"""docs/notebook.ipynb, cell by cell."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import REPOSITORY, Workspace


@pytest.mark.sweep
def test_the_notebook_runs_from_top_to_bottom(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one namespace, as a kernel does; Jupyter itself is not needed for it."""
    monkeypatch.chdir(workspace.folder)
    notebook = json.loads((REPOSITORY / "docs" / "notebook.ipynb").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    n_cells = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], "outputs are not kept: they go stale"
            exec("".join(cell["source"]), names)  # noqa: S102
            n_cells += 1
    assert n_cells >= 5
    assert names["run"].is_complete
    assert list(names["run"].trials["state"]) == ["finished"] * 20
    assert names["more"].outcome.counts.n_finished == 8
