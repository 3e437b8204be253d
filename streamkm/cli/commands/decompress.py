"""``streamkm decompress``."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from streamkm.cli.files import report_file
from streamkm.cli.scheduler import CLUSTER, scheduled
from streamkm.cli.ui.say import say
from streamkm.errors import RunAgain
from streamkm.images import decompress
from streamkm.outputs import check_outputs
from streamkm.showing.bar import ProgressBar


def run(
    archive: str,
    names: tuple[str, ...],
    output: str,
    **options: Any,
) -> None:
    """Write the files and print their number."""
    check_outputs([report_file(options["report"], options["overwrite"])], [archive])
    with ExitStack() as stack:
        stack.enter_context(scheduled(*(options.pop(name) for name in CLUSTER)))
        bar = stack.enter_context(ProgressBar())
        try:
            files = decompress(archive, output, names or None, watch=[bar.show], **options)
        except KeyboardInterrupt:
            fix = "--missing writes the other files"
            if options["overwrite"]:  # some may belong to another archive
                fix = "the same command replaces all files"
            raise RunAgain(f"\nInterrupted; existing files are complete, and {fix}.", 130) from None
    say(f"{output}: {len(files):,} file{'s' * (len(files) != 1)}")
