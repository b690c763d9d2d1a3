"""Compare the configurations of an experiment by their means over seeds."""

from __future__ import annotations

from pathlib import Path

from experiments.command_line import Parser, run_command
from experiments.tracking.addresses import default_uri
from experiments.yaml_files import find_experiment, read_yaml
from vae.errors import BadInput


def main() -> int:
    arguments = _parser().parse_args()
    name = _experiment_name(arguments.experiment)

    from experiments.frames import FINAL_METRICS, load_trials
    from experiments.report import as_text, print_summary
    from experiments.statistics import summarize

    if arguments.metric not in FINAL_METRICS:
        raise BadInput(f"--metric {arguments.metric}: should be one of {', '.join(FINAL_METRICS)}")
    trials = load_trials(name, arguments.tracking_uri)
    summary = summarize(trials, [arguments.metric])
    if arguments.format == "table":
        print_summary(summary, trials, arguments.metric, name)
    else:
        print(as_text(summary, arguments.format), end="")
    if arguments.out is not None:
        _write(arguments.out, {"trials.csv": trials, "summary.csv": summary})
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


def _write(folder: Path, frames: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file_name, frame in frames.items():
        frame.to_csv(folder / file_name, index=False)


def _parser() -> Parser:
    parser = Parser(prog="analyze.py", description=__doc__)
    add = parser.add_argument
    add("experiment", help="a YAML file, the name of one, or the name of an MLflow experiment")
    add("--tracking-uri", default=default_uri(), metavar="URI", help="default: %(default)s")
    add("--metric", default="return", help="what to compare (default: %(default)s)")
    add("--out", type=Path, metavar="DIR", help="also write trials.csv and summary.csv there")
    add("--format", choices=("table", "csv", "markdown", "latex", "json"), default="table")
    return parser


if __name__ == "__main__":
    run_command("analyze.py", main)
