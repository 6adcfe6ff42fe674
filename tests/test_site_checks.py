"""What looks at the built site finds what is wrong with one."""

import json
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from check_site import (
    BROWSERS,
    broken_links,
    in_browser,
    missing_words,
)

TABLE = f"<table><tr>{'<td>a-column-of-some-width</td>' * 20}</tr></table>"


@pytest.fixture
def site(tmp_path):
    """A site of two pages, with a fault of each kind."""
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static/theme.html").write_text('<a href="nowhere.html">')
    (tmp_path / "index.html").write_text(
        '<a href="guide.html#start">good</a> <a href="https://example.org/x">far</a>'
        '<a href="guide.html#end">bad</a> <a href="gone.html">bad</a>'
        f'<div class="bd-article"><div style="overflow-x: auto">{TABLE}</div></div>'
    )
    (tmp_path / "guide.html").write_text(
        '<h1 id="start">Guide</h1><div style="width: 600px" class="wide">x</div>'
        "<script>undefined.x</script>"
    )
    (tmp_path / "search.html").write_text("<p>no results</p>")
    index = {"terms": {"latenc": 0, "int8": 1}, "titleterms": {"quantiz": 0}}
    text = f"Search.setIndex({json.dumps(index)})"
    (tmp_path / "searchindex.js").write_text(text)
    return tmp_path


def test_broken_links(site):
    assert list(broken_links(site)) == [
        "index.html: no file for 'gone.html'",
        "index.html: no anchor for 'guide.html#end'",
    ]


def test_words_of_the_search_index(site):
    pytest.importorskip("snowballstemmer")
    words = ("latency", "int8", "quantization", "pytorch")
    assert list(missing_words(site, words)) == ["search index: no 'pytorch'"]


def test_pages_in_a_browser(site, monkeypatch):
    pytest.importorskip("playwright")
    if not any(map(shutil.which, BROWSERS)):
        pytest.skip("there is no Chromium")
    monkeypatch.setattr("check_site.WORDS", ())
    found = list(in_browser(site, widths=(400, 1300)))
    assert any("guide.html at 400 px: 2" in each for each in found), found
    assert any("div.wide" in each for each in found)
    assert not any("guide.html at 1300 px" in each for each in found)
    assert any("index.html at 1300 px: a table loses" in each for each in found)
    assert not any("index.html at 400 px" in each for each in found)
    assert any("guide.html: Cannot read properties" in each for each in found)
