"""YAML → `Experiment`: what a person wrote, checked to the last key, as configurations × seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
)

from experiments.formatting import format_value
from experiments.metrics import DECISION_METRICS
from experiments.spec import remarks
from experiments.spec.axes import check_choices, check_distinct
from experiments.spec.combinations import applies, combinations
from experiments.spec.pictures import Pictures
from experiments.spec.racing import Racing, RacingSection, parse_racing
from experiments.spec.resolver import DEFAULTS, Resolver, moved, refuse_unused_options
from experiments.spec.search_space import StudyPlan, StudySection
from experiments.spec.sections import DataSetName, Fields, Grid, Name, Rule, ZipGroup
from experiments.spec.seeds import parse_seeds
from experiments.spec.yaml_files import SHIPPED, parse_yaml, read_yaml
from vae.components.component import Component
from vae.components.registry import KINDS, check_name
from vae.configuration import RETURN_SCALE_FIELDS, Configuration, Trial, explain
from vae.consistency import warnings
from vae.data.datasets import describe
from vae.errors import BadInput, at


@dataclass(frozen=True)
class Experiment:
    """One question: every configuration of a grid, or those that a study proposes, with every seed.

    Attributes:
        axes: the fields that vary, in the order of the file
        configurations: of the grid; a study's are not known beforehand
        racing: give seeds to those configurations alone of which something is undecided
        pictures: that each trial logs
        diagnostics: whether each trial logs the dear ones, too
        without_effect: what of the file changes nothing, a line each
    """

    name: str
    axes: tuple[str, ...]
    configurations: tuple[Configuration, ...]
    seeds: tuple[int, ...]
    racing: Racing | None = None
    study: StudyPlan | None = None
    pictures: Pictures = dataclasses.field(default_factory=Pictures)
    diagnostics: bool = False
    without_effect: tuple[str, ...] = ()

    @property
    def metric(self) -> str:
        """What a study optimises, or a race is decided by: the return where all configurations
        measure the same thing with it, else the yardstick.
        """
        if self.study:
            return self.study.metric
        kinds = {
            tuple(getattr(c, field) for field in RETURN_SCALE_FIELDS) for c in self.configurations
        }
        return DECISION_METRICS["return" if len(kinds) == 1 else "nll"]

    @property
    def study_name(self) -> str:
        """Of the study in Optuna's storage; a question asked otherwise is another study."""
        digest = self.study.digest(self.seeds, bool(self.racing)) if self.study else ""
        return f"{self.name} {digest}"

    @property
    def datasets(self) -> set[Component]:
        """The data sets that it needs."""
        if self.study:
            return {self.study.resolver.component("dataset", self.study.fixed)}
        return {configuration.component("dataset") for configuration in self.configurations}

    @property
    def notes(self) -> list[str]:
        """What a person should know of its data sets, and what it asks for that its author may
        not mean: a line each, and each once.
        """
        known = (describe(component) for component in self.datasets)
        of_data = sorted({note for data_set in known if data_set for note in data_set.notes})
        asked = self.study.corner_configurations() if self.study else self.configurations
        warned = dict.fromkeys(line for configuration in asked for line in warnings(configuration))
        searched = remarks.of_study(self.study) if self.study else []
        lines = [*self.without_effect, *searched, *warned]
        return [*of_data, *(f"warning: {line}" for line in lines)]

    @property
    def components(self) -> list[Component]:
        """Everything that its configurations name, once each."""
        if self.study:
            return self.study.components()
        named = (c.component(kind) for kind in KINDS for c in self.configurations)
        return list(dict.fromkeys(named))

    def trials(self) -> Iterator[Trial]:
        """Seed by seed, so that a sweep cut short has compared every configuration it could."""
        for seed in self.seeds:
            for configuration in self.configurations:
                yield Trial(configuration=configuration, seed=seed)

    def label(self, configuration: Configuration) -> str:
        """What a table calls a configuration: encoder, loss, transform, and what else varies."""
        always = ("encoder", "loss", "transform")
        words = [str(getattr(configuration, field)) for field in always]
        words += [
            f"{axis}={format_value(configuration.flat[axis])}"
            for axis in self.axes
            if axis not in always and axis in configuration.flat
        ]
        return " ".join(words)


