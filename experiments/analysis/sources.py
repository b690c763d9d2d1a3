"""The tracked experiments that a comparison is of: one, or several, of any tracking stores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from experiments.analysis.naming import not_tracked
from experiments.analysis.trial_columns import EXPERIMENT
from experiments.secrets import mask
from experiments.tracking.reachable import check_reachable
from experiments.tracking.reader import Reader
from experiments.tracking.uris import default_uri, tracking_address
from vae.errors import BadInput


@dataclass(frozen=True)
class Source:
    """A tracked experiment.

    Attributes:
        label: that tells it from the others in the column `experiment`; empty where it is alone
    """

    tracker: Reader
    name: str
    label: str = ""

    def id_of(self, configuration_id: str) -> str:
        """Experiments may have configurations in common: beside others, each has its own."""
        return f"{self.label}/{configuration_id}" if self.label else configuration_id

    def own(self, trials: pd.DataFrame) -> pd.DataFrame:
        """Those of `trials` that are of this experiment, as they are where it is alone."""
        if not self.label:
            return trials
        mine = trials[trials[EXPERIMENT] == self.label]
        ids = mine["configuration_id"].str.removeprefix(f"{self.label}/")
        return mine.assign(configuration_id=ids).drop(columns=EXPERIMENT)


def split_address(text: str, uri: str) -> tuple[str, str]:
    """The tracking store and the experiment of `URI#NAME`, or of a name in the store `uri`."""
    store, found, name = text.rpartition("#")
    if found and "://" in store:
        return tracking_address(store), name
    return tracking_address(uri), text


def open_source(name: str, uri: str, typed: str | None = None) -> Source:
    """The MLflow experiment of that name.

    Args:
        typed: what stood for it on a command line

    Raises:
        BadInput: when there is none, or nothing tracks at `uri`.
    """
    check_reachable(uri, read_only=True)
    tracker = Reader.find(uri, name)
    if tracker is None:
        raise not_tracked(name, uri, typed)
    return Source(tracker, name)


def open_sources(experiments: str | Sequence[str], tracking_uri: str | None) -> list[Source]:
    """The experiments of these names, or of `URI#NAME`; BadInput as of `open_source`."""
    names = [experiments] if isinstance(experiments, str) else list(experiments)
    uri = tracking_uri or default_uri()
    found = (split_address(name, uri) for name in names)
    return labelled(open_source(name, store) for store, name in found)


def labelled(sources: Iterable[Source]) -> list[Source]:
    """The same, each with a label where there are several: its name; of experiments that are
    called the same its store, from where the addresses begin to differ; else `URI#NAME`.

    Raises:
        BadInput: when there is none, or one is there twice.
    """
    sources = list(sources)
    if not sources:
        raise BadInput("no experiment is named")
    if len(sources) == 1:
        return sources
    addresses = [f"{mask(source.tracker.uri)}#{source.name}" for source in sources]
    twice = [address for address, n in Counter(addresses).items() if n > 1]
    if twice:
        raise BadInput(f"experiment {twice[0]} is named twice")
    names = [source.name for source in sources]
    if len(set(names)) == len(names):
        labels = names
    else:
        stores = [mask(source.tracker.uri) for source in sources]
        labels = _from_where_they_differ(stores if len(set(names)) == 1 else addresses)
    return [replace(s, label=label) for s, label in zip(sources, labels, strict=True)]


def _from_where_they_differ(addresses: Iterable[str]) -> list[str]:
    parts = [address.split("/") for address in addresses]
    n_shared = 0
    while len({tuple(part[: n_shared + 1]) for part in parts}) == 1:
        n_shared += 1
    return ["/".join(part[n_shared:]) for part in parts]


def title(sources: Sequence[Source]) -> str:
    """Of a report of these."""
    labels = " and ".join(source.label or source.name for source in sources)
    name = sources[0].name
    several = len(sources) > 1 and all(source.name == name for source in sources)
    return f"{name} ({labels})" if several else labels
