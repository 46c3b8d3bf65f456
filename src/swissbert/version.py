"""The version, which the package metadata reads from here too."""

__version__ = "0.1.0"
