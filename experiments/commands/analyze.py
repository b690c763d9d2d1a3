"""Compare the configurations of an experiment, or of several, by their means over seeds."""

from __future__ import annotations

import math
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from experiments.cli import Parser, check_can_be_made, run_command
from experiments.spec.yaml_files import code_folder, parse_yaml
from experiments.tracking.uris import default_uri, help_of_default_uri, tracking_address
from vae.configuration import check_field
from vae.errors import BadInput, at

if TYPE_CHECKING:
    import pandas as pd

    from experiments.analysis.sources import Source
    from experiments.reporting.findings import Findings


def main() -> NoReturn:
    """The command: leaves with its exit code."""
    run_command(_main)


def _main() -> int:
    arguments = _parser().parse_args()
    if arguments.out is not None:
        check_can_be_made("--out", arguments.out)

    _check(arguments)
    sources = _sources(arguments)
    findings = _findings(sources, arguments)
    if arguments.format != "table":
        from experiments.reporting.tables import as_text

        print(as_text(findings, arguments.format), end="")
    if arguments.format == "table" or arguments.out is not None:
        _show(findings, sources, arguments)
    if len(sources) == 1 and not arguments.only:  # a part is not the answer
        from experiments.reporting.description import write_description

        write_description(findings, sources[0].tracker, arguments.out)
    if arguments.register is not None:
        from experiments.models.register import register_best  # torch takes its time to import

        uri, trusted = sources[0].tracker.uri, arguments.trust_code
        folder = code_folder(arguments.experiments[0])
        print(
            register_best(sources[0].name, uri, arguments.register, trusted, folder, arguments.only)
        )
    return 0


def _check(arguments: Namespace) -> None:
    from experiments.metrics import find_criterion

    with at("--metric"):
        find_criterion(arguments.metric)
    if len(arguments.experiments) > 1 and arguments.register is not None:
        raise BadInput("--register: takes the best of one experiment; name one")


def _sources(arguments: Namespace) -> list[Source]:
    """The experiments that are meant."""
    from experiments.analysis.naming import find_meant
    from experiments.analysis.sources import labelled, open_source, split_address
    from experiments.tracking.reachable import check_reachable

    found = []
    for typed in arguments.experiments:
        uri, text = split_address(typed, arguments.tracking_uri)
        check_reachable(uri, read_only=True)
        meant = find_meant(text, uri)
        if meant.remark:
            print(f"note: {meant.remark}", file=sys.stderr)
        found.append(open_source(meant.name, uri, text))
    return labelled(found)


def _findings(sources: Sequence[Source], arguments: Namespace) -> Findings:
    from experiments.analysis.asked import keep_only, with_only
    from experiments.analysis.load import trials_of
    from experiments.analysis.sources import title
    from experiments.reporting.findings import answer
    from experiments.tracking.study_summary import TAG, StudySummary

    trials = trials_of(sources)
    for source in sources:
        if trials.empty or (source.label and source.label not in set(trials["experiment"])):
            raise BadInput(f"experiment '{source.name}' has no trials: no sweep has written to it")
    if arguments.only:
        trials = keep_only(trials, arguments.only)
    elif len(sources) == 1:
        _tell_what_is_not_asked_for(arguments, trials)
    study_summary = None
    if len(sources) == 1:
        study_summary = StudySummary.from_json(sources[0].tracker.experiment_tag(TAG))
    return answer(
        with_only(title(sources), arguments.only),
        trials,
        arguments.metric,
        study_summary,
        arguments.control,
        arguments.equal_within,
    )


def _tell_what_is_not_asked_for(arguments: Namespace, trials: pd.DataFrame) -> None:
    from experiments.analysis.asked import not_asked_for
    from experiments.analysis.naming import find_meant
    from experiments.analysis.sources import split_address

    uri, text = split_address(arguments.experiments[0], arguments.tracking_uri)
    file = find_meant(text, uri).file
    if file is not None and (remark := not_asked_for(file, trials)):
        print(f"note: {remark}", file=sys.stderr)


def _show(findings: Findings, sources: Sequence[Source], arguments: Namespace) -> None:
    from experiments.analysis.load import curves_of
    from experiments.reporting.terminal import print_answer

    curves = curves_of(sources)
    curves = curves[curves["configuration_id"].isin(findings.trials["configuration_id"])]
    if arguments.format == "table":
        print_answer(findings, curves)
    if arguments.out is not None:
        from experiments.reporting.folder import write_report  # matplotlib takes its time

        write_report(arguments.out, findings, curves, sources)


def _fields(text: str) -> dict[str, Any]:
    """`encoder=mlp3,loss=sse`; values as in YAML."""
    fields = {}
    for part in text.split(","):
        field, equals, value = part.partition("=")
        if not equals or not value.strip():
            raise ArgumentTypeError(f"should be key=value,key=value (got {part!r})")
        name = field.strip()
        try:
            # Of several experiments, which one is a field as well.
            of_experiment = name == "experiment"
            fields[name] = value if of_experiment else check_field(name, parse_yaml(value))
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
    add(
        "experiments",
        nargs="+",
        metavar="EXPERIMENT",
        help="a YAML file, the name of one, or the name of an MLflow experiment; URI#NAME is one "
        "of another tracking store; of several, one comparison is made, paired by seed",
    )
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
    add("--trust-code", action="store_true", help="with --register, as that of the evaluation")
    return parser
