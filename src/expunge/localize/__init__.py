"""Localizers: which weights to change, and where a choice of weights lies."""