def load_experiment(
    source: Path | Mapping[str, Any],
    assignments: Iterable[str] = (),
    seeds: Any = None,
    try_code: bool = True,
) -> Experiment:
    """Read an experiment file and apply `--set` assignments and `--seeds`.

    Args:
        source: the file, or what it holds; files that that names are in the current folder
        seeds: whatever `seeds:` may be
        try_code: or else nothing of the user's own is executed

    Raises:
        BadInput: with the file, the key and the way out in one line.
    """
    # What ships with the package has no files beside it: what it is told to use is the user's.
    folder, place = Path.cwd(), "experiment"
    if isinstance(source, Path):
        place = str(source)
        folder = folder if source.parent == SHIPPED else source.absolute().parent
    with at(place):
        content = read_yaml(source) if isinstance(source, Path) else dict(source)
        file = _SweepFile.checked(content, folder)
    for assignment in assignments:
        with at(f"--set {assignment}"):
            file.assign(assignment, folder)
    if seeds is not None:
        with at("--seeds"):
            file.seeds = parse_seeds(seeds)
    with at(place):
        experiment = file.experiment(Resolver(folder))
        if try_code:
            try_components(experiment)
    return experiment


def try_components(experiment: Experiment) -> None:
    """Raise BadInput, FILE:LINE, for what of the user's own code does not do what it is to do."""
    if any(component.is_code for component in experiment.components):
        from vae import rehearsal  # torch takes its time to import

        study = experiment.study
        tried = study.corner_configurations() if study else experiment.configurations
        rehearsal.try_components(tried)


