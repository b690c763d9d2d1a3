"""Compare the configurations of an experiment by their means over seeds."""

from __future__ import annotations

import math
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any, NoReturn

from experiments.cli import Parser, check_can_be_made, run_command
from experiments.spec.yaml_files import code_folder, parse_yaml
from experiments.tracking.uris import default_uri, help_of_default_uri, tracking_address
from vae.configuration import check_field
from vae.errors import BadInput


def main() -> NoReturn:
    """The command: leaves with its exit code."""
    run_command(_main)


def _main() -> int:
    parser = _parser()
    arguments = parser.parse_args()
    if arguments.failures:
        parser.refuse_others(arguments, "--failures", ("experiment", "tracking_uri"))
    if arguments.out is not None:
        check_can_be_made("--out", arguments.out)

    from experiments.analysis.asked import keep_only, not_asked_for, with_only
    from experiments.analysis.load import load_curves, load_trials, open_experiment
    from experiments.analysis.naming import find_meant
    from experiments.metrics import FINAL_METRICS
    from experiments.reporting.findings import answer
    from experiments.reporting.tables import as_text
    from experiments.reporting.terminal import print_answer
    from experiments.tracking.reachable import check_reachable
    from experiments.tracking.study_summary import TAG, StudySummary

    if arguments.metric not in FINAL_METRICS:
        raise BadInput(f"--metric {arguments.metric}: should be one of {', '.join(FINAL_METRICS)}")
    check_reachable(arguments.tracking_uri, read_only=True)
    meant = find_meant(arguments.experiment, arguments.tracking_uri)
    name = meant.name
    if meant.remark:
        print(f"note: {meant.remark}", file=sys.stderr)
    tracker = open_experiment(name, arguments.tracking_uri, arguments.experiment)
    trials = load_trials(name, arguments.tracking_uri)
    if trials.empty:
        raise BadInput(f"experiment '{name}' has no trials: no sweep has written to it")
    if arguments.only:
        trials = keep_only(trials, arguments.only)
    elif meant.file is not None and (remark := not_asked_for(meant.file, trials)):
        print(f"note: {remark}", file=sys.stderr)
    if arguments.failures:
        from experiments.reporting.failures import print_failures

        print_failures(name, trials, tracker)
        return 0
    study_summary = StudySummary.from_json(tracker.experiment_tag(TAG))
    control, equal_within = arguments.control, arguments.equal_within
    title = with_only(name, arguments.only)
    findings = answer(title, trials, arguments.metric, study_summary, control, equal_within)
    if arguments.format != "table":
        print(as_text(findings.summary, arguments.format), end="")
    if arguments.format == "table" or arguments.out is not None:
        curves = load_curves(name, arguments.tracking_uri)
        curves = curves[curves["configuration_id"].isin(trials["configuration_id"])]
        if arguments.format == "table":
            print_answer(findings, curves)
        if arguments.out is not None:
            from experiments.reporting.folder import write_report  # matplotlib takes its time

            write_report(arguments.out, findings, curves, tracker)
    if arguments.register is not None:
        from experiments.models.register import register_best  # torch takes its time to import

        uri, trusted = arguments.tracking_uri, arguments.trust_code
        folder = code_folder(arguments.experiment)
        print(register_best(name, uri, arguments.register, trusted, folder, arguments.only))
    return 0


def _fields(text: str) -> dict[str, Any]:
    """`encoder=mlp3,loss=sse`; values as in YAML."""
    fields = {}
    for part in text.split(","):
        field, equals, value = part.partition("=")
        if not equals or not value.strip():
            raise ArgumentTypeError(f"should be key=value,key=value (got {part!r})")
        try:
            fields[field.strip()] = check_field(field.strip(), parse_yaml(value))
        except BadInput as error:
            raise ArgumentTypeError(str(error)) from error
    return fields


def _difference(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ArgumentTypeError(f"should be a number above 0 (got {text!r})")
    return value


def _parser() -> Parser:
    parser = Parser(__doc__)
    add = parser.add_argument
    add("experiment", help="a YAML file, the name of one, or the name of an MLflow experiment")
    add(
        "--tracking-uri",
        type=tracking_address,
        default=default_uri(),
        metavar="URI",
        help=help_of_default_uri(),
    )
    add("--metric", default="return", help="what to compare (default: %(default)s)")
    add(
        "--control",
        type=_fields,
        metavar="KEY=VALUE,...",
        help="hold every configuration against the one that has these fields, and of what else "
        "varies the defaults, instead of the best",
    )
    add(
        "--only",
        type=_fields,
        action="append",
        default=[],
        metavar="KEY=VALUE,...",
        help="leave out what has other values; may be given several times, for any of several "
        "values of a field",
    )
    add(
        "--equal-within",
        type=_difference,
        metavar="X",
        help="call configurations equal whose difference, with its interval, is below X",
    )
    add("--out", type=Path, metavar="DIR", help="also write report.html, CSV, Markdown, LaTeX")
    add("--format", choices=("table", "csv", "markdown", "latex", "json"), default="table")
    add(
        "--register",
        metavar="NAME",
        help="also register the best seed of the configuration with the best mean val/nll as "
        "MLflow model NAME, alias `champion`",
    )
    add(
        "--failures",
        action="store_true",
        help="print what failed instead: reasons and ends of tracebacks, grouped by equal causes",
    )
    add("--trust-code", action="store_true", help="with --register, as that of the evaluation")
    return parser
