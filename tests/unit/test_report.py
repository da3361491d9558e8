import base64

import pytest

from cdp.report import ReportFigure, inline_svg, report_page
from tests.unit.pages import check_page

TABLE = """\
# faces: 1,000 samples, 10 identities

| strategy | models | setting              |    F |
|----------|--------|----------------------|------|
| vote     |      1 | k15 accept0 th0.7814 | 88.8 |
| mediator |      5 | k15 111 a\\|b         | 95.3 |

## Baselines

| baseline | setting        |    F |
|----------|----------------|------|
| kmeans * | <b>n</b> & "q" | 72.4 |

Precision, recall and F are pairwise.

* was given the true number of clusters.
"""
SVG = """\
<?xml version="1.0" encoding="utf-8" standalone="no"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN"
  "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg xmlns:xlink="http://www.w3.org/1999/xlink" width="576pt" xmlns="http://www.w3.org/2000/svg" version="1.1">
 <metadata>
  <rdf:RDF>made by</rdf:RDF>
 </metadata>
 <defs><clipPath id="p1"><rect/></clipPath><path id="m1" d="M 0 3"/></defs>
 <g id="axes_1" clip-path="url(#p1)"><use xlink:href="#m1"/><text>a &lt; b</text></g>
</svg>
"""
FIGURES = [
    ReportFigure("precision_recall", "Precision & recall", "What <it> shows.", SVG, "a,b\n1,ü\n"),
    ReportFigure("knn_recall", "Recall", "Another.", SVG, "c\n"),
]


def test_page():
    page = check_page(report_page(TABLE, FIGURES))
    assert page.all("h1")[0]["text"] == "faces: 1,000 samples, 10 identities"
    assert [element["text"] for element in page.all("caption")] == ["Experiments", "Baselines"]
    assert [element["text"] for element in page.all("th")] == [
        *("strategy", "models", "setting", "F", "vote", "mediator"),
        *("baseline", "setting", "F", "kmeans *"),
    ]
    assert [element["text"] for element in page.all("td")] == [
        *("1", "k15 accept0 th0.7814", "88.8", "5", "k15 111 a|b", "95.3"),
        *('<b>n</b> & "q"', "72.4"),
    ]
    tags = [element["tag"] for element in page.elements]
    assert tags.index("table") < tags.index("svg") < tags.index("dl")
    headings = [element["text"] for element in page.all("h2")]
    assert headings == ["Results", "Precision & recall", "Recall", "What each column means"]
    assert "What <it> shows." in page.all("figcaption")[0]["text"]
    assert "* was given the true number of clusters." in [element["text"] for element in page.all("p")]


def test_numbers_can_be_saved_from_the_page():
    links = [element for element in check_page(report_page(TABLE, FIGURES)).all("a") if "download" in element]
    assert [element["download"] for element in links] == ["precision_recall.csv", "knn_recall.csv"]
    assert base64.b64decode(links[0]["href"].split(",")[1]).decode() == "a,b\n1,ü\n"


def test_a_table_alone():
    page = check_page(report_page(TABLE[: TABLE.index("## ")], []))
    assert len(page.all("table")) == 1


def test_svg_gets_ids_of_its_own():
    text = inline_svg(SVG, "one")
    assert text.startswith('<svg role="img" aria-labelledby="one-title" aria-describedby="one-caption" xmlns')
    assert 'id="one-p1"' in text
    assert 'clip-path="url(#one-p1)"' in text
    assert '<use xlink:href="#one-m1"/>' in text
    assert "a &lt; b" in text
    assert "rdf" not in text
    assert "DOCTYPE" not in text


@pytest.mark.parametrize("column", ["strategy", "F", "discarded", "kNN recall", "BCubed F", "NMI", "precision"])
def test_columns_are_explained(column):
    page = check_page(report_page(TABLE, FIGURES))
    assert column in [element["text"] for element in page.all("dt")]
