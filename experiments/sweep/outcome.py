"""How a sweep ended: its exit code, and what is left to say."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.cli import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK
from experiments.formatting import count, duration
from experiments.planning.results import Counts
from experiments.tracking.study_summary import StudySummary


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended.

    Attributes:
        interruption: what kept it from its end, if anything did
        seconds_left: that the rest would take, if the sweep ran out of time
        page: where MLflow shows it; empty where its store is gone
    """

    counts: Counts
    n_left: int
    study_summary: StudySummary | None
    interruption: str = ""
    seconds_left: float | None = None
    page: str = ""

    @property
    def exit_code(self) -> int:
        if self.interruption:
            return EXIT_INTERRUPTED
        return EXIT_FAILED if self.counts.n_failed or self._n_not_tracked else EXIT_OK

    @property
    def _n_not_tracked(self) -> int:
        return self.study_summary.n_not_tracked if self.study_summary else 0

    def closing_line(self, again: str, compare: str) -> str:
        """What is left to say when the sweep is over.

        Args:
            again, compare: the commands that go on with it and that show its results
        """
        counts = self.counts
        parts = [f"{count(counts.n_finished, 'trial')} finished"]
        if counts.n_before:
            parts.append(f"{counts.n_before:,} already finished")
        if counts.n_failed:
            parts.append(f"{counts.n_failed} FAILED")
        if counts.n_pruned:
            parts.append(f"{counts.n_pruned} pruned")
        if counts.n_not_needed:
            parts.append(f"{counts.n_not_needed} not needed")
        if self._n_not_tracked:
            parts.append(f"{count(self._n_not_tracked, 'configuration')} NOT TRACKED any more")
        if self.n_left:
            takes = f" (about {duration(self.seconds_left)})" if self.seconds_left else ""
            parts.append(f"{self.n_left} left{takes}")
        told = ", ".join(parts)
        if self.interruption:
            return f"{self.interruption}; {told}. To go on from here: {again}"
        return f"{told}. To compare: {compare}"
