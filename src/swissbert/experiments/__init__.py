"""Reproduction of the paper's tables: declarations, planning, training, records, and tables beside the paper's scores."""
