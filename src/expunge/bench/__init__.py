"""Bench: every method tuned on the same budget, run with several seeds, audited, and ranked in one table.

A cell is a tuning trial or a final run. It is a job with a folder and a record of its own, so what is done is never
done again, and everything shown (table, leaderboard, picture, page) is derived from the records.
"""
