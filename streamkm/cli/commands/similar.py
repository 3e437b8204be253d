"""``streamkm similar``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from streamkm.cli.files import report_file
from streamkm.cli.scheduler import CLUSTER, scheduled
from streamkm.cli.ui.say import say, say_aside, strict_json
from streamkm.files.names import shown
from streamkm.images import Archive, similar
from streamkm.images.likeness.similar import Similar
from streamkm.outputs import File, check_outputs, local, whole_file
from streamkm.safe_text import safe
from streamkm.showing.bar import ProgressBar


def run(
    archive: str,
    names: tuple[str, ...],
    threshold: float,
    as_json: bool,
    output: str | None,
    overwrite: bool,
    **options: Any,
) -> None:
    """Print the groups, or write them to a file, and say how many images they have."""
    file = None if output is None else File(output, (".tsv", ".txt", ".json"), overwrite)
    check_outputs([file, report_file(options["report"], overwrite)], [archive])
    opened = Archive(archive)
    with ExitStack() as stack:
        stack.enter_context(scheduled(*(options.pop(name) for name in CLUSTER)))
        bar = stack.enter_context(ProgressBar())
        groups = similar(opened, names or None, threshold=threshold, watch=[bar.show], **options)
    if as_json or (output is not None and output.lower().endswith(".json")):
        facts = {"threshold": threshold, "groups": [list(map(asdict, group)) for group in groups]}
        text = strict_json(facts)
    else:
        text = "\n".join(_lines(groups))
    if output is None:
        if text:
            say(text)
    else:
        with whole_file(local(output)) as partial:
            partial.write_text(f"{safe(text)}\n" if text else "")
    others = sum(len(group) - 1 for group in groups)
    place = "" if output is None else f"{output}: "
    say_aside(
        f"{place}{len(groups):,} group{'s' * (len(groups) != 1)}; {others:,} of "
        f"{len(opened):,} images are similar to the first of a group"
    )


def _lines(groups: Sequence[tuple[Similar, ...]]) -> list[str]:
    """Return a line for each image: group, distance, size and name."""
    lines = []
    for number, group in enumerate(groups, 1):
        for image in group:
            distance = "same" if image.same else f"{image.distance:.3f}"
            if image is group[0]:
                distance = "first"
            lines.append(f"{number}\t{distance}\t{image.width}x{image.height}\t{shown(image.name)}")
    return lines
