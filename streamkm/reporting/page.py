"""The page around the sections of a report."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from streamkm.reporting.html import Html, join, tag
from streamkm.reporting.pictures import DARK_INK, DARK_PAPER, PAPER, dark_colours

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
# The contents of `main` are replaced, so that the page stays where it is scrolled to.
_SCRIPT = """
const find = (page, name) => page.querySelector(name);
async function refresh() {
  try {
    const text = await (await fetch("/", {cache: "no-store"})).text();
    const page = new DOMParser().parseFromString(text, "text/html");
    for (const name of ["style", "main", "#status"]) {
      const [old, fresh] = [find(document, name), find(page, name)];
      if (old.innerHTML !== fresh.innerHTML) old.innerHTML = fresh.innerHTML;
    }
    setTimeout(refresh, EVERY);
  } catch {
    find(document, "#status").textContent = "The page is no longer served; this is the last state.";
  }
}
setTimeout(refresh, EVERY);
"""
_STYLE = f"""
:root{{--paper:{PAPER};--ink:#1c2024;--quiet:#545b63;--line:#d5d9de;--link:#005a9c;
--raised:#f4f6f8;color-scheme:light dark}}
@media (prefers-color-scheme:dark){{:root{{--paper:{DARK_PAPER};--ink:{DARK_INK};
--quiet:#a9b1ba;--line:#3a4148;--link:#8ec7ff;--raised:#1f2429;DARK_COLOURS}}}}
*{{box-sizing:border-box}}
body{{margin:0;background:var(--paper);color:var(--ink);
font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}}
header,main,footer,nav{{max-width:76rem;margin:0 auto;padding:0 1rem}}
h1{{font-size:1.6rem;margin:1.2rem 0 .2rem;overflow-wrap:anywhere}}
h2{{font-size:1.2rem;margin:2rem 0 .6rem;border-bottom:1px solid var(--line)}}
p{{max-width:70ch;margin:.4rem 0}} p.quiet,figcaption,caption{{color:var(--quiet)}}
a{{color:var(--link)}}
nav ul{{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;padding:0;margin:.6rem 0}}
nav li{{list-style:none}}
.skip{{position:absolute;left:-99rem}} .skip:focus{{left:.5rem;top:.5rem;background:var(--paper)}}
:focus-visible{{outline:3px solid var(--link);outline-offset:2px}}
dl.facts{{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,17rem),1fr));
gap:.5rem 1.5rem;margin:.8rem 0}}
dt{{color:var(--quiet);font-size:.875rem}} dd{{margin:0;overflow-wrap:anywhere}}
dl.facts .long{{grid-column:1/-1}}
.pictures{{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,28rem),1fr));gap:1rem}}
figure{{margin:.6rem 0;min-width:0}} figure svg{{width:100%;height:auto;fill:var(--ink)}}
figcaption,caption{{font-size:.875rem;text-align:left}} caption{{padding:.2rem 0}}
.wide{{overflow-x:auto;max-width:100%;margin:.8rem 0}}
table{{border-collapse:collapse;font-variant-numeric:tabular-nums}}
th,td{{padding:.25rem .7rem;border-bottom:1px solid var(--line)}}
th,td{{text-align:right;white-space:nowrap}}
th[scope=row],th:first-child{{text-align:left;font-weight:600;white-space:normal;
overflow-wrap:anywhere;min-width:6rem}}
thead th{{vertical-align:bottom;background:var(--raised)}}
pre{{background:var(--raised);padding:.7rem;overflow-x:auto;white-space:pre-wrap;
overflow-wrap:anywhere}}
.gallery{{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:.8rem;
padding:0;margin:.8rem 0}} .gallery li{{list-style:none}} .gallery figure{{margin:0}}
.gallery img{{max-width:100%;height:auto}} .gallery figcaption{{overflow-wrap:anywhere}}
img.palette{{width:100%;max-width:32rem;image-rendering:pixelated}}
footer{{margin-top:2.5rem;padding-bottom:2rem;color:var(--quiet);font-size:.875rem}}
@media print{{nav,.skip{{display:none}} figure,tr{{break-inside:avoid}}}}
"""


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Parameters
    ----------
    name : identifier within the page
    title : heading
    body : HTML below the heading
    """

    name: str
    title: str
    body: Html


@dataclass(frozen=True)
class Refresh:
    """A page that asks its server for its contents again.

    Parameters
    ----------
    every : seconds between two requests
    status : one line, which screen readers read when it changes
    """

    every: float
    status: str

    @property
    def script(self) -> str:
        return _SCRIPT.replace("EVERY", str(max(1, round(1000 * self.every))))

    @property
    def policy(self) -> str:
        digest = base64.b64encode(hashlib.sha256(self.script.encode()).digest()).decode()
        return f"; script-src 'sha256-{digest}'; connect-src 'self'"

    def __call__(self) -> Html:
        line = tag("p", self.status, id="status", role="status", aria_live="polite")
        return join([line, Html(f"<script>{self.script}</script>")])


def page(
    title: str, subtitle: str, sections: Sequence[Section], refresh: Refresh | None = None
) -> str:
    """Return the HTML of a report, which refers to no other file."""
    links = (tag("li", tag("a", each.title, href=f"#{each.name}")) for each in sections)
    parts = (
        tag(
            "section",
            tag("h2", each.title, id=each.name),
            each.body,
            aria_labelledby=each.name,
        )
        for each in sections
    )
    body = join(
        [
            tag("a", "Skip to the contents", href="#main", class_="skip"),
            tag(
                "header",
                tag("h1", title),
                tag("p", subtitle, class_="quiet"),
                "" if refresh is None else refresh(),
            ),
            tag("nav", tag("ul", *links), aria_label="Sections"),
            tag("main", *parts, id="main", tabindex=-1),
        ]
    )
    policy = _POLICY + ("" if refresh is None else refresh.policy)
    style = _STYLE.replace("DARK_COLOURS", dark_colours(body)).strip()
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{tag('title', f'{title}: {subtitle}')}\n<style>\n{style}\n</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def pictures(*found: Html) -> Html:
    """Return pictures beside each other where the page is wide enough."""
    return tag("div", *found, class_="pictures")


def command(line: str) -> Html:
    """Return a command or a call that repeats a run."""
    return tag("pre", tag("code", line))
