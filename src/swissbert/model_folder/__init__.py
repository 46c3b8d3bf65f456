"""Model folders: their files, how they are written, found and read, and the Hugging Face hub.

Only names that need no torch are exported here; see the modules `load` and `save` for the rest.
"""

from swissbert.model_folder.description import FORMAT, Description

__all__ = ["FORMAT", "Description"]
