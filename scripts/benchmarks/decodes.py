"""Run streamkm, and print how often its reads for palettes and for codes decode an image.

This module is separate from `archives`, whose imports would add to the measured memory.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from streamkm.cli import main
from streamkm.images.coding import encode, tables


def counting(decode: Callable[..., Any], names: Counter[str]) -> Callable[..., Any]:
    def counts(header: Any, *rest: Any) -> Any:
        names[header.name] += 1
        return decode(header, *rest)

    return counts


if __name__ == "__main__":
    times = {"palettes": Counter[str](), "codes": Counter[str]()}
    for module, which in ((tables, "palettes"), (encode, "codes")):
        vars(module)["decode"] = counting(vars(module)["decode"], times[which])
    main(sys.argv[1:], standalone_mode=False)
    for which, names in times.items():
        print(f"decoded for {which}: {len(names)} images, {sorted(set(names.values()))} times each")
