"""Compare the configurations of an experiment by their means over seeds."""

from __future__ import annotations

from pathlib import Path

from experiments.command_line import Parser, run_command
from experiments.tracking.addresses import default_uri, help_of_default_uri
from experiments.yaml_files import find_experiment, read_yaml
from vae.errors import BadInput


def main() -> int:
    arguments = _parser().parse_args()
    name = _experiment_name(arguments.experiment)

    from experiments.frames import FINAL_METRICS, load_curves, load_trials, open_tracker
    from experiments.reporting.answer import answer
    from experiments.reporting.files import as_text
    from experiments.reporting.terminal import print_answer

    if arguments.metric not in FINAL_METRICS:
        raise BadInput(f"--metric {arguments.metric}: should be one of {', '.join(FINAL_METRICS)}")
    trials = load_trials(name, arguments.tracking_uri)
    found = answer(name, trials, arguments.metric)
    if arguments.format != "table":
        print(as_text(found.summary, arguments.format), end="")
    if arguments.format == "table" or arguments.out is not None:
        curves = load_curves(name, arguments.tracking_uri)
        if arguments.format == "table":
            print_answer(found, curves)
        if arguments.out is not None:
            from experiments.reporting.folder import write_report  # matplotlib takes its time

            write_report(arguments.out, found, curves, open_tracker(name, arguments.tracking_uri))
    return 0


def _experiment_name(experiment: str) -> str:
    """The name in an experiment file, or else the name of an MLflow experiment."""
    try:
        path = find_experiment(experiment)
    except BadInput:
        if Path(experiment).suffix in (".yaml", ".yml"):
            raise
        return experiment
    return str(read_yaml(path).get("name"))


def _parser() -> Parser:
    parser = Parser(prog="analyze.py", description=__doc__)
    add = parser.add_argument
    add("experiment", help="a YAML file, the name of one, or the name of an MLflow experiment")
    add("--tracking-uri", default=default_uri(), metavar="URI", help=help_of_default_uri())
    add("--metric", default="return", help="what to compare (default: %(default)s)")
    add("--out", type=Path, metavar="DIR", help="also write report.html, CSV, Markdown, LaTeX")
    add("--format", choices=("table", "csv", "markdown", "latex", "json"), default="table")
    return parser


if __name__ == "__main__":
    run_command("analyze.py", main)
