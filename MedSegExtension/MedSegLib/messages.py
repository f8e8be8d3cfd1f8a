"""Sentences of the engine, and of our own errors, in the person's language.

Errors and warnings are raised in English, because scripts, logs and reports read them too; where the window shows them
they are put into the person's language, by the templates of `messageTexts`. What no template fits stays as it is:
messages of frameworks and about damaged files.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from medseg.errors import MedSegError
from slicer.i18n import tr as _

from .messageTexts import sentences, words

__all__ = ["asSentence", "errorText", "inLanguage", "known"]


@cache
def _words() -> dict[str, str]:
    return dict(zip(words(str), words(_), strict=True))


@cache
def _sentences() -> list[tuple[re.Pattern, str]]:
    """A pattern and the translation of each sentence, those with the most words of their own first."""
    pairs = sorted(
        zip(sentences(str), sentences(_), strict=True), key=lambda pair: -len(re.sub(r"\{\w+\}", "", pair[0]))
    )
    return [(re.compile(_pattern(source), re.DOTALL), translated) for source, translated in pairs]


def _pattern(template: str) -> str:
    """A regular expression for what a template can become."""
    parts = re.split(r"\{(\w+)\}", template)
    return "".join(re.escape(part) if n % 2 == 0 else f"(?P<{part}>.+?)" for n, part in enumerate(parts))


def known(text: str) -> bool:
    """Whether there is a translation for this sentence or word."""
    return text in _words() or any(pattern.fullmatch(text) for pattern, _translated in _sentences())


@lru_cache(maxsize=512)
def inLanguage(text: str) -> str:
    """A sentence (or several, with semicolons between) in the person's language; as it is where it is not known."""
    if text in _words():
        return _words()[text]
    for pattern, translated in _sentences():
        found = pattern.fullmatch(text)
        if found:
            for name, value in found.groupdict().items():
                translated = translated.replace(f"{{{name}}}", inLanguage(value))
            return translated
    if "; " in text:
        return "; ".join(inLanguage(part) for part in text.split("; "))
    return text


def asSentence(text: str) -> str:
    """As `inLanguage`, beginning with a capital."""
    text = inLanguage(text)
    return text[:1].upper() + text[1:]


def errorText(error: MedSegError) -> str:
    """An error's line in the person's language."""
    mend = None if error.mend is None else inLanguage(error.mend)
    what = inLanguage(error.what) if error.file else asSentence(error.what)
    return MedSegError(what, file=error.file, mend=mend).line()
