"""What several tasks share: their tables, labels, designs, distances and result rows.

`labelled_pairs` finds labels and sampling units of genuine and impostor pairs, `line_ups` reads
targets and alternatives, `effect_design` conditions and contrasts, `ratings` people's ratings. The
modules `people…` put participants beside networks, one for each kind of answer. `distance_metric`
computes the distances of all pairs of a layer.
"""
