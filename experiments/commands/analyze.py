"""Compare the configurations of an experiment, or of several, by their means over seeds."""

from __future__ import annotations

import math
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence
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
    parser = _parser()
    arguments = parser.parse_args()
    if arguments.failures:
        parser.refuse_others(arguments, "--failures", ("experiment", "tracking_uri"))
    if arguments.out is not None:
        check_can_be_made("--out", arguments.out)

    _check(arguments)
    sources, files = _sources(arguments)
    trials = _trials(sources, files, arguments.only)
    if arguments.failures:
        from experiments.reporting.failures import print_failures

        print_failures(sources[0].name, trials, sources[0].tracker)
        return 0
    findings = _findings(sources, trials, arguments)
    if arguments.format != "table":
        from experiments.reporting.tables import as_text

        print(as_text(findings, arguments.format), end="")
    if arguments.format == "table" or arguments.out is not None:
        _show(findings, sources, arguments)
    if len(sources) == 1 and not arguments.only:
        from experiments.reporting.description import write_description

        write_description(findings, sources[0].tracker, arguments.out)
    if arguments.register is not None:
        from experiments.models.register import register_best  # torch takes its time to import

        uri, trusted = sources[0].tracker.uri, arguments.trust_code
        folder = code_folder(arguments.experiment[0])
        name, only = sources[0].name, arguments.only
        print(register_best(name, uri, arguments.register, trusted, folder, only))
    return 0


def _check(arguments: Namespace) -> None:
    from experiments.metrics import find_criterion

    with at("--metric"):
        find_criterion(arguments.metric)
    if len(arguments.experiment) > 1 and arguments.register is not None:
        raise BadInput("--register: takes the best of one experiment; name one")
    if len(arguments.experiment) > 1 and arguments.failures:
        raise BadInput("--failures: tells what failed in one experiment; name one")


def _sources(arguments: Namespace) -> tuple[list[Source], list[Path | None]]:
    """The experiments that are meant, and the files that ask their questions."""
    from experiments.analysis.naming import find_meant
    from experiments.analysis.sources import labelled, open_source, split_address
    from experiments.tracking.reachable import check_reachable

    found, files = [], []
    for typed in arguments.experiment:
        uri, text = split_address(typed, arguments.tracking_uri)
        check_reachable(uri, read_only=True)
        meant = find_meant(text, uri)
        if meant.remark:
            print(f"note: {meant.remark}", file=sys.stderr)
        found.append(open_source(meant.name, uri, text))
        files.append(meant.file)
    return labelled(found), files


def _trials(
    sources: Sequence[Source], files: Sequence[Path | None], only: Sequence[Mapping[str, Any]]
) -> pd.DataFrame:
    """Of all sources, those that are to be shown."""
    from experiments.analysis.asked import keep_only, not_asked_for
    from experiments.analysis.load import trials_of

    trials = trials_of(sources)
    for source, file in zip(sources, files, strict=True):
        mine = source.own(trials)
        if mine.empty:
            raise BadInput(f"experiment '{source.name}' has no trials: no sweep has written to it")
        if not only and file is not None and (remark := not_asked_for(file, mine)):
            print(f"note: {remark}", file=sys.stderr)
    return keep_only(trials, only) if only else trials


def _findings(sources: Sequence[Source], trials: pd.DataFrame, arguments: Namespace) -> Findings:
    from experiments.analysis.asked import with_only
    from experiments.analysis.sources import title
    from experiments.reporting.findings import answer
    from experiments.tracking.study_summary import TAG, StudySummary

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


def _show(findings: Findings, sources: Sequence[Source], arguments: Namespace) -> None:
    from experiments.analysis.load import curves_of, mean_curves_of
    from experiments.reporting.terminal import print_answer

    if arguments.format == "table":
        print_answer(findings, mean_curves_of(sources))
    if arguments.out is not None:
        from experiments.reporting.folder import write_report  # matplotlib takes its time

        curves = curves_of(sources)
        curves = curves[curves["configuration_id"].isin(findings.trials["configuration_id"])]
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
        "experiment",
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
    add(
        "--failures",
        action="store_true",
        help="print what failed instead: reasons and ends of tracebacks, grouped by equal causes",
    )
    add("--trust-code", action="store_true", help="with --register, as that of the evaluation")
    return parser
