"""How sure a number is: weights of resamples, intervals, jackknife, permutations, proportions.

Pairs that share an image or a person are not independent, so every interval here is over images,
people or raters. Functions take arrays and return arrays or small records; higher-level reports
in `facebench.metrics` call them.
"""
