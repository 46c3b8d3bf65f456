"""Detection of text that cannot be used."""


def unreadable(text: str) -> str | None:
    """Return what makes a text unusable (NUL characters, undecoded bytes, lone surrogates), or None if it is fine."""
    if "\0" in text:
        return "a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        undecoded = "\udc80" <= text[error.start] <= "\udcff"  # "surrogateescape" maps undecodable bytes to this range
        return "bytes that are not UTF-8" if undecoded else "half of a surrogate pair"
    return None
