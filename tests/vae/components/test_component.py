"""A component's value, its options, and its identity within a configuration."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.conftest import REPOSITORY
from vae.components.component import Component, check_component
from vae.configuration import Configuration, Trial
from vae.errors import BadInput

NETS = """
from vae.encoders import Encoder


class Wide(Encoder):
    def __init__(self, shape, hidden_dim, latent_dim, *, width: int = 400, depth: int = 1):
        pass


class Other(Encoder):
    def __init__(self, shape, hidden_dim, latent_dim, *, width: float = 0.5):
        pass
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(NETS)
    return tmp_path


def configuration(component: Component, **fields: Any) -> Configuration:
    kind = component.kind
    return Configuration(**{kind: component.value}, digests={kind: component.digest}, **fields)


def test_a_value_is_relative_to_its_folder_however_it_is_written(folder: Path) -> None:
    for value in ("nets.py:Wide", "./nets.py:Wide", f"{folder}/nets.py:Wide", "a/../nets.py:Wide"):
        assert check_component("encoder", value, folder).value == "nets.py:Wide"
    assert check_component("encoder", "../nets.py:Wide", folder / "sub").value == "../nets.py:Wide"


def test_where_the_file_is_does_not_matter_to_the_identity(folder: Path) -> None:
    here = check_component("encoder", "nets.py:Wide", folder)
    there = check_component("encoder", "../nets.py:Wide", folder / "sub")
    assert here.digest == there.digest
    assert configuration(here).id == configuration(there).id


def test_edited_code_is_another_configuration_and_a_comment_is_not(folder: Path) -> None:
    before = configuration(check_component("encoder", "nets.py:Wide", folder))
    path = folder / "nets.py"
    path.write_text(NETS.replace("        pass", "        pass  # as in the paper", 1))
    assert configuration(check_component("encoder", "nets.py:Wide", folder)).id == before.id
    path.write_text(NETS.replace("        pass", "        super()", 1))
    assert configuration(check_component("encoder", "nets.py:Wide", folder)).id != before.id


def test_an_option_at_its_default_is_the_same_configuration(folder: Path) -> None:
    wide = check_component("encoder", "nets.py:Wide", folder)
    plain = configuration(wide)
    assert configuration(wide, **{"encoder.width": 400}) == plain
    assert configuration(wide, options={"encoder.width": 400}).id == plain.id
    other = configuration(wide, **{"encoder.width": 800})
    assert other.id != plain.id
    assert plain.flat["encoder.width"], other.flat["encoder.width"] == (400, 800)
    assert plain.options["encoder.depth"] == 1


def test_a_built_in_that_gets_an_option_later_keeps_its_trials() -> None:
    with_options = Configuration(objective="iwae")
    assert with_options.options["objective.samples"] == 5
    assert with_options.id == Configuration(objective="iwae", **{"objective.samples": 5}).id
    assert with_options.id != Configuration(objective="iwae", **{"objective.samples": 6}).id


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"encoder.widht": 3}, "did you mean 'encoder.width'? (encoder.width, encoder.depth)"),
        ({"encoder.width": "wide"}, "encoder.width: should be a whole number (got 'wide')"),
        ({"decoder.width": 3}, "is no option of decoder 'mlp1'; it takes none"),
        ({"encodr.width": 3}, "unknown component 'encodr'; did you mean 'encoder'?"),
        ({"width": 3}, "width"),
    ],
)
def test_options_that_are_none(folder: Path, fields: dict[str, Any], said: str) -> None:
    wide = check_component("encoder", "nets.py:Wide", folder)
    with pytest.raises(ValidationError) as caught:
        configuration(wide, **fields)
    assert said in str(caught.value)


def test_a_trial_survives_its_json_where_the_file_is_not(folder: Path) -> None:
    """A tag is read on a machine that has neither the file nor ever had it."""
    wide = check_component("encoder", "nets.py:Wide", folder)
    trial = Trial(configuration=configuration(wide, **{"encoder.width": 800}), seed=3)
    code = (
        "import sys\nfrom vae.configuration import Trial\n"
        "trial = Trial.model_validate_json(sys.argv[1])\n"
        "print(trial.id, trial.model_dump_json(), trial.configuration.flat['encoder.width'])"
    )
    text = trial.model_dump_json()
    done = subprocess.run(
        [sys.executable, "-c", code, text], capture_output=True, text=True, check=True,
        cwd=REPOSITORY, env=os.environ | {"PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert done.stdout.strip() == f"{trial.id} {text} 800"


def test_a_stored_configuration_makes_nothing_happen(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even a file is read because a tag names it."""
    (folder / "evil.py").write_text("raise SystemExit('executed')\n")
    monkeypatch.chdir(folder)
    with pytest.raises(ValidationError, match="comes without a digest"):
        Configuration(encoder="evil.py:Wide")
    stored = Configuration(encoder="evil.py:Wide", digests={"encoder": "0" * 16})
    with pytest.raises(BadInput, match="not in this folder as it was"):
        stored.component("encoder").load()


def test_modules_by_their_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(folder))
    (folder / "mine").mkdir()
    (folder / "mine" / "__init__.py").write_text("")
    (folder / "mine" / "nets.py").write_text("from . import parts\n\n\ndef net(*, width=3): ...\n")
    (folder / "mine" / "parts.py").write_text("")
    own = check_component("encoder", "mine.nets:net")
    assert (own.value, own.options) == ("mine.nets:net", (("width", 3),))
    assert own.load()() is None
    (folder / "mine" / "parts.py").write_text("x = print()\n")
    assert check_component("encoder", "mine.nets:net").digest != own.digest

    installed = check_component("encoder", "mlxtend.data:mnist_data")
    assert installed.load().__name__ == "mnist_data"
    assert installed.digest == check_component("encoder", "mlxtend.data:mnist_data").digest


def test_options_may_differ_in_type_between_components(folder: Path) -> None:
    wide, other = (check_component("encoder", f"nets.py:{n}", folder) for n in ("Wide", "Other"))
    assert dict(wide.with_options({"width": 2}).options)["width"] == 2
    assert dict(other.with_options({"width": 2}).options)["width"] == 2.0


def test_code_digests_of_several_components(folder: Path) -> None:
    wide = check_component("encoder", "nets.py:Wide", folder)
    one = configuration(wide)
    assert one.code_digest == wide.digest
    assert Configuration().code_digest == ""
    both = Configuration(
        encoder=wide.value, decoder=wide.value,
        digests={"encoder": wide.digest, "decoder": "0" * 16},
    )  # fmt: skip
    assert both.code_digest not in ("", wide.digest, "0" * 16)
