"""What a study asks for: its file, settings, dimensions, grid, and the plan of its runs."""
