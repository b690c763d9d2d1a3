"""What a person may get wrong in code of their own: one line with the place, exit 2, no trace."""

from __future__ import annotations

from pathlib import Path

import pytest

import sweep
from tests.complaints import complaint

HEAD = "name: q\ndataset: mnist5k\nfixed: {hidden_dim: 8, latent_dim: 2}\n"

GOOD = """
import math

import torch
from torch import nn

from vae.distributions import DiagonalNormal
from vae.encoders import Encoder


class Wide(Encoder):
    def __init__(self, shape, hidden_dim, latent_dim, *, width: int = 20):
        body = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), width), nn.ReLU())
        super().__init__(body, width, latent_dim)
"""

GRID = HEAD + 'grid: {encoder: [mlp1, "nets.py:Wide"]}\n'


def encoder(body: str) -> str:
    return f"""
import math
import torch
from torch import nn
from vae.distributions import DiagonalNormal
class Wide(nn.Module):
    def __init__(self, shape, hidden_dim, latent_dim):
        super().__init__()
        self.latent_dim = latent_dim
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), 2 * latent_dim))
    def forward(self, x):
        mean, log_var = self.net(x).chunk(2, -1)
{body}
"""


def of_kind(kind: str) -> str:
    return HEAD + f'grid: {{{kind}: ["nets.py:Wide"]}}\n'


def loss(**methods: str) -> str:
    written = {
        "reconstruction": "(torch.sigmoid(logits) - x).square().flatten(1).sum(1)",
        "mean": "torch.sigmoid(logits)",
        "mean_logits": "logits",
    } | methods
    lines = ["import torch", "class Wide:"]
    for name, body in written.items():
        if body:
            arguments = "logits, x" if name == "reconstruction" else "logits"
            lines += [f"    def {name}(self, {arguments}):", f"        return {body}"]
    return "\n".join(lines) + "\n"


def transform(body: str) -> str:
    return (
        "import numpy as np\nimport torch\nfrom vae.transforms import GrayValues\n"
        f"def Wide(images, stream):\n    {body}\n"
    )


