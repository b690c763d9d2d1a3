"""What a run was computed with, and what of it is another thing in this process."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

from experiments.execution.process import surroundings
from experiments.models.load import SelectedRun
from experiments.tracking.provenance import COMMIT, COMMITS, provenance
from experiments.tracking.run_record import attempts
from vae.components import user_code
from vae.configuration import NUMBERS_VERSION, Trial
from vae.data import decoded

_PACKAGES = ("python", "torch", "torchvision", "numpy")
"""That a number can depend on, of those that a run lists."""

_ATTEMPTS = ("device", "processor", "threads", "host")
"""Tags in which a run lists all that it was computed with, in the order of what they may move."""

VERSION = "numbers version"
"""What people call it."""

_NONE = "none"


def computed_with(chosen: SelectedRun) -> dict[str, str]:
    """What the run says of itself, by what people call it; what it does not say is left out."""
    tags = chosen.run.tags
    versions = json.loads(tags.get("versions", "{}"))
    commits = attempts(tags.get(COMMITS, tags.get(COMMIT)))
    facts = {
        VERSION: tags.get("numbers_version", ""),
        "commit": " → ".join(commit[:12] for commit in commits),
        "uncommitted changes": _changes(chosen) if commits else "",
        **{name: versions.get(name, "") for name in _PACKAGES},
        **{name: tags.get(name, "") for name in _ATTEMPTS},
        "data": chosen.tracker.dataset_digest(chosen.run.run_id),
    }
    facts["device"] = _without_number(facts["device"])
    return {name: fact for name, fact in facts.items() if fact}


def _changes(chosen: SelectedRun) -> str:
    dirty = chosen.run.tags.get("git.dirty") == "true"
    return _short_digest(chosen.tracker.text(chosen.run.run_id, "git.diff") if dirty else "")


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8] if text else _NONE


def _without_number(device: str) -> str:
    """Which of several GPUs of a kind it was alters nothing."""
    return re.sub(r"cuda:\d+", "cuda", device)


def computes_with(trial: Trial, data_dir: Path, device: str) -> dict[str, str]:
    """The same of this process, which has prepared the data and knows the trial's code.

    Args:
        device: what torch calls it
    """
    code = provenance("", user_code.known_of(trial.configuration.digests.values()).values())
    facts = {
        VERSION: str(NUMBERS_VERSION),
        "commit": code.commit[:12],
        "uncommitted changes": _short_digest(code.diff),
        **{name: code.versions[name] for name in _PACKAGES},
        **surroundings(device, device),
        "data": decoded.digest(trial.configuration.component("dataset"), str(data_dir.absolute())),
    }
    facts["device"] = _without_number(facts["device"])
    return {name: fact for name, fact in facts.items() if fact}


def differences(then: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """What both say and is not the same: its name, and `before → now`, or `one and another → now`
    of a run that went on elsewhere.
    """
    return {
        name: f"{' and '.join(attempts(then[name]))} → {now[name]}"
        for name in then
        if name in now and attempts(then[name]) != [now[name]]
    }
