"""Load a trained model from MLflow, evaluate it on a test set, and look inside."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from experiments.cli import Parser, check_can_be_made, positive_int, run_command
from experiments.spec.yaml_files import code_folder
from experiments.tracking.uris import default_uri, help_of_default_uri, tracking_address
from vae.data.datasets import check_dataset, place
from vae.errors import at

MOST_SAMPLES = 5000


def main() -> NoReturn:
    """The command: leaves with its exit code."""
    run_command(_main)


def _main() -> int:
    arguments = _parser().parse_args()
    if arguments.dataset is not None:
        with place(arguments.data_dir), at("--dataset"):
            check_dataset(arguments.dataset, Path.cwd())
    if arguments.out is not None:
        check_can_be_made("--out", arguments.out)
    from experiments.analysis.naming import find_meant  # MLflow takes its time to import
    from experiments.models.load import choose
    from experiments.tracking.reachable import check_reachable

    check_reachable(arguments.tracking_uri, read_only=True)
    meant = find_meant(arguments.run, arguments.tracking_uri)
    chosen = choose(meant.name, arguments.tracking_uri, arguments.run)
    if meant.remark:
        print(f"note: {meant.remark}", file=sys.stderr)
    from experiments.execution.devices import find_devices
    from experiments.models.evaluate import evaluate_subject, load_subject
    from experiments.models.terminal import print_evaluation

    find_devices(arguments.device)
    subject = load_subject(
        chosen,
        arguments.data_dir,
        arguments.dataset,
        arguments.samples,
        arguments.device,
        arguments.trust_code,
        code_folder(arguments.run),
    )
    print_evaluation(subject, evaluate_subject(subject))
    if arguments.out is not None:
        from experiments.models.figures import write_figures  # and so does matplotlib

        for path in write_figures(subject, arguments.out):
            print(f"written: {path}", file=sys.stderr)
    return 0


def _samples(text: str) -> int:
    n_samples = positive_int(text)
    if n_samples > MOST_SAMPLES:
        raise argparse.ArgumentTypeError(f"should be at most {MOST_SAMPLES} (got '{text}')")
    return n_samples


def _parser() -> Parser:
    parser = Parser(__doc__)
    add = parser.add_argument
    add(
        "run",
        help="the id of a trial run; of a configuration run, for its seed with the highest "
        "return; or an experiment, for the best seed of the configuration with the best val/nll",
    )
    add(
        "--tracking-uri",
        type=tracking_address,
        default=default_uri(),
        metavar="URI",
        help=help_of_default_uri(),
    )
    add("--data-dir", type=Path, default=Path("data"), metavar="DIR", help="default: %(default)s")
    add("--dataset", metavar="NAME", help="another data set with images of the same shape")
    add(
        "--samples",
        type=_samples,
        metavar="K",
        help="importance samples per image for test/nll on the whole test set, up to "
        f"{MOST_SAMPLES} (default: as many as the trial used, on as many images)",
    )
    add("--out", type=Path, metavar="DIR", help="also write pictures there")
    add(
        "--trust-code",
        action="store_true",
        help="execute the source that is archived with the model, where it is not of this package "
        "and the file beside the experiment, or in the current folder, is not the same",
    )
    add("--device", choices=("auto", "cpu", "cuda"), default="cpu", help="default: %(default)s")
    return parser
