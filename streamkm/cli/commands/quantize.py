"""``streamkm quantize``."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from streamkm.cli.common import peak_memory
from streamkm.cli.files import may_replace, report_file
from streamkm.cli.scheduler import CLUSTER, scheduled
from streamkm.cli.signals import fit_in
from streamkm.cli.translate import checkpoint_options, data_options, fit_parameters
from streamkm.cli.ui.facts import show
from streamkm.models.quantizer import save_codebooks
from streamkm.outputs import QUANTIZER, CheckpointOutput, Store, alone, check_outputs, local
from streamkm.runs.encoding import coarse_codebooks
from streamkm.runs.quantizing import (
    QuantizerOptions,
    describe_parts,
    fit_quantizer,
    inertia_of,
    prepare_quantizer,
)
from streamkm.showing.reads import ReadProgress

_STORED = ("n_subspaces", "n_codewords", "init", "max_iter", "tol", "random_state")


def run(
    data: str, output: str, coarse: str | None, *, overwrite: bool, as_json: bool, **given: Any
) -> None:
    """Fit the codebooks, write them, and print the result."""
    options = QuantizerOptions.from_parameters(fit_parameters(given | {"loss_tol": None}))
    checkpoint, saving = given["checkpoint"], checkpoint_options(given)
    overwrite = may_replace(output, fit_in(checkpoint), overwrite)
    saved = None if checkpoint is None else CheckpointOutput(checkpoint)
    report = report_file(given["report"], overwrite)
    check_outputs([Store(output, QUANTIZER, overwrite), saved, report], [data, coarse])
    source = data_options(data, given)
    with ExitStack() as stack:
        stack.enter_context(scheduled(*(given[name] for name in CLUSTER)))
        known = None if coarse is None else coarse_codebooks(coarse)
        prepared = prepare_quantizer(source, options, known)
        stack.enter_context(alone(local(output)))
        bar = stack.enter_context(ReadProgress(prepared.rows, lambda s: bar.say(describe_parts(s))))
        state, found = fit_quantizer(prepared, saving, bar.callbacks)
        asked = {name: given[name] for name in _STORED} | {"feature_dim": source.feature_dim}
        found = replace(
            found,
            inertia=inertia_of(state),
            parameters=asked,
            features=list(prepared.rows.layout.names or ()),
        )
        save_codebooks(local(output), found, overwrite)
    facts = {
        "inertia": found.inertia,
        "iterations": max(len(each.history) for each in state.trajectories),
        "reads": state.n_passes,
        "bytes_read": state.reads.bytes_read,
        "code_bytes": found.codewords.shape[0] * found.code_dtype.itemsize,
        "peak_memory_bytes": peak_memory(),
        "memory_limit_bytes": source.memory_limit,
        "quantizer": output,
    }
    show(facts, as_json)
