"""What each extra of streamkm adds to an installation: ``python -m scripts.extras`` in .venv.

Sizes are those of the installed files of the packages that the extra needs, and that streamkm
without extras does not.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
FOR_DEVELOPERS = ("dev", "docs")


def extras() -> dict[str, list[str]]:
    """Return the requirements of each extra that is not for developers."""
    project = tomllib.loads(PROJECT.read_text())["project"]
    known: dict[str, list[str]] = project["optional-dependencies"]
    return {name: texts for name, texts in known.items() if name not in FOR_DEVELOPERS}


def closure(texts: Iterable[str], found: dict[str, Distribution | None]) -> None:
    """Add the packages that requirements need, by their names; None if one is not installed."""
    for text in texts:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if name == "streamkm":
            for extra in requirement.extras:
                closure(extras()[extra], found)
            continue
        if requirement.marker and not _applies(requirement):
            continue
        new = name not in found
        if new:
            found[name] = _installed(name)
        package = found[name]
        if package is not None and (new or requirement.extras):
            own = [f"{r}" for r in package.requires or ()]
            closure(_wanted(own, requirement.extras), found)


def nbytes(package: Distribution) -> int:
    """Return the bytes of the installed files of a package."""
    files = (Path(str(file.locate())) for file in package.files or ())
    return sum(file.stat().st_size for file in files if file.is_file())


def main() -> None:
    """Print a table in Markdown."""
    core: dict[str, Distribution | None] = {}
    closure(tomllib.loads(PROJECT.read_text())["project"]["dependencies"], core)
    print("| extra | packages of its own | adds |\n|---|---|---:|")
    own = f"{len(core)} packages, such as Numba, SciPy and Dask"
    print(f"| (none) | {own} | {_megabytes(core)} |")
    for name, texts in sorted(extras().items()):
        found: dict[str, Distribution | None] = {}
        closure(texts, found)
        more = {key: package for key, package in found.items() if key not in core}
        own = ", ".join(sorted(Requirement(t).name for t in texts if "streamkm" not in t))
        print(f"| `{name}` | {own or 'those of all extras'} | {_megabytes(more)} |")


def _megabytes(packages: dict[str, Distribution | None]) -> str:
    missing = [name for name, package in packages.items() if package is None]
    total = sum(nbytes(package) for package in packages.values() if package is not None)
    return f"{total / 1e6:,.0f} MB" + (f" and {', '.join(missing)}" if missing else "")


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _applies(requirement: Requirement) -> bool:
    assert requirement.marker is not None
    return requirement.marker.evaluate({"extra": ""})


def _wanted(texts: Iterable[str], wanted: set[str]) -> list[str]:
    """Return the requirements of a package with some of its extras, without their markers."""
    found = []
    for text in texts:
        requirement = Requirement(text)
        marker, requirement.marker = requirement.marker, None
        cases = [{"extra": extra} for extra in ("", *wanted)]
        if marker is None or any(marker.evaluate(case) for case in cases):
            found.append(str(requirement))
    return found


if __name__ == "__main__":
    main()
