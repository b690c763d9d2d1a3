"""An answer as a paper prints it: a small table in Markdown or LaTeX, and what its marks mean."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from experiments.analysis.inference import UNKNOWN
from experiments.formatting import count, format_number
from experiments.metrics import YARDSTICK, Direction, find_metric
from experiments.reporting.findings import Findings, grouped_rows
from experiments.reporting.sentences import differing, listing, method

WIDTH = 79
"""Characters of a line of Markdown, which is read in terminals, too."""

_MARKS = {UNKNOWN: "†", "equal": "‡", "identical": "="}
_ARROWS = {Direction.HIGHER: "↑", Direction.LOWER: "↓", Direction.NONE: ""}


@dataclass(frozen=True)
class _Cell:
    """Attributes: mark: one of `_MARKS`, or empty"""

    text: str
    bold: bool = False
    mark: str = ""


@dataclass(frozen=True)
class _Row:
    """Attributes: opens_group: whether what stands above it is not to be compared with it"""

    label: str
    n: str
    cells: Sequence[_Cell]
    opens_group: bool


def rounded(mean: float, half_width: float) -> str:
    """`-56.4 ± 2.9`: two digits of the half-width, and the mean as far as those.

    A mean without an interval has two decimals.
    """
    if math.isnan(mean):
        return "–"
    if not math.isfinite(half_width) or max(abs(mean), half_width) >= 1e6:
        return format_number(mean)  # what has blown up has no digits to tell
    decimals = 2
    if half_width > 0:
        exact = float(f"{half_width:.1e}")  # 0.0996 is 0.10
        decimals = max(0, 1 - math.floor(math.log10(exact)))
    return f"{mean:.{decimals}f} ± {half_width:.{decimals}f}"


def as_markdown(findings: Findings) -> str:
    """The table, at most 79 characters wide, and below it its marks and its method.

    Where configurations have long names, the rows have numbers, which are told below.
    """
    notes = [*_notes(findings, _rows(findings)), method(findings)]
    filled = "\n\n".join(textwrap.fill(note, WIDTH) for note in notes)
    return f"{markdown_table(findings)}\n{filled}\n"


def markdown_table(findings: Findings, at_most: int | None = None) -> str:
    """The table alone, of the first rows if there are more, and what its numbers stand for."""
    every, head = _rows(findings), _head(findings)
    rows = every[:at_most]
    table = _markdown_table(head, [_markdown_cells(row.label, row) for row in rows])
    legend = [f"\n… and {len(every) - len(rows):,} more.\n"] if len(rows) < len(every) else []
    if max(map(len, table)) > WIDTH:
        table = _markdown_table(head, [_markdown_cells(f"{i}", r) for i, r in enumerate(rows, 1)])
        names = "".join(f"{i}. {_pipes(row.label)}\n" for i, row in enumerate(rows, 1))
        legend.append(f"\n{names}")
    return "\n".join(table) + "\n" + "".join(legend)


def as_latex(findings: Findings) -> str:
    """A `table` with the marks in its caption, and the method as a comment to paste."""
    rows, head = _rows(findings), _head(findings)
    caption = _latex(" ".join([f"{findings.name}.", *_notes(findings, rows)]))
    lines = [
        r"% \usepackage{booktabs}",
        *(f"% {line}" for line in textwrap.wrap(_latex(method(findings)), WIDTH)),
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{caption}}}",
        rf"\label{{tab:{re.sub('[^A-Za-z0-9-]+', '-', findings.name).strip('-')}}}",
        rf"\begin{{tabular}}{{lr{'r' * len(_metrics(findings))}}}",
        r"\toprule",
        " & ".join(map(_latex, head)) + r" \\",
        r"\midrule",
    ]
    for i, row in enumerate(rows):
        lines += [r"\midrule"] if row.opens_group and i else []
        cells = [_latex(row.label), _latex(row.n), *map(_latex_cell, row.cells)]
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


# --------------------------------------------------------------------------- what is told


def _metrics(findings: Findings) -> list[str]:
    return [findings.metric] + [m for m in (YARDSTICK,) if m != findings.metric]


def _head(findings: Findings) -> list[str]:
    metrics = [f"{m} {_ARROWS[find_metric(m).direction]}" for m in _metrics(findings)]
    return ["configuration", "n", *metrics]


def _rows(findings: Findings) -> list[_Row]:
    verdicts = {
        metric: comparison.set_index("configuration_id")["verdict"].to_dict()
        for metric, comparison in (
            (YARDSTICK, findings.yardstick),
            (findings.metric, findings.comparison),
        )
    }
    return [
        _Row(
            _label(findings, row),
            _n(row, verdicts[findings.metric].get(row["configuration_id"], "")),
            [
                _cell(row, metric, verdicts[metric].get(row["configuration_id"], ""))
                for metric in _metrics(findings)
            ],
            opens_group=k == 0,
        )
        for group in grouped_rows(findings)
        for k, row in enumerate(group)
    ]


def _label(findings: Findings, row: pd.Series) -> str:
    control = " (control)" if row["verdict"] == "control" else ""
    return f"{findings.label(row['configuration_id'])}{control}"


def _n(row: pd.Series, verdict: str) -> str:
    complete = row["n_finished"] == row["n_expected"]
    n = f"{row['n_finished']}" if complete else f"{row['n_finished']}/{row['n_expected']}"
    return f"{n} pruned" if verdict == "pruned" else n


def _cell(row: pd.Series, metric: str, verdict: str) -> _Cell:
    half_width = (row[f"{metric}.ci95_high"] - row[f"{metric}.ci95_low"]) / 2
    text = rounded(row[f"{metric}.mean"], half_width)
    return _Cell(text, verdict in ("best", "better"), _MARKS.get(verdict, ""))


def _notes(findings: Findings, rows: Sequence[_Row]) -> list[str]:
    return [*_what_is_shown(findings), " ".join(_what_marks_mean(findings, rows))]


def _what_is_shown(findings: Findings) -> Iterator[str]:
    seeds = {int(n) for n in findings.summary["n_finished"] if n}
    over = f"{count(seeds.pop(), 'seed')}" if len(seeds) == 1 else "n seeds"
    units = {m: find_metric(m).unit for m in _metrics(findings)}
    told = " and ".join(f"{m} in {unit}" for m, unit in units.items())
    if len(set(units.values())) == 1:
        told = f"{' and '.join(units)} in {next(iter(units.values()))}"
    yield (
        f"Mean over {over} ± half of its 95 % interval (Student's t); {told}; ↑ higher, ↓ lower is "
        f"better."
    )


def _what_marks_mean(findings: Findings, rows: Sequence[_Row]) -> Iterator[str]:
    if findings.control:
        yield "Bold: better than the control."
    else:
        apart = {m: differing(findings, m) for m in _metrics(findings)}
        each = [f"by {m} of each {listing(what)}" for m, what in apart.items() if what]
        yield f"Bold: the best{', ' if each else ''}{', '.join(each)}."
    used = {cell.mark for row in rows for cell in row.cells}
    rival = f"the {findings.rival}"
    within = "" if findings.equal_within is None else f" within {findings.equal_within:g}"
    for verdict, words in (
        (UNKNOWN, f"not distinguishable from {rival}"),
        ("equal", f"equal to {rival}{within}"),
        ("identical", f"identical to {rival} in every seed"),
    ):
        if _MARKS[verdict] in used:
            yield f"{_MARKS[verdict]} {words}."


# --------------------------------------------------------------------------- Markdown


def _markdown_cells(label: str, row: _Row) -> list[str]:
    cells = [f"**{c.text}**" if c.bold else f"{c.text} {c.mark}".strip() for c in row.cells]
    return [_pipes(label), row.n, *cells]


def _pipes(text: str) -> str:
    return text.replace("|", r"\|")


def _markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(3, *map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        [
            cells[0].ljust(widths[0]),
            *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True)),
        ]
        for cells in (head, *rows)
    ]
    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    return [f"| {' | '.join(cells)} |" for cells in (lines[0], rule, *lines[1:])]


# ------------------------------------------------------------------------------ LaTeX

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": "$<$", ">": "$>$", "|": "$|$", "–": "--", "±": r"$\pm$", "×": r"$\times$",
    "β": r"$\beta$", "σ": r"$\sigma$",
    "↑": r"$\uparrow$", "↓": r"$\downarrow$", "†": r"$\dagger$", "‡": r"$\ddagger$",
}  # fmt: skip
_LATEX_MARKS = {"†": r"\dagger", "‡": r"\ddagger", "=": "="}


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def _latex_cell(cell: _Cell) -> str:
    if cell.text == "–":
        return "--"
    number = cell.text.replace("±", r"\pm")
    number = rf"\mathbf{{{number}}}" if cell.bold else number
    mark = f"^{{{_LATEX_MARKS[cell.mark]}}}" if cell.mark else ""
    return f"${number}{mark}$"
