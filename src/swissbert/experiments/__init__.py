"""Tables of results, of the paper and of our own: declarations, planning, training, records, Markdown and pages."""
