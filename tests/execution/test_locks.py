"""A lock belongs beside what it protects, and two names of one place are one place."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from experiments.execution.locks import lock_folder, sole_sweep
from experiments.spec.shard import Shard
from vae.errors import BadInput

WHOLE = Shard(1, 1)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    return home


def test_beside_the_database_whatever_leads_to_it(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """github.com/snakemake/snakemake-executor-plugin-slurm/issues/119: it followed TMPDIR.

    snakemake-executor-plugin-slurm#119
    """
    (tmp_path / "mlflow.db").touch()
    (tmp_path / "link.db").symlink_to(tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    found = {lock_folder(f"sqlite:///{tmp_path}/mlflow.db", "x")}
    found.add(lock_folder("sqlite:///mlflow.db", "x"))
    found.add(lock_folder("sqlite:///link.db", "x"))
    for variable in ("TMPDIR", "HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
        found.add(lock_folder("sqlite:///mlflow.db", "x"))
    monkeypatch.setattr("os.getuid", lambda: 12345)
    found.add(lock_folder("sqlite:///mlflow.db", "x"))
    (folder,) = found
    assert folder.parent == tmp_path / "mlflow.db.locks"
    assert lock_folder("sqlite:///mlflow.db", "y") != folder


def test_one_server_by_all_of_its_names(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """snakemake-executor-plugin-slurm#119"""
    names = ["localhost", "LOCALHOST", "127.0.0.1", "127.0.1.1", "[::1]", socket.gethostname()]
    found = set()
    for folder in ("a", "b"):  # the place where the command is typed is not part of it
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        monkeypatch.setenv("TMPDIR", str(tmp_path / folder))
        found |= {lock_folder(f"http://{name}:5000", "x") for name in names}
        found |= {lock_folder(f"http://me:secret@{name}:5000/", "x") for name in names}
    (folder_,) = found
    assert folder_.is_relative_to(home)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://host", "http://HOST:80/"),
        ("https://host", "https://host:443"),
        ("postgresql://a:b@host/db", "postgresql+psycopg2://host:5432/db"),
    ],
)
def test_one_server_in_other_words(one: str, other: str) -> None:
    assert lock_folder(one, "x") == lock_folder(other, "x")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://host:5000", "http://host:5001"),
        ("http://host:5000", "http://host2:5000"),
        ("http://host/a", "http://host/b"),
        ("postgresql://host/a", "postgresql://host/b"),
    ],
)
def test_two_servers(one: str, other: str) -> None:
    assert lock_folder(one, "x") != lock_folder(other, "x")


def test_a_second_sweep_is_refused_and_a_disjoint_part_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "locks"
    with sole_sweep(folder, Shard(1, 2)):
        for shard in (Shard(1, 2), WHOLE, Shard(1, 3)):
            with (
                pytest.raises(BadInput, match="a sweep of this experiment is running"),
                sole_sweep(folder, shard),
            ):
                raise AssertionError("not reached")
        with sole_sweep(folder, Shard(2, 2)):
            pass
    with sole_sweep(folder, WHOLE):
        pass


def test_a_place_that_takes_no_locks_names_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(BadInput, match=r"cannot keep a lock in .*XDG_STATE_HOME"),
        sole_sweep(tmp_path / "file" / "locks", WHOLE),
    ):
        raise AssertionError("not reached")


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that is run under an id without a name."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.getuid", lambda: 54321)
    with pytest.raises(BadInput, match="XDG_STATE_HOME"):
        lock_folder("http://host", "x")
