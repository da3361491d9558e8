"""What the page's data say, against loops; what the page does, in a real browser."""

import io
import itertools
import json
import re
import zipfile

import numpy as np
import pytest
from PIL import Image

from cdp.confidence import confidence
from cdp.contact_sheets import write_contact_sheets
from cdp.evidence import near_merges, strongest_ties, weakest_cuts
from cdp.images import open_images
from cdp.propagation import propagate
from cdp.selection import kept_pairs
from tests.browser import CHROMIUM, browser

NASTY = [
    "</script><script>window.hacked=1</script>",
    '"><img src=x onerror="window.hacked=1">',
    "'); window.hacked=1; ('",
    "\u2028window.hacked=1\u2029// ",
    "a b/ü 漢字 🙂 \\ `${window.hacked=1}`",
    "<b>bold</b>&amp;",
]
SIZES = [40, 25, 12, 6, 2]


def image_bytes(color, size=(48, 32), kind="PNG", mode="RGB"):
    file = io.BytesIO()
    Image.new(mode, size, color).save(file, kind)
    return file.getvalue()


def tint(row):
    return ((row * 67) % 200 + 40, (row * 29) % 200 + 40, (row * 101) % 200 + 40)


@pytest.fixture(scope="module")
def case():
    """Names, identities, pairs and scores of five bands: one pair holds 0 together, 1 and 2 nearly merged."""
    truth = np.repeat(np.arange(5), SIZES)
    truth[30:40] = 9  # of the first cluster, the end
    names = [f"folder/sample {row}.png" for row in range(len(truth))]
    names[: len(NASTY)] = NASTY
    starts = np.cumsum([0, *SIZES])
    bands = itertools.pairwise(sorted([*starts, 30]))
    links = [(i, j, 0.9) for a, b in bands for i in range(a, b) for j in range(i + 1, min(i + 4, b))]
    links += [(29, 30, 0.55)]
    links += [(starts[1] + 3, starts[2] + 4, 0.45), (starts[1] + 5, starts[2] + 4, 0.4)]
    pairs, scores = np.array([link[:2] for link in links]), np.array([link[2] for link in links], np.float32)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return names, truth, pairs[order], scores[order]


