"""``streamkm merge``."""

from __future__ import annotations

from streamkm.cli.files import refuse_repeated
from streamkm.cli.ui.facts import show
from streamkm.models.storage import load_model, save_model
from streamkm.outputs import MODEL, alone, check_store
from streamkm.runs.stream_merging import merge_models


def run(models: tuple[str, ...], output: str, *, as_json: bool, overwrite: bool) -> None:
    """Merge stored models, write the result, and print its size."""
    refuse_repeated(models)
    target = check_store(output, MODEL, overwrite, models)
    found = merge_models({path: load_model(path) for path in models})
    with alone(target):
        save_model(target, found, overwrite)
    rows, kept = found.summary["rows"], len(found.summary["weights"])
    facts = {"rows": rows, "rows_of_the_summary": kept, "inertia": found.inertia, "model": output}
    show(facts, as_json)
