"""Pure functions on NumPy arrays: no torch, no pandas, no files."""
