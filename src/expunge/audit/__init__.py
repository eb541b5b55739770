"""Audits: what the numbers of original, unlearned and retrained models say together. Pure arithmetic on findings."""
