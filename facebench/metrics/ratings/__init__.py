"""Human ratings of pairs, compared with the distances of many layers at once.

`pairs.RatedPairs` is the entry point. `draws` makes versions of the data without some images or
raters, `raters` computes once what the ratings alone tell, and `permutations` gives chance levels.
"""