@pytest.fixture(scope="module")
def sheets(case, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sheets")
    names, truth, *_ = case
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for row, name in enumerate(names):
            archive.writestr(name, image_bytes(tint(row)))
    write(folder / "page", folder / "images.zip", case, labels=truth)
    return folder / "page"


def write(folder, images, case, clusters=None, **options):
    names, _, pairs, scores = case
    if clusters is None:
        clusters = propagate(*kept_pairs(pairs, scores, 0.5), len(names), max_size=100)
    kept, kept_scores = kept_pairs(pairs, scores, 0.5)
    of_clusters = confidence(kept, kept_scores, clusters)
    with open_images(images) as opened:
        return write_contact_sheets(
            folder / "index.html",
            folder / "data",
            title="tests <of> & sheets",
            names=names,
            images=opened,
            clusters=clusters,
            confidence=of_clusters,
            cuts=weakest_cuts(kept, kept_scores, clusters, of_clusters),
            ties=strongest_ties(pairs, scores, clusters),
            merges=near_merges(pairs, scores, clusters),
            max_size=30,
            **options,
        )


def handed_over(path):
    """The arguments of the call in a script of data."""
    call = re.fullmatch(r"sheets\.\w+\((.*)\);\n", path.read_text(encoding="ascii"), re.DOTALL)
    return json.loads(f"[{call[1]}]")


def test_facts_against_the_case(case, sheets):
    names, _, _, _ = case
    (facts,) = handed_over(sheets / "data/clusters.js")
    assert facts["size"] == SIZES
    assert facts["wrong"] == [10, 0, 0, 0, 0]
    assert (facts["part"][0], facts["cut"][0], facts["between"][0]) == (10, 0.55, 1)
    assert facts["doubtful"] == sorted(range(5), key=lambda cluster: facts["confidence"][cluster])
    assert facts["doubtful"][0] == 0
    assert facts["merges"] == [[1, 2, 0.45, names[43], names[69], 2, False]]
    assert facts["discarded"] == 0


def test_samples_and_pictures_agree(case, sheets):
    """Each sample is once in one chunk, where the sheet has its colour; names survive."""
    names, _, _, _ = case
    (facts,) = handed_over(sheets / "data/clusters.js")
    side, columns = facts["pictures"]["side"], facts["pictures"]["columns"]
    seen = []
    for number in range(max(facts["chunk"]) + 1):
        sheet = Image.open(sheets / f"data/{number}.webp").convert("RGB")
        place = 0
        for cluster, samples in handed_over(sheets / f"data/{number}.js")[1].items():
            assert facts["chunk"][int(cluster)] == number
            assert len(samples["name"]) == facts["size"][int(cluster)]
            for name in samples["name"]:
                middle = (place % columns * side + side // 2, place // columns * side + side // 2)
                np.testing.assert_allclose(sheet.getpixel(middle), tint(names.index(name)), atol=40)
                place += 1
            seen += samples["name"]
    assert sorted(seen) == sorted(names)
    assert handed_over(sheets / "data/names.js") == ["\n".join(seen)]


def test_the_small_part_comes_first_then_the_doubtful(case, sheets):
    names, truth, _, _ = case
    samples = handed_over(sheets / "data/0.js")[1]["0"]
    assert set(samples["name"][:10]) == set(names[30:40])
    for part in (samples["confidence"][:10], samples["confidence"][10:]):
        assert part == sorted(part)
    assert samples["wrong"] == [1] * 10 + [0] * 30
    assert samples["label"] == [int(truth[names.index(name)]) for name in samples["name"]]
    ties = handed_over(sheets / "data/0.js")[1]["1"]
    row = ties["name"].index(names[43])
    assert (ties["outside"][row], ties["other"][row], ties["inside"][row]) == (0.45, 2, 0.9)


def test_the_same_bytes_again(case, sheets, tmp_path):
    write(tmp_path, sheets.parent / "images.zip", case, labels=case[1], threads=1)
    first, again = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (sheets, tmp_path)
    )
    assert first == again


def test_many_and_large_clusters_are_spread_over_files(tmp_path):
    """Of a cluster at most 1,000 pictures; chunks of 400 but for larger clusters."""
    sizes = [1500, 300, 200, 150, *[10] * 100]
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    names = [f"{row}" for row in range(len(clusters))]
    pairs = np.array([(i, i + 1) for i in range(len(clusters) - 1) if clusters[i] == clusters[i + 1]])
    (tmp_path / "images").mkdir()
    case = names, None, pairs, np.full(len(pairs), 0.75, np.float32)
    assert write(tmp_path, tmp_path / "images", case, clusters) == len(names) - 500
    (facts,) = handed_over(tmp_path / "data/clusters.js")
    assert facts["size"] == sizes
    assert facts["wrong"] is None
    shown = {}
    for number in range(max(facts["chunk"]) + 1):
        chunk = {int(c): len(samples["name"]) for c, samples in handed_over(tmp_path / f"data/{number}.js")[1].items()}
        assert sum(chunk.values()) <= 400 or len(chunk) == 1
        shown |= chunk
    assert shown == {cluster: min(size, 1000) for cluster, size in enumerate(sizes)}


def test_images_that_cannot_be_read_are_blanks(tmp_path):
    images = {
        "fine.jpg": image_bytes("red", kind="JPEG"),
        "text.png": b"no image",
        "cut.png": image_bytes("red", (300, 300))[:60],
        "postscript.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "wide.png": image_bytes("red", (3000, 1)),
        "many.png": image_bytes(1, (9000, 9000), mode="1"),
    }
    names = [*images, "missing.png"]
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for name, content in images.items():
            archive.writestr(name, content)
    pairs = np.array([(i, i + 1) for i in range(6)])
    blanks = write(
        tmp_path, tmp_path / "images.zip", (names, None, pairs, np.full(6, 0.75, np.float32)), np.zeros(7, int)
    )
    assert blanks == 5


# --- in the browser


@pytest.fixture(scope="module")
def page(sheets):
    if CHROMIUM is None:
        pytest.skip("there is no chromium to show the page in")
    with browser() as opened:
        opened.open((sheets / "index.html").as_uri())
        opened.wait("document.querySelectorAll('.card .picture').length > 20")
        yield opened
        assert opened.errors == []
        assert opened.evaluate("window.hacked") is None
        assert {request.split("://")[0] for request in opened.requests} == {"file"}


def go(page, place):
    page.evaluate(f"location.hash = {json.dumps(place)}")
    page.wait(f"document.querySelector('h2') && location.hash === {json.dumps(place)}")


def titles(page):
    return page.evaluate("[...document.querySelectorAll('.card h3')].map((e) => e.textContent)")


def test_views(page):
    assert page.evaluate("document.title") == "Largest: tests <of> & sheets"
    assert titles(page) == [f"Cluster {number}" for number in range(5)]
    assert "over max_size" in page.evaluate("document.querySelector('.card').innerText")
    for key, title, first in [("2", "Most doubtful", 0), ("3", "Mixed", 0), ("4", "Nearly merged", 1)]:
        page.press(key)
        page.wait(f"document.querySelector('h2').textContent === '{title}'")
        assert titles(page)[0].startswith(f"Cluster {first}")
    assert "0.45 of 2 pairs" in page.evaluate("document.querySelector('.card').innerText")


def test_keys(page):
    go(page, "#largest/0")
    for keys, focused in [("j", 0), ("jj", 2), ("k", 1)]:
        for key in keys:
            page.press(key)
        assert page.evaluate("[...document.querySelectorAll('.card')].indexOf(document.activeElement)") == focused
    page.press("ArrowDown")
    page.press("ArrowUp")
    page.press("Enter")
    page.wait("location.hash === '#cluster/1' && document.querySelectorAll('button.picture').length === 25")
    page.press("ArrowRight")
    page.press("ArrowRight")
    assert page.evaluate("document.getElementById('evidence').textContent") == page.evaluate(
        "document.querySelectorAll('button.picture')[1].title"
    )
    page.press("j")
    page.wait("location.hash === '#cluster/2'")
    page.press("Escape")
    page.wait("location.hash === '#largest/0'")
    page.press("?")
    assert page.evaluate("document.getElementById('keys').open")
    page.press("Escape")
    page.wait("!document.getElementById('keys').open")


def test_search_by_number_and_by_name(page):
    go(page, "#largest/0")
    for text, found in [("3", {"Cluster 3"}), ("sample 8", {"Cluster 3", "Cluster 4"}), ("nothing so", set())]:
        page.press("/")
        page.evaluate("document.getElementById('query').value = ''")
        page.type(text)
        page.press("Enter")
        page.wait(f"document.querySelector('h2').textContent === 'Search: {text}'")
        assert found <= set(titles(page))
        assert bool(found) == bool(titles(page))
    assert "No cluster has that number" in page.evaluate("document.querySelector('main').innerText")


@pytest.mark.parametrize("name", NASTY)
def test_names_are_text_wherever_they_are_shown(page, name):
    go(page, f"#search={page.evaluate(f'encodeURIComponent({json.dumps(name)})')}/0")
    page.wait("document.querySelectorAll('.picture.hit').length === 1")
    assert page.evaluate("document.querySelector('.hit').title").startswith(f"{name} · confidence ")
    go(page, "#cluster/0")
    page.wait("document.querySelectorAll('button.picture').length === 40")
    labels = page.evaluate("[...document.querySelectorAll('button.picture')].map((e) => e.getAttribute('aria-label'))")
    assert sum(label.startswith(f"{name} · confidence ") for label in labels) == 1
    assert page.evaluate("document.querySelectorAll('img, b, main script, svg').length") == 0


def test_the_wrong_ones_are_marked_and_said(page):
    go(page, "#cluster/0")
    page.wait("document.querySelectorAll('button.picture').length === 40")
    assert page.evaluate("document.querySelectorAll('.wrong').length") == 10
    assert page.evaluate("document.querySelector('.wrong').title").endswith("identity 9, not that of most")
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.evaluate("document.querySelector('label[for=query]').textContent")


@pytest.mark.parametrize("place", ["#largest/0", "#merges/0", "#cluster/0", "#search=sample%208/0"])
def test_axe_finds_nothing(page, place):
    go(page, place)
    page.wait("document.querySelectorAll('.picture').length > 5")
    assert page.violations() == []
