"""`runtime.styles.word_search`: what is found by which words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.styles.vocabulary import SYNONYMS
from runtime.styles.word_search import MAX_WORDS, WordSearch, split_words, stem

TEXTS = [
    "A stormy sea with huge waves, thick oil on canvas",
    "Sunflowers in a vase, thick impasto strokes",
    "A calm sea at sunset, tiny dots",
    "Portrait of an old man",
]


@pytest.mark.parametrize(
    "forms",
    [
        ("storm", "storms", "stormy", "storming"),
        ("wave", "waves", "wavy"),
        ("dot", "dots", "dotted"),
        ("colour", "color", "colours", "colourful", "colored"),
        ("impressionism", "impressionist", "impressionistic"),
        ("red", "reddish"),
        ("rose", "rosy", "roses"),
        ("sun", "sunny"),
        ("berry", "berries"),
        ("brush", "brushes"),
    ],
)
def test_forms_of_a_word_have_one_stem(forms: tuple[str, ...]):
    assert len({stem(form) for form in forms}) == 1


@pytest.mark.parametrize("word", ["spring", "king", "red", "sea", "glass", "iris", "sky", "ice"])
def test_short_words_and_roots_stay(word: str):
    assert stem(word) == word


def test_words_that_all_paintings_share_say_nothing():
    assert split_words("A painting in the style of Hokusai's Great Wave, 1831") == ["hokusai", "great", "wave", "1831"]


def test_the_text_with_more_of_the_words_comes_first():
    found = WordSearch(TEXTS).find("stormy sea")
    assert [hit.index for hit in found.hits] == [0, 2]
    assert found.hits[0].words == ("stormy", "sea") and found.hits[1].words == ("sea",)
    assert found.hits[0].score == 1 and not found.unknown


def test_a_rare_word_counts_more_than_a_common_one():
    hits = WordSearch([*TEXTS, "the sea", "sea and sea", "portrait of the sea"]).find("sunset portrait sea").hits
    assert hits[0].index == 2


def test_facets_count_alike_however_long_they_are():
    found = WordSearch(TEXTS).find("stormy huge wavy sea, dots")
    assert {hit.index: round(hit.score, 6) for hit in found.hits if hit.score > 0.9}.keys() == {0, 2}
    both = WordSearch([*TEXTS, "stormy sea of dots"]).find("stormy sea, dots")
    assert both.hits[0].index == 4 and both.hits[0].score > 1.5


def test_synonyms_are_found_after_the_word_itself():
    texts = ["An ocean", "A sea", "A garden"]
    assert [hit.index for hit in WordSearch(texts).find("sea").hits] == [1, 0]
    assert [hit.index for hit in WordSearch(texts).find("ocean").hits] == [0, 1]


def test_unknown_words_are_told_with_the_nearest_that_is_known():
    found = WordSearch(TEXTS).find("sunflowr cyberpunk sea")
    assert found.unknown == {"sunflowr": "sunflowers", "cyberpunk": ""}
    assert len(found.hits) == 2


def test_nothing_is_found_in_nothing():
    assert WordSearch([]).find("sea").hits == ()
    assert WordSearch(TEXTS).find(" ,;, the ").hits == ()


def test_a_long_text_costs_no_more_than_many_words():
    found = WordSearch(TEXTS).find(", ".join(f"{a}{b}x" for a in "abcdefghij" for b in "abcdefghij") + ", sea")
    assert len(found.unknown) == MAX_WORDS and not found.hits


@given(st.text(max_size=200))
def test_any_text_is_understood_or_not(text: str):
    found = WordSearch(TEXTS).find(text)
    assert all(0 < hit.score <= len(text) + 1 and hit.words for hit in found.hits)
    assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)


def test_every_synonym_says_something():
    assert all(len(split_words(group)) == len(group.split()) >= 2 for group in SYNONYMS)
