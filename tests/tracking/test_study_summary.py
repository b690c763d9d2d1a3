"""How far a study has come, kept in one tag."""

from __future__ import annotations

import json

from experiments.tracking.study_summary import StudySummary

SUMMARY = StudySummary(
    "s", "return", {"finished": 5, "failed": 1}, 3, {"lr": 1e-3}, -30.5, {"lr": 0.8, "beta": 0.2}
)


def test_it_is_read_as_it_was_written_also_by_its_old_words() -> None:
    assert StudySummary.from_json(SUMMARY.to_json()) == SUMMARY
    old = json.loads(SUMMARY.to_json())
    old["counts"]["complete"] = old["counts"].pop("finished")
    found = StudySummary.from_json(json.dumps(old))
    assert found is not None and found.counts == SUMMARY.counts
    assert StudySummary.from_json(None) is None and StudySummary.from_json("") is None


def test_what_is_told_before_anything_is_finished() -> None:
    none = StudySummary("s", "return", {"failed": 2}, None, {}, float("nan"), {})
    assert none.lines() == ["study: 2 configurations tried: 2 failed"]
    assert none.n_over == 2


def test_what_is_told_of_the_best() -> None:
    told = "\n".join(SUMMARY.lines())
    for part in ("6 configurations", "lr=0.001", "-30.500", "Optuna trial 3", "lr 80%", "the 5"):
        assert part in told
