"""Build the site into build/site/html; every warning and every broken link is an error."""

from __future__ import annotations

import subprocess
import sys

from scripts.website import links, llms, man, source

SITE = source.ROOT / "build/site"


def main() -> None:
    """Build the pages, their Markdown, llms.txt and the manual pages, and check the links."""
    source.write(SITE / "source")
    options = ["-W", "--keep-going", "-q", "-c", "docs", "-d", str(SITE / "doctrees")]
    folders = [str(SITE / "source"), str(SITE / "html")]
    command = [sys.executable, "-m", "sphinx", *options, *folders]
    if subprocess.run(command, cwd=source.ROOT).returncode:
        sys.exit("scripts/docs: Sphinx found errors")
    llms.write(SITE / "html")
    man.write(SITE / "man")
    found = list(links.broken(SITE / "html"))
    if found:
        sys.exit("\n".join(["scripts/docs: broken links:", *found]))
    print(f"{SITE / 'html' / 'index.html'}")


if __name__ == "__main__":
    main()
