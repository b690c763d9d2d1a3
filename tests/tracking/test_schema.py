"""What is read of MLflow's migrations without importing it."""

from __future__ import annotations

from mlflow.store.db.utils import _get_latest_schema_revision

from experiments.tracking.schema import revisions


def test_the_newest_version_is_the_one_that_mlflow_expects() -> None:
    """Fails where a new MLflow keeps its migrations otherwise."""
    known, newest = revisions()
    assert newest == _get_latest_schema_revision()
    assert newest in known
    assert "451aebb31d03" in known  # the first of all
