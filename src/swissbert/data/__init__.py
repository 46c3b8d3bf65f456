"""From files and hub data sets to packed batches: reader -> tokens -> batches."""
