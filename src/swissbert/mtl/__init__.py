"""Multitask learning: how task losses become one objective."""
