"""Small helpers that every other package may use.

`files` writes files atomically and locks folders, `suggestions` finds the name that was meant,
and `progress` shows how far a run is.
"""
