"""A budget of time: which of a proposer's trials is handed out before it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from experiments.planning.results import TrialOutcome
from experiments.proposers.decisions import Advance, Decision, Proposer
from vae.configuration import Trial


class WithinBudget:
    """Holds back what would not end in time as long as there is something that would.

    If nothing would, the first that was held back is handed out all the same: its checkpoint is
    where the next sweep goes on, and an idle worker is worth nothing.
    """

    def __init__(
        self,
        proposer: Proposer,
        seconds_of: Callable[[Advance], float | None],
        seconds_left: Callable[[], float],
        most_held: int | None = None,
    ) -> None:
        """Args:
        seconds_of: how long an advance takes; None if nobody knows, and then it is no obstacle
        seconds_left: of the budget
        most_held: so many may be held back at once. A search that is asked for one more decides
            with what it knows now, which is less than it will know later.
        """
        self._proposer = proposer
        self._seconds_of = seconds_of
        self._seconds_left = seconds_left
        self._most_held = most_held
        self._held: list[Advance] = []

    def ask(self) -> Decision | None:
        """The next decision whose trial ends in time, or else any."""
        seconds_left = self._seconds_left()
        for i, advance in enumerate(self._held):
            if self._ends_within(seconds_left, advance):
                return self._held.pop(i)
        while self._most_held is None or len(self._held) < self._most_held:
            decision = self._proposer.ask()
            if decision is None:
                break
            if not isinstance(decision, Advance) or self._ends_within(seconds_left, decision):
                return decision
            self._held.append(decision)
        return self._held.pop(0) if self._held else None

    def _ends_within(self, seconds_left: float, advance: Advance) -> bool:
        seconds = self._seconds_of(advance)
        return seconds is None or seconds <= seconds_left

    def tell(self, trial: Trial, outcome: TrialOutcome) -> None:
        self._proposer.tell(trial, outcome)

    @property
    def n_left(self) -> int:
        return self._proposer.n_left

    @property
    def left(self) -> Counter[str]:
        return self._proposer.left
