"""Spellings of the same words: contractions, small numbers, and forms by which two texts say word for word the same."""

import re

from swissbert.data.words import words

VERBS = (
    "do",
    "does",
    "did",
    "is",
    "are",
    "was",
    "were",
    "have",
    "has",
    "had",
    "could",
    "should",
    "would",
    "must",
    "need",
)
CONTRACTIONS = {
    "what's": "what is",
    "who's": "who is",
    "where's": "where is",
    "how's": "how is",
    "it's": "it is",
    "i'm": "i am",
    "i've": "i have",
    "i'll": "i will",
    "you're": "you are",
    "you've": "you have",
    "they're": "they are",
    "we're": "we are",
    "can't": "cannot",
    "won't": "will not",
    **{f"{verb}n't": f"{verb} not" for verb in VERBS},
}
"""Short and full forms. ``it's`` and the like stand for ``it is`` here, never for ``it has``."""
NUMBERS = {
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
}
"""Numbers that are often written as words; not ``one``, which is a pronoun too."""
INVERTED = re.compile(r"(?:^|[,;:] )(?:(?:why|how|what|where|when|who|which)(?: \w+){0,2} )?$", re.IGNORECASE)
"""What stands before a verb that comes before its subject: ``why don't people`` has no full form of the same order."""


def canonical(text: str) -> list[str]:
    """Return the words of a text in lower case, with full forms and with small numbers in digits."""
    full = [part for word in words(text.replace("’", "'")) for part in CONTRACTIONS.get(word, word).split()]
    split = [part for word in full for part in (("can", "not") if word == "cannot" else (word,))]
    return [str(NUMBERS.get(word, word)) for word in split]


def with_case_of(model: str, text: str) -> str:
    """Return a text whose first letter is a capital if that of `model` is."""
    return text[0].upper() + text[1:] if model[:1].isupper() else text


def full_forms(text: str) -> str:
    """Write out the contractions of a text, unless they come before their subject."""

    def write_out(match: re.Match[str]) -> str:
        word = match[0].replace("’", "'")
        full = CONTRACTIONS.get(word.lower())
        if word.lower() == "it's":
            return match[0]  # often meant as "its", or "it has"
        if full is None or (word.lower().endswith("n't") and INVERTED.search(text[: match.start()])):
            return match[0]
        return with_case_of(word, "I" + full[1:] if full.startswith("i ") else full)

    return re.sub(r"\b\w+['’]\w+\b", write_out, text)


def contractions(text: str) -> str:
    """Contract ``what is`` and the like at the beginning of a text, and ``do not`` and the like after a subject."""
    text = re.sub(r"^(What|Who|Where) is (?=(?:the|a|an|your|it)\b)", r"\1's ", text)
    text = re.sub(r"\bI am (?=\w)", "I'm ", text)
    return re.sub(
        r"(?<=\w )(is|are|was|were|do|does|did|could|should|would) not (?!to\b)(?=\w)",
        lambda match: f"{match[1]}n't ",
        text,
    )


def numbers_respelled(text: str) -> str:
    """Write small numbers as digits where they are words, and as words where they are digits before a noun."""

    def respell(match: re.Match[str]) -> str:
        word = match[0]
        if not word.isdigit():
            return str(NUMBERS[word.lower()])
        name = next((name for name, number in NUMBERS.items() if str(number) == word), word)
        return with_case_of("A" if match.start() == 0 else "a", name)

    names = "|".join(NUMBERS)
    before, after = r"(?<![\w.,:/$€£%#'-])(?<![A-Z][a-z] )(?<!\w[A-Z] )", r"(?![\w.,:/%'-])"
    return re.sub(rf"{before}(?:(?:{names}){after}|\d+(?= (?-i:[a-z]{{4,}})))", respell, text, flags=re.IGNORECASE)
