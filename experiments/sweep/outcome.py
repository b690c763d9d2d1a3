"""How a sweep ended: its exit code, and what is left to say."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.cli import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK
from experiments.tracking.study_summary import StudySummary


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended: of its trials, how many were done before and what became of the rest."""

    n_before: int
    n_finished: int
    n_failed: int
    n_pruned: int
    n_left: int
    study_summary: StudySummary | None
    interruption: str = ""

    @property
    def exit_code(self) -> int:
        if self.interruption:
            return EXIT_INTERRUPTED
        return EXIT_FAILED if self.n_failed else EXIT_OK

    def closing_line(self, again: str, compare: str) -> str:
        """What is left to say when the sweep is over.

        Args:
            again, compare: the commands that go on with it and that show its results
        """
        counts = [f"{self.n_finished} trials finished"]
        if self.n_before:
            counts.append(f"{self.n_before} had been before")
        if self.n_failed:
            counts.append(f"{self.n_failed} FAILED")
        if self.n_pruned:
            counts.append(f"{self.n_pruned} given up")
        if self.n_left:
            counts.append(f"{self.n_left} left")
        told = ", ".join(counts)
        if self.interruption:
            return f"{self.interruption}; {told}. To go on from here: {again}"
        return f"{told}. To compare: {compare}"