BAD: dict[str, tuple[str, str, list[str]]] = {
    # ------------------------------------------------------------ what a value stands for
    "a file that is not there": (
        HEAD + 'grid: {encoder: ["nests.py:Wide"]}\n', GOOD,
        ["grid: encoder: 'nests.py:Wide': no such file", "nests.py"],
    ),
    "a folder for a file": (HEAD + 'grid: {encoder: [".py:Wide"]}\n', GOOD, ["no such file"]),
    "no such name": (
        HEAD + 'grid: {encoder: ["nets.py:Wyde"]}\n', GOOD,
        ["nets.py:1: has no 'Wyde'; did you mean 'Wide'? (Wide)"],
    ),
    "a file without a name": (
        HEAD + 'grid: {encoder: ["nets.py"]}\n', GOOD,
        ["'nets.py' should also name what of it is the encoder: nets.py:NAME"],
    ),
    "a name that is none": (HEAD + 'grid: {encoder: ["nets.py:3"]}\n', GOOD, ["FILE.py:NAME"]),
    "a name with a dot": (HEAD + 'grid: {encoder: ["nets.py:a.b"]}\n', GOOD, ["FILE.py:NAME"]),
    "a module that is not installed": (
        HEAD + 'grid: {encoder: ["nowhere.nets:Wide"]}\n', GOOD,
        ["no module 'nowhere' is installed"],
    ),
    "a module of a package that is not there": (
        HEAD + 'grid: {encoder: ["mlxtend.nets:Wide"]}\n', GOOD,
        ["no module 'mlxtend.nets' is installed"],
    ),
    "a name that an installed module lacks": (
        HEAD + 'grid: {encoder: ["mlxtend.data:Wide"]}\n', GOOD, ["mlxtend.data", "Wide"],
    ),
    "a dot too many in a file's name": (
        HEAD + 'grid: {encoder: ["my.nets.py:Wide"]}\n', GOOD, ["no other dot in its name"],
    ),
    "one value in two forms": (
        HEAD + 'grid: {encoder: ["nets.py:Wide", "./nets.py:Wide"]}\n', GOOD, ["given twice"],
    ),
    # ----------------------------------------------------------------------- the file itself
    "not Python": (GRID, "class Wide(\n", ["nets.py:1: '(' was never closed"]),
    "not Python in a file beside": (GRID, "from broken import x\n" + GOOD, ["broken.py:2:"]),
    "null bytes": (GRID, GOOD + "\0", ["nets.py"]),
    "an error on import": (
        GRID, GOOD + "\nx = 1 / 0\n", ["nets.py:16: ZeroDivisionError: division by zero"],
    ),
    "an error in a file beside": (
        GRID, "import raises\n" + GOOD, ["raises.py:3: ValueError: of my own"],
    ),
    "a package that is not installed": (
        GRID, "import nowhere\n" + GOOD, ["nets.py:1: ModuleNotFoundError", "nowhere"],
    ),
    "leaving on import": (GRID, "import sys\nsys.exit(3)\n" + GOOD, ["nets.py:2: SystemExit: 3"]),
    "not a class": (GRID, "Wide = 3\n", ["nets.py:1: Wide is 3, not a class or a function"]),
    "an error of several lines": (
        GRID, "raise ValueError('first\\nsecond')\n" + GOOD, ["nets.py:1: ValueError: first"],
    ),
    # --------------------------------------------------------------------------- options
    "an option that nothing takes": (
        GRID.replace("latent_dim: 2", "latent_dim: 2, encoder.widht: 3"), GOOD,
        ["fixed.encoder.widht", "did you mean 'encoder.width'? (encoder.width)"],
    ),
    "an axis that nothing takes": (
        HEAD + "grid: {encoder: [mlp1, mlp3], encoder.width: [1, 2]}\n", GOOD,
        ["grid.encoder.width: is no option of any encoder here", "(they take none)"],
    ),
    "an option of no component": (
        GRID.replace("latent_dim: 2", "latent_dim: 2, encodr.width: 3"), GOOD,
        ["unknown component 'encodr'; did you mean 'encoder'?"],
    ),
    "an option of another type": (
        GRID + "zip: [{encoder.width: [3, wide]}]\n", GOOD,
        ["encoder.width: should be a whole number (got 'wide')"],
    ),
    "an excluded option of another type": (
        GRID + "exclude: [{encoder.width: wide}]\n", GOOD,
        ["exclude: encoder.width", "should be a whole number"],
    ),
    "an excluded option that nothing takes": (
        GRID + "exclude: [{encoder: mlp1, encoder.wdth: 3}]\n", GOOD,
        ["exclude.0.encoder.wdth", "did you mean 'encoder.width'?"],
    ),
    "an option without a default": (
        GRID, "def Wide(shape, hidden_dim, latent_dim, *, width): ...\n",
        ["nets.py:1: option 'width': needs a default"],
    ),
    "an option that is a list": (
        GRID, "def Wide(shape, hidden_dim, latent_dim, *, width=[3]): ...\n",
        ["nets.py:1: option 'width'", "tuple"],
    ),
    "an option of a study that nothing takes": (
        "name: q\nstudy: {trials: 3, space: {lr: {low: 1.0e-4, high: 0.1}, encoder.width: [3]}}\n",
        GOOD, ["study.space.encoder.width: is no option of any encoder here"],
    ),
    "a range of an option that is no number": (
        "name: q\nfixed: {encoder: 'nets.py:Wide'}\n"
        "study: {trials: 3, space: {encoder.name: {low: 1, high: 2}}}\n",
        GOOD.replace("width: int = 20", "width: int = 20, name: str = 'a'"),
        ["study.space.encoder.name", "give a list of values"],
    ),
    "a range of an option that runs backwards": (
        "name: q\nfixed: {encoder: 'nets.py:Wide'}\n"
        "study: {trials: 3, space: {encoder.width: {low: 9, high: 2}}}\n", GOOD,
        ["study.space.encoder.width: low should be below high (got 9 and 2)"],
    ),
    # ----------------------------------------------------------------- encoders and decoders
    "an encoder that is given too much": (
        GRID, GOOD.replace("shape, hidden_dim, latent_dim, *", "shape, hidden_dim, *"),
        ["nets.py:11: TypeError", "positional argument"],
    ),
    "an encoder that is no module": (
        GRID, "def Wide(shape, hidden_dim, latent_dim):\n    return print\n",
        ["nets.py:1: Wide makes a builtin_function_or_method, and should make a torch.nn.Module"],
    ),
    "an encoder of another shape": (
        GRID, encoder("        return DiagonalNormal(mean[:, :1], log_var)"),
        ["nets.py:6: Wide gives a mean of shape (4, 1), and should be (4, 2)"],
    ),
    "an encoder of tensors": (
        GRID, encoder("        return mean, log_var"),
        ["nets.py:6: Wide gives a tuple, and should give a vae.distributions.DiagonalNormal"],
    ),
    "an encoder of NaN": (
        GRID, encoder("        return DiagonalNormal(mean, (mean - 1e9).log())"),
        ["nets.py:6: Wide gives a log_var with NaN or infinite numbers"],
    ),
    "an encoder of NaN in eval mode": (
        GRID,
        encoder("        return DiagonalNormal(mean, log_var / self.training)"),
        ["nets.py:6: Wide gives a log_var with NaN or infinite numbers"],
    ),
    "an error in a step": (
        GRID, encoder("        return DiagonalNormal(mean, self.nothing)"),
        ["nets.py:13: AttributeError", "nothing"],
    ),
    "sizes that do not fit": (
        GRID, GOOD.replace("math.prod(shape), width", "100, width"),
        ["nets.py", "RuntimeError", "shapes cannot be multiplied"],
    ),
    "an option that it was not made for": (
        GRID.replace("latent_dim: 2", "latent_dim: 2, encoder.width: -3"), GOOD,
        ["nets.py:13: RuntimeError", "negative dimension"],
    ),
    "a parameter that is used for nothing": (
        GRID, GOOD + "        self.extra = nn.Linear(2, 2)\n",
        ["nets.py:11: Wide has a parameter 'extra.weight' that is used for nothing: remove it"],
    ),
    "a decoder of another shape": (
        of_kind("decoder"),
        "from torch import nn\nclass Wide(nn.Linear):\n"
        "    def __init__(self, shape, hidden_dim, latent_dim):\n"
        "        super().__init__(latent_dim, 784)\n",
        ["nets.py:2: Wide gives logits of shape (4, 784), and should be (4, 1, 28, 28)"],
    ),
    # ---------------------------------------------------------------------------- losses
    "a loss without a method": (
        of_kind("loss"), loss(mean=""), ["nets.py:2: Wide has no method 'mean'"],
    ),
    "a loss that is a mean over the batch": (
        of_kind("loss"), loss(reconstruction="(logits - x).square().mean()"),
        ["nets.py:2: Wide gives a reconstruction of shape (), and should be (4,)"],
    ),
    "a loss of which nothing is learned": (
        of_kind("loss"), loss(reconstruction="x.flatten(1).sum(1)"),
        ["nets.py:2: Wide gives a reconstruction without a gradient"],
    ),
    "a mean outside": (
        of_kind("loss"), loss(mean="logits"),
        ["nets.py:2: Wide gives a mean that is not from 0 to 1"],
    ),
    "a loss of NaN": (
        of_kind("loss"), loss(reconstruction="logits.log().flatten(1).sum(1)"),
        ["nets.py:2: Wide gives a reconstruction with NaN or infinite numbers"],
    ),
    "a loss that does not return": (
        of_kind("loss"), loss(mean_logits="None"),
        ["nets.py:2: Wide gives mean_logits that is a NoneType"],
    ),
    # ------------------------------------------------------------------------- transforms
    "a transform of arrays": (
        of_kind("transform"), transform("return images"),
        ["nets.py:4: Wide returns a ndarray, which has no method 'batch'"],
    ),
    "a transform that loses images": (
        of_kind("transform"), transform("return GrayValues(torch.from_numpy(images[:2]))"),
        ["nets.py:4: Wide makes 2 images of 4"],
    ),
    "a transform of floats beyond 1": (
        of_kind("transform"),
        transform("return GrayValues(torch.from_numpy(images.astype(np.float32) * 300))"),
        ["nets.py:4: Wide gives images by `batch` that are not float32 from 0 to 1"],
    ),
    # ------------------------------------------------- objectives, schedules and optimizers
    "an objective without terms": (
        of_kind("objective"),
        "class Wide:\n    def noise_shape(self, n, d):\n        return n, d\n",
        ["nets.py:1: Wide has no method 'terms'"],
    ),
    "a schedule of text": (
        of_kind("lr_schedule"), "def Wide(progress):\n    return 'slow'\n",
        ["nets.py:1: Wide gives 'slow'"],
    ),
    "a schedule below zero": (
        of_kind("beta_schedule"), "def Wide(progress):\n    return -progress - 1\n",
        ["nets.py:1: Wide gives -1"],
    ),
    "an optimizer that is none": (
        of_kind("optimizer"), "def Wide(parameters, lr, weight_decay):\n    return 3\n",
        ["nets.py:1: Wide makes an int"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("question", "nets", "said"), BAD.values(), ids=BAD)
def test_one_line_with_the_place(
    question: str,
    nets: str,
    said: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("q.yaml").write_text(question)
    Path("nets.py").write_text(nets)
    Path("my.nets.py").write_text(nets)
    Path("broken.py").write_text("x = 1\ny = (\n")
    Path("raises.py").write_text("\n\nraise ValueError('of my own')\n")
    line = complaint(capsys, monkeypatch, tmp_path, sweep, "q.yaml")
    for words in said:
        assert words in line


def test_so_many_ways() -> None:
    assert len(BAD) >= 40
