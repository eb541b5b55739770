"""Circuits: which parts of a network carry a behaviour, by which logic they act together, and what follows from it.

CLUE, Conflict-guided Localization for LLM Unlearning (Chen et al. 2026, arXiv:2509.20977), from its text. On the way:
graph → contrast → attribution or pruning → sizing → gates → cnf → solve → classes.
"""
