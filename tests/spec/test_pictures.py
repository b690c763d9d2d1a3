"""How often a trial logs pictures."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.spec.experiment import load_experiment
from experiments.spec.pictures import Pictures
from vae.errors import BadInput


@given(st.integers(1, 5000))
def test_by_default_at_most_ten_with_the_first_and_the_last(epochs: int) -> None:
    due = [epoch for epoch in range(1, epochs + 1) if Pictures().is_due(epoch, epochs)]
    assert len(due) == min(10, epochs)
    assert due[0] == 1
    assert due[-1] == epochs
    gaps = {after - before for before, after in itertools.pairwise(due)}
    assert not gaps or max(gaps) - min(gaps) <= 1, "evenly spaced"


@given(st.integers(1, 60), st.integers(1, 60))
def test_every_so_many_and_after_the_last(every: int, epochs: int) -> None:
    due = {e for e in range(1, epochs + 1) if Pictures(every=every).is_due(e, epochs)}
    assert due == set(range(every, epochs + 1, every)) | {epochs}
    assert not any(Pictures(every=0).is_due(e, epochs) for e in range(1, epochs + 1))


@given(st.integers(1, 500))
def test_the_layout_holds_all_samples_and_is_nearly_square(samples: int) -> None:
    n_rows, n_columns = Pictures(samples=samples).layout
    assert (n_rows - 1) * n_columns < samples <= n_rows * n_columns
    assert 0 <= n_columns - n_rows <= 1


def experiment(folder: Path, text: str, *assignments: str):  # type: ignore[no-untyped-def]
    path = folder / "q.yaml"
    path.write_text(f"name: q\ndataset: mnist5k\n{text}")
    return load_experiment(path, assignments)


def test_they_belong_to_the_experiment_and_change_no_identity(tmp_path: Path) -> None:
    plain = experiment(tmp_path, "")
    assert plain.pictures == Pictures()
    other = experiment(tmp_path, "pictures: {every: 5, samples: 16}\n")
    assert other.pictures == Pictures(every=5, samples=16)
    given = experiment(tmp_path, "pictures: {samples: 16}\n", "pictures.every=1")
    assert given.pictures == Pictures(every=1, samples=16)
    assert plain.configurations == other.configurations == given.configurations


@pytest.mark.parametrize(
    ("text", "assignment", "said"),
    [
        ("pictures: {evry: 5}\n", "", "pictures: unknown key 'evry'; did you mean 'every'?"),
        ("pictures: {every: -1}\n", "", "pictures.every"),
        ("pictures: {every: yes}\n", "", "pictures.every"),
        ("pictures: {samples: 0}\n", "", "pictures.samples"),
        ("pictures: 5\n", "", "pictures"),
        ("fixed: {image_every: 5}\n", "", "write `pictures: {every: N}`"),
        ("fixed: {images: 5}\n", "", "write `pictures: {samples: N}`"),
        ("grid: {images: [5, 6]}\n", "", "write `pictures: {samples: N}`"),
        ("", "image_every=5", "write `pictures: {every: N}`"),
        ("", "pictures.evry=5", "did you mean 'every'?"),
        ("", "pictures.every=a", "every"),
    ],
)
def test_what_cannot_be(tmp_path: Path, text: str, assignment: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        experiment(tmp_path, text, *filter(None, [assignment]))
    assert said in str(caught.value)
