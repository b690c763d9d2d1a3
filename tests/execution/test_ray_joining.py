"""Joining a Ray: what is refused, and what is said of errors; without Ray itself."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from experiments.execution.ray_joining import Cluster, _size_up, first_line, joined
from experiments.execution.resources import Share
from vae.errors import BadInput


def node(cpus: float, gpus: float = 0, alive: bool = True) -> dict[str, Any]:
    return {"Alive": alive, "Resources": {"CPU": cpus, "GPU": gpus} if gpus else {"CPU": cpus}}


def test_trials_fit_into_nodes_one_by_one_and_into_no_dead_one() -> None:
    """Two halves of nodes make no place for a trial."""
    nodes = [node(3), node(3), node(100, alive=False)]
    assert _size_up(nodes, Share(2, 0)) == Cluster(2, 2)
    assert _size_up([node(8, 1), node(8)], Share(1, 0.25)) == Cluster(2, 4)


def test_where_no_node_has_room_the_most_that_there_is_is_told() -> None:
    with pytest.raises(BadInput, match="no node has so much; the most is 3 CPUs, 1 GPUs"):
        _size_up([node(3), node(2, 1)], Share(4, 0))
    with pytest.raises(BadInput, match="--gpus-per-trial 2"):
        _size_up([node(3)], Share(1, 2))


def test_of_an_error_its_first_line_without_passwords() -> None:
    assert first_line(ValueError("one\ntwo")) == "one"
    assert first_line(ValueError()) == "ValueError"
    assert "secret" not in first_line(OSError("redis://me:secret@host"))


def test_without_ray_the_way_to_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BadInput, match=r"pip install '\.\[ray\]'"):
        joined("local", Share(1, 0)).__enter__()
