"""Models of many runs in one order: what may be ranked together, and what each row is called.

`selection` finds the runs, `comparability` says which of their tasks measure the same on the same
data, and `entries` names the rows. `facebench.results.leaderboard` is the entry point.
"""
