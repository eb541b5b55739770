"""Worlds: data and models that Expunge makes or chooses itself, with known truth. One folder or file a world.

A world gives its data as a `Suite`, like a public benchmark; models that it makes are built-in model names
(`models/builtin.py`): `world:people@full`.
"""

from expunge.suites import Suites

__all__ = ["worlds"]

worlds = Suites("world", "expunge.worlds")
