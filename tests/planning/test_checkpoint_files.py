"""Whose a checkpoint is, and what is cleared up."""

from __future__ import annotations

from pathlib import Path

from experiments.planning.checkpoint_files import checkpoint_file, find_checkpoints, tidy_up


def test_only_what_is_known_to_be_over_or_half_written_is_removed(tmp_path: Path) -> None:
    """What other shards, and other tracking stores, have in the same folder stays."""
    for run_id in ("over", "left", "foreign"):
        checkpoint_file(tmp_path, run_id).touch()
        (tmp_path / f"{run_id}.tmp").touch()
    tidy_up(tmp_path, settled={"over"}, todo={"left"})
    assert {path.name for path in tmp_path.iterdir()} == {"left.pt", "foreign.pt", "foreign.tmp"}
    assert find_checkpoints(tmp_path) == {"left", "foreign"}


def test_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert find_checkpoints(tmp_path / "none") == set()
    tidy_up(tmp_path / "none", set(), set())
