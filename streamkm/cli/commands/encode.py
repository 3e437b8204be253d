"""``streamkm encode``."""

from __future__ import annotations

from typing import Any

from streamkm.cli.commands.predict import show_labels
from streamkm.cli.files import report_file
from streamkm.cli.scheduler import CLUSTER, scheduled
from streamkm.cli.translate import data_options
from streamkm.cli.ui.say import say, say_aside
from streamkm.outputs import check_outputs
from streamkm.runs.encoding import encode


def run(quantizer: str, data: str, output: str, *, overwrite: bool, **given: Any) -> None:
    """Write the code of every row."""
    check_outputs([report_file(given["report"], overwrite)], [quantizer, data])
    with scheduled(*(given[name] for name in CLUSTER)):
        source = data_options(data, given)
        n, m = encode(quantizer, source, output, overwrite, show_labels, say_aside)
    say(f"{output}: codes of {n:,} rows, {m:,} numbers each")
