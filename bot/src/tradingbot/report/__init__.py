"""What a run amounts to: formulas with their sources, and one HTML file that needs nothing else."""
