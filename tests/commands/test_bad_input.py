"""Every mistake a person can make ends in one clear line, exit 2, and nothing written."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import analyze
import sweep
from tests.complaints import complaint

HEAD = "name: x\ndataset: mnist5k\n"

# what is in the file, what the line has to say
FILES: dict[str, tuple[str, list[str]]] = {
    "empty file": ("", ["mapping"]),
    "a list": ("- a\n- b\n", ["mapping"]),
    "malformed": ("name: x\ngrid: {encoder: [mlp1\nseeds: 3\n", ["line 3"]),
    "tab": ("name: x\n\tgrid: {}\n", ["line 2"]),
    "duplicate key": ("name: x\nseeds: 3\nseeds: 4\n", ["line 3", "'seeds' is given twice"]),
    "a list for a key": ("name: x\nfixed: {[a]: 1}\n", ["line 2", "key"]),
    "a mapping for a key": ("name: x\nfixed: {? {a: 1} : 2}\n", ["line 2", "key"]),
    "nested too deeply": ("[" * 3000, ["nested"]),
    "astronomical epochs": (HEAD + "fixed: {epochs: 99999999999999999999}\n", ["epochs"]),
    "yardstick as an axis": (HEAD + "grid: {nll_samples: [1, 50]}\n", ["nll_samples"]),
    "yardstick beyond the test set": (HEAD + "fixed: {nll_images: 1001}\n", ["nll_images", "1000"]),
    "duplicate axis": (
        HEAD + "grid:\n  loss: [sse]\n  loss: [bce]\n", ["line 5", "'loss' is given twice"],
    ),
    "python tag": ("name: !!python/object/apply:os.system ['true']\n", ["line 1"]),
    "no name": ("dataset: mnist5k\n", ["name"]),
    "empty name": ("name: ''\n", ["name"]),
    "name that is a path": ("name: ../x\n", ["name"]),
    "unknown key": (HEAD + "gird: {encoder: [mlp1]}\n", ["'gird'", "did you mean 'grid'?"]),
    "unknown dataset": ("name: x\ndataset: mnst\n", ["dataset", "did you mean 'mnist'?", "kmnist"]),
    "unknown field in grid": (
        HEAD + "grid: {encodr: [mlp1]}\n", ["grid", "'encodr'", "did you mean 'encoder'?"],
    ),
    "unknown field in fixed": (HEAD + "fixed: {learning_rate: 1}\n", ["fixed", "learning_rate"]),
    "unknown field in exclude": (HEAD + "exclude: [{los: sse}]\n", ["exclude", "'loss'"]),
    "unknown encoder": (
        HEAD + "grid: {encoder: [mlp1, cnov]}\n",
        ["grid", "encoder", "'cnov'", "did you mean 'conv'?", "mlp3"],
    ),
    "unknown decoder": (HEAD + "fixed: {decoder: mlp2}\n", ["fixed", "decoder", "'mlp2'"]),
    "unknown loss": (HEAD + "fixed: {loss: mse}\n", ["'mse'", "'sse'"]),
    "unknown transform": (HEAD + "fixed: {transform: gray}\n", ["'gray'", "'grayscale'"]),
    "unknown value in exclude": (HEAD + "exclude: [{loss: ssse}]\n", ["exclude", "'ssse'"]),
    "empty axis": (HEAD + "grid: {encoder: []}\n", ["encoder", "empty"]),
    "axis that is no list": (HEAD + "grid: {encoder: mlp1}\n", ["encoder", "list", "fixed"]),
    "grid that is a list": (HEAD + "grid: [encoder]\n", ["grid"]),
    "axis value twice": (HEAD + "grid: {lr: [1e-3, 0.001]}\n", ["lr", "twice"]),
    "axis also fixed": (
        HEAD + "grid: {epochs: [1, 2]}\nfixed: {epochs: 1}\n", ["grid.epochs", "fixed"],
    ),
    "dataset given twice": (HEAD + "grid: {dataset: [mnist]}\n", ["grid.dataset", "`dataset`"]),
    "seed as an axis": (HEAD + "grid: {seed: [1, 2]}\n", ["seed", "replicates"]),
    "zip of unequal lengths": (
        HEAD + "zip: [{hidden_dim: [1, 2], latent_dim: [1]}]\n", ["zip", "equally long"],
    ),
    "zip that is a mapping": (HEAD + "zip: {hidden_dim: [1, 2]}\n", ["zip"]),
    "zip of an axis": (
        HEAD + "grid: {epochs: [1]}\nzip: [{epochs: [1, 2]}]\n", ["zip.0.epochs", "grid"],
    ),
    "everything excluded": (HEAD + "exclude: [{dataset: mnist5k}]\n", ["exclude", "nothing"]),
    "empty rule": (HEAD + "exclude: [{}]\n", ["exclude", "empty"]),
    "no seeds": (HEAD + "seeds: []\n", ["seeds", "at least one"]),
    "zero seeds": (HEAD + "seeds: 0\n", ["seeds"]),
    "duplicate seeds": (HEAD + "seeds: [1, 2, 1]\n", ["seed 1", "twice"]),
    "negative seed": (HEAD + "seeds: [-1]\n", ["seeds", "-1"]),
    "seed range backwards": (HEAD + "seeds: '4-1'\n", ["seeds", "backwards"]),
    "seeds in words": (HEAD + "seeds: three\n", ["seeds", "three"]),
    "zero epochs": (HEAD + "fixed: {epochs: 0}\n", ["fixed", "epochs", "0"]),
    "fractional epochs": (HEAD + "fixed: {epochs: 2.5}\n", ["epochs", "2.5"]),
    "epochs in words": (HEAD + "fixed: {epochs: many}\n", ["epochs", "many"]),
    "yes for a number": (HEAD + "fixed: {epochs: true}\n", ["epochs", "yes or no"]),
    # what YAML 1.1 and 1.2 read differently
    "octal 0100": (HEAD + "grid: {hidden_dim: [0100, 0200]}\n", ["line 3", "`0100`", "64", "100"]),
    "octal 0o100": (HEAD + "fixed: {hidden_dim: 0o100}\n", ["line 3", "`0o100`", "64"]),
    "an octal that is none": (HEAD + "fixed: {hidden_dim: 08}\n", ["line 3", "`08`", "8"]),
    "binary": (HEAD + "fixed: {hidden_dim: 0b11}\n", ["line 3", "`0b11`", "3"]),
    "thousands": (HEAD + "fixed: {hidden_dim: 1_000}\n", ["line 3", "`1_000`", "1000"]),
    "minutes and seconds": (HEAD + "fixed: {epochs: 1:30}\n", ["line 3", "`1:30`", "90"]),
    "yes for a word": (HEAD + "fixed:\n  encoder: yes\n", ["line 4", "`yes`", "true", '"yes"']),
    "on in a list": (HEAD + "grid: {loss: [sse, on]}\n", ["line 3", "`on`", "true"]),
    "a date": ("name: 2024-01-15\n", ["line 1", "the date 2024-01-15"]),
    "negative latent_dim": (HEAD + "grid: {latent_dim: [2, -2]}\n", ["latent_dim", "-2"]),
    "NaN rate": (HEAD + "fixed: {lr: .nan}\n", ["lr", "nan"]),
    "infinite rate": (HEAD + "fixed: {lr: .inf}\n", ["lr", "inf"]),
    "zero rate": (HEAD + "fixed: {lr: 0}\n", ["lr"]),
    "negative beta": (HEAD + "fixed: {beta: -1}\n", ["beta", "-1"]),
    "negative weight decay": (HEAD + "fixed: {weight_decay: -1e-5}\n", ["weight_decay"]),
    "mapping for a number": (HEAD + "fixed: {hidden_dim: {a: 1}}\n", ["hidden_dim"]),
    "batch too large": (HEAD + "fixed: {batch_size: 3501}\n", ["batch_size", "3501", "3500"]),
    "validation too large": (HEAD + "fixed: {val_size: 4000}\n", ["val_size", "4000"]),
    "unknown loss, all choices": (HEAD + "fixed: {loss: gausian}\n", ["'gaussian'", "bce"]),
    "a loss that is an objective now": (
        HEAD + "grid: {loss: [bce, iwae]}\n",
        ["grid: loss", "objective: iwae", "objective.samples: 5", "loss: bce"],
    ),
    "its samples, which are an option now": (
        HEAD + "fixed: {iwae_samples: 50}\n", ["fixed: iwae_samples", "objective.samples"],
    ),
    "unknown objective": (HEAD + "fixed: {objective: iwea}\n", ["'iwae'", "elbo"]),
    "samples of an objective without": (
        HEAD + "fixed: {objective.samples: 50}\n", ["objective.samples"],
    ),
    "beta of a bound without a KL term": (
        HEAD + "fixed: {objective: iwae, beta: 4}\n", ["beta 4", "'iwae'", "exclude"],
    ),
    "warm-up of a bound without a KL term": (
        HEAD + "fixed: {objective: iwae, beta_schedule: linear}\n", ["beta_schedule", "'iwae'"],
    ),
    "more free bits than an image has": (
        HEAD + "fixed: {free_bits: 300}\n", ["free_bits 300", "less than 217"],
    ),
    "free bits of no KL": (HEAD + "fixed: {free_bits: 1, beta: 0}\n", ["free_bits", "beta is 0"]),
    "patience beyond the epochs": (
        HEAD + "fixed: {patience: 9, epochs: 9}\n", ["patience 9", "9 epochs"],
    ),
    "unknown optimizer": (HEAD + "fixed: {optimizer: adamv}\n", ["'adam", "sgd"]),
    "momentum of adam": (
        HEAD + "fixed: {optimizer: adam, optimizer.momentum: 0.9}\n", ["optimizer.momentum"],
    ),
    "unknown schedule": (HEAD + "fixed: {lr_schedule: cosin}\n", ["'cosine'", "burda"]),
    "steps at no epoch": (HEAD + "fixed: {lr_schedule: steps}\n", ["lr_schedule.at"]),
    "steps that fall": (
        HEAD + "fixed: {lr_schedule: steps, lr_schedule.at: [3, 2]}\n",
        ["lr_schedule.at", "[3, 2]"],
    ),
    "diagnostics as a number": (HEAD + "diagnostics: 1\n", ["diagnostics"]),
    "loss that does not fit": (
        HEAD + "fixed: {loss: continuous_bernoulli, transform: binarize}\n",
        ["continuous_bernoulli", "binarize", "exclude"],
    ),
    "loss that does not fit in a grid": (
        HEAD + "grid: {loss: [sse, continuous_bernoulli], transform: [none, dynamic_binarize]}\n",
        ["continuous_bernoulli", "dynamic_binarize", "exclude"],
    ),
}  # fmt: skip

# what follows the name of a good file, what the line has to say
ARGUMENTS: dict[str, tuple[list[str], list[str]]] = {
    "unknown option": (["--sets", "a=1"], ["--sets"]),
    "set without =": (["--set", "encoder"], ["--set encoder", "key=value"]),
    "set without a value": (["--set", "encoder="], ["key=value"]),
    "set of an unknown field": (["--set", "encodr=mlp1"], ["'encodr'", "'encoder'"]),
    "set of an unknown name": (["--set", "encoder=mpl1"], ["'mpl1'", "'mlp1'"]),
    "set of a bad number": (["--set", "lr=-1"], ["--set lr=-1", "-1"]),
    "set of the same value twice": (["--set", "lr=1,1"], ["lr", "twice"]),
    "set of an octal number": (["--set", "hidden_dim=0100"], ["--set hidden_dim=0100", "64"]),
    "set of malformed YAML": (["--set", "lr=[1"], ["not YAML"]),
    "set of seeds": (["--set", "seeds=3"], ["--seeds"]),
    "set that breaks a combination": (["--set", "batch_size=9999"], ["batch_size", "9999"]),
    "bad seeds": (["--seeds", "a"], ["--seeds", "'a'"]),
    "seeds twice": (["--seeds", "1,1"], ["--seeds", "twice"]),
    "no workers": (["--workers", "0"], ["--workers", "'0'"]),
    "half a worker": (["--workers", "0.5"], ["--workers", "'0.5'"]),
    "negative retries": (["--retries", "-1"], ["--retries", "'-1'"]),
    "no time": (["--timeout", "0"], ["--timeout", "'0'"]),
    "time that is none": (["--timeout", "nan"], ["--timeout", "'nan'"]),
    "endless time": (["--timeout", "inf"], ["--timeout", "'inf'"]),
    "unknown engine": (["--engine", "thread"], ["--engine", "processes"]),
    "unknown device": (["--device", "gpu"], ["--device", "cuda"]),
    "shard 0": (["--shard", "0/2"], ["--shard", "'0/2'"]),
    "shard beyond the last": (["--shard", "3/2"], ["--shard", "'3/2'"]),
    "shard in words": (["--shard", "first"], ["--shard", "I/N"]),
    "tracking in a file store": (["--tracking-uri", "./mlruns"], ["--tracking-uri", "sqlite:///"]),
    "tracking on a port that is none": (
        ["--tracking-uri", "http://127.0.0.1:abc"], ["--tracking-uri", "127.0.0.1:abc"],
    ),
    "tracking in a folder": (["--tracking-uri", "sqlite:///."], ["--tracking-uri", "file"]),
    "tracking in another file": (
        ["--tracking-uri", "sqlite:///good.yaml"], ["not a SQLite database"],
    ),
    "tracking below a file": (["--tracking-uri", "sqlite:///good.yaml/x.db"], ["good.yaml"]),
    "data below a file": (
        ["--set", "dataset=mnist", "--data-dir", "good.yaml/data"], ["--data-dir", "written"],
    ),
    "checkpoints below a file": (["--checkpoint-dir", "good.yaml/c"], ["--checkpoint-dir"]),
    "truncated data": (
        ["--set", "dataset=mnist", "--data-dir", "torn"], ["train-images-idx3-ubyte", "truncated"],
    ),
    "corrupt data": (
        ["--set", "dataset=mnist", "--data-dir", "corrupt"], ["train-images-idx3-ubyte", "corrupt"],
    ),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "good.yaml").write_text(HEAD + "fixed: {epochs: 1}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", FILES)
def test_bad_files(case: str, folder: Path, capsys, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    text, said = FILES[case]
    (folder / "bad.yaml").write_text(text)
    line = complaint(capsys, monkeypatch, folder, sweep, "bad.yaml")
    for words in ["bad.yaml", *said]:
        assert words in line


@pytest.mark.parametrize("case", ARGUMENTS)
def test_bad_arguments(case: str, folder: Path, capsys, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    for name, header in (("torn", b""), ("corrupt", b"\0\0\x08\x01" + bytes(12))):
        raw = folder / name / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for kind in ("train", "t10k"):
            for what in ("images-idx3", "labels-idx1"):
                (raw / f"{kind}-{what}-ubyte").write_bytes(header)
    arguments, said = ARGUMENTS[case]
    line = complaint(capsys, monkeypatch, folder, sweep, "good.yaml", *arguments)
    for words in said:
        assert words in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], ["experiment"]),
        (["missing.yaml"], ["missing.yaml", "no such file"]),
        (["quickstrat"], ["'quickstrat'", "did you mean 'quickstart'?", "seed_grid"]),
    ],
)
def test_no_such_experiment(arguments, said, folder, capsys, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    line = complaint(capsys, monkeypatch, folder, sweep, *arguments)
    for words in said:
        assert words in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["never_run"], ["never_run", "name one"]),
        (["quickstart", "--metric", "returns"], ["--metric", "'returns'", "test/return"]),
        (["quickstart", "--format", "xml"], ["--format", "latex"]),
        (["missing.yaml"], ["missing.yaml"]),
        (["quickstart", "--tracking-uri", "ftp://x"], ["--tracking-uri", "ftp://x"]),
    ],
)
def test_bad_questions_to_analyze(arguments, said, folder, capsys, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    line = complaint(capsys, monkeypatch, folder, analyze, *arguments)
    for words in said:
        assert words in line


def test_a_file_that_is_no_text(folder: Path, capsys, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    (folder / "bad.yaml").write_bytes(b"name: \xff\xfe\n")
    assert "UTF-8" in complaint(capsys, monkeypatch, folder, sweep, "bad.yaml")


def test_no_device(folder: Path, capsys, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "--device cpu" in complaint(
        capsys, monkeypatch, folder, sweep, "good.yaml", "--device", "cuda"
    )


def test_no_network(folder: Path, capsys, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """A download that cannot be had names the ways out."""
    import torchvision.datasets

    monkeypatch.setattr(
        torchvision.datasets.MNIST,
        "mirrors",
        ["http://127.0.0.1:9/"],  # nobody listens there
    )
    arguments = ["good.yaml", "--set", "dataset=mnist", "--data-dir", "elsewhere"]
    monkeypatch.setattr(sys, "argv", ["sweep.py", *arguments])
    with pytest.raises(SystemExit) as exit_info:
        sweep.main()
    assert exit_info.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    for words in ("mnist5k", "--data-dir", "MNIST/raw"):
        assert words in line


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_tracking_server_that_does_not_answer(  # type: ignore[no-untyped-def]
    silent_server: str, folder: Path, capsys, monkeypatch
) -> None:
    started = time.monotonic()
    line = complaint(
        capsys, monkeypatch, folder, sweep, "good.yaml", "--tracking-uri", silent_server
    )
    assert silent_server in line
    assert time.monotonic() - started < 10  # the contract's own limit


def test_a_tracking_server_that_is_not_there(folder: Path, capsys, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    uri = "http://127.0.0.1:9"
    for script in (sweep, analyze):
        assert uri in complaint(
            capsys, monkeypatch, folder, script, "good.yaml", "--tracking-uri", uri
        )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folders_that_may_not_be_written(folder: Path, capsys, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    sealed = folder / "sealed"
    sealed.mkdir(mode=0o500)
    for arguments in (
        ["--tracking-uri", "sqlite:///sealed/x.db"],
        ["--set", "dataset=mnist", "--data-dir", "sealed"],
        ["--checkpoint-dir", "sealed/c"],
    ):
        complaint(capsys, monkeypatch, folder, sweep, "good.yaml", *arguments)
