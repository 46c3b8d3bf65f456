"""Section on the architecture: diagram and parameters of each part."""

from swissbert.analysis.architecture import architecture_figure, parts_table
from swissbert.analysis.page import Picture, Section, Table
from swissbert.inference.model import Model


def architecture_section(model: Model) -> Section:
    """Build the section."""
    rows = parts_table(model)
    total = sum(count for *_, count in rows)
    picture = Picture("architecture", architecture_figure(model), "Diagram of the model")
    table = Table("parameters", "Parameters", ["part", "tasks", "parameters"], rows)
    return Section("architecture", "Architecture", f"{total:,} parameters.", [picture, table])
