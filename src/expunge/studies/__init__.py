"""Studies: the experiments of papers, end to end, and the statistics that judge them."""
