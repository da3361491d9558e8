"""A data set's results on one page that needs nothing else: HTML with the figures in it."""

import base64
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jinja2


class ReportFigure(NamedTuple):
    """A figure of the page: its name (of letters, digits and _), what to call it, what it shows, SVG, and CSV."""

    name: str
    title: str
    caption: str
    svg: str
    numbers: str


def report_page(table: str, figures: Sequence[ReportFigure]) -> str:
    """The page, which opens with the table and the first figure.

    Parameters
    ----------
    table : str
        In the Markdown of `cdp.table.markdown_text`.
    figures : sequence of ReportFigure

    Returns
    -------
    str
        HTML.
    """
    blocks = list(_blocks(table))
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_PAGE).render(
        title=next(block["text"] for block in blocks if block["kind"] == "h1"),
        tables=[block for block in blocks if block["kind"] == "table"],
        notes=[block["text"] for block in blocks if block["kind"] == "p"],
        terms=_TERMS,
        figures=[
            {"name": figure.name, "title": figure.title, "caption": figure.caption}
            | {"svg": inline_svg(figure.svg, figure.name), "numbers": _data_address(figure.numbers)}
            for figure in figures
        ],
    )


def inline_svg(svg: str, name: str) -> str:
    """The <svg> element of a file, with ids of its own, as the picture that heading and caption of `name` describe."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(url\(|href=")#', rf"\1#{name}-", svg)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return svg.replace("<svg", f'<svg role="img" aria-labelledby="{name}-title" aria-describedby="{name}-caption"', 1)


def _blocks(markdown: str) -> Iterable[dict[str, Any]]:
    """Headings, tables and paragraphs; a table has the heading above it as its title."""
    heading = ""
    for block in markdown.strip().split("\n\n"):
        if block.startswith("#"):
            marks, heading = block.split(" ", 1)
            yield {"kind": f"h{len(marks)}", "text": heading}
        elif block.startswith("|"):
            header, _, *lines = block.split("\n")
            yield {
                "kind": "table",
                "title": heading,
                "header": _cells(header),
                "rows": [_cells(line) for line in lines],
            }
        else:
            yield {"kind": "p", "text": block}


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def _data_address(text: str) -> str:
    return "data:text/csv;base64," + base64.b64encode(text.encode()).decode()


_TERMS = (
    ("strategy", "how pairs of samples are kept: by vote, by the mediator, or by the labels themselves (ground truth, "
     "the upper bound)."),
    ("models", "how many models had a say, the base model included."),
    ("setting", "k neighbours a sample, itself included; accept: members that must confirm a pair; three digits: the "
     "mediator's inputs (relationship, affinity, structure); th: pairs with a higher score are kept; sz and step: "
     "max_size and step, where an experiment has its own."),
    ("precision", "of all pairs of samples that share a cluster, the share that is of one identity, in per cent."),
    ("recall", "of all pairs of samples of one identity, the share that shares a cluster, in per cent."),
    ("F", "harmonic mean of precision and recall."),
    ("BCubed F", "the same from precision and recall of every sample, so that large clusters do not count more than "
     "their samples."),
    ("NMI", "normalised mutual information of clusters and identities, in per cent."),
    ("clusters", "how many there are, discarded samples not counted."),
    ("discarded", "share of the samples that no kept pair touches."),
    ("kNN recall", "share of the true nearest neighbours that the search found."),
    ("kNN time, cluster time, total time", "wall-clock seconds of the jobs that led to the clusters."),
)  # fmt: skip

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{{ title }}</title>
<style>
:root { --ink: #1b1b1b; --paper: #ffffff; --soft: #f3f3f3; --line: #c8c8c8; --link: #0b57a4; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ececec; --paper: #16181b; --soft: #24272b; --line: #4a4e54; --link: #8ec5ff; }
}
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
header, main { max-width: 76rem; margin: 0 auto; padding: 0 1rem; }
h1 { margin: 1.5rem 0 0; font-size: 1.6rem; line-height: 1.2; }
h2 { margin: 2.5rem 0 0.5rem; font-size: 1.25rem; line-height: 1.3; }
p, figcaption, dl { max-width: 46rem; }
a { color: var(--link); }
nav ul { display: flex; flex-wrap: wrap; gap: 0 1.25rem; margin: 0.5rem 0; padding: 0; list-style: none; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
caption { padding: 0.5rem 0; text-align: left; font-weight: bold; }
th, td { padding: 0.25rem 0.5rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
thead th { background: var(--soft); vertical-align: bottom; white-space: normal; }
th.text, td.text { text-align: left; }
tbody th { font-weight: normal; }
tbody tr:hover { background: var(--soft); }
dt { font-weight: bold; }
dd { margin: 0 0 0.4rem 0; }
figure { margin: 0; }
figure svg { display: block; width: 100%; max-width: 48rem; height: auto; background: #ffffff; }
summary { cursor: pointer; }
</style>
</head>
<body>
<header>
<h1>{{ title }}</h1>
<nav aria-label="On this page"><ul>
{% for figure in figures %}
<li><a href="#{{ figure.name }}">{{ figure.title }}</a></li>
{% endfor %}
<li><a href="#terms">What each column means</a></li>
</ul></nav>
</header>
<main>
<h2 id="results">Results</h2>
{% for table in tables %}
<div class="scroll" role="region" aria-labelledby="table-{{ loop.index }}" tabindex="0">
<table>
<caption id="table-{{ loop.index }}">{{ "Experiments" if loop.first else table.title }}</caption>
<thead><tr>
{% for cell in table.header %}
<th scope="col"{{ ' class="text"'|safe if cell in ("strategy", "baseline", "setting") }}>{{ cell }}</th>
{% endfor %}
</tr></thead>
<tbody>
{% for row in table.rows %}
<tr>
{% for cell in row %}
{% if loop.first %}
<th scope="row" class="text">{{ cell }}</th>
{% else %}
<td{{ ' class="text"'|safe if table.header[loop.index0] == "setting" }}>{{ cell }}</td>
{% endif %}
{% endfor %}
</tr>
{% endfor %}
</tbody>
</table>
</div>
{% endfor %}
<p><a href="#terms">What each column means</a></p>
{% for figure in figures %}
<section id="{{ figure.name }}">
<h2 id="{{ figure.name }}-title">{{ figure.title }}</h2>
<figure>
{{ figure.svg|safe }}
<figcaption id="{{ figure.name }}-caption">
{{ figure.caption }}
<a download="{{ figure.name }}.csv" href="{{ figure.numbers }}">The numbers of “{{ figure.title }}” (CSV)</a>
</figcaption>
</figure>
</section>
{% endfor %}
<section id="terms">
<h2>What each column means</h2>
<dl>
{% for term, meaning in terms %}
<dt>{{ term }}</dt><dd>{{ meaning }}</dd>
{% endfor %}
</dl>
{% for note in notes %}
<p>{{ note }}</p>
{% endfor %}
</section>
</main>
</body>
</html>
"""
