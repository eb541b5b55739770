"""Frequency: how often a fact stood in a corpus, what stands in for that where nobody can count, and strata by it."""
