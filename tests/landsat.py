"""A real Landsat 7 scene, six bands of 352 x 349 bytes: from Debian's r-cran-stars."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

HOW = "apt-get download r-cran-stars (Debian or Ubuntu, with a network) gives it"


def _said(*command, folder):
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def scene():
    """The path of the scene, downloaded once per machine; without it, the test is skipped."""
    folder = Path(tempfile.gettempdir()) / "streamkm-landsat"
    folder.mkdir(exist_ok=True)
    if not any(folder.glob("**/L7_ETMs.tif")):
        try:
            got = _said("apt-get", "download", "r-cran-stars", folder=folder)
            if not got and os.geteuid() == 0 and _said("apt-get", "update", folder=folder):
                got = _said("apt-get", "download", "r-cran-stars", folder=folder)
        except FileNotFoundError:
            got = False
        packages = sorted(folder.glob("r-cran-stars*.deb"))
        if not got or not packages:
            pytest.skip(f"there is no Landsat scene; {HOW}")
        _said("dpkg-deb", "-x", packages[-1], ".", folder=folder)
    return next(folder.glob("**/L7_ETMs.tif"))
