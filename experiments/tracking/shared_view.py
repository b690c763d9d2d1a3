"""A view of MLflow's runs page that opens an experiment on its configurations.

MLflow keeps views that people share in tags of the experiment, `mlflow.sharedViewState.<key>`, as
the JSON of the page's state; `viewStateShareKey=<key>` in the page's address opens one.
"""

from __future__ import annotations

import importlib.metadata
import json
from typing import Any

from experiments.metrics import CURVE
from experiments.spec.experiment import Experiment
from experiments.tracking.reader import Reader
from experiments.tracking.writer import ExperimentWriter
from vae.configuration import RETURN_SCALE_FIELDS

FILTER = 'tags.kind = "configuration"'
"""Of MLflow's runs page: configurations, without their trials."""

KEY = "configurations"
"""The view's name in its address."""

TAG = f"mlflow.sharedViewState.{KEY}"

_KNOWN = ((3, 10), (3, 17))
"""First and last version of MLflow whose format of a view this is."""

_COLUMNS = (
    "return.mean", "nll.mean", "n_finished",
    "return.ci95_low", "return.ci95_high", "nll.ci95_low", "nll.ci95_high",
)  # fmt: skip
"""What is looked at first, first: a window of 1280 pixels shows three."""

_CHART = "mean-curves"


def is_known(version: str = "") -> bool:
    """Whether MLflow of that version, by default the installed one, reads these views."""
    numbers = (version or importlib.metadata.version("mlflow")).split(".")[:2]
    first, last = _KNOWN
    return all(n.isdecimal() for n in numbers) and first <= tuple(map(int, numbers)) <= last


def sorted_by(experiment: Experiment) -> str:
    """The metric that sorts: nll where the return does not compare all that is asked for."""
    axes = experiment.study.space if experiment.study else {}
    varies = any(
        axis in axes or len({c.flat[axis] for c in experiment.configurations}) > 1
        for axis in RETURN_SCALE_FIELDS
    )
    return "nll" if varies or experiment.metric != "return" else "return"


def view(by: str) -> str:
    """The tag's value: means over seeds with their intervals, sorted, and the mean curves.

    Args:
        by: the metric that sorts, `return` or `nll`: the best configuration comes first
    """
    shown = [_column(name) for name in _COLUMNS]
    state = {
        "searchFilter": FILTER,
        "orderByKey": _column(f"{by}.mean"),
        "orderByAsc": by == "nll",
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": shown,
        "columnOrder": shown,
        "runsHiddenMode": "FIRST_20_RUNS",
        "compareRunSections": [_section()],
        "compareRunCharts": [_chart(f"{CURVE}.mean")],
        "isAccordionReordered": True,
    }
    return json.dumps(state)


def _column(metric: str) -> str:
    return f"metrics.`{metric}`"


def _section() -> dict[str, Any]:
    return {
        "uuid": _CHART,
        "name": "Mean over the seeds",
        "display": True,
        "columns": 1,
        "isReordered": True,
        "deleted": False,
        "isGenerated": False,
    }


def _chart(metric: str) -> dict[str, Any]:
    return {
        "uuid": f"{_CHART}-{metric}",
        "type": "LINE",
        "metricSectionId": _CHART,
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "runsCountToCompare": 20,
        "deleted": False,
        "isGenerated": False,
        "lineSmoothness": 0,
        "xAxisKey": "step",
        "xAxisScaleType": "linear",
        "selectedXAxisMetricKey": "",
        "scaleType": "linear",
        "range": {},
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }


def offer(tracker: ExperimentWriter, by: str) -> None:
    """Make the view, or bring it up to date; nothing where the installed MLflow is another."""
    if is_known() and tracker.experiment_tag(TAG) != view(by):
        tracker.tag_experiment(TAG, view(by))


def where_to_look(tracker: Reader) -> str:
    """The address of the view; where there is none, that of the page, and what to filter by."""
    if is_known() and tracker.experiment_tag(TAG):
        return f"{tracker.link_of_runs()}?viewStateShareKey={KEY}"
    return f"{tracker.link_of_runs()} and there the filter {FILTER}"
