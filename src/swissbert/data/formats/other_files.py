"""Files that hold no rows of text (spreadsheets, documents, web pages, archives), recognised and refused in one sentence."""

from pathlib import PurePath
from typing import NoReturn

from swissbert.errors import SwissbertError

SPREADSHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers")
DOCUMENTS = (".docx", ".doc", ".odt", ".pages", ".pdf")
PICKLE = "a pickle, which is not read because it may run code; save its table as CSV or Parquet and name that file"
REFUSED = {
    b"\xd0\xcf\x11\xe0": "a file of an office program; save its table as CSV in UTF-8 and name that file",
    b"%PDF": "a PDF document; save its table as CSV in UTF-8 and name that file",
    b"version https://git-lfs": "a pointer of Git LFS and not the data; 'git lfs pull' fetches them",
    b"<!doctype html": "a web page and not the data; download the raw file",
    b"<html": "a web page and not the data; download the raw file",
    b"<?xml": "an XML document; save its table as CSV in UTF-8 and name that file",
    b"ARROW1": "an Arrow or Feather file; save it as Parquet, for instance with pandas.read_feather(...).to_parquet(...)",
    b"\xff\xff\xff\xff": "an Arrow stream, as datasets stores it; save it as Parquet with Dataset.to_parquet(...)",
    b"\x80\x03": PICKLE,
    b"\x80\x04": PICKLE,
    b"\x80\x05": PICKLE,
    b"\x93NUMPY": "a numpy array; save its rows as CSV in UTF-8 and name that file",
    b"\x89HDF": "an HDF5 file; save its table as CSV in UTF-8 and name that file",
    b"7z\xbc\xaf": "a 7z archive; extract it and name the data file in it",
    b"Rar!": "a rar archive; extract it and name the data file in it",
    b"SQLite format 3": "a database; export its table as CSV in UTF-8 and name that file",
}
"""First bytes, in small letters where they are letters, of files that hold no rows, and what they are."""


def refuse_other_files(start: bytes, where: str) -> None:
    """Raise SwissbertError if a file is of a program that does not write rows of text; `start` is its first bytes."""
    ending = PurePath(where).suffix.lower()
    if PurePath(where).stem.endswith(".tar") or ending in (".tar", ".tgz"):
        raise SwissbertError(f"{where}: this is a tar archive; extract it and name the data file in it")
    if ending in (*SPREADSHEETS, *DOCUMENTS) and (start.startswith(b"PK") or not start):
        refuse_document(where, ending)
    for magic, what in REFUSED.items():
        if start[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(magic.lower()):
            if ending in SPREADSHEETS:
                refuse_document(where, ending)
            raise SwissbertError(f"{where}: this is {what}")


def refuse_document(where: str, ending: str = "") -> NoReturn:
    """Raise SwissbertError for a spreadsheet, or for a document by the ending of its name."""
    what = "document" if ending in DOCUMENTS else "spreadsheet"
    raise SwissbertError(
        f"{where}: this is a {what}; save its table as CSV in UTF-8 in the program that wrote it, and name that file"
    )
