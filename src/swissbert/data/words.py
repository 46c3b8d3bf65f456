"""Words of a text: lists of words, and the words, numbers and names in a text. Buckets and synthesis rules share them."""

import re


def word_set(text: str) -> set[str]:
    """Return the words of a text that are separated by white space."""
    return set(text.split())


WORD = re.compile(r"\w+(?:['’]\w+)*")
NEGATION = word_set("not no never nothing neither nor none nobody without cannot hardly barely")
STOP_WORDS = word_set(
    "a an the is are was were be been being am do does did doing have has had having i you he she it we they me him her "
    "us them my your his its our their this that these those of in on at to for from by with about as into and or but if "
    "what which who whom whose when where why how can could will would should shall may might must there so than then "
    "not no any some more most very just only own same too s t"
)


def words(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return [word.lower() for word in WORD.findall(text)]


def content_words(text: str) -> set[str]:
    """Return the words of a text that are not stop words."""
    return set(words(text)) - STOP_WORDS


def numbers(text: str) -> set[str]:
    """Return the numbers in digits of a text."""
    return set(re.findall(r"\d+(?:[.,]\d+)*", text))


def names(text: str) -> set[str]:
    """Return capitalised words inside a sentence, most of which are names, in lower case."""
    capitalised = re.findall(r"(?<=[\w,;:] )[A-Z]\w+", text)
    return {name.lower() for name in capitalised if name.lower() not in STOP_WORDS}
