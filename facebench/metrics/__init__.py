"""Pure functions on NumPy arrays: no torch, no pandas, no files.

Verification takes ``labels`` (1 genuine, 0 impostor) and ``scores``; of distances, pass
``higher_is_better=False``. NaN is a failed comparison. Start at `verification` and
`identification` for face recognition, at `rsa` and `noise_ceiling` for comparisons with people, at
`choices` and `signal_detection` for experiments. `uncertainty` has intervals and tests, `ratings`
what raters need. Docstrings give the sources of formulas.
"""
