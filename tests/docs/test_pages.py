"""Every page of the documentation, done from top to bottom in a folder of its own.

What a block is told by its fence: `yaml NAME` and `python NAME` write a file, `python` alone runs,
`sh` runs line by line. `text` is for what is printed, and for what a page only mentions.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, Workspace
from tests.tracked import runs

DOCS = REPOSITORY / "docs"
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
RUN_ELSEWHERE = {
    "clusters.md": "tests/cluster/test_docs.py",
    "speed.md": "figures of `make bench`",
    "scaling.md": "figures of a server under load",
    "parity.md": "hours of training",
}
PAGES = [path for path in sorted(DOCS.glob("*.md")) if path.name not in RUN_ELSEWHERE]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_can_be_followed(
    page: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace.folder)
    for language, name, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if name and language in ("yaml", "python"):
            path = workspace.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif language == "python":
            exec(compile(with_run_id(text, workspace), str(page), "exec"), {})  # noqa: S102
        elif language == "sh":
            for line in text.replace("\\\n", "").splitlines():
                follow(with_run_id(line, workspace), workspace)


def follow(line: str, workspace: Workspace) -> None:
    """Run one line; after `# exit N` it has to end with that code."""
    words = shlex.split(line, comments=True)
    if not words:
        return
    assert words[0] == "python" and words[1].endswith(".py"), line
    wanted = re.search(r"# exit (\d+)", line)
    done = workspace.run(*words[1:])
    assert done.returncode == int(wanted[1] if wanted else 0), f"{line}\n{done.stderr}"


def with_run_id(text: str, workspace: Workspace) -> str:
    if "RUN_ID" not in text:
        return text
    finished = [r for r in runs(workspace.folder / "mlflow.db", "trial") if r.status == "FINISHED"]
    return text.replace("RUN_ID", finished[0].run_id)


@pytest.mark.parametrize(
    "page", [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *DOCS.glob("*.md")],
    ids=lambda page: page.stem,
)  # fmt: skip
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / link).exists(), link
    assert "<!--" not in text, "a figure is missing"
    assert os.fspath(REPOSITORY) not in text


def test_readme_is_for_two_minutes() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    for page in DOCS.glob("*.md"):
        assert f"docs/{page.name}" in text, "a page that nothing leads to"
