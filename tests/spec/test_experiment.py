from __future__ import annotations

from pathlib import Path

import pytest

from experiments.spec.experiment import Experiment, load_experiment
from experiments.spec.shard import Shard, take_part
from experiments.spec.yaml_files import SHIPPED, find_experiment
from vae.configuration import Configuration
from vae.errors import BadInput

STUDY = "study: {trials: 3, metric: nll, space: {val_size: [400, 500]}}"


@pytest.fixture
def load(tmp_path: Path):  # type: ignore[no-untyped-def]
    def loader(text: str, *assignments: str, seeds: str | None = None) -> Experiment:
        path = tmp_path / "x.yaml"
        path.write_text("name: x\ndataset: mnist5k\n" + text)
        return load_experiment(path, assignments, seeds)

    return loader


def fields(experiment: Experiment, *names: str) -> list[tuple[object, ...]]:
    return [tuple(getattr(c, n) for n in names) for c in experiment.configurations]


def test_a_grid_is_every_combination_in_the_order_of_the_file(load) -> None:  # type: ignore[no-untyped-def]
    experiment = load("grid: {loss: [sse, bce], encoder: [mlp3, mlp1]}\nseeds: [4, 2]")
    assert fields(experiment, "loss", "encoder") == [
        ("sse", "mlp3"), ("sse", "mlp1"), ("bce", "mlp3"), ("bce", "mlp1"),
    ]  # fmt: skip
    assert [t.seed for t in experiment.trials()] == [4] * 4 + [2] * 4
    assert experiment.axes == ("loss", "encoder")


def test_exclude_drops_combinations(load) -> None:  # type: ignore[no-untyped-def]
    experiment = load(
        "grid: {encoder: [mlp3, mlp1], loss: [sse, bce]}\n"
        "exclude: [{encoder: mlp1, loss: bce}, {loss: sse, encoder: mlp3}]"
    )
    assert fields(experiment, "encoder", "loss") == [("mlp3", "bce"), ("mlp1", "sse")]


def test_exclude_also_sees_what_is_fixed_or_left_to_default(load) -> None:  # type: ignore[no-untyped-def]
    experiment = load("grid: {lr: [1e-3, 2e-3]}\nexclude: [{decoder: mlp1, lr: 1e-3}]")
    assert fields(experiment, "lr") == [(0.002,)]


def test_exclude_saves_a_grid_from_a_loss_that_does_not_fit(load) -> None:  # type: ignore[no-untyped-def]
    experiment = load(
        "grid: {loss: [bce, continuous_bernoulli], transform: [none, binarize]}\n"
        "exclude: [{loss: continuous_bernoulli, transform: binarize}]"
    )
    assert len(experiment.configurations) == 3


def test_zipped_axes_advance_together(load) -> None:  # type: ignore[no-untyped-def]
    experiment = load(
        "grid: {loss: [sse, bce]}\nzip: [{hidden_dim: [200, 400], latent_dim: [10, 20]}]"
    )
    assert fields(experiment, "loss", "hidden_dim", "latent_dim") == [
        ("sse", 200, 10), ("sse", 400, 20), ("bce", 200, 10), ("bce", 400, 20),
    ]  # fmt: skip


def test_without_a_grid_there_is_one_configuration(load) -> None:  # type: ignore[no-untyped-def]
    experiment = load("fixed: {encoder: conv}")
    assert fields(experiment, "encoder") == [("conv",)]
    assert experiment.seeds == (0,)


GRID = "grid: {encoder: [mlp3, mlp1], loss: [sse, bce]}\nfixed: {epochs: 5}"


def test_set_fixes_a_field_and_replaces_its_axis(load) -> None:  # type: ignore[no-untyped-def]
    experiment = load(GRID, "encoder=conv", "epochs=3")
    assert fields(experiment, "encoder", "loss", "epochs") == [
        ("conv", "sse", 3),
        ("conv", "bce", 3),
    ]


def test_set_makes_or_replaces_an_axis(load) -> None:  # type: ignore[no-untyped-def]
    experiment = load(GRID, "encoder=mlp1,conv", "epochs=1,2", "loss=sse")
    assert fields(experiment, "encoder", "epochs") == [
        ("mlp1", 1), ("mlp1", 2), ("conv", 1), ("conv", 2),
    ]  # fmt: skip


def test_set_takes_a_field_out_of_a_zip(load) -> None:  # type: ignore[no-untyped-def]
    experiment = load("zip: [{hidden_dim: [200, 400], latent_dim: [10, 20]}]", "latent_dim=5")
    assert fields(experiment, "hidden_dim", "latent_dim") == [(200, 5), (400, 5)]


