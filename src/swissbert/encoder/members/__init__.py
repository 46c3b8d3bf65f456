"""Members of the BERT family, one in a file; `swissbert.encoder.family` has the table of them."""
