"""Options are read off the text where that is possible, and are what importing would give."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vae.components import registry
from vae.components.component import check_component
from vae.components.signatures import check_value, options_of_object
from vae.components.user_code import execute, known
from vae.errors import BadInput

BUILT_INS = [(kind, name) for kind, table in registry.KINDS.items() for name in table]


@pytest.mark.parametrize(("kind", "name"), BUILT_INS)
def test_what_is_read_of_a_built_in_is_what_importing_gives(kind: str, name: str) -> None:
    component = check_component(kind, name)
    assert dict(component.options) == options_of_object(component.load())


WRITTEN = """
import functools
from dataclasses import dataclass

from torch import nn

from helpers import Inherited as Renamed
from vae.losses import Gaussian

WIDTH = 7


class Plain:
    def __init__(self, shape, hidden_dim, latent_dim, *, width: int = 400, depth=-1,
                 rate=1e-3, name="relu", gated=False, sizes=(1, 2), nothing=None):
        pass


class Bare(nn.Module):
    pass


class Child(Plain):
    pass


class Grandchild(Renamed):
    def forward(self):
        pass


class Own(Gaussian):
    pass


def function(progress, *, cycles: int = 4):
    pass


class Computed:
    def __init__(self, *, width=WIDTH, activation=nn.ReLU):
        pass


@dataclass(kw_only=True)
class Decorated:
    cycles: int = 4


Partial = functools.partial(Plain, width=9)

if WIDTH:
    Chosen = Plain
"""
PLAIN = {
    "width": 400, "depth": -1, "rate": 1e-3, "name": "relu", "gated": False, "sizes": (1, 2),
    "nothing": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Plain", PLAIN),
        ("Bare", {}),
        ("Child", PLAIN),
        ("Grandchild", {"scale": 2.0}),
        ("Own", {}),
        ("function", {"cycles": 4}),
        ("Computed", {"width": 7}),
        ("Decorated", {"cycles": 4}),
        ("Partial", PLAIN | {"width": 9}),
        ("Chosen", PLAIN),
    ],
)
def test_options_of_the_users_own(tmp_path: Path, name: str, options: dict[str, object]) -> None:
    (tmp_path / "nets.py").write_text(WRITTEN)
    (tmp_path / "helpers.py").write_text(
        "class Inherited:\n    def __init__(self, *, scale=2.0):\n        pass\n"
    )
    component = check_component("encoder", f"nets.py:{name}", tmp_path)
    found = {name: value for name, value in component.options if name in options}
    assert found == options
    assert [type(v) for v in found.values()] == [type(v) for v in options.values()]
    code = known(component.digest)
    assert code is not None
    by_importing = inspect.signature(execute(code)).parameters
    assert all(by_importing[n].kind is inspect.Parameter.KEYWORD_ONLY for n in found)


def test_reading_options_executes_nothing(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(
        "raise SystemExit('executed')\n\n\nclass Wide:\n    def __init__(self, *, width=3): ...\n"
    )
    assert dict(check_component("encoder", "nets.py:Wide", tmp_path).options) == {"width": 3}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def f(*, width): pass", "nets.py:1: option 'width': needs a default"),
        ("class f:\n    def __init__(self, *, width=[1]): pass", "nets.py:2: option 'width'"),
        ("class f:\n    def __init__(self, *, width=([],)): pass", "nets.py:2: option 'width'"),
        ("def wide(): pass", "nets.py:1: has no 'f'"),
        ("def ff(): pass", "did you mean 'ff'"),
    ],
)
def test_what_can_be_no_option(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "nets.py").write_text(text)
    with pytest.raises(BadInput) as caught:
        check_component("encoder", "nets.py:f", tmp_path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("default", "value", "held"),
    [
        (1, 2, 2), (1, 2.0, 2), (0.5, 2, 2.0), (0.5, "1e-3", 0.001), ("a", "b", "b"),
        (False, True, True), ((1,), [2, 3], (2, 3)), ((0.9, 0.99), [1, "1e-1"], (1.0, 0.1)),
        ((), ["a", 1, [2]], ("a", 1, (2,))), (None, 3, 3), (None, [1, 2], (1, 2)),
        (None, None, None),
    ],
)  # fmt: skip
def test_values_are_of_the_type_of_the_default(
    default: object, value: object, held: object
) -> None:
    found = check_value(default, value)  # type: ignore[arg-type]
    assert found == held
    assert type(found) is type(held)


@pytest.mark.parametrize(
    ("default", "value"),
    [
        (1, 2.5), (1, "2"), (1, True), (1, None), (0.5, "a"), (0.5, True), (0.5, "nan"),
        (0.5, [1]), ("a", 1), ("a", None), (True, 1), (True, "yes"), ((1,), 2), ((1,), [1.5]),
        ((1,), "12"), (None, {"a": 1}), (None, [{}]),
    ],
)  # fmt: skip
def test_values_of_another_type_are_refused(default: object, value: object) -> None:
    with pytest.raises(BadInput, match="should be"):
        check_value(default, value)  # type: ignore[arg-type]


plain = st.one_of(
    st.integers(-1000, 1000), st.floats(-10, 10), st.booleans(), st.text(max_size=5),
    st.lists(st.integers(), max_size=3).map(tuple),
)  # fmt: skip


@given(plain)
def test_a_default_is_a_value_of_itself(value: object) -> None:
    assert check_value(value, value) == value  # type: ignore[arg-type]