def test_set_replaces_the_data_set(load) -> None:  # type: ignore[no-untyped-def]
    assert fields(load(GRID, "dataset=kmnist"), "dataset") == [("kmnist",)] * 4


def test_seeds_on_the_command_line_replace_the_file_s(load) -> None:  # type: ignore[no-untyped-def]
    assert load(GRID + "\nseeds: 3", seeds="0-1,9").seeds == (0, 1, 9)
    assert load(GRID + "\nseeds: 3", seeds="5").seeds == load(GRID + "\nseeds: 5").seeds


def test_reordering_a_file_changes_no_identity(load) -> None:  # type: ignore[no-untyped-def]
    first = load("grid: {encoder: [mlp3, mlp1], loss: [sse, bce]}\nseeds: 2")
    second = load("seeds: [1, 0]\ngrid: {loss: [bce, sse], encoder: [mlp1, mlp3]}")
    assert {t.id for t in first.trials()} == {t.id for t in second.trials()}


def test_shards_are_disjoint_whole_configurations_that_make_up_the_experiment(load) -> None:  # type: ignore[no-untyped-def]
    experiment = load("grid: {latent_dim: [1, 2, 3, 4, 5, 6, 7]}\nseeds: 2")
    reordered = load("grid: {latent_dim: [7, 6, 5, 4, 3, 2, 1]}\nseeds: 2")
    parts = [take_part(experiment, Shard(i, 3)) for i in (1, 2, 3)]
    ids = [c.id for part in parts for c in part.configurations]
    assert sorted(ids) == sorted(c.id for c in experiment.configurations)
    fewer = load("grid: {latent_dim: [2, 5, 6]}\nseeds: 2")
    for i, part in enumerate(parts, 1):
        again = take_part(reordered, Shard(i, 3))
        assert {c.id for c in again.configurations} == {c.id for c in part.configurations}
        assert part.seeds == (0, 1)
        edited = take_part(fewer, Shard(i, 3))
        assert {c.id for c in edited.configurations} <= {c.id for c in part.configurations}


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda p: p.stem)
def test_what_ships_can_be_planned(path: Path) -> None:
    experiment = load_experiment(find_experiment(path.stem))
    assert experiment.configurations or experiment.study


def test_the_shipped_questions_are_the_reference_s() -> None:
    grid = load_experiment(find_experiment("seed_grid"))
    assert (len(grid.configurations), len(grid.seeds)) == (12, 5)
    run = load_experiment(find_experiment("reference_run"))
    assert run.seeds == (3435,)
    assert run.configurations == (Configuration(epochs=3),)
    parity = load_experiment(find_experiment("parity"))
    assert parity.configurations[0].transform == "binarize"
    assert (parity.configurations[0].epochs, len(parity.seeds)) == (25, 5)


def test_an_exclude_rule_sees_the_sizes_that_each_data_set_has_by_default(tmp_path: Path) -> None:
    """Issue 14, item 23"""
    path = tmp_path / "x.yaml"
    for size, excluded in ((500, "mnist5k"), (1620, "patches"), (10_000, "mnist")):
        path.write_text(
            "name: x\ngrid: {dataset: [mnist5k, patches, mnist]}\n"
            f"exclude: [{{val_size: {size}}}]\n"
        )
        left = [c.dataset for c in load_experiment(path).configurations]
        assert sorted([*left, excluded]) == ["mnist", "mnist5k", "patches"]


def test_a_rule_that_matches_nothing_is_told(load) -> None:  # type: ignore[no-untyped-def]
    """Issue 14, item 8"""
    experiment = load(
        "grid: {encoder: [mlp3, mlp1], loss: [sse, bce]}\n"
        "exclude: [{encoder: mlp1, loss: bce}, {encoder: conv}, {loss: sse, lr: 0.5}]"
    )
    assert experiment.notes == [
        "warning: exclude.1: {encoder: conv} matches nothing of the grid",
        "warning: exclude.2: {loss: sse, lr: 0.5} matches nothing of the grid",
    ]


def test_exclude_sees_the_val_size_of_the_data_set(load) -> None:  # type: ignore[no-untyped-def]
    """Issue 14, item 23"""
    experiment = load("grid: {encoder: [mlp3, mlp1]}\nexclude: [{encoder: mlp1, val_size: 500}]")
    assert fields(experiment, "encoder") == [("mlp3",)]


@pytest.mark.parametrize("place", ["grid: {val_size: [400, 500]}\nracing: true", STUDY])
def test_nothing_decides_between_other_validation_images(load, place) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadInput, match=r"val_size \(400 and 500\)"):
        load(place)
