"""HTML pages, taken apart by the standard library's parser."""

import itertools
import re
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """The elements of a page; fails unless each is closed where it should be."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert len(dict(attributes)) == len(attributes), f"{tag} repeats an attribute"
        self.elements.append({"tag": tag, "in": [e["tag"] for e in self.open], "text": "", **dict(attributes)})
        if tag not in VOID:
            self.open.append(self.elements[-1])

    def handle_startendtag(self, tag, attributes):
        self.elements.append({"tag": tag, "in": [e["tag"] for e in self.open], "text": "", **dict(attributes)})

    def handle_endtag(self, tag):
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, *tags):
        return [element for element in self.elements if element["tag"] in tags]


def check_page(text):
    """What every page must hold to: structure, names for what is seen, nothing to be fetched."""
    assert text.startswith("<!DOCTYPE html>\n")
    page = Page(text)
    assert [element["lang"] for element in page.all("html")] == ["en"]
    assert len(page.all("h1")) == len(page.all("title")) == len(page.all("main")) == 1
    assert page.all("title")[0]["text"].strip()
    levels = [int(element["tag"][1]) for element in page.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    ids = [element["id"] for element in page.elements if "id" in element]
    assert len(ids) == len(set(ids))
    for element in page.elements:
        for attribute in ("aria-labelledby", "aria-describedby"):
            assert element.get(attribute, ids[0]) in ids
        for attribute in ("href", "xlink:href"):
            assert element.get(attribute, "data:").startswith(("data:", "#"))
            assert not element.get(attribute, "").startswith("#") or element[attribute][1:] in ids
        assert not {"src", "srcset", "action", "onclick", "onload", "background"} & set(element)
    assert page.all("script", "iframe", "object", "embed", "base", "form") == []
    assert not re.search(r"url\((?!#)|@import", text)
    assert len(page.all("caption")) == len(page.all("table"))
    assert {element.get("scope") for element in page.all("th")} == {"col", "row"}
    assert all(element.get("role") == "img" for element in page.all("svg"))
    assert len(page.all("svg")) == len(page.all("figure")) == len(page.all("figcaption"))
    return page
