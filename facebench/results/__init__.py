"""What a run leaves behind: tables and pictures in a folder.

`run_folder` writes a run and `reader.Run` reads it; `schema` has the columns. Everything else reads
runs: `verdicts` and `methods` for sentences, `compare` and `leaderboard` for several runs,
`saved_figures` for figures, `report` for the page. Nothing here runs a network. Only
`predictors` and `power` compute numbers that the run did not measure.
"""