class _SweepFile(BaseModel):
    """The keys of an experiment file."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    dataset: DataSetName | None = None
    grid: Grid = {}
    zip: list[ZipGroup] = []
    exclude: list[Rule] = []
    study: StudySection | None = None
    racing: Annotated[RacingSection | None, BeforeValidator(parse_racing)] = None
    fixed: Fields = {}
    pictures: Pictures = Pictures()
    diagnostics: Annotated[bool, Field(strict=True)] = False
    seeds: Annotated[tuple[int, ...], BeforeValidator(parse_seeds)] = (0,)
    _assigned: set[str] = PrivateAttr(default_factory=set)
    """The fields that `--set` gave."""

    @classmethod
    def checked(cls, raw: dict[str, Any], folder: Path) -> _SweepFile:
        for key in raw:
            check_name(cls.model_fields, str(key), "key")
        present = {key: value for key, value in raw.items() if value is not None}
        try:
            file = cls.model_validate(present, context={"folder": folder})
        except ValidationError as error:
            raise BadInput(explain(error)) from error
        file._refuse_grid_beside_study(present)
        file._refuse_overlaps()
        if file.dataset is not None:
            file.fixed["dataset"] = file.dataset
        return file

    def _sections(self) -> list[tuple[str, dict[str, Any]]]:
        zipped = [(f"zip.{i}", group) for i, group in enumerate(self.zip)]
        space = [("study.space", self.study.space)] if self.study else []
        return [("fixed", self.fixed), ("grid", self.grid), *zipped, *space]

    def _refuse_grid_beside_study(self, present: Iterable[str]) -> None:
        if self.study is None:
            return
        for key in ("grid", "zip", "exclude"):
            if key in present:
                raise BadInput(f"{key}: is given beside `study`; an experiment is one or the other")
        if "racing" in present:
            raise BadInput("racing: belongs under `study`")

    def _refuse_overlaps(self) -> None:
        seen = {"dataset": "the key `dataset`"} if self.dataset is not None else {}
        for place, fields in self._sections():
            for field in fields:
                if field in seen:
                    raise BadInput(f"{place}.{field}: is also given in {seen[field]}")
                seen[field] = place

    def assign(self, assignment: str, folder: Path) -> None:
        """`key=value` fixes a field, `key=a,b` makes it an axis; both replace what was there."""
        field, equals, text = assignment.partition("=")
        if not equals or not text.strip():
            raise BadInput("should be key=value or key=value,value")
        if field in ("seed", "seeds"):
            raise BadInput("seeds are replicates, not a field; use --seeds")
        if field.startswith("pictures."):
            key = field.removeprefix("pictures.")
            self.pictures = self.pictures.with_value(key, parse_yaml(text))
            return
        values = parse_yaml(f"[{text}]")
        if field in KINDS:  # files are named from here
            here = Path.cwd()
            values = [moved(field, v, here, folder) if isinstance(v, str) else v for v in values]
        values = check_choices(field, values, folder)
        self._assigned.add(field)
        self._drop([field])
        if len(values) == 1:
            self.fixed[field] = values[0]
        elif self.study:
            self.study.space[field] = tuple(check_distinct({field: values})[field])
        else:
            self.grid.update(check_distinct({field: values}))

    def _drop(self, names: Collection[str]) -> None:
        for _, fields in self._sections():
            for name in names:
                fields.pop(name, None)
        self.zip = [group for group in self.zip if group]

    def _drop_options_of_what_was_replaced(self, resolver: Resolver) -> None:
        """The file's options of components that `--set` has put others in the place of."""
        sections = [fields for _, fields in self._sections()]
        for kind in self._assigned & KINDS.keys():
            values = [value for fields in sections for value in _as_list(fields.get(kind, []))]
            kept = resolver.options_of(kind, values) | self._assigned
            named = [*sections, *self.exclude]
            options = {n for fields in named for n in fields if n.startswith(f"{kind}.")} - kept
            self._drop(options)
            self.exclude = [rule for rule in self.exclude if options.isdisjoint(rule)]

    def experiment(self, resolver: Resolver) -> Experiment:
        """What the file asks for."""
        self._drop_options_of_what_was_replaced(resolver)
        found = self._of_study(self.study, resolver) if self.study else self._of_grid(resolver)
        return replace(found, pictures=self.pictures, diagnostics=self.diagnostics)

    def _of_study(self, study: StudySection, resolver: Resolver) -> Experiment:
        if not study.space:
            raise BadInput("study.space: nothing is left to search")
        plan = study.plan({"dataset": DEFAULTS["dataset"], **self.fixed}, resolver)
        racing = Racing() if study.racing else None
        return Experiment(self.name, tuple(plan.space), (), self.seeds, racing, plan)

    def _of_grid(self, resolver: Resolver) -> Experiment:
        """Every combination that no rule excludes; one where an option makes no difference."""
        configurations: dict[str, Configuration] = {}
        taken: set[str] = set()
        matched: set[int] = set()
        for varying in combinations(self.grid, self.zip):
            fields = self.fixed | varying
            effective = resolver.effective(fields)
            taken |= effective.keys()
            excluded_by = {i for i, rule in enumerate(self.exclude) if applies(rule, effective)}
            matched |= excluded_by
            if not excluded_by:
                configuration = resolver.configuration(fields, varying)
                configurations.setdefault(configuration.id, configuration)
        rules = [(f"exclude.{i}", rule) for i, rule in enumerate(self.exclude)]
        refuse_unused_options([*self._sections(), *rules], taken)
        if not configurations:
            raise BadInput("exclude: nothing is left of the grid")
        axes = (*self.grid, *(field for group in self.zip for field in group))
        competing = tuple(configurations.values())
        with at("racing"):
            racing = self.racing.rules(competing) if self.racing else None
        without_effect = tuple(remarks.of_rules(self.exclude, matched))
        return Experiment(
            self.name, axes, competing, self.seeds, racing, without_effect=without_effect
        )


def _as_list(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple) else [values]
