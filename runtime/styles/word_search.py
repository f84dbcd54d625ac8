"""Find texts by words: BM25 over stemmed words and a table of synonyms. It knows spellings, not meanings.

Robertson & Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009). Suffixes are taken off lightly,
in the manner of Harman, "How Effective Is Suffixing?" (1991), but of adjectives too: a stormy sea is a storm at sea.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from runtime.styles.vocabulary import STOP_WORDS, SYNONYMS

#: BM25: how soon a word's repetition stops counting, and how much long texts are held back.
_SATURATION, _LENGTH = 1.2, 0.5
#: What a synonym counts beside the word itself.
_SYNONYM_WEIGHT = 0.6
#: More words than this say nothing more, and cost time.
MAX_WORDS = 64
_WORD = re.compile(r"[^\W\d_]+|\d{4}")
_FACETS = re.compile(r"[,;\n]")
_PLURALS = (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("shes", "sh"), ("xes", "x"), ("s", ""))
_SUFFIXES = ("ly", "ing", "ed", "ful", "istic", "ism", "ist", "ish", "y", "e")
_DOUBLED = re.compile(r"([bcdfgkmnprtv])\1$")


@dataclass(frozen=True)
class Hit:
    """A text that was found: its number, how well it fits, up to 1 per facet, and which of the words it fits."""

    index: int
    score: float
    words: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """Hits, best first, and words that no text has, with the nearest that one has behind each where there is one."""

    hits: tuple[Hit, ...]
    unknown: dict[str, str]


class WordSearch:
    """An index of texts.

    Args:
        texts: any number of them, in English.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        words = [split_words(text) for text in texts]
        self._counts = [Counter(map(stem, each)) for each in words]
        self._spellings = {stem(word): word for each in words for word in each}
        self._mean_length = sum(map(len, words)) / max(len(words), 1)

    def find(self, text: str) -> Found:
        """Texts that fit at least one word.

        Commas divide `text` into facets, each of which counts alike, however many words it has. So "stormy sea, thick
        strokes" finds texts that have both before texts that have the one or the other.
        """
        totals, fitting = [0.0] * len(self._counts), [list[str]() for _ in self._counts]
        unknown: dict[str, str] = {}
        words_left = MAX_WORDS
        for facet in _FACETS.split(text):
            words = list(dict.fromkeys(split_words(facet)))[:words_left]
            words_left -= len(words)
            scores = [0.0] * len(self._counts)
            for word in words:
                found = self._scores(stem(word))
                if not any(found):
                    unknown[word] = self._nearest(word)
                for index, score in enumerate(found):
                    scores[index] += score
                    if score and word not in fitting[index]:
                        fitting[index].append(word)
            best = max(scores, default=0.0)
            if best:
                totals = [total + score / best for total, score in zip(totals, scores, strict=True)]
        hits = [Hit(index, score, tuple(fitting[index])) for index, score in enumerate(totals) if score]
        return Found(tuple(sorted(hits, key=lambda hit: -hit.score)), unknown)

    def _scores(self, term: str) -> list[float]:
        """How well each text fits a word or, a little less, its synonyms: BM25 with all of them taken for one word."""
        weights = {**dict.fromkeys(_SYNONYMS_OF.get(term, ()), _SYNONYM_WEIGHT), term: 1.0}
        fitting = sum(not weights.keys().isdisjoint(counts) for counts in self._counts)
        rarity = math.log(1 + (len(self._counts) - fitting + 0.5) / (fitting + 0.5))
        return [
            rarity * max(weight * self._frequency(one, counts) for one, weight in weights.items())
            for counts in self._counts
        ]

    def _frequency(self, term: str, counts: Counter[str]) -> float:
        length = 1 - _LENGTH + _LENGTH * counts.total() / self._mean_length
        return counts[term] * (_SATURATION + 1) / (counts[term] + _SATURATION * length)

    def _nearest(self, word: str) -> str:
        known = {
            **{synonym: synonym for synonym in _SYNONYM_WORDS},
            **{each: each for each in self._spellings.values()},
        }
        return next(iter(get_close_matches(word, known, n=1, cutoff=0.75)), "")


def split_words(text: str) -> list[str]:
    """The words that say something, in lower case."""
    words = _WORD.findall(text.lower().replace("'s", ""))
    return [word for word in words if len(word) > 1 and word not in _SAYING_NOTHING]


def stem(word: str) -> str:
    """What related forms of a word have in common: storm of storms, stormy and storming."""
    word = word.replace("our", "or") if len(word) > 4 else word  # colour, color
    for plural, singular in _PLURALS:
        if word.endswith(plural) and not word.endswith(("ss", "us", "is")) and len(word) > 3:
            word = word.removesuffix(plural) + singular
            break
    for suffix in _SUFFIXES:
        rest = word.removesuffix(suffix)
        if rest != word and len(rest) >= 3 and re.search("[aeiouy]", rest):
            word = _DOUBLED.sub(r"\1", rest) if suffix != "e" else rest
    return word


_SAYING_NOTHING = frozenset(word for line in STOP_WORDS for word in line.split())
_SYNONYM_WORDS = frozenset(word for group in SYNONYMS for word in group.split())
_SYNONYMS_OF: dict[str, set[str]] = {}
for _group in SYNONYMS:
    _stems = {stem(word) for word in _group.split()}
    for _stem in _stems:
        _SYNONYMS_OF.setdefault(_stem, set()).update(_stems - {_stem})
